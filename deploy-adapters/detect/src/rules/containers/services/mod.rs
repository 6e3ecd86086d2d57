//! Reading the services of a Compose file as they are carried out: what is on the list, and a reason for everything
//! that is not. Nothing of this machine is in what comes of it, neither its environment nor its files.

mod mounts;
mod refusals;
mod service;
mod values;

use std::collections::BTreeMap;

use deploy_core::project::{Condition, ExpandError, Role, Service, expand, in_order};
use deploy_core::reason::{Reason, ReasonCode};
use serde_json::Value;

use super::compose::Compose;
use super::single_writer;
use crate::manifest::Values;
use crate::reasons::listed;
use crate::rule::Scene;

/// The most services that a project may have.
const SERVICES_MAX: usize = 50;

/// What is read, and what speaks against it.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Empty while something stands in the way.
    pub(super) services: Vec<Service>,
    pub(super) blocked: Vec<Reason>,
    pub(super) warnings: Vec<Reason>,
}

/// Reads every service that is started with `web`.
pub(super) fn read(scene: &Scene<'_>, compose: &Compose, web: &str) -> Read {
    let reader = Reader { scene, file: &compose.file };
    let mut read = Read::default();
    reader.top(&compose.content, &mut read);
    let wanted = compose.services.iter().filter(|service| !service.optional || service.name == web);
    let mut services: Vec<Service> = wanted
        .map(|known| {
            let definition = compose.content.at(&["services", &known.name]);
            let role = if known.name == web { Role::Web } else { Role::Replaced };
            let mut service = reader.service(&known.name, role, definition, &mut read);
            let keeps = service.volumes.iter().any(|volume| !volume.read_only);
            if role == Role::Replaced && service.build.is_none() && (keeps || known.is_backing()) {
                service.role = Role::Stays;
            }
            service
        })
        .collect();
    jobs(&mut services);
    reader.together(&services, &compose.content, &mut read);
    if read.blocked.is_empty() {
        read.services = services;
    }
    read
}

/// What others wait for to end is a job.
fn jobs(services: &mut [Service]) {
    let waits = |service: &Service| {
        let completed = |(name, condition): (&String, &Condition)| {
            (*condition == Condition::Completed).then(|| name.clone())
        };
        service.depends_on.iter().filter_map(completed).collect::<Vec<_>>()
    };
    let awaited: Vec<String> = services.iter().flat_map(waits).collect();
    for service in services {
        if awaited.contains(&service.name) && service.role != Role::Web {
            service.role = Role::Job;
        }
    }
}

/// Reads one file.
struct Reader<'a> {
    scene: &'a Scene<'a>,
    file: &'a str,
}

