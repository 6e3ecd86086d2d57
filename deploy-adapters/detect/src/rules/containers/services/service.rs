//! One service, directive by directive.

use std::collections::BTreeMap;

use deploy_core::path::Inside;
use deploy_core::project::{Condition, Restart, Role, Service, ServiceBuild, ServiceHealth, expand};
use serde_json::Value;

use super::mounts::{self, Mount};
use super::refusals::{DANGEROUS, DROPPED, INSTEAD, SILENT, said};
use super::values::{scalar, size, span, thousandths, words};
use super::{Read, Reader};
use crate::image::Reference;
use crate::manifest::Values;

impl Reader<'_> {
    pub(super) fn service(&self, name: &str, role: Role, definition: &Value, read: &mut Read) -> Service {
        let subject = format!("the service {name}");
        let mut service = Service::named(name, role);
        if !is_service_name(name) {
            let what =
                "has a name that no image can have: use lower-case letters and digits with single separators";
            read.blocked.push(self.refuse(&subject, what, None));
        }
        for directive in definition.keys_at(&[]) {
            let value = definition.at(&[directive]);
            if !value.is_null() {
                self.directive(&subject, directive, value, &mut service, read);
            }
        }
        if service.image.is_none() && service.build.is_none() {
            read.blocked.push(self.refuse(&subject, "has neither an image nor a build", None));
        }
        if service.build.is_some() {
            // What it is to be called elsewhere.
            service.image = None;
        }
        service
    }

    fn directive(
        &self,
        subject: &str,
        directive: &str,
        value: &Value,
        service: &mut Service,
        read: &mut Read,
    ) {
        let wrong =
            |this: &Self, what: &str| this.refuse(subject, &format!("sets {directive}, {what}"), None);
        match directive {
            "image" => service.image = self.image(subject, value, read),
            "build" => service.build = self.build(subject, value, read),
            "command" => service.command = self.words(subject, directive, value, read),
            "entrypoint" => service.entrypoint = self.words(subject, directive, value, read),
            "environment" => service.environment = self.environment(subject, value, read),
            "volumes" => self.volumes(subject, value, service, read),
            "tmpfs" => self.memory(subject, value, service, read),
            "depends_on" => service.depends_on = self.depends_on(subject, value, read),
            "healthcheck" => service.health = self.health(subject, value, read),
            "restart" => service.restart = self.restart(subject, value, read),
            "ports" => self.ports(subject, service, read),
            "networks" => self.networks(subject, value, read),
            "deploy" => self.deploy(subject, value, service, read),
            "mem_limit" => service.memory = self.parsed(subject, directive, value, size, read),
            "cpus" => service.cpu_millis = self.parsed(subject, directive, value, cpu, read),
            "pids_limit" => service.pids = self.parsed(subject, directive, value, |t| t.parse().ok(), read),
            "user" => service.user = self.parsed(subject, directive, value, |t| Some(t.to_owned()), read),
            "working_dir" => {
                service.working_dir = self.parsed(subject, directive, value, |t| Some(t.to_owned()), read);
            }
            "stop_signal" => {
                service.stop_signal = self.parsed(subject, directive, value, signal, read);
            }
            "stop_grace_period" | "shm_size" => {
                let what = format!("sets {directive}, which makes no difference: ten seconds, and 64 MiB");
                read.warnings.push(self.dropped(subject, &what));
            }
            "read_only" => {
                service.read_only = self.parsed(subject, directive, value, |t| t.parse().ok(), read);
            }
            "init" => {
                service.init =
                    self.parsed(subject, directive, value, |t| t.parse().ok(), read).unwrap_or(false);
            }
            known if SILENT.contains(&known) || known.starts_with("x-") => {}
            other => {
                if let Some(why) = said(&DANGEROUS, other) {
                    // `privileged: false` asks for nothing.
                    if value != &Value::Bool(false) {
                        read.blocked.push(wrong(self, &format!("which {why}")));
                    }
                } else if let Some(why) = said(&DROPPED, other) {
                    read.warnings.push(
                        self.dropped(subject, &format!("sets {other}, which makes no difference: {why}")),
                    );
                } else {
                    let what = format!("sets {other}, which is not carried out");
                    read.blocked.push(self.refuse(subject, &what, said(&INSTEAD, other)));
                }
            }
        }
    }

    /// A scalar that must be of a form.
    fn parsed<T>(
        &self,
        subject: &str,
        directive: &str,
        value: &Value,
        parse: impl Fn(&str) -> Option<T>,
        read: &mut Read,
    ) -> Option<T> {
        let text = scalar(value).map(|text| self.expand(subject, &text, read));
        let parsed = match text {
            Some(None) => return None,
            Some(Some(text)) => parse(&text),
            None => None,
        };
        if parsed.is_none() {
            let what = format!("sets {directive} to what can't be read");
            read.blocked.push(self.refuse(subject, &what, None));
        }
        parsed
    }

    /// A scalar that need not be there.
    fn optional<T>(
        &self,
        subject: &str,
        directive: &str,
        value: &Value,
        parse: impl Fn(&str) -> Option<T>,
        read: &mut Read,
    ) -> Option<T> {
        if value.is_null() { None } else { self.parsed(subject, directive, value, parse, read) }
    }

    fn image(&self, subject: &str, value: &Value, read: &mut Read) -> Option<String> {
        let image = |text: &str| Reference::parse(text).ok().map(|_| text.to_owned());
        self.parsed(subject, "image", value, image, read)
    }

    fn build(&self, subject: &str, value: &Value, read: &mut Read) -> Option<ServiceBuild> {
        if value.is_string() {
            return self.build_of(subject, value, &Value::Null, read);
        }
        for key in value.keys_at(&[]) {
            let known = ["context", "dockerfile", "target", "args", "labels", "tags", "cache_from", "pull"];
            if !known.contains(&key) {
                let what = format!("sets build.{key}, which is not carried out");
                read.blocked.push(self.refuse(subject, &what, None));
            }
        }
        self.build_of(subject, value.at(&["context"]), value, read)
    }

    fn build_of(
        &self,
        subject: &str,
        context: &Value,
        more: &Value,
        read: &mut Read,
    ) -> Option<ServiceBuild> {
        let inside = |text: &str| Inside::parse(text).ok().map(|inside| inside.as_str().to_owned());
        let context = if context.is_null() { Value::from(".") } else { context.clone() };
        let context = self.parsed(subject, "build.context", &context, inside, read)?;
        let file = more.at(&["dockerfile"]);
        let dockerfile = if file.is_null() {
            "Dockerfile".to_owned()
        } else {
            self.parsed(subject, "build.dockerfile", file, inside, read)?
        };
        let plain = |text: &str| Some(text.to_owned());
        let stage = self.optional(subject, "build.target", more.at(&["target"]), plain, read);
        let arguments = self.pairs(subject, "build.args", more.at(&["args"]), read);
        let arguments = arguments
            .into_iter()
            .filter_map(|(name, value)| Some((name, self.expand(subject, &value, read)?)))
            .collect();
        Some(ServiceBuild { context, dockerfile, stage, arguments })
    }

    fn words(&self, subject: &str, directive: &str, value: &Value, read: &mut Read) -> Option<Vec<String>> {
        let Some(words) = words(value) else {
            read.blocked.push(self.refuse(subject, &format!("sets {directive} to what can't be read"), None));
            return None;
        };
        words.iter().map(|word| self.expand(subject, word, read)).collect()
    }

    /// A map, or a list of `NAME=value`. A name alone means the variable of that name.
    fn pairs(
        &self,
        subject: &str,
        directive: &str,
        value: &Value,
        read: &mut Read,
    ) -> BTreeMap<String, String> {
        let own = |name: &str| (name.to_owned(), format!("${{{name}}}"));
        let pairs: Option<Vec<(String, String)>> = match value {
            Value::Null => Some(Vec::new()),
            Value::Object(map) => map
                .iter()
                .map(
                    |(name, value)| {
                        if value.is_null() { Some(own(name)) } else { Some((name.clone(), scalar(value)?)) }
                    },
                )
                .collect(),
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    let text = scalar(item)?;
                    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
                    Some(pair.unwrap_or_else(|| own(&text)))
                })
                .collect(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        let is_name = |name: &str| {
            let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            name.starts_with(letter)
                && name.chars().all(|c| letter(c) || c.is_ascii_digit() || matches!(c, '.' | '-'))
        };
        let pairs =
            pairs.filter(|pairs| pairs.iter().all(|(name, value)| is_name(name) && !value.contains('\0')));
        if pairs.is_none() {
            read.blocked.push(self.refuse(subject, &format!("sets {directive} to what can't be read"), None));
        }
        pairs.unwrap_or_default().into_iter().collect()
    }

    /// The variables, with their references: a secret's value is in no plan.
    fn environment(&self, subject: &str, value: &Value, read: &mut Read) -> BTreeMap<String, String> {
        let profile = self.scene.profile();
        let known = |name: &str| {
            let secret = profile.secrets.contains_key(name).then(|| "secret".to_owned());
            profile.env.get(name).cloned().or(secret)
        };
        let pairs = self.pairs(subject, "environment", value, read);
        for (name, value) in &pairs {
            if let Err(error) = expand(value, &known) {
                read.blocked.push(self.unset(&format!("{subject}, in its variable {name}"), &error));
            }
        }
        pairs
    }

    fn volumes(&self, subject: &str, value: &Value, service: &mut Service, read: &mut Read) {
        let profile = self.scene.profile();
        let known = |text: &str| expand(text, &|name| profile.env.get(name).cloned()).ok();
        for entry in value.as_array().into_iter().flatten() {
            match mounts::read(entry, &known) {
                Ok(Mount::Volume(volume)) => service.volumes.push(volume),
                Ok(Mount::Memory(path)) => {
                    service.tmpfs.insert(path);
                }
                Err(what) => read.blocked.push(self.refuse(subject, &what, None)),
            }
        }
        if !value.is_array() {
            read.blocked.push(self.refuse(subject, "sets volumes to what can't be read", None));
        }
    }

    fn memory(&self, subject: &str, value: &Value, service: &mut Service, read: &mut Read) {
        for path in value.texts_at(&[]) {
            match mounts::memory(path) {
                Ok(path) => {
                    service.tmpfs.insert(path);
                }
                Err(what) => read.blocked.push(self.refuse(subject, &what, None)),
            }
        }
    }

    fn depends_on(&self, subject: &str, value: &Value, read: &mut Read) -> BTreeMap<String, Condition> {
        if let Value::Array(names) = value {
            let names = names.iter().filter_map(Value::as_str);
            return names.map(|name| (name.to_owned(), Condition::Started)).collect();
        }
        let mut all = BTreeMap::new();
        for name in value.keys_at(&[]) {
            let condition = match value.text_at(&[name, "condition"]) {
                None | Some("service_started") => Condition::Started,
                Some("service_healthy") => Condition::Healthy,
                Some("service_completed_successfully") => Condition::Completed,
                Some(other) => {
                    let what = format!("depends on {name} under the condition {other:?}");
                    read.blocked.push(self.refuse(subject, &what, None));
                    continue;
                }
            };
            all.insert(name.to_owned(), condition);
        }
        all
    }

    fn health(&self, subject: &str, value: &Value, read: &mut Read) -> Option<ServiceHealth> {
        if value.at(&["disable"]) == &Value::Bool(true) {
            return None;
        }
        let test = match value.at(&["test"]) {
            Value::String(command) => vec!["CMD-SHELL".to_owned(), command.clone()],
            list @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                words(list)?
            }
        };
        let usual = matches!(test.first().map(String::as_str), Some("CMD" | "CMD-SHELL")) && test.len() > 1;
        if !usual {
            if test.first().map(String::as_str) != Some("NONE") {
                read.blocked.push(self.refuse(subject, "has a health check that can't be read", None));
            }
            return None;
        }
        // Inside a test, a dollar belongs to the command: Compose writes two of them.
        let test = test.iter().map(|word| self.expand(subject, word, read)).collect::<Option<_>>()?;
        let mut time =
            |key: &str| self.optional(subject, &format!("healthcheck.{key}"), value.at(&[key]), span, read);
        let (interval, timeout, start_period) = (time("interval"), time("timeout"), time("start_period"));
        let number = |text: &str| text.parse().ok();
        let retries = self.optional(subject, "healthcheck.retries", value.at(&["retries"]), number, read);
        Some(ServiceHealth { test, interval, timeout, retries, start_period })
    }

    fn restart(&self, subject: &str, value: &Value, read: &mut Read) -> Restart {
        let policy = |text: &str| match text.split(':').next() {
            Some("always" | "unless-stopped") => Some(Restart::Always),
            Some("on-failure") => Some(Restart::OnFailure),
            Some("no" | "false") => Some(Restart::Never),
            _ => None,
        };
        self.parsed(subject, "restart", value, policy, read).unwrap_or_default()
    }

    /// The web service's ports are replaced by the route; those of the others are nobody's business outside.
    fn ports(&self, subject: &str, service: &Service, read: &mut Read) {
        if service.role != Role::Web {
            let what = "publishes ports, which is not done: the other services reach it by name, and nobody else does";
            read.warnings.push(self.dropped(subject, what));
        }
    }

    fn networks(&self, subject: &str, value: &Value, read: &mut Read) {
        for name in value.keys_at(&[]) {
            for option in value.at(&[name]).keys_at(&[]) {
                let what = format!("sets {option} in the network {name}, which is not carried out");
                read.blocked.push(self.refuse(subject, &what, None));
            }
        }
    }

    fn deploy(&self, subject: &str, value: &Value, service: &mut Service, read: &mut Read) {
        for key in value.keys_at(&[]) {
            match key {
                "resources" => {
                    let limits = value.at(&["resources", "limits"]);
                    for (key, value) in limits.as_object().into_iter().flatten() {
                        let name = format!("deploy.resources.limits.{key}");
                        match key.as_str() {
                            "memory" => service.memory = self.parsed(subject, &name, value, size, read),
                            "cpus" => service.cpu_millis = self.parsed(subject, &name, value, cpu, read),
                            "pids" => {
                                service.pids = self.parsed(subject, &name, value, |t| t.parse().ok(), read);
                            }
                            _ => {
                                let what = format!("sets {name}, which is not carried out");
                                read.blocked.push(self.refuse(subject, &what, None));
                            }
                        }
                    }
                    if !value.at(&["resources", "reservations", "devices"]).is_null() {
                        let what = "reserves devices, which would give it devices of the machine";
                        read.blocked.push(self.refuse(subject, what, None));
                    }
                }
                "replicas" if value.at(&[key]) == &Value::from(1) => {}
                "restart_policy" | "update_config" | "rollback_config" | "labels" | "placement" | "mode" => {
                    let what = format!(
                        "sets deploy.{key}, which makes no difference: releases are replaced as the plan says"
                    );
                    read.warnings.push(self.dropped(subject, &what));
                }
                other => {
                    let what = format!("sets deploy.{other}, which is not carried out");
                    read.blocked.push(self.refuse(
                        subject,
                        &what,
                        Some("remove it: one of each service runs"),
                    ));
                }
            }
        }
    }
}

fn cpu(text: &str) -> Option<u32> {
    thousandths(text).and_then(|millis| u32::try_from(millis).ok()).filter(|millis| *millis > 0)
}

fn signal(text: &str) -> Option<String> {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+').then(|| text.to_owned())
}

/// What can be a part of the name of an image, and a name in a network.
fn is_service_name(name: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separated = name.split(['.', '_', '-']).all(|part| !part.is_empty() && part.chars().all(lower));
    separated && name.len() <= 40
}
