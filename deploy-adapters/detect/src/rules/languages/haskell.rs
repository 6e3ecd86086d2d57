//! Haskell on Stack and Cabal.

use deploy_core::detect::{Detection, ProjectKind};

use super::parts::assets;
use super::program::{Program, several_starts, start_unknown};
use super::release::Releases;
use crate::manifest::Values;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases =
    Releases { language: "GHC", all: &["8.10", "9.0", "9.2", "9.4", "9.6", "9.8", "9.10"], usual: "9.6" };

const FRAMEWORKS: &[(&str, u16)] = &[
    ("yesod", 3000),
    ("servant-server", 8080),
    ("scotty", 3000),
    ("ihp", 8000),
    ("Spock", 8080),
    ("snap", 8000),
    ("warp", 3000),
];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let cabal = scene.files("").into_iter().find(|file| file.ends_with(".cabal"));
    let is_stack = scene.has("stack.yaml");
    let file = if is_stack {
        "stack.yaml"
    } else {
        cabal.or_else(|| scene.first_of(&["package.yaml", "cabal.project"]))?
    };
    let mut program = Program::new("haskell", scene.fact(file, "belongs to a Haskell program"));
    program.detection.package_manager = Some(if is_stack { "stack" } else { "cabal" }.to_owned());
    let release = RELEASES.choose(compiler(scene));
    let build = format!("haskell:{}", release.version);
    program.images(release, build, Some("debian:bookworm-slim".to_owned()));
    program.packages(&["libpq-dev"], &["ca-certificates", "libgmp10", "libpq5"]);
    program.caches(&["/root/.stack", "/root/.cabal"]);
    let description = cabal.and_then(|file| scene.text(file)).unwrap_or_default();
    let hpack = scene.text("package.yaml").unwrap_or_default();
    program.detection.kind = ProjectKind::Worker;
    let depends = |name: &str| [description, hpack].iter().any(|text| text.contains(name));
    if let Some((name, port)) = FRAMEWORKS.iter().find(|(name, _)| depends(name)) {
        let shown = if *name == "servant-server" { "servant" } else { name };
        program.framework(&shown.to_ascii_lowercase(), scene.fact(file, format!("depends on {name}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((*port, "is where such programs listen"));
    }
    program.sources = ["app/Main.hs", "src/Main.hs", "Main.hs", "src/Lib.hs", "src/Application.hs"]
        .map(str::to_owned)
        .to_vec();
    commands(scene, file, is_stack, &executables(scene, description), &mut program);
    Some(program.plan(scene))
}

/// The compiler that a snapshot of Stackage has.
fn compiler(scene: &Scene<'_>) -> Option<deploy_core::detect::Found<String>> {
    let stack = scene.yaml("stack.yaml")?;
    let snapshot = stack.text_at(&["resolver"]).or_else(|| stack.text_at(&["snapshot"]))?;
    let version = match snapshot.split_once("lts").map(|(_, after)| after.trim_start_matches(['-', '/'])) {
        Some(after) => match after.split(['.', '/']).next()? {
            "17" | "18" => "8.10",
            "19" => "9.0",
            "20" => "9.2",
            "21" => "9.4",
            "22" => "9.6",
            "23" => "9.8",
            "24" => "9.10",
            _ => return None,
        },
        None => snapshot.strip_prefix("ghc-")?,
    };
    Some(scene.found(version.to_owned(), "stack.yaml", format!("names the snapshot {snapshot}")))
}

fn executables(scene: &Scene<'_>, cabal: &str) -> Vec<String> {
    let stanzas = cabal.lines().filter_map(|line| line.strip_prefix("executable "));
    let mut names: Vec<String> = stanzas.map(|name| name.trim().to_owned()).collect();
    let hpack = scene.yaml("package.yaml").unwrap_or_default();
    names.extend(hpack.keys_at(&["executables"]).into_iter().map(str::to_owned));
    if !hpack.at(&["executable"]).is_null() {
        names.extend(hpack.text_at(&["name"]).map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// What stack reads before it compiles anything.
const STACK: [&str; 3] = ["stack.yaml", "stack.yaml.lock", "package.yaml"];

fn commands(scene: &Scene<'_>, file: &str, is_stack: bool, names: &[String], program: &mut Program) {
    let build = match is_stack {
        true => "stack build --system-ghc --copy-bins --local-bin-path bin".to_owned(),
        false => "cabal install exe:all --install-method=copy --installdir=bin --overwrite-policy=always"
            .to_owned(),
    };
    if is_stack {
        program.fetch_ahead(scene, "stack build --system-ghc --only-dependencies", &STACK);
        let cabal = scene.files("").into_iter().filter(|file| file.ends_with(".cabal"));
        program.detection.manifests.extend(cabal.map(str::to_owned));
    } else {
        program.detection.install = Some(scene.found("cabal update".to_owned(), file, "names the packages"));
    }
    program.detection.build = Some(scene.found(build, file, "describes the build"));
    match names {
        [] => {
            let message = "this Haskell package has no executable".to_owned();
            program.detection.blocked.push(start_unknown(
                scene.fact(file, "has no executable"),
                message,
                "./bin/app",
            ));
        }
        [name] => {
            program.detection.start =
                Some(scene.found(format!("./bin/{name}"), file, format!("has the program {name}")));
            program.detection.runtime_files = ["bin/".to_owned()].into_iter().chain(assets(scene)).collect();
        }
        several => {
            let choices: Vec<_> =
                several.iter().map(|name| (name.clone(), format!("./bin/{name}"))).collect();
            program.detection.blocked.push(several_starts(file, "programs", &choices));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{detect, value};

    #[test]
    fn executables_are_copied_to_bin() {
        let package = "name: x\ndependencies:\n- scotty\nexecutables:\n  x-exe:\n    main: Main.hs\n";
        let detection = detect(&[
            ("stack.yaml", "resolver: lts-22.1"),
            ("package.yaml", package),
            ("app/Main.hs", "scotty 3000 $ do"),
        ]);
        assert_eq!((value(&detection.start), value(&detection.build_image)), ("./bin/x-exe", "haskell:9.6"));
        assert_eq!(detection.framework.as_deref(), Some("scotty"));
        let detection = detect(&[("x.cabal", "executable a\nexecutable b\n")]);
        assert_eq!(detection.blocked.len(), 1);
        assert_eq!(detection.package_manager.as_deref(), Some("cabal"));
    }
}
