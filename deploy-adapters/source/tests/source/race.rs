//! A component that is swapped for a link between two looks never leads out (threat F08).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{base, source, tree};
use deploy_core::cancel::Cancel;
use deploy_core::evidence::{Ask, Evidence, Text};
use deploy_core::port::{Layout, Sources};
use deploy_source::SourceReader;

/// How often it is tried; each try makes several system calls, each of which can lose the race.
const TRIES: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn threat_f08_a_swapped_component_never_leads_out() {
    let outside = tree(&[("web/index.html", "secret")]);
    let top = tree(&[("apps/web/index.html", "public")]);
    let workspace = tree(&[]);
    let (apps, aside, out) = (top.path().join("apps"), top.path().join("aside"), outside.path().to_owned());
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&apps, &aside).unwrap();
                symlink(&out, &apps).unwrap();
                fs::remove_file(&apps).unwrap();
                fs::rename(&aside, &apps).unwrap();
                // Long enough for the right side to be seen now and then, too.
                std::thread::sleep(Duration::from_micros(50));
            }
        })
    };

    let (sources, source, profile) = (SourceReader::default(), source(top.path()), base("apps/web"));
    let (mut seen, mut copied, cancel) = (0, 0, Cancel::new());
    for _ in 0..TRIES {
        let ask = BTreeSet::from([Ask::Read("apps/web/index.html".to_owned())]);
        let mut evidence = Evidence::default();
        if let Ok(mut opened) = sources.open(&source, &profile).await {
            opened.look(&ask, &mut evidence).await.unwrap();
        }
        if let Some(Text::Whole(text)) = evidence.texts.get("apps/web/index.html") {
            assert_eq!(text, "public");
            seen += 1;
        }
        let copy = sources.checkout(&source, &profile, Layout::Workspace, workspace.path(), &cancel).await;
        if let Some(text) = copy.ok().and_then(|path| fs::read_to_string(path.join("index.html")).ok()) {
            assert_eq!(text, "public");
            copied += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(seen > 0 && copied > 0, "the right side was never seen: {seen}, {copied}");
}
