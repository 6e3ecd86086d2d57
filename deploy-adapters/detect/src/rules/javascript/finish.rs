//! What is done in the image once the build is done: what a framework leaves to its user, and removing what only the
//! build needed.
//!
//! Packages for development are removed only where it is certain that the start needs none of them: a release that is
//! larger than it has to be is better than one that does not start.

use super::config::{Config, Literal};
use super::entry;
use super::manager::Manager;
use super::package::Package;
use super::shape::App;
use crate::version::Version;

/// Frameworks whose programs run without the packages for development, as their own documentation says.
const RUN_WITHOUT: [&str; 19] = [
    "angular",
    "astro",
    "elysia",
    "express",
    "fastify",
    "h3",
    "hapi",
    "hono",
    "koa",
    "nestjs",
    "nextjs",
    "nitro",
    "nuxt",
    "polka",
    "react-router",
    "remix",
    "restify",
    "solidstart",
    "sveltekit",
];

/// Those whose build takes in the packages it needs, however they are listed.
const BUNDLE: [&str; 5] = ["angular", "nitro", "nuxt", "solidstart", "sveltekit"];

/// What is started carries its packages with it.
const CARRIES: [&str; 2] = [".output/server/index.mjs", "/standalone/server.js"];

/// Programs that packages of other names bring.
const PROGRAMS: [(&str, &str); 5] = [
    ("react-router-serve", "@react-router/serve"),
    ("remix-serve", "@remix-run/serve"),
    ("dotenv", "dotenv-cli"),
    ("pm2-runtime", "pm2"),
    ("sequelize", "sequelize-cli"),
];

/// What the shell and every image have.
const ALWAYS_THERE: [&str; 7] = [":", "cd", "echo", "export", "mkdir", "sleep", "true"];

/// How far scripts that run scripts are followed.
const HOPS: usize = 4;

/// How it is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'s> {
    /// The command of the plan: `npm run start`.
    pub(super) written: &'s str,
    /// The script that it runs, or the command itself: `node server.js`.
    pub(super) comes_to: &'s str,
}

/// Each as words, in the app's directory.
pub(super) fn commands(app: &App<'_, '_>, framework: Option<&str>, start: Start<'_>) -> Vec<Vec<String>> {
    let shell = |command: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), command];
    let assets = if framework == Some("nextjs") { next(app, start.comes_to) } else { Vec::new() };
    let pruned = match carries_its_own(app, framework, start) {
        true => installed(app).map(|directories| format!("rm -rf {directories}")),
        false if is_kept(app, framework, start) => None,
        false => prune(app)
            .map(|prune| if compiles_at_start(app, framework) { beside_compiler(&prune) } else { prune }),
    };
    assets.into_iter().chain(pruned).map(shell).collect()
}

/// Whether nothing that is installed is needed any more.
fn carries_its_own(app: &App<'_, '_>, framework: Option<&str>, start: Start<'_>) -> bool {
    let is_known = framework.is_some_and(|name| name == "nextjs" || BUNDLE.contains(&name));
    let is_alone = ["prestart", "poststart"].iter().all(|name| app.package.script(name).is_none());
    let words: Vec<&str> = start.comes_to.split_whitespace().collect();
    match words.as_slice() {
        ["node", file] if is_known && is_alone => CARRIES.iter().any(|end| file.ends_with(end)),
        _ => false,
    }
}

/// Where packages lie that the app may load, as its commands see it; `None` where that is not certain.
fn installed(app: &App<'_, '_>) -> Option<String> {
    match app.tools.place(app.scene) {
        "" => Some("node_modules".to_owned()),
        // Its commands run at the root of the workspace.
        place if app.tools.member.is_some() && is_plain(place) => {
            Some(format!("node_modules {place}/node_modules"))
        }
        _ => None,
    }
}