impl Reader<'_> {
    fn refuse(&self, subject: &str, what: &str, fix: Option<&str>) -> Reason {
        let fact = self.scene.fact(self.file, format!("{subject} {what}"));
        let message = format!("{}: {subject} {what}", fact.file);
        let mut reason = Reason::new(ReasonCode::ComposeDirective, message).because(fact.file, fact.fact);
        if let (Some(fix), Some(first)) = (fix, reason.fix.first_mut()) {
            fix.clone_into(&mut first.label);
        }
        reason
    }

    fn dropped(&self, subject: &str, what: &str) -> Reason {
        let fact = self.scene.fact(self.file, format!("{subject} {what}"));
        let message = format!("{}: {subject} {what}", fact.file);
        Reason::new(ReasonCode::ComposeDropped, message).because(fact.file, fact.fact)
    }

    fn unset(&self, subject: &str, error: &ExpandError) -> Reason {
        let fact = self.scene.fact(self.file, format!("{subject}: {error}"));
        let reason = Reason::new(ReasonCode::ComposeVariable, format!("{}: {subject}: {error}", fact.file));
        let reason = reason.because(fact.file, fact.fact);
        match error {
            ExpandError::Unset { name, .. } => reason
                .set("if everybody may see it", format!("env.{name} = \"…\""))
                .set("if nobody may see it", format!("secrets.{name} = {{ env = \"{name}\" }}")),
            ExpandError::Malformed(_) => reason,
        }
    }

    /// A value outside of an environment: what stands in a plan can't hold a secret.
    fn expand(&self, subject: &str, text: &str, read: &mut Read) -> Option<String> {
        let profile = self.scene.profile();
        match expand(text, &|name| profile.env.get(name).cloned()) {
            Ok(text) => Some(text),
            Err(ExpandError::Unset { name, .. }) if profile.secrets.contains_key(&name) => {
                let what = format!("refers to the secret {name}, which only an environment may hold");
                read.blocked.push(self.refuse(subject, &what, None));
                None
            }
            Err(error) => {
                read.blocked.push(self.unset(subject, &error));
                None
            }
        }
    }

    /// What stands beside the services.
    fn top(&self, content: &Value, read: &mut Read) {
        for key in content.keys_at(&[]) {
            match key {
                "services" | "version" | "name" => {}
                "volumes" | "networks" => self.declared(key, content.at(&[key]), read),
                other if other.starts_with("x-") => {}
                other => {
                    let what = "stands beside the services, which is not carried out";
                    read.blocked.push(self.refuse(other, what, None));
                }
            }
        }
    }

    /// Volumes and networks may be named, and nothing else: an option of a driver can be any directory of the machine.
    fn declared(&self, kind: &str, all: &Value, read: &mut Read) {
        let one = if kind == "volumes" { "the volume" } else { "the network" };
        for name in all.keys_at(&[]) {
            let definition = all.at(&[name]);
            for key in definition.keys_at(&[]) {
                let usual = matches!(definition.text_at(&[key]), Some("local" | "bridge" | "default"));
                match key {
                    "driver" if usual => {}
                    "labels" => {}
                    "external" if definition.at(&[key]) == &Value::Bool(false) => {}
                    other => {
                        let what = format!("sets {other}, which is not carried out");
                        read.blocked.push(self.refuse(&format!("{one} {name}"), &what, None));
                    }
                }
            }
        }
        if kind == "networks" && all.keys_at(&[]).len() > 1 {
            let what = "are one here: all services of the project reach each other, and nobody else does";
            read.warnings.push(self.dropped("the networks", what));
        }
    }

    /// What has to fit together.
    fn together(&self, services: &[Service], content: &Value, read: &mut Read) {
        if services.len() > SERVICES_MAX {
            let what = format!("are {}, and at most {SERVICES_MAX} are carried out", services.len());
            read.blocked.push(self.refuse("the services", &what, None));
        }
        let by_name: BTreeMap<&str, &Service> =
            services.iter().map(|service| (service.name.as_str(), service)).collect();
        let declared = content.keys_at(&["volumes"]);
        let mut missing = false;
        for service in services {
            let subject = format!("the service {}", service.name);
            for name in service.depends_on.keys().filter(|name| !by_name.contains_key(name.as_str())) {
                missing = true;
                let what = format!("depends on {name}, which is not started with it");
                read.blocked.push(self.refuse(&subject, &what, None));
            }
            for volume in service.volumes.iter().filter(|volume| !declared.contains(&volume.name.as_str())) {
                let what = format!("mounts the volume {}, which stands under no volumes", volume.name);
                read.blocked.push(self.refuse(&subject, &what, None));
            }
            self.shared_volumes(service, read);
            self.stays_alone(service, &by_name, read);
        }
        if !missing && in_order(services).is_none() {
            let names: Vec<&str> = by_name.into_keys().collect();
            let what = format!("of {} wait for each other", listed(&names));
            read.blocked.push(self.refuse("the services", &what, None));
        }
    }

    /// What is started beside the one of the live release writes into the same volume for a while.
    fn shared_volumes(&self, service: &Service, read: &mut Read) {
        let writes = service.volumes.iter().find(|volume| !volume.read_only);
        if let (Role::Replaced, Some(volume)) = (service.role, writes) {
            let what =
                format!("has the service {}, which keeps data in the volume {}", service.name, volume.name);
            read.warnings.push(single_writer(self.scene, self.file, &what));
        }
    }

    /// What runs across deployments can't wait for what every release has one of its own of.
    fn stays_alone(&self, service: &Service, by_name: &BTreeMap<&str, &Service>, read: &mut Read) {
        let other =
            |name: &String| by_name.get(name.as_str()).filter(|other| other.role != Role::Stays).copied();
        if service.role != Role::Stays {
            return;
        }
        for other in service.depends_on.keys().filter_map(other) {
            let what = format!("runs across releases but depends on {}, which does not", other.name);
            read.blocked.push(self.refuse(&format!("the service {}", service.name), &what, None));
        }
    }
}

#[cfg(test)]
mod tests;
