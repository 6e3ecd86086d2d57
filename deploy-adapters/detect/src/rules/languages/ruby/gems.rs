//! What a Gemfile and its lockfile say.

use std::collections::BTreeSet;

use deploy_core::detect::Found;

use crate::rule::Scene;
use crate::rules::languages::asked;
use crate::version::Version;

/// The gems of a project.
#[derive(Debug, Default)]
pub(super) struct Gems {
    /// `Gemfile` or `gems.rb`.
    pub(super) file: Option<&'static str>,
    names: BTreeSet<String>,
    /// Directories of the source that gems are taken from.
    pub(super) local: Vec<String>,
}

impl Gems {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let Some(file) = scene.first_of(&["Gemfile", "gems.rb"]) else { return Self::default() };
        let text = scene.text(file).unwrap_or_default();
        let mut gems = Self { file: Some(file), ..Self::default() };
        for line in
            text.lines().map(str::trim).filter(|line| line.starts_with("gem ") || line.starts_with("gem("))
        {
            gems.names.extend(quoted(line).map(str::to_owned));
            let path = line.split_once("path:").or_else(|| line.split_once(":path =>"));
            let path = path.and_then(|(_, path)| quoted(path));
            gems.local
                .extend(path.map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned()));
        }
        // What they bring along matters only where a system library is behind it.
        let lock = scene.text("Gemfile.lock").unwrap_or_default();
        let specs =
            lock.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')));
        let brought =
            ["execjs", "psych", "ruby-vips", "sprockets", "sprockets-rails", "propshaft", "bootsnap"];
        let names = specs.filter_map(|line| line.split([' ', '(']).next());
        gems.names.extend(names.filter(|name| brought.contains(name)).map(str::to_owned));
        gems
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The version of Ruby that the Gemfile or its lockfile asks for.
    pub(super) fn version(&self, scene: &Scene<'_>) -> Option<Found<String>> {
        let file = self.file?;
        let mut lines = scene.text(file)?.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with("ruby ") || line.starts_with("ruby("));
        let named = line.and_then(quoted).and_then(|version| asked::asks(scene, file, version));
        let locked = || {
            let lock = scene.text("Gemfile.lock")?;
            let (_, after) = lock.split_once("RUBY VERSION")?;
            let version =
                after.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
            asked::asks(scene, "Gemfile.lock", version.split('p').next()?)
        };
        named.or_else(locked)
    }
}

impl Gems {
    /// The newest Ruby that an old Rails runs on.
    pub(super) fn newest(&self, scene: &Scene<'_>) -> Option<Found<String>> {
        const LOCK: &str = "Gemfile.lock";
        let line = scene.text(LOCK)?.lines().find_map(|line| line.strip_prefix("    rails ("))?;
        let version = Version::parse(line.trim_end_matches(')'))?;
        let ruby = match (version.major, version.minor.unwrap_or(0)) {
            (0..=4, _) => "2.4",
            (5, _) => "2.6",
            (6, _) => "2.7",
            (7, 0) => "3.2",
            (_, _) => return None,
        };
        Some(scene.found(ruby.to_owned(), LOCK, format!("names Rails {version}, which runs on Ruby {ruby}")))
    }
}

/// The first quoted text.
fn quoted(line: &str) -> Option<&str> {
    let start = line.find(['"', '\''])?;
    let quote = line[start..].chars().next()?;
    line[start + 1..].split_once(quote).map(|(text, _)| text)
}
