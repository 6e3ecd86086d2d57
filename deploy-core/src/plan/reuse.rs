//! What need not be made again: when two plans make the same thing, and what a target has of it already.

use serde::{Deserialize, Serialize};

use super::compose::{Artifact, CommandKind, Outline};
use crate::evidence::Fact;
use crate::id::{Digest, StepId};

/// Something that is taken as it is instead of being made again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reuse {
    /// The step that has less to do.
    pub step: StepId,
    /// What is taken, as a sentence without its end.
    pub what: String,
    /// What shows that it is the same.
    pub evidence: Vec<Fact>,
}

/// All that what is made depends on, as far as a plan knows it.
#[derive(Serialize)]
struct Inputs<'a> {
    target: &'a str,
    source: (&'a str, &'a str, Option<&'a str>),
    detection: &'a crate::detect::Detection,
    artifact: Option<Artifact>,
    commands: Vec<(CommandKind, &'a str)>,
    internal_port: Option<u16>,
    source_profile: &'a crate::spec::SourceProfile,
    runtime: &'a crate::spec::RuntimeProfile,
    env: &'a std::collections::BTreeMap<String, String>,
}

impl Outline {
    /// What identifies the thing that this plan makes: two plans of one resource with the same value make the same.
    ///
    /// `None` where that can't be known beforehand: a directory may change at any moment, and a secret that the
    /// build reads may have another value today. And where somebody wants it to be made again.
    #[must_use]
    pub fn inputs(&self) -> Option<Digest> {
        let content = match self.source.kind.as_str() {
            "git" => self.source.commit.as_deref()?,
            "archive" => self.source.digest.as_ref()?.as_str(),
            _ => return None,
        };
        let secret = self.profile.secrets.values().any(|secret| secret.build);
        if secret || self.profile.runtime.rebuild == Some(true) {
            return None;
        }
        let inputs = Inputs {
            target: self.target.as_str(),
            source: (&self.source.kind, content, self.source.base_directory.as_deref()),
            detection: &self.detection,
            artifact: self.artifact.as_ref().map(|artifact| Artifact { digest: None, ..artifact.clone() }),
            commands: self.commands.iter().map(|command| (command.kind, command.command.as_str())).collect(),
            internal_port: self.network.internal_port,
            source_profile: &self.profile.source,
            runtime: &self.profile.runtime,
            env: &self.profile.env,
        };
        let bytes = serde_json::to_vec(&inputs)
            .expect("every key is a string and every value a number, text or list");
        Some(Digest::of(&bytes))
    }

    /// What shows that something made from the same inputs is the same, for [`Reuse::evidence`].
    #[must_use]
    pub fn same_inputs(&self) -> Fact {
        let content =
            self.source.commit.clone().or_else(|| self.source.digest.as_ref().map(ToString::to_string));
        Fact::new("source", format!("{}, and the same plan", content.unwrap_or_default()))
    }
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use super::*;
    use crate::spec::{Approval, SecretRef, Source, Spec};
    use crate::testkit::samples;

    /// A plan of a source whose content is known.
    fn plan() -> Outline {
        let mut outline =
            samples::plan_for(&samples::spec(Approval::Automatic), Vec::new()).outline().clone();
        outline.source.kind = "git".to_owned();
        outline.source.commit = Some("3c9e1d2".to_owned());
        outline
    }

    #[test]
    fn what_is_made_depends_on_every_one_of_its_inputs() {
        let inputs = plan().inputs();
        assert!(inputs.is_some());
        assert_eq!(inputs, plan().inputs());
        type Change = fn(&mut Outline);
        let changes: [(&str, Change); 8] = [
            ("commit", |plan| plan.source.commit = Some("3c9e1d3".to_owned())),
            ("directory", |plan| plan.source.base_directory = Some("apps/web".to_owned())),
            ("target", |plan| plan.target = "docker".parse().expect("a name")),
            ("variable", |plan| drop(plan.profile.env.insert("A".to_owned(), "b".to_owned()))),
            ("build", |plan| plan.profile.runtime.build = Some("make".to_owned())),
            ("argument", |plan| drop(plan.profile.runtime.build_args.insert("A".to_owned(), "b".to_owned()))),
            ("port", |plan| plan.network.internal_port = Some(4_711)),
            ("detection", |plan| plan.detection.framework = Some("astro".to_owned())),
        ];
        for (what, change) in changes {
            let mut other = plan();
            change(&mut other);
            assert_ne!(other.inputs(), inputs, "another {what} makes something else");
        }
        // What is served under which name, and how it is checked, changes nothing about what is made.
        let mut elsewhere = plan();
        elsewhere.access.host = "other.localhost".to_owned();
        elsewhere.policy.keep = 9;
        assert_eq!(elsewhere.inputs(), inputs);
    }

    #[test]
    fn what_can_t_be_known_beforehand_is_never_taken_for_the_same() {
        let directory = Source::Directory { path: "/srv/web".to_owned() };
        let spec = Spec { source: directory, ..samples::spec(Approval::Automatic) };
        assert_eq!(samples::plan_for(&spec, Vec::new()).outline().inputs(), None);
        let mut secret = plan();
        let reference = |build| SecretRef { env: "TOKEN".to_owned(), build, file: false };
        secret.profile.secrets.insert("TOKEN".to_owned(), reference(false));
        assert_eq!(secret.inputs(), plan().inputs(), "one that only the release reads is in no image");
        secret.profile.secrets.insert("TOKEN".to_owned(), reference(true));
        assert_eq!(secret.inputs(), None);
        let mut anew = plan();
        anew.profile.runtime.rebuild = Some(true);
        assert_eq!(anew.inputs(), None);
        let mut unknown = plan();
        unknown.source.commit = None;
        assert_eq!(unknown.inputs(), None);
    }
}
