//! What holds for a program in any language: the Procfile, the port, the health path, development servers.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use super::listen::{self, Listening};
use crate::development;
use crate::ports::{self, Port};
use crate::reasons::{dev_server, line, listed, port_guessed, with_fixes};
use crate::rule::Scene;
use crate::rules::procfile::main_process;

/// Where a generated image keeps the source.
pub(super) const APP: &str = "/app";

/// The port for programs that take any.
const ANY_PORT: u16 = 8080;

/// How many of a program's own sources are read for its port and its health path.
const SOURCES_READ: usize = 8;

/// A program that was recognised.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// Everything that its manifests say.
    pub(super) detection: Detection,
    /// Where such programs listen when nothing says otherwise, and the sentence that says so.
    pub(super) usual_port: Option<(u16, &'static str)>,
    /// Its own sources that may name the port and the health path, most telling first.
    pub(super) sources: Vec<String>,
}

impl Program {
    /// A program with its language, planner and first evidence.
    pub(super) fn new(language: &str, evidence: Fact) -> Self {
        let detection = Detection {
            planner: language.to_owned(),
            language: Some(language.to_owned()),
            support_tier: SupportTier::Full,
            evidence: vec![evidence],
            ..Detection::default()
        };
        Self { detection, ..Self::default() }
    }

    /// Names the framework, with what shows it.
    pub(super) fn framework(&mut self, name: &str, evidence: Fact) {
        name.clone_into(&mut self.detection.planner);
        self.detection.framework = Some(name.to_owned());
        self.detection.evidence.push(evidence);
    }

    /// Sets a plain variable of the build and the release.
    pub(super) fn variable(&mut self, name: &str, value: impl Into<String>) {
        self.detection.environment.insert(name.to_owned(), value.into());
    }

    /// The plan, with what the Procfile and the program's own sources say.
    pub(super) fn plan(mut self, scene: &Scene<'_>) -> Detection {
        self.follow_procfile(scene);
        if self.detection.start.is_none() {
            self.detection.support_tier = SupportTier::Custom;
        }
        self.warn_of_development_server();
        if self.detection.kind == ProjectKind::Server {
            self.find_port(scene);
            self.find_health(scene);
        }
        self.detection
    }

    /// The project says itself how it is started; that is worth more than what usually starts such projects.
    fn follow_procfile(&mut self, scene: &Scene<'_>) {
        let Some(found) = main_process(scene) else { return };
        self.detection.kind = match found.value.name.as_str() {
            "web" => ProjectKind::Server,
            _ => ProjectKind::Worker,
        };
        self.detection.evidence.push(found.evidence.clone());
        self.detection.blocked.retain(|reason| reason.code != ReasonCode::StartUnknown);
        // What another command needs of the build is not known.
        let same = self.detection.start.as_ref().is_some_and(|start| start.value == found.value.command);
        if !same {
            self.detection.runtime_files.clear();
        }
        // What builds at every start needs what builds.
        if development::needs_toolchain(&found.value.command) {
            self.detection.runtime_image = None;
        }
        self.detection.start = Some(Found { value: found.value.command, evidence: found.evidence });
    }

    fn warn_of_development_server(&mut self) {
        let Some(start) = &self.detection.start else { return };
        if let Some(what) = development::command(&start.value) {
            self.detection.warnings.push(dev_server(start.evidence.clone(), &start.value, what));
        }
    }

    fn find_port(&mut self, scene: &Scene<'_>) {
        let start = self.detection.start.as_ref();
        let said = start.and_then(|start| Some((ports::of_command(&start.value)?, start.evidence.clone())));
        let usual = self.usual_port;
        let or_usual = |port: Option<u16>| port.or(usual.map(|(port, _)| port)).unwrap_or(ANY_PORT);
        let port = match said {
            Some((Port::Fixed(port), fact)) => {
                Found { value: port, evidence: Fact::new(fact.file, format!("is started on port {port}")) }
            }
            Some((Port::Variable(port), fact)) => Found {
                value: or_usual(port),
                evidence: Fact::new(fact.file, "is started on the port that PORT names"),
            },
            None => match (self.listening(scene), usual) {
                (Some(Found { value: Listening::Port(port), evidence }), _) => {
                    Found { value: port, evidence }
                }
                (Some(Found { value: Listening::Variable(port), evidence }), _) => {
                    Found { value: or_usual(port), evidence }
                }
                (None, Some((port, why))) => Found { value: port, evidence: self.first_fact(why) },
                (None, None) => {
                    self.detection.warnings.push(port_guessed(ANY_PORT, "nothing in the source names one"));
                    Found { value: ANY_PORT, evidence: self.first_fact("nothing names its port") }
                }
            },
        };
        let explicit = scene.profile().network.internal_port;
        self.variable("PORT", explicit.unwrap_or(port.value).to_string());
        self.detection.internal_port = Some(port);
    }

    fn first_fact(&self, fact: &str) -> Fact {
        let file = self.detection.evidence.first().map_or(".", |fact| fact.file.as_str());
        Fact::new(file, fact)
    }

    fn texts<'s>(&self, scene: &Scene<'s>) -> Vec<(&str, &'s str)> {
        let sources = self.sources.iter().take(SOURCES_READ);
        sources.filter_map(|file| Some((file.as_str(), scene.text(file)?))).collect()
    }

    fn listening(&self, scene: &Scene<'_>) -> Option<Found<Listening>> {
        self.texts(scene).into_iter().find_map(|(file, text)| {
            let listening = listen::port(text)?;
            Some(scene.found(listening, file, listening.sentence()))
        })
    }

    fn find_health(&mut self, scene: &Scene<'_>) {
        if self.detection.health_path.is_some() {
            return;
        }
        let found = self.texts(scene).into_iter().find_map(|(file, text)| {
            let path = listen::health(text)?;
            Some(scene.found(path.to_owned(), file, format!("answers {path}")))
        });
        self.detection.health_path = found;
    }
}

/// It is a program, but nothing says how it is run: what was looked for, and a line to write.
pub(super) fn start_unknown(evidence: Fact, message: String, suggestion: &str) -> Reason {
    let mut reason = Reason::new(ReasonCode::StartUnknown, message);
    reason.evidence.push(evidence);
    with_fixes(reason, vec![("say how it is started".to_owned(), line("runtime.start", suggestion))])
}

/// Several programs could be meant: each with the line that chooses it.
pub(super) fn several_starts(file: &str, what: &str, choices: &[(String, String)]) -> Reason {
    let names: Vec<&str> = choices.iter().map(|(name, _)| name.as_str()).collect();
    let message = format!("there are several {what}: {}", listed(&names));
    let reason = Reason::new(ReasonCode::StartUnknown, message).because(file, format!("several {what}"));
    let fixes = choices.iter().map(|(name, start)| (format!("start {name}"), line("runtime.start", start)));
    with_fixes(reason, fixes.collect())
}
