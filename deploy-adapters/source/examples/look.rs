//! What detection says about directories, and how long looking took:
//! `cargo run --release -p deploy-source --example look -- DIRECTORY...`

use std::time::Instant;

use deploy_core::detect::Detected;
use deploy_core::evidence::Evidence;
use deploy_core::port::{Detector, Sources};
use deploy_core::spec::{Profile, Source};
use deploy_detect::Catalogue;
use deploy_source::SourceReader;

#[tokio::main]
async fn main() {
    let (sources, catalogue, profile) = (SourceReader::default(), Catalogue::new(), Profile::default());
    for path in std::env::args().skip(1) {
        let started = Instant::now();
        let mut opened = match sources.open(&Source::Directory { path: path.clone() }, &profile).await {
            Ok(opened) => opened,
            Err(reasons) => {
                reasons.iter().for_each(|reason| println!("{path}: {}", reason.message));
                continue;
            }
        };
        let mut evidence = Evidence { commit: opened.commit(), ..Evidence::default() };
        let mut rounds = 0;
        let detection = loop {
            rounds += 1;
            match catalogue.detect(&evidence, &profile) {
                Detected::Done(detection) => break detection,
                Detected::Needs(asks) => {
                    println!("  {asks:?}");
                    if let Err(reasons) = opened.look(&asks, &mut evidence).await {
                        return reasons.iter().for_each(|reason| println!("{path}: {}", reason.message));
                    }
                }
            }
        };
        println!("{path}: {rounds} rounds in {:?}", started.elapsed());
        println!("{detection:#?}");
    }
}
