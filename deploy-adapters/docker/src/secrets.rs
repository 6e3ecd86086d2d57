//! Secrets: resolved as late as they can be, kept out of everything that is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use bollard::auth::DockerCredentials;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_core::spec::{Profile, SecretRef};

use crate::reference::ImageReference;

/// What the password of a registry is called.
const REGISTRY: &str = "runtime.registry.password";

/// Finds the value of a reference: in production, the environment of the control plane.
pub type Resolve = Arc<dyn Fn(&SecretRef) -> Option<String> + Send + Sync>;

/// The values of a profile's secrets.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
    /// Those that the release reads as files.
    files: BTreeSet<String>,
    /// Who asks a registry; known to builds alone.
    registry: Option<Registry>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

impl Secrets {
    /// Resolves every secret of a profile.
    pub(crate) fn of(profile: &Profile, resolve: &Resolve) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for (name, reference) in &profile.secrets {
            let value = resolve(reference).filter(|value| !value.contains('\0'));
            let value = value.ok_or_else(|| missing(name, reference))?;
            values.insert(name.clone(), value);
        }
        let files = profile.secrets.iter().filter(|(_, secret)| secret.file);
        Ok(Self { values, files: files.map(|(name, _)| name.clone()).collect(), registry: None })
    }

    /// The same, and who asks the registry of a base image.
    pub(crate) fn for_build(profile: &Profile, resolve: &Resolve) -> Result<Self, Failure> {
        Ok(Self { registry: Self::registry(profile, resolve)?, ..Self::of(profile, resolve)? })
    }

    /// Who asks the registry of a base image.
    pub(crate) fn asking(&self) -> Option<Registry> {
        self.registry.clone()
    }

    /// What the registry is told, where it wants to know who asks.
    pub(crate) fn registry(profile: &Profile, resolve: &Resolve) -> Result<Option<Registry>, Failure> {
        let Some(access) = &profile.runtime.registry else { return Ok(None) };
        let password = resolve(&access.password).ok_or_else(|| missing(REGISTRY, &access.password))?;
        Ok(Some(Registry { server: access.server.clone(), username: access.username.clone(), password }))
    }

    /// What hides them, as far as they can be resolved: for output of a step that does not need them.
    pub(crate) fn hiding(profile: &Profile, resolve: &Resolve) -> Redactor {
        let known =
            references(profile).filter_map(|(name, reference)| Some((name.to_owned(), resolve(reference)?)));
        Redactor::new(&known.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&String> {
        self.values.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter()
    }

    /// Those that the release reads as variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter().filter(|(name, _)| !self.files.contains(*name))
    }

    /// Those that it reads as files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter().filter(|(name, _)| self.files.contains(*name))
    }
}

/// Who asks a registry. Never shown.
#[derive(Clone)]
pub(crate) struct Registry {
    server: Option<String>,
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Registry {
    #[cfg(test)]
    pub(crate) fn new(server: Option<&str>, username: &str, password: &str) -> Self {
        let text = str::to_owned;
        Self { server: server.map(text), username: text(username), password: text(password) }
    }

    /// What a registry is told if it is the one that this is for.
    pub(crate) fn for_host(&self, host: &str) -> Option<DockerCredentials> {
        // The engine has a name of its own for the one that images without a registry come from.
        let same = |server: &str| server == host || (server == "docker.io" && host == "registry-1.docker.io");
        self.server.as_deref().is_some_and(same).then(|| self.credentials())
    }

    /// What the registry of the one image that was named is told.
    pub(crate) fn for_image(&self, image: &ImageReference) -> Option<DockerCredentials> {
        match &self.server {
            None => Some(self.credentials()),
            Some(_) => self.for_host(image.registry()),
        }
    }

    /// What the classic builder is told, by registry.
    pub(crate) fn by_host(&self) -> Option<HashMap<String, DockerCredentials>> {
        let key = match self.server.as_deref()? {
            "docker.io" => "https://index.docker.io/v1/",
            server => server,
        };
        Some(HashMap::from([(key.to_owned(), self.credentials())]))
    }

    fn credentials(&self) -> DockerCredentials {
        DockerCredentials {
            username: Some(self.username.clone()),
            password: Some(self.password.clone()),
            ..DockerCredentials::default()
        }
    }
}

/// Every reference of a profile, by the name that people know it by.
pub(crate) fn references(profile: &Profile) -> impl Iterator<Item = (&str, &SecretRef)> {
    let secrets = profile.secrets.iter().map(|(name, reference)| (name.as_str(), reference));
    secrets.chain(profile.runtime.registry.iter().map(|access| (REGISTRY, &access.password)))
}

pub(crate) fn missing(name: &str, reference: &SecretRef) -> Failure {
    let message =
        format!("the secret {name} has no value: {} is not set for the control plane", reference.env);
    Failure::new(FailureCode::SecretMissing, message).because("secrets", name)
}
