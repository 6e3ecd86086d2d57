//! Finding mistakes in a `fly.toml`: every one, with its line and its key, before anything runs.

use std::fmt;
use std::ops::Range;

use toml_edit::{Document, Item, TableLike, TomlError, Value};

use super::schema::{FILE, Fields, Kind};

/// A mistake, or something doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// The key, as `http_service.internal_port`; empty where the text is not even TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "fly.toml line {}: {}", self.line, self.message);
        }
        write!(f, "fly.toml line {}, {}: {}", self.line, self.key, self.message)
    }
}

/// What a look at a file comes to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<Remark>,
    pub(super) doubts: Vec<Remark>,
}

/// Looks at everything.
pub(super) fn check(document: &Document<&str>) -> Found {
    let mut look = Look { text: document.raw(), found: Found::default() };
    look.fields("", document.as_table(), FILE);
    look.together(document.as_table());
    look.found
}

/// What is wrong with a text that is not TOML.
pub(super) fn not_toml(text: &str, error: &TomlError) -> Remark {
    let line = line_of(text, error.span());
    Remark { line, key: String::new(), message: error.message().replace('\n', ", ") }
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let end = span.map_or(0, |span| span.start.min(text.len()));
    1 + text.as_bytes()[..end].iter().filter(|&&byte| byte == b'\n').count()
}

struct Look<'a> {
    text: &'a str,
    found: Found,
}

impl Look<'_> {
    fn mistake(&mut self, at: Option<Range<usize>>, key: &str, message: impl Into<String>) {
        let line = line_of(self.text, at);
        self.found.mistakes.push(Remark { line, key: key.to_owned(), message: message.into() });
    }

    fn doubt(&mut self, at: Option<Range<usize>>, key: &str, message: impl Into<String>) {
        let line = line_of(self.text, at);
        self.found.doubts.push(Remark { line, key: key.to_owned(), message: message.into() });
    }

    fn fields(&mut self, above: &str, table: &dyn TableLike, fields: Fields) {
        for (name, item) in table.iter() {
            let key = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            match fields.iter().find(|(known, _)| *known == name) {
                Some((_, kind)) => self.item(&key, at, item, *kind),
                None => match fields.iter().find(|(known, _)| is_slip(known, name)) {
                    Some((known, _)) => {
                        self.mistake(at, &key, format!("there is no such key; is it {known}?"));
                    }
                    None => self.doubt(at, &key, "this key is not known here; it stays as it is"),
                },
            }
        }
    }

    fn item(&mut self, key: &str, at: Option<Range<usize>>, item: &Item, kind: Kind) {
        match (kind, item) {
            (Kind::Anything, _) => {}
            (Kind::Table(fields), item) => match item.as_table_like() {
                Some(table) => self.fields(key, table, fields),
                None => self.mistake(at, key, "this must be a table"),
            },
            (Kind::Tables(fields), item) => self.tables(key, at, item, fields),
            (Kind::Named(fields), item) => match item.as_table_like() {
                Some(table) => {
                    for (name, item) in table.iter() {
                        self.item(&format!("{key}.{name}"), item.span(), item, Kind::Table(fields));
                    }
                }
                None => self.mistake(at, key, "this must be a table of tables"),
            },
            (Kind::Variables, item) => match item.as_table_like() {
                Some(table) => self.variables(key, table),
                None => self.mistake(at, key, "this must be a table"),
            },
            (kind, Item::Value(value)) => self.value(key, at, value, kind),
            (_, Item::Table(_) | Item::ArrayOfTables(_) | Item::None) => {
                self.mistake(at, key, "this must be a value, not a table");
            }
        }
    }

    fn tables(&mut self, key: &str, at: Option<Range<usize>>, item: &Item, fields: Fields) {
        if let Some(table) = item.as_table_like() {
            self.fields(key, table, fields);
            return;
        }
        if let Some(tables) = item.as_array_of_tables() {
            tables.iter().for_each(|table| self.fields(key, table, fields));
            return;
        }
        let list =
            item.as_array().map(|list| list.iter().map(Value::as_inline_table).collect::<Option<Vec<_>>>());
        match list.flatten() {
            Some(tables) => tables.into_iter().for_each(|table| self.fields(key, table, fields)),
            None => self.mistake(at, key, format!("this must be a list of tables: [[{key}]]")),
        }
    }

    fn variables(&mut self, key: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let plain = item.as_value().is_some_and(|value| !value.is_array() && !value.is_inline_table());
            if !plain {
                let message = "this must be a text, a number or a switch";
                self.mistake(item.span(), &format!("{key}.{name}"), message);
            }
        }
    }

    fn value(&mut self, key: &str, at: Option<Range<usize>>, value: &Value, kind: Kind) {
        if let Err(message) = fits(value, kind) {
            self.mistake(value.span().or(at), key, message);
        }
    }

    /// What no key says alone.
    fn together(&mut self, file: &dyn TableLike) {
        let strategy = file.get("deploy").and_then(|deploy| deploy.get("strategy")?.as_str());
        let mounts = file.get("mounts");
        if let (Some("canary"), Some(mounts)) = (strategy, mounts) {
            self.mistake(
                mounts.span(),
                "mounts",
                "a canary release can't have mounts; choose another deploy.strategy",
            );
        }
        for mount in mounts.into_iter().flat_map(each) {
            for needed in ["source", "destination"] {
                if !mount.contains_key(needed) {
                    let at = mounts.and_then(Item::span);
                    self.mistake(at, "mounts", format!("a mount needs {needed}"));
                }
            }
        }
        if strategy == Some("bluegreen") && !has_check(file) {
            let at = file.get("deploy").and_then(|deploy| deploy.get("strategy")?.span());
            self.mistake(at, "deploy.strategy", "a bluegreen release needs at least one health check");
        }
        if let Some(app) = file.get("app").and_then(|app| Some((app.span(), app.as_str()?))) {
            let (at, name) = app;
            if !is_app(name) {
                self.mistake(at, "app", format!("{name:?} can't be the name of an app"));
            }
        }
        self.clamped(file);
    }

    /// Times that fly moves into its own bounds.
    fn clamped(&mut self, file: &dyn TableLike) {
        let services = file.get("http_service").into_iter().chain(file.get("services")).flat_map(each);
        let checks: Vec<&Item> = services
            .flat_map(|service| ["checks", "http_checks", "tcp_checks"].map(|name| service.get(name)))
            .flatten()
            .collect();
        for check in checks.into_iter().flat_map(each) {
            for name in ["interval", "timeout"] {
                let Some(item) = check.get(name) else { continue };
                let millis = item.as_value().and_then(time);
                if millis.is_some_and(|millis| !(1_000..=60_000).contains(&millis)) {
                    self.doubt(item.span(), name, "fly moves this into the bounds of 1 s and 60 s");
                }
            }
        }
    }
}

