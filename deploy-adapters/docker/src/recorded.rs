//! What is recorded of the secrets that a release was given: a keyed hash of each, so that somebody can tell later
//! that one of them was another one.

use bollard::models::ContainerInspectResponse;
use deploy_core::compare::SECRET_HASH;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::plan::Output;
use deploy_core::secret_hash::SecretKey;
use deploy_core::spec::{Profile, SecretRef};

use crate::containers;
use crate::engine::Engine;
use crate::secret_files::MOUNTED;
use crate::start::CONTAINER;

/// Adds the hashes to what starting a container left. The values are those that the container itself has: one that was
/// kept, or that an attempt before a crash made, may have been given others than there are now.
pub(crate) async fn with_hashes(
    engine: &Engine,
    key: Option<&SecretKey>,
    profile: &Profile,
    output: Output,
) -> Result<Output, Failure> {
    let Some(key) = key.filter(|_| !profile.secrets.is_empty()) else { return Ok(output) };
    let Some(id) = output.facts.get(CONTAINER).cloned() else { return Ok(output) };
    let Some(container) = containers::find(engine, &id).await? else {
        let message = format!("the container {id} was removed by somebody else");
        return Err(Failure::new(FailureCode::ReleaseExited, message));
    };
    Ok(hashes(key, profile, &container, output))
}

fn hashes(
    key: &SecretKey,
    profile: &Profile,
    container: &ContainerInspectResponse,
    output: Output,
) -> Output {
    let variables = container.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    let variable = |name: &str| {
        let own = |variable: &String| variable.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        // Of two with one name the last counts.
        variables.iter().rev().find_map(own)
    };
    let value =
        |name: &str, secret: &SecretRef| if secret.file { file(container, name) } else { variable(name) };
    let known = profile.secrets.iter().filter_map(|(name, secret)| Some((name, value(name, secret)?)));
    known.fold(output, |output, (name, value)| {
        output.with(&format!("{SECRET_HASH}{name}"), key.hash(name, &value).to_string())
    })
}

/// What the file of a secret holds, which lies where nobody else may look. One that can't be read is not known.
fn file(container: &ContainerInspectResponse, name: &str) -> Option<String> {
    let mounts = container.host_config.as_ref()?.mounts.as_ref()?;
    let target = format!("{MOUNTED}/{name}");
    let mount = mounts.iter().find(|mount| mount.target.as_deref() == Some(&target))?;
    std::fs::read_to_string(mount.source.as_ref()?).ok()
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerConfig, HostConfig, Mount};

    use super::*;

    #[test]
    fn inv_36_only_the_hash_of_what_the_container_has_is_recorded() {
        let mut profile = Profile::default();
        for name in ["TOKEN", "TOKEN_2", "ABSENT", "FILE", "FILE_GONE"] {
            let reference = SecretRef { env: name.to_owned(), build: false, file: name.starts_with("FILE") };
            profile.secrets.insert(name.to_owned(), reference);
        }
        let env = ["TOKEN=of the image", "PLAIN=plain", "TOKEN=a=b", "TOKEN_2=canary", "FILE=not this"];
        let config = ContainerConfig { env: Some(env.map(str::to_owned).to_vec()), ..Default::default() };
        let directory = tempfile::tempdir().expect("a directory");
        let source = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(source("FILE"), "in a file").expect("a file");
        let mounted = |name: &str| Mount {
            source: Some(source(name)),
            target: Some(format!("{MOUNTED}/{name}")),
            ..Mount::default()
        };
        let host =
            HostConfig { mounts: Some(vec![mounted("FILE"), mounted("FILE_GONE")]), ..HostConfig::default() };
        let container = ContainerInspectResponse {
            config: Some(config),
            host_config: Some(host),
            ..ContainerInspectResponse::default()
        };
        let key = SecretKey::new(&[1; 32]);
        let output = hashes(&key, &profile, &container, Output::default());
        let of = |name: &str, value: &str| (format!("secretHash.{name}"), key.hash(name, value).to_string());
        let facts = [of("TOKEN", "a=b"), of("TOKEN_2", "canary"), of("FILE", "in a file")];
        assert_eq!(output, Output { facts: facts.into(), ..Output::default() });
    }
}