/// A standalone server finds its assets beside itself, where the build does not put them; and what the build keeps for
/// the next one is of no use in a release.
fn next(app: &App<'_, '_>, start: &str) -> Vec<String> {
    let config = Config::find(app.scene, "next.config");
    let directory = match config.map(|config| config.literal("distDir")) {
        Some(Literal::Text(directory)) if is_plain(&directory) => directory,
        Some(Literal::Text(_) | Literal::Missing | Literal::Computed) | None => ".next".to_owned(),
    };
    let standalone = format!("{directory}/standalone");
    let server = start.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches("./");
        word.strip_suffix("/server.js").filter(|place| place.starts_with(&standalone) && is_plain(place))
    });
    let assets = server.map(|place| {
        format!("cp -r {directory}/static {place}/{directory}/ && if [ -d public ]; then cp -r public {place}/; fi")
    });
    let cache = format!("rm -rf {directory}/cache");
    assets.into_iter().chain([cache]).map(|command| app.tools.here(&command)).collect()
}

/// Whether a path can stand in a command as it is.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    !path.is_empty() && path.chars().all(plain) && !path.split('/').any(|part| part == "..")
}

/// Whether packages for development stay: there are none, or something may need them.
fn is_kept(app: &App<'_, '_>, framework: Option<&str>, start: Start<'_>) -> bool {
    let package = app.package;
    if package.for_development().is_empty() || framework.is_some_and(|name| !RUN_WITHOUT.contains(&name)) {
        return true;
    }
    // What is listed for development alone, and imported all the same.
    let misplaced = framework.is_some_and(|name| !BUNDLE.contains(&name) && package.is_for_development(name));
    // Next reads its configuration at the start, too.
    let configured = framework == Some("nextjs")
        && Config::find(app.scene, "next.config").is_some_and(|config| imports_any(package, &config.code));
    let imported = entry::of_command(app.scene, start.comes_to)
        .and_then(|file| app.scene.text(&file))
        // A program may also name what it loads: `transport: 'pino-pretty'`.
        .is_some_and(|code| names_any(package, code, &["'"]));
    misplaced || configured || imported || !runs_without(package, start.written, HOPS)
}

/// Whether Next compiles its configuration at every start, with a compiler that is listed for development.
fn compiles_at_start(app: &App<'_, '_>, framework: Option<&str>) -> bool {
    framework == Some("nextjs")
        && app.package.is_for_development("typescript")
        && Config::find(app.scene, "next.config").is_some_and(|config| config.file.ends_with("ts"))
}

/// The same with the compiler put aside meanwhile; it needs no other package.
fn beside_compiler(prune: &str) -> String {
    format!(
        "cp -rL node_modules/typescript /tmp/typescript && {prune} && rm -rf node_modules/typescript && \
         mv /tmp/typescript node_modules/typescript"
    )
}

/// Whether a file imports a package for development, but for its types.
fn imports_any(package: &Package, code: &str) -> bool {
    const WAYS: [&str; 4] = ["from '", "import '", "import('", "require('"];
    names_any(package, code, &WAYS)
}

/// Whether a package for development stands in a file as a text of its own behind one of these.
fn names_any(package: &Package, code: &str, behind: &[&str]) -> bool {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("import type "));
    let text: String = lines.map(|line| line.replace('"', "'") + "\n").collect();
    let stands = |name: &str| {
        ["'", "/"].iter().any(|end| behind.iter().any(|way| text.contains(&format!("{way}{name}{end}"))))
    };
    package.for_development().into_iter().any(stands)
}

