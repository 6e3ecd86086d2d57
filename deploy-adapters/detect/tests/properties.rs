//! What holds for any evidence and any profile.

use deploy_core::evidence::Evidence;
use deploy_core::port::Detector;
use deploy_core::spec::{Profile, Strategy as Runtime};
use deploy_detect::Catalogue;
use proptest::prelude::*;

/// Paths that rules look for, and paths that nobody does.
fn path() -> impl Strategy<Value = String> {
    let known: Vec<String> = Catalogue::new().wanted().iter().map(|&name| name.to_owned()).collect();
    prop_oneof![
        3 => proptest::sample::select(known),
        1 => "(a|dist|public|\\.\\.|é){1}(/[a-zé.]{0,6}){0,3}",
        1 => any::<String>(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "\"scripts\":",
        "{\"dependencies\":{\"vite\":1}}",
        "<script ",
        "src=",
        "'",
        "\"",
        ">",
        "<link rel=",
        "---\n",
        "{{",
        "%}",
        "<body",
        "é",
        "outDir:",
        "baseURL",
        "<!--",
        "-->",
        ".tsx",
        "</head>",
        "\u{feff}",
        "<style",
    ];
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let files = proptest::collection::btree_map(path(), (any::<u64>(), proptest::option::of(text())), 0..12);
    (files, proptest::collection::vec(any::<String>(), 0..3)).prop_map(|(files, omitted)| Evidence {
        texts: files.iter().filter_map(|(path, (_, text))| Some((path.clone(), text.clone()?))).collect(),
        files: files.into_iter().map(|(path, (size, _))| (path, size)).collect(),
        omitted,
        commit: None,
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    let directory = prop_oneof![Just("dist".to_owned()), Just(".".to_owned()), any::<String>()];
    const STRATEGIES: &[Runtime] = &[Runtime::Auto, Runtime::Static, Runtime::Dockerfile, Runtime::Commands];
    let fields = (
        proptest::option::of(directory),
        proptest::option::of(any::<String>()),
        proptest::sample::select(STRATEGIES),
    );
    fields.prop_map(|(publish_directory, build, strategy)| {
        let mut profile = Profile::default();
        profile.runtime.publish_directory = publish_directory;
        profile.runtime.build = build;
        profile.runtime.strategy = strategy;
        profile
    })
}

proptest! {
    #[test]
    fn detection_is_total_and_deterministic(evidence in evidence(), profile in profile()) {
        let catalogue = Catalogue::new();
        let first = catalogue.detect(&evidence, &profile);
        let again = Catalogue::default().detect(&evidence.clone(), &profile.clone());
        prop_assert_eq!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&again).unwrap());

        let open = matches!(profile.runtime.strategy, Runtime::Auto | Runtime::Static);
        prop_assert!(!open || !first.blocked.is_empty() || first.publish_directory.is_some());
        if let Some(found) = &first.publish_directory {
            let inside = deploy_detect::path::Inside::parse(&found.value);
            prop_assert_eq!(inside.map(|inside| inside.shown().to_owned()), Ok(found.value.clone()));
        }
        for reason in first.blocked.iter().chain(&first.warnings) {
            prop_assert!(!reason.message.is_empty() && !reason.fix.is_empty());
        }
    }
}
