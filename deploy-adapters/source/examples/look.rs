//! What detection says about directories, and how long looking took:
//! `cargo run --release -p deploy-source --example look -- DIRECTORY...`

use std::time::Instant;

use deploy_core::port::{Detector, Sources};
use deploy_core::spec::{Profile, Source};
use deploy_detect::Catalogue;
use deploy_source::Directories;

#[tokio::main]
async fn main() {
    let (sources, catalogue, profile) = (Directories::default(), Catalogue::new(), Profile::default());
    for path in std::env::args().skip(1) {
        let started = Instant::now();
        let found =
            sources.read(&Source::Directory { path: path.clone() }, &profile, catalogue.wanted()).await;
        let (read, started) = (started.elapsed(), Instant::now());
        match found {
            Ok(evidence) => {
                let detection = catalogue.detect(&evidence, &profile);
                let judged = started.elapsed();
                println!("{path}: {} files, read in {read:?}, judged in {judged:?}", evidence.files.len());
                let directory = detection.publish_directory.map(|found| found.value);
                println!("  {:?} publishes {directory:?}, commit {:?}", detection.planner, detection.commit);
                evidence.omitted.iter().for_each(|omitted| println!("  omitted: {omitted}"));
                for (kind, reasons) in [("blocked", detection.blocked), ("warning", detection.warnings)] {
                    for reason in reasons {
                        println!("  {kind}: {}: {}", reason.code.code(), reason.message);
                        let lines =
                            reason.fix.iter().chain(&reason.overrides).filter_map(|fix| fix.set.as_deref());
                        lines.for_each(|line| println!("    {line}"));
                    }
                }
            }
            Err(reasons) => reasons.iter().for_each(|reason| println!("{path}: {}", reason.message)),
        }
    }
}