/// Whether a command runs nothing but Node and packages that are there in production.
fn runs_without(package: &Package, command: &str, hops: usize) -> bool {
    let parts = command.split(['&', '|', ';', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let mut parts = parts.peekable();
    parts.peek().is_some() && parts.all(|part| part_runs_without(package, part, hops))
}

fn part_runs_without(package: &Package, part: &str, hops: usize) -> bool {
    let is_setting = |word: &&str| word.contains('=') || matches!(*word, "exec" | "env");
    let words: Vec<&str> = part.split_whitespace().skip_while(is_setting).collect();
    let no_names = |arguments: &[&str]| !arguments.iter().any(|word| names_one(package, word));
    match words.as_slice() {
        [] => true,
        ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", script, ..]
        | ["npm" | "pnpm" | "yarn" | "bun", script, ..]
            if package.script(script).is_some() =>
        {
            script_runs_without(package, script, hops)
        }
        ["bun", "run", file @ ..] => no_names(file),
        ["node" | "bun", arguments @ ..] => no_names(arguments),
        ["npx" | "bunx" | "yarn", program, arguments @ ..]
        | ["pnpm" | "npm", "exec", program, arguments @ ..]
        | [program, arguments @ ..] => {
            let is_there = ALWAYS_THERE.contains(program) || is_in_production(package, program);
            is_there && no_names(arguments)
        }
    }
}

/// A script, with what package managers run before and after it.
fn script_runs_without(package: &Package, name: &str, hops: usize) -> bool {
    let Some(hops) = hops.checked_sub(1) else { return false };
    let around = [format!("pre{name}"), name.to_owned(), format!("post{name}")];
    package.script(name).is_some()
        && around.iter().filter_map(|name| package.script(name)).all(|one| runs_without(package, one, hops))
}

fn is_in_production(package: &Package, program: &str) -> bool {
    let by_other = PROGRAMS.iter().find(|(known, _)| known == &program).map(|(_, package)| *package);
    package.runs_with(by_other.unwrap_or(program))
}

/// Whether an argument names a package for development: `-r ts-node/register`, `--import=tsx`.
fn names_one(package: &Package, word: &str) -> bool {
    let word = word.rsplit_once('=').map_or(word, |(_, value)| value).trim_matches(['"', '\'']);
    let names = package.for_development();
    names
        .iter()
        .any(|name| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether what is installed is for other packages as well.
fn is_workspace(app: &App<'_, '_>) -> bool {
    app.tools.member.is_some()
        || app.tools.root.at() != app.scene.at()
        || app.package.workspaces().is_some()
        || app.scene.has("pnpm-workspace.yaml")
}

/// What leaves the packages that run and removes the others; nothing is built anew. What can't be removed stays.
fn prune(app: &App<'_, '_>) -> Option<String> {
    let package = app.package;
    let is_workspace = is_workspace(app);
    let version = app.tools.version.as_deref().and_then(Version::parse);
    let major = version.map(|version| version.major);
    let hooks = ["preinstall", "install", "postinstall", "prepare"];
    // Some managers lay packages out anew, without what scripts made of them.
    let is_changed =
        hooks.iter().any(|hook| package.script(hook).is_some()) || package.depends_on("@prisma/client");
    let command = match app.tools.manager {
        Manager::Npm if app.tools.root.at() == app.scene.at() => "npm prune --omit=dev --ignore-scripts",
        Manager::Pnpm if !is_workspace && version.is_none_or(prunes_quietly) => {
            "CI=true pnpm prune --prod --ignore-scripts"
        }
        Manager::YarnClassic if !is_workspace && !is_changed && app.tools.lockfile.is_some() => {
            "yarn install --production --frozen-lockfile --ignore-scripts --prefer-offline"
        }
        Manager::YarnBerry if !is_workspace && !is_changed && major.is_some_and(|major| major >= 4) => {
            match app.tools.links() || app.tools.root.has_directory(".yarn/cache") {
                true => "yarn workspaces focus --production",
                // What Plug'n'Play runs out of is filled anew, from what the builder keeps.
                false => "rm -rf .yarn/cache && yarn workspaces focus --production",
            }
        }
        Manager::Bun if !is_workspace && !is_changed && app.tools.lockfile.is_some() => {
            "rm -rf node_modules && bun install --production --frozen-lockfile"
        }
        Manager::Npm | Manager::Pnpm | Manager::YarnClassic | Manager::YarnBerry | Manager::Bun => {
            return None;
        }
    };
    Some(command.to_owned())
}

/// Whether this pnpm can remove packages without running scripts of the project, which may need what is removed; and
/// does not install them again at the start.
fn prunes_quietly(pnpm: Version) -> bool {
    let minor = (pnpm.minor.unwrap_or(u64::MAX), pnpm.patch.unwrap_or(u64::MAX));
    pnpm.major == 8 && minor >= (15, 6) || matches!(pnpm.major, 9 | 10)
}

#[cfg(test)]
mod tests;
