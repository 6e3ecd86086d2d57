//! Reading what a configuration written in JavaScript says in plain words.
//!
//! Nothing is run. A value counts only if it is written out (`outDir: 'web'`); anything computed is not known, and
//! callers say so instead of guessing.

use crate::rule::Scene;

/// What is written behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// The key is not there.
    Missing,
    /// A plain text.
    Text(String),
    /// Something else: a call, a variable, a template.
    Computed,
}

/// The configuration of a tool: the file of that name with one of the endings, and its code without comments.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) file: String,
    pub(super) code: String,
}

impl Config {
    /// `vite.config.ts`, `.js`, `.mjs`, …
    pub(super) fn find(scene: &Scene<'_>, stem: &str) -> Option<Self> {
        const ENDINGS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];
        let file = ENDINGS.iter().map(|ending| format!("{stem}.{ending}")).find(|file| scene.has(file))?;
        let code = scene.text(&file).map(without_comments).unwrap_or_default();
        Some(Self { file, code })
    }

    /// What is written behind a key.
    pub(super) fn literal(&self, key: &str) -> Literal {
        let Some(value) = self.values(key).next() else { return Literal::Missing };
        let Some(quote) = value.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`')) else {
            return Literal::Computed;
        };
        match value[1..].split_once(quote) {
            Some((text, _)) if !text.contains("${") => Literal::Text(text.to_owned()),
            Some(_) | None => Literal::Computed,
        }
    }

    /// Whether a key is set to this word: `true`, `false`.
    pub(super) fn is(&self, key: &str, word: &str) -> bool {
        self.values(key).any(|value| {
            value
                .strip_prefix(word)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    }

    /// Whether a key is there.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// Whether a word occurs in the code.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.code.contains(word)
    }

    /// Everything behind `key:`, for each place where it is written.
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c str> {
        let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
        self.code.match_indices(key).filter_map(move |(at, _)| {
            let before = self.code[..at].trim_end_matches(['"', '\'']);
            let after = self.code[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
            let value = after.strip_prefix(':')?.trim_start();
            (!before.ends_with(part_of_word)).then_some(value)
        })
    }
}

/// The code without comments; texts stay as they are.
fn without_comments(code: &str) -> String {
    let mut plain = String::with_capacity(code.len());
    let mut rest = code.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('"' | '\'' | '`', _) => {
                plain.push(character);
                while let Some(inside) = rest.next() {
                    plain.push(inside);
                    match inside {
                        '\\' => plain.extend(rest.next()),
                        // A quote that is not closed on its line is an apostrophe, or a mistake.
                        end if end == character || end == '\n' && character != '`' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) if !plain.ends_with(':') => {
                while rest.next_if(|inside| *inside != '\n').is_some() {}
            }
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
            (other, _) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(code: &str) -> Config {
        Config { file: "x.config.js".to_owned(), code: without_comments(code) }
    }

    #[test]
    fn only_what_is_written_out_counts() {
        let code = "// outDir: 'no'\nexport default { /* ssr: false */ build: { outDir: 'web/out', \"assetsDir\": `a` },\n\
            base: `/${x}`, myroot: 'no', ssr : true, url: 'https://example.com', dir: path.join('a') }";
        let config = config(code);
        assert_eq!(config.literal("outDir"), Literal::Text("web/out".to_owned()));
        assert_eq!(config.literal("assetsDir"), Literal::Text("a".to_owned()));
        assert_eq!(config.literal("base"), Literal::Computed);
        assert_eq!(config.literal("dir"), Literal::Computed);
        assert_eq!(config.literal("root"), Literal::Missing);
        assert!(config.is("ssr", "true") && !config.is("ssr", "false") && !config.is("ssr", "tru"));
        assert_eq!(config.literal("url"), Literal::Text("https://example.com".to_owned()));
        assert_eq!(self::config("outDir: 'é").literal("outDir"), Literal::Computed);
    }
}
