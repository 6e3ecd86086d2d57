//! Archives with bytes changed, cut off or repeated: unpacked inside, or refused, whatever they say.
//!
//! A corpus with a fixed seed, on the stable toolchain; `PROPTEST_CASES` makes it longer.

use std::fs;

use deploy_core::port::Sources;
use deploy_core::reason::ReasonCode;
use deploy_core::source::Source;
use deploy_core::spec::Profile;
use deploy_source::{Limits, SourceReader};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::archive::samples;
use crate::common::{snapshot, tree};

/// What becomes of an archive: bytes set, then a part cut out or repeated.
type Damage = (Vec<(Index, u8)>, Option<(Index, Index, bool)>);

fn damaged(mut bytes: Vec<u8>, (set, part): &Damage) -> Vec<u8> {
    for (at, byte) in set {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some((a, b, repeat)) = part {
        let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
        let (from, to) = (a.min(b), a.max(b));
        let cut = bytes[from..to].to_vec();
        match repeat {
            true => drop(bytes.splice(from..from, cut)),
            false => drop(bytes.drain(from..to)),
        }
    }
    bytes
}

#[test]
fn threat_f07_any_damaged_archive_stays_inside_or_is_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (top, outside) = (tree(&[]), tree(&[("file", "untouched")]));
    let before = snapshot(outside.path());
    let limits = Limits { entries: 1_000, copy_bytes: 1 << 20, ..Limits::default() };
    let reader = SourceReader::new(limits);
    let samples = samples(outside.path());
    let byte = prop_oneof![any::<u8>(), Just(b'.'), Just(b'/'), Just(0), Just(b'5'), Just(b'2'), Just(b'1')];
    let set = proptest::collection::vec((any::<Index>(), byte), 0..6);
    let part = proptest::option::weighted(0.3, (any::<Index>(), any::<Index>(), any::<bool>()));
    let cases = (0..samples.len(), (set, part));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let mut refusals = 0;
    let ran = runner.run(&cases, |(sample, damage)| {
        let path = top.path().join("any");
        fs::write(&path, damaged(samples[sample].clone(), &damage)).unwrap();
        let source = Source::Archive { path: path.to_str().unwrap().to_owned(), digest: None };
        let answer = runtime.block_on(reader.open(&source, &Profile::default())).map(|_| ());
        let known = [ReasonCode::ArchiveInvalid, ReasonCode::UnsafeArchiveEntry, ReasonCode::ArchiveTooLarge];
        if let Err(reasons) = answer {
            prop_assert!(reasons.iter().all(|reason| known.contains(&reason.code)), "{:?}", reasons);
        }
        Ok(())
    });
    ran.unwrap();
    for sample in samples {
        let path = top.path().join("whole");
        fs::write(&path, sample).unwrap();
        let source = Source::Archive { path: path.to_str().unwrap().to_owned(), digest: None };
        refusals += usize::from(runtime.block_on(reader.open(&source, &Profile::default())).is_err());
    }
    assert!(refusals > 0, "some of the samples are dangerous to begin with");
    assert_eq!(snapshot(outside.path()), before);
}