/// The tables of `[x]`, `[[x]]` and `x = [{}]`.
fn each(item: &Item) -> Vec<&dyn TableLike> {
    if let Some(table) = item.as_table_like() {
        return vec![table];
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| table as &dyn TableLike).collect();
    }
    let list = item.as_array().into_iter().flat_map(toml_edit::Array::iter);
    list.filter_map(Value::as_inline_table).map(|table| table as &dyn TableLike).collect()
}

fn has_check(file: &dyn TableLike) -> bool {
    let services = file.get("http_service").into_iter().chain(file.get("services")).flat_map(each);
    let of_service = |service: &dyn TableLike| {
        ["checks", "http_checks", "tcp_checks"].iter().any(|name| service.contains_key(name))
    };
    file.contains_key("checks") || services.into_iter().any(of_service)
}

/// Whether fly takes this for the name of an app.
pub(crate) fn is_app(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn fits(value: &Value, kind: Kind) -> Result<(), String> {
    let said = |what: &str| Err(format!("this must be {what}, not {}", value.type_name()));
    match kind {
        Kind::Text if value.is_str() => Ok(()),
        Kind::Text => said("a text"),
        Kind::Switch if value.is_bool() => Ok(()),
        Kind::Switch => said("true or false"),
        Kind::Number(least, most) => match value.as_integer() {
            Some(number) if (least..=most).contains(&number) => Ok(()),
            Some(number) if most == i64::MAX => Err(format!("{number} is less than {least}")),
            Some(number) => Err(format!("{number} is not between {least} and {most}")),
            None => said("a whole number"),
        },
        Kind::Share if value.is_integer() || value.is_float() => Ok(()),
        Kind::Share => said("a number"),
        Kind::Time(least, most) => match time(value) {
            Some(millis) if (least..=most).contains(&millis) => Ok(()),
            Some(_) => Err(format!("this is not between {} s and {} s", least as f64 / 1e3, most / 1_000)),
            None => said("a length of time like \"10s\""),
        },
        Kind::OneOfOrSwitch(_) if value.is_bool() => Ok(()),
        Kind::OneOf(words) | Kind::OneOfOrSwitch(words) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(()),
            Some(word) => Err(format!("{word:?} is none of {}", words.join(", "))),
            None => said(&format!("one of {}", words.join(", "))),
        },
        Kind::TextOrNumber if value.is_str() || value.is_integer() => Ok(()),
        Kind::TextOrNumber => said("a text or a whole number"),
        Kind::UrlPath => match value.as_str() {
            Some(path) if path.starts_with('/') => Ok(()),
            Some(path) => Err(format!("{path:?} does not begin with /")),
            None => said("a path"),
        },
        Kind::Texts if value.is_str() => Ok(()),
        Kind::Texts => match value.as_array() {
            Some(list) if list.iter().all(Value::is_str) => Ok(()),
            _ => said("a list of texts"),
        },
        Kind::Variables | Kind::Anything | Kind::Table(_) | Kind::Tables(_) | Kind::Named(_) => Ok(()),
    }
}

/// A length of time in milliseconds: `"1m30s"`, `"500ms"`, or seconds as a number.
fn time(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_integer() {
        return u64::try_from(seconds).ok()?.checked_mul(1_000);
    }
    let mut rest = value.as_str()?.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, behind) = rest.split_at(number);
        let unit = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let millis = match &behind[..unit] {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * millis;
        rest = &behind[unit..];
    }
    // Longer than a year is no time that anybody waits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and a year")]
    (0.0..3.2e10).contains(&total).then_some(total as u64)
}

/// Whether somebody who wrote `written` most likely meant `known`: at most two letters differ.
fn is_slip(known: &str, written: &str) -> bool {
    let (known, written): (Vec<char>, Vec<char>) = (known.chars().collect(), written.chars().collect());
    if known.len() < 4 || known.len().abs_diff(written.len()) > 2 {
        return false;
    }
    let mut row: Vec<usize> = (0..=written.len()).collect();
    for (i, a) in known.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in written.iter().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[written.len()] <= 2
}
