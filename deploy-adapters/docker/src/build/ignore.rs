//! `.dockerignore`: the last pattern that matches a path or a directory above it decides.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// What a generated Dockerfile never sees: what install makes anew, and files with other people's secrets.
pub(crate) const NEVER: &str =
    ".git\n**/node_modules\n**/.venv\n**/venv\n**/__pycache__\n**/.env\n**/.env.*\n!**/.env.example\n";

/// A list of patterns.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    patterns: Vec<(GlobMatcher, bool)>,
}

impl Ignore {
    /// Reads the text of an ignore file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.trim_start_matches('\u{feff}').lines();
        let lines =
            lines.filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty());
        let patterns = lines.map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// What is left out for a generated Dockerfile, with what an ignore file says after it.
    pub(crate) fn for_generated(text: &str) -> Result<Self, String> {
        Self::parse(&format!("{NEVER}{text}"))
    }

    /// Whether a path, relative to the context, is left out.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for (glob, exclude) in &self.patterns {
            let matches =
                Path::new(path).ancestors().any(|part| !part.as_os_str().is_empty() && glob.is_match(part));
            if matches {
                excluded = *exclude;
            }
        }
        excluded
    }

    /// Whether something below a directory that is left out may be taken in again.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|(_, exclude)| !exclude)
    }
}

fn pattern(line: &str) -> Result<(GlobMatcher, bool), String> {
    let (text, exclude) = match line.strip_prefix('!') {
        Some(text) => (text.trim(), false),
        None => (line, true),
    };
    // Paths are relative to the context however they are written.
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    // Braces mean themselves here.
    let text = parts.join("/").replace('{', "[{]").replace('}', "[}]");
    let glob = GlobBuilder::new(&text).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| format!("{line:?} is not a pattern: {}", error.kind()))?;
    Ok((glob.compile_matcher(), exclude))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded<'a>(patterns: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(patterns).expect(patterns);
        paths.iter().copied().filter(|path| ignore.excludes(path)).collect()
    }

    #[test]
    fn patterns_mean_what_docker_says_they_mean() {
        let paths = ["a", "a/b", "a/b/c", "b", "x.md", "d/x.md", "README.md", "d{1}"];
        assert_eq!(excluded("a", &paths), ["a", "a/b", "a/b/c"]);
        assert_eq!(excluded("/a/b/", &paths), ["a/b", "a/b/c"]);
        assert_eq!(excluded("*/b", &paths), ["a/b", "a/b/c"]);
        assert_eq!(excluded("*.md", &paths), ["x.md", "README.md"]);
        assert_eq!(excluded("**/*.md", &paths), ["x.md", "d/x.md", "README.md"]);
        assert_eq!(excluded("*.md\n!README.md", &paths), ["x.md"]);
        assert_eq!(excluded("!README.md\n*.md", &paths), ["x.md", "README.md"]);
        assert_eq!(excluded("# a\n\n  b  \n", &paths), ["b"]);
        assert_eq!(excluded("d{1}", &paths), ["d{1}"]);
        assert_eq!(excluded("**", &paths).len(), paths.len());
    }

    #[test]
    fn a_file_below_an_excluded_directory_can_be_taken_in_again() {
        assert_eq!(excluded("a\n!a/b/c", &["a", "a/b", "a/b/c"]), ["a", "a/b"]);
    }

    #[test]
    fn a_generated_image_never_sees_secrets_of_the_source() {
        let ignore = Ignore::for_generated("").expect("the list");
        for path in
            [".env", ".env.production", "apps/a/.env", "node_modules/x/y", "a/node_modules/b", ".git/config"]
        {
            assert!(ignore.excludes(path), "{path}");
        }
        assert!(!ignore.excludes("src/index.js"));
        assert!(!ignore.excludes(".env.example"));
    }
}
