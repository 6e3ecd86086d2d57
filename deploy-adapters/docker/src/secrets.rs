//! Secrets: resolved as late as they can be, kept out of everything that is said.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bollard::auth::DockerCredentials;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::spec::{Profile, SecretRef};

/// A shorter value would be found in every second word, and hides nothing.
const SHORTEST: usize = 4;

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

/// Replaces the values of secrets in text, in the spellings programs print them in.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a value that holds another one goes whole.
    spellings: Arc<Vec<(String, String)>>,
}

impl Redactor {
    fn new(values: &BTreeMap<String, String>) -> Self {
        let mut spellings: Vec<(String, String)> = Vec::new();
        for (name, value) in values {
            // A text of several lines is printed line by line.
            for part in
                value.lines().chain(std::iter::once(value.as_str())).filter(|part| part.len() >= SHORTEST)
            {
                let all =
                    [part.to_owned(), base64(part), percent(part), json(part), shell(part), reversed(part)];
                spellings.extend(all.into_iter().map(|spelling| (spelling, format!("[secret {name}]"))));
            }
        }
        spellings.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self { spellings: Arc::new(spellings) }
    }

    /// The text without them.
    pub(crate) fn clean(&self, text: &str) -> String {
        let found = self.spellings.iter().filter(|(spelling, _)| text.contains(spelling.as_str()));
        let mut cleaned: Option<String> = None;
        for (spelling, shown) in found {
            let text = cleaned.as_deref().unwrap_or(text);
            cleaned = Some(text.replace(spelling.as_str(), shown));
        }
        cleaned.unwrap_or_else(|| text.to_owned())
    }

    /// A failure without them.
    pub(crate) fn clean_failure(&self, mut failure: Failure) -> Failure {
        if self.spellings.is_empty() {
            return failure;
        }
        failure.message = self.clean(&failure.message);
        for fact in &mut failure.evidence {
            fact.fact = self.clean(&fact.fact);
        }
        failure.tail = failure.tail.iter().map(|line| self.clean(line)).collect();
        failure
    }
}

/// Base64 without the last group: what follows the value in what is encoded changes that one.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = text.len() - text.len() % 3;
    let mut out = String::with_capacity(text.len() * 4 / 3);
    for group in text.as_bytes()[..whole].chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    if out.len() < SHORTEST { text.to_owned() } else { out }
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn shell(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        Redactor::new(&BTreeMap::from([("TOKEN".to_owned(), value.to_owned())]))
    }

    #[test]
    fn inv_36_no_spelling_of_a_secret_is_said() {
        let value = "C4n'ary \"x\"/+9\\é";
        let redactor = redactor(value);
        for spelling in [
            value.to_owned(),
            "QzRuJ2FyeSAieCIvKzlcw6k=".to_owned(),
            "C4n%27ary%20%22x%22%2F%2B9%5C%C3%A9".to_owned(),
            serde_json::to_string(value).expect("a text"),
            format!("'{}'", value.replace('\'', "'\\''")),
            value.chars().rev().collect(),
        ] {
            let said = redactor.clean(&format!("before {spelling} after"));
            assert!(said.contains("[secret TOKEN]"), "{said}");
            assert!(said.starts_with("before ") && said.ends_with(" after"), "{said}");
            assert!(!said.contains("QzRuJ2Fy") && !said.contains("C4n"), "{said}");
        }
    }

    #[test]
    fn every_line_of_a_secret_of_several_lines_is_hidden() {
        let redactor = redactor("-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----");
        assert_eq!(redactor.clean("> abcdefgh"), "> [secret TOKEN]");
        assert_eq!(redactor.clean("ijklmnop."), "[secret TOKEN].");
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        assert_eq!(redactor("hunter22").clean("nothing here"), "nothing here");
        assert_eq!(redactor("abc").clean("abc is too short to hide"), "abc is too short to hide");
    }
}
