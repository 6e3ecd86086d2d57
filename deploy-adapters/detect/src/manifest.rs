//! Reading manifests as a tree of values, whatever their format, within bounds.
//!
//! Everything here is text that strangers wrote: nesting and alias bombs are refused by the parsers, and what is refused
//! or wrong is reported through the scene, so that the plan is blocked with the file's name and the error.

use serde_json::Value;

use crate::rule::Scene;

impl Scene<'_> {
    /// A JSON file. `Null` if it is broken, which is reported.
    pub(crate) fn json(&self, path: &str) -> Option<Value> {
        let text = self.text(path)?;
        Some(json(text).unwrap_or_else(|error| self.unparsed(path, "JSON", &error)))
    }

    /// A JSON file that may have comments and trailing commas. `Null` if it is broken, which is reported.
    pub(crate) fn jsonc(&self, path: &str) -> Option<Value> {
        let text = self.text(path)?;
        Some(jsonc(text).unwrap_or_else(|error| self.unparsed(path, "JSON", &error)))
    }

    /// A JSON5 file. `Null` if it is broken, which is reported.
    pub(crate) fn json5(&self, path: &str) -> Option<Value> {
        let text = self.text(path)?;
        Some(json5(text).unwrap_or_else(|error| self.unparsed(path, "JSON5", &error)))
    }

    /// A TOML file. `Null` if it is broken, which is reported.
    pub(crate) fn toml(&self, path: &str) -> Option<Value> {
        let text = self.text(path)?;
        Some(toml(text).unwrap_or_else(|error| self.unparsed(path, "TOML", &error)))
    }

    /// A YAML file. `Null` if it is broken, which is reported.
    pub(crate) fn yaml(&self, path: &str) -> Option<Value> {
        let text = self.text(path)?;
        Some(yaml(text).unwrap_or_else(|error| self.unparsed(path, "YAML", &error)))
    }

    fn unparsed(&self, path: &str, format: &str, error: &str) -> Value {
        self.broken(path, format, error);
        Value::Null
    }
}

/// JSON.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// JSON with comments and trailing commas.
pub(crate) fn jsonc(text: &str) -> Result<Value, String> {
    json(text).or_else(|error| json(&plain_json(text)).map_err(|_| error))
}

/// JSON5: without its comments, it is YAML in braces.
pub(crate) fn json5(text: &str) -> Result<Value, String> {
    yaml(&plain_json(text))
}

/// TOML.
pub(crate) fn toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// YAML. Its first document, where there are several.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_depth: 100,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
    };
    let first = first_document(text);
    if first.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str_with_options(first, options).map_err(|error| error.to_string())
}

fn first_document(text: &str) -> &str {
    let text = text.strip_prefix("---").unwrap_or(text);
    text.find("\n---").map_or(text, |end| match text[end + 4..].chars().next() {
        None | Some('\n' | '\r' | ' ') => &text[..end],
        Some(_) => text,
    })
}

/// The same JSON without comments and trailing commas. What is inside strings stays.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('"', _) => {
                plain.push('"');
                while let Some(inside) = rest.next() {
                    plain.push(inside);
                    match inside {
                        '\\' => plain.extend(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => while rest.next_if(|inside| *inside != '\n').is_some() {},
            ('/', Some('*')) => {
                rest.next();
                let mut before = ' ';
                for inside in rest.by_ref() {
                    if before == '*' && inside == '/' {
                        break;
                    }
                    before = inside;
                }
            }
            ('}' | ']', _) => {
                let kept = plain.trim_end().len();
                let before = plain[..kept].strip_suffix(',').map(str::trim_end);
                if before.is_some_and(|before| !before.ends_with(['{', '[', ','])) {
                    plain.truncate(kept - 1);
                }
                plain.push(character);
            }
            (other, _) => plain.push(other),
        }
    }
    plain
}

/// Walking a tree of values without minding what is missing.
pub(crate) trait Values {
    /// The value at a path of keys.
    fn at(&self, path: &[&str]) -> &Value;
    /// The text at a path of keys, trimmed; `None` if it is empty or no text.
    fn text_at(&self, path: &[&str]) -> Option<&str>;
    /// The texts of a list at a path of keys; a single text counts as a list of one.
    fn texts_at(&self, path: &[&str]) -> Vec<&str>;
    /// The keys of an object at a path of keys, in order.
    fn keys_at(&self, path: &[&str]) -> Vec<&str>;
}

impl Values for Value {
    fn at(&self, path: &[&str]) -> &Self {
        path.iter().try_fold(self, |value, key| value.get(key)).unwrap_or(&Self::Null)
    }

    fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    fn texts_at(&self, path: &[&str]) -> Vec<&str> {
        match self.at(path) {
            Self::String(text) => vec![text],
            Self::Array(items) => items.iter().filter_map(Self::as_str).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Object(_) => Vec::new(),
        }
    }

    fn keys_at(&self, path: &[&str]) -> Vec<&str> {
        self.at(path).as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn json_may_have_comments_and_trailing_commas() {
        let text = "{ // a\n \"a\": \"//x\\\" /* y */\", /* , } */ \"b\": [1, 2, ], }";
        assert!(json(text).is_err());
        assert_eq!(jsonc(text), Ok(value!({ "a": "//x\" /* y */", "b": [1, 2] })));
        assert_eq!(jsonc("{\"a\": 1,}"), Ok(value!({ "a": 1 })));
        for broken in ["{,}", "{", "", "{\"a\": /*", "\"//", "[1,,]"] {
            assert!(jsonc(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn yaml_is_read_with_anchors_and_merges() {
        let text = "a: &x\n  b: 1\nc:\n  <<: *x\n  d: yes\n---\nother: 1\n";
        assert_eq!(yaml(text), Ok(value!({ "a": { "b": 1 }, "c": { "b": 1, "d": true } })));
        assert_eq!(yaml(""), Ok(Value::Null));
        assert_eq!(yaml("# only a comment\n"), Ok(Value::Null));
    }

    #[test]
    fn bombs_are_refused() {
        let deep = 100_000;
        assert!(json(&"[".repeat(deep)).is_err());
        assert!(jsonc(&"{\"a\":".repeat(deep)).is_err());
        assert!(toml(&format!("a = {}1{}", "[".repeat(deep), "]".repeat(deep))).is_err());
        assert!(yaml(&"[".repeat(deep)).is_err());
        assert!(yaml(&"- ".repeat(deep)).is_err());
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let above = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![above; 10].join(",")));
        }
        assert!(yaml(&bomb).is_err());
    }

    proptest::proptest! {
        /// Whatever strangers write is read or refused: no parser panics, and none takes more than its text.
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,'\"#&*!|>\\-/ \\n\\\\a-c0-2<]{0,60}|.{0,40}") {
            for parse in [json, jsonc, json5, toml, yaml] {
                let _ = parse(&text);
            }
        }
    }
}
