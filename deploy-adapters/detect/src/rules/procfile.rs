//! `Procfile`: what processes a project has, said by the project itself.

use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::reason::ReasonCode;

use crate::development;
use crate::ports::{self, Port};
use crate::reasons::{dev_server, port_guessed};
use crate::rule::Scene;

/// The name of the file.
pub(crate) const PROCFILE: &str = "Procfile";

/// One line of a Procfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// `web`, `worker`, `release`.
    pub(crate) name: String,
    /// Its command, as it is written.
    pub(crate) command: String,
}

/// The processes of the Procfile, in its order.
pub(crate) fn processes(scene: &Scene<'_>) -> Vec<Process> {
    scene.text(PROCFILE).map(parse).unwrap_or_default()
}

/// The process that is deployed: `web`, else `worker`, else the first that is no release task.
pub(crate) fn main_process(scene: &Scene<'_>) -> Option<Found<Process>> {
    let processes = processes(scene);
    let named = |name: &str| processes.iter().find(|process| process.name == name);
    let first = || processes.iter().find(|process| process.name != "release");
    let process = named("web").or_else(|| named("worker")).or_else(first)?;
    Some(scene.found(process.clone(), PROCFILE, format!("says how {} is started", process.name)))
}

/// What was found, started as the Procfile says: whoever wrote one meant it.
pub(crate) fn over(scene: &Scene<'_>, detection: Detection) -> Detection {
    // Several apps, or pages alone, have no use for it.
    if detection.planner == "workspace" || detection.planner == "static-html" {
        return detection;
    }
    let Some(Found { value: process, evidence }) = main_process(scene) else { return detection };
    // A server that only Heroku has; the rule for PHP read its document root.
    if process.command.contains("heroku-php-") && detection.start.is_some() {
        return detection;
    }
    let mut warnings = detection.warnings;
    warnings.retain(|reason| reason.code != ReasonCode::DevServerAsStart);
    if let Some(what) = development::command(&process.command) {
        warnings.push(dev_server(evidence.clone(), &process.command, what));
    }
    let kind = if process.name == "web" { ProjectKind::Server } else { ProjectKind::Worker };
    let mut blocked = detection.blocked;
    let answered = [ReasonCode::StartUnknown, ReasonCode::OutputUnknown, ReasonCode::UnsupportedProject];
    blocked.retain(|reason| !answered.contains(&reason.code));
    let mut environment = detection.environment;
    let mut internal_port = detection.internal_port.filter(|_| kind == ProjectKind::Server);
    if kind == ProjectKind::Server {
        let port = match ports::of_command(&process.command) {
            Some(Port::Fixed(port)) => Some(port),
            Some(Port::Variable(default)) => {
                let port = default.or(internal_port.as_ref().map(|found| found.value)).unwrap_or(8080);
                environment.insert("PORT".to_owned(), port.to_string());
                Some(port)
            }
            None => None,
        };
        if port.is_none() && internal_port.is_none() {
            // Whoever runs a Procfile tells its web process through PORT where to listen.
            environment.insert("PORT".to_owned(), "8080".to_owned());
            warnings.push(port_guessed(8080, "web processes listen where PORT says, which is set to it"));
            internal_port =
                Some(scene.found(8080, PROCFILE, "web listens where PORT says, which is set to 8080"));
        }
        if let Some(port) = port {
            warnings.retain(|reason| reason.code != ReasonCode::PortGuessed);
            internal_port =
                Some(scene.found(port, PROCFILE, format!("the process {} listens on {port}", process.name)));
        }
    }
    Detection {
        kind,
        start: Some(Found { value: process.command, evidence }),
        publish_directory: None,
        fallback: None,
        internal_port,
        environment,
        blocked,
        warnings,
        ..detection
    }
}

fn parse(text: &str) -> Vec<Process> {
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !name.is_empty() && name.chars().all(plain)
    };
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let processes = lines.map(|(name, command)| (name.trim(), command.trim()));
    processes
        .filter(|(name, command)| is_name(name) && !command.is_empty())
        .map(|(name, command)| Process { name: name.to_owned(), command: command.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_processes() {
        let text = "# web: nothing\r\nrelease: ./migrate\nweb:  gunicorn app:app --bind :$PORT \n\nbad line\n: x\nempty:\n";
        let found: Vec<(String, String)> = parse(text).into_iter().map(|p| (p.name, p.command)).collect();
        let expected = [("release", "./migrate"), ("web", "gunicorn app:app --bind :$PORT")];
        assert_eq!(found, expected.map(|(name, command)| (name.to_owned(), command.to_owned())));
    }
}
