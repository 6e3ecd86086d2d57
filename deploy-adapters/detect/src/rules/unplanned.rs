//! Projects that are recognised but not planned yet: what was found, and the lines that make them deployable.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::Fact;
use deploy_core::reason::{Fix, Reason, ReasonCode};

use crate::reasons::{line, listed, publish_line, with_fixes};
use crate::rule::Scene;
use crate::rules::static_html;

/// A recognised project.
#[derive(Debug, Default)]
pub(super) struct Unplanned<'a> {
    /// The planner that will take it one day: `vite-static`.
    pub(super) planner: &'a str,
    /// What it is, for people: `a Vite project`.
    pub(super) what: String,
    pub(super) language: Option<&'a str>,
    pub(super) framework: Option<&'a str>,
    pub(super) package_manager: Option<&'a str>,
    pub(super) kind: ProjectKind,
    /// What shows it; the first is named in the message.
    pub(super) evidence: Vec<Fact>,
    /// The usual install and build commands.
    pub(super) install: Option<&'a str>,
    pub(super) build: Option<String>,
    /// Where the build puts its result.
    pub(super) output: Option<Found<String>>,
}

impl Unplanned<'_> {
    /// The detection that blocks, with everything that was recognised.
    pub(super) fn into_detection(self, scene: &Scene<'_>) -> Detection {
        let reason = self.reason(scene);
        Detection {
            planner: self.planner.to_owned(),
            language: self.language.map(str::to_owned),
            framework: self.framework.map(str::to_owned),
            package_manager: self.package_manager.map(str::to_owned),
            kind: self.kind,
            support_tier: SupportTier::Custom,
            evidence: self.evidence,
            publish_directory: self.output,
            blocked: vec![reason],
            ..Detection::default()
        }
    }

    fn reason(&self, scene: &Scene<'_>) -> Reason {
        let files: Vec<&str> = self.evidence.iter().map(|fact| fact.file.as_str()).collect();
        let needs = match self.kind {
            ProjectKind::Static | ProjectKind::Unknown => "it has to be built before it can be served",
            ProjectKind::Server | ProjectKind::Worker => "a program can't be served as a static site",
        };
        let message = format!("this is {} ({}); {needs}", self.what, listed(&files));
        let mut reason = Reason::new(ReasonCode::UnsupportedProject, message);
        reason.evidence.clone_from(&self.evidence);
        let mut fixes = Vec::new();
        if let Some(install) = self.install {
            fixes.push(("install its dependencies".to_owned(), line("runtime.install", install)));
        }
        let how = match self.kind {
            ProjectKind::Static | ProjectKind::Unknown => "say how the site is built",
            ProjectKind::Server | ProjectKind::Worker => "if a command makes a static site of it, say which",
        };
        fixes.push((how.to_owned(), line("runtime.build", self.build.as_deref().unwrap_or("make"))));
        let output = self.output.as_ref().map_or("dist", |output| output.value.as_str());
        fixes.push(("say where the build puts it".to_owned(), publish_line(output)));
        reason.overrides = as_it_is(scene);
        with_fixes(Reason { fix: Vec::new(), ..reason }, fixes)
    }
}

/// Finished pages that are there already can be published without building anything.
fn as_it_is(scene: &Scene<'_>) -> Vec<Fix> {
    let directories = static_html::finished(scene).into_iter();
    directories
        .map(|directory| Fix {
            label: format!("publish {directory} as it is, without a build"),
            set: Some(publish_line(directory)),
            command: None,
        })
        .collect()
}
