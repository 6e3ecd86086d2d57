//! The settings of a plan as `deploy.toml` text: what a form shows, and what a suggested value is added to.

use deploy_core::spec::Profile;
use toml::{Table, Value};

/// Levels of tables in a profile; deeper text is refused before it is merged.
const DEEP: usize = 4;

/// Why settings can't be used, for people.
pub(super) type Wrong = String;

/// The text with another piece of text added: a value that is there already is replaced.
pub(super) fn with(text: &str, added: &str) -> Result<String, Wrong> {
    let (mut settings, added) = (table(text)?, table(added)?);
    merge(&mut settings, added, DEEP)?;
    written(&settings)
}

/// The profile that the text describes. Unknown keys are refused.
pub(super) fn profile(text: &str) -> Result<Profile, Wrong> {
    table(text)?.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// A profile as text: only what was fixed.
pub(super) fn text(profile: &Profile) -> Result<String, Wrong> {
    let all = Table::try_from(profile).map_err(|error| error.to_string())?;
    let default = Table::try_from(Profile::default()).map_err(|error| error.to_string())?;
    let fixed = all.into_iter().filter(|(key, value)| default.get(key) != Some(value));
    written(&fixed.collect())
}

/// The line to begin with for a profile field, for example `network.internal_port = `.
pub(super) fn line_for(field: &str) -> String {
    snake(field) + " = "
}

/// The text as a table with the words of `deploy.toml`: JSON's spelling of a key is the same key.
fn table(text: &str) -> Result<Table, Wrong> {
    let settings = text.parse::<Table>().map_err(|error| error.to_string().trim_end().to_owned())?;
    let named = |(section, value): (String, Value)| {
        // What people name themselves stays as it is.
        let keys = value.as_table().filter(|_| !matches!(section.as_str(), "env" | "secrets"));
        let renamed = keys.map(|keys| keys.iter().map(|(key, value)| (snake(key), value.clone())).collect());
        (section, renamed.map_or(value, Value::Table))
    };
    Ok(settings.into_iter().map(named).collect())
}

fn snake(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn written(settings: &Table) -> Result<String, Wrong> {
    toml::to_string(settings).map_err(|error| error.to_string())
}

fn merge(into: &mut Table, from: Table, deep: usize) -> Result<(), Wrong> {
    let Some(deeper) = deep.checked_sub(1) else { return Err("it is nested too deep".to_owned()) };
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from, deeper)?,
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_value_is_added_or_replaces_what_was_there() {
        let text = with("[network]\ninternal_port = 80\n", "network.internal_port = 3000").unwrap();
        assert_eq!(profile(&text).unwrap().network.internal_port, Some(3000));
        let text = with(&text, "runtime.start = \"node server.js\"").unwrap();
        let both = profile(&text).unwrap();
        assert_eq!(
            (both.network.internal_port, both.runtime.start.as_deref()),
            (Some(3000), Some("node server.js"))
        );
    }

    #[test]
    fn a_profile_survives_being_text() {
        for text in
            ["", "[network]\ninternal_port = 80", "[env]\nA = \"b\"\n[limits]\nbuild_timeout = \"5s\""]
        {
            let one = profile(text).unwrap();
            assert_eq!(profile(&super::text(&one).unwrap()).unwrap(), one, "{text}");
        }
        assert_eq!(text(&Profile::default()).unwrap(), "");
        let replaced = with("[network]\ninternalPort = 80", "network.internal_port = 81").unwrap();
        assert_eq!(profile(&replaced).unwrap().network.internal_port, Some(81));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in ["[network", "network.port = 1", "network.internal_port = \"x\""] {
            assert!(!profile(wrong).unwrap_err().is_empty(), "{wrong}");
        }
    }

    #[test]
    fn a_field_is_the_beginning_of_a_line() {
        assert_eq!(line_for("network.internalPort"), "network.internal_port = ");
    }
}
