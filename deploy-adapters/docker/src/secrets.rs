//! Secrets: resolved as late as they can be, kept out of everything that is said.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bollard::auth::DockerCredentials;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_core::spec::{Profile, SecretRef};

/// What the password of a registry is called.
const REGISTRY: &str = "runtime.registry.password";

/// Finds the value of a reference: in production, the environment of the control plane.
pub type Resolve = Arc<dyn Fn(&SecretRef) -> Option<String> + Send + Sync>;

/// The values of a profile's secrets.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
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
        Ok(Self { values })
    }

    /// What the registry is told, where it wants to know who asks.
    pub(crate) fn registry(
        profile: &Profile,
        resolve: &Resolve,
    ) -> Result<Option<DockerCredentials>, Failure> {
        let Some(access) = &profile.runtime.registry else { return Ok(None) };
        let password = resolve(&access.password).ok_or_else(|| missing(REGISTRY, &access.password))?;
        Ok(Some(DockerCredentials {
            username: Some(access.username.clone()),
            password: Some(password),
            ..DockerCredentials::default()
        }))
    }

    /// What hides them, as far as they can be resolved: for output of a step that does not need them.
    pub(crate) fn hiding(profile: &Profile, resolve: &Resolve) -> Redactor {
        let known =
            references(profile).filter_map(|(name, reference)| Some((name.to_owned(), resolve(reference)?)));
        Redactor::new(&known.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter()
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
