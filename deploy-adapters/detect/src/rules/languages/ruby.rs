//! Ruby: Rails, Rack applications and scripts.

mod gems;

use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::reason::{Reason, ReasonCode};

use self::gems::Gems;
use super::asked;
use super::parts::is_node_app;
use super::program::{APP, Program, start_unknown};
use super::release::Releases;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const RAILS: Rule = rails;
pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases {
    language: "Ruby",
    all: &["2.4", "2.5", "2.6", "2.7", "3.0", "3.1", "3.2", "3.3", "3.4", "4.0"],
    usual: "3.4",
};

/// Generators of sites, which have rules of their own.
const GENERATORS: [&str; 5] = ["jekyll", "github-pages", "middleman", "bridgetown", "nanoc"];

/// Gems of frameworks, each with the framework's name and the port it listens on.
const FRAMEWORKS: &[(&str, &str, u16)] = &[
    ("hanami", "hanami", 2300),
    ("padrino", "padrino", 3000),
    ("sinatra", "sinatra", 4567),
    ("grape", "grape", 9292),
    ("roda", "roda", 9292),
    ("cuba", "cuba", 9292),
    ("rack-app", "rack", 9292),
    ("rack", "rack", 9292),
];

/// Servers of Rack applications, each with its command.
const SERVERS: &[(&str, &str)] = &[
    ("puma", "puma -b tcp://0.0.0.0:${PORT:-PORT_HERE}"),
    ("falcon", "falcon serve --bind http://0.0.0.0:${PORT:-PORT_HERE}"),
    ("unicorn", "unicorn -p ${PORT:-PORT_HERE}"),
    ("thin", "thin start -a 0.0.0.0 -p ${PORT:-PORT_HERE}"),
    ("iodine", "iodine -b 0.0.0.0 -p ${PORT:-PORT_HERE}"),
];

/// Scripts that a program begins in, most telling first.
const SCRIPTS: [&str; 9] = [
    "app.rb",
    "main.rb",
    "server.rb",
    "web.rb",
    "application.rb",
    "bot.rb",
    "run.rb",
    "start.rb",
    "index.rb",
];

fn program(scene: &Scene<'_>, gems: &Gems) -> Program {
    let file = gems.file.unwrap_or_else(|| script(scene).unwrap_or("config.ru"));
    let mut program = Program::new("ruby", scene.fact(file, "belongs to a Ruby program"));
    let asked = asked::in_file(scene, ".ruby-version")
        .or_else(|| asked::of_tool(scene, &["ruby"]))
        .or_else(|| gems.version(scene))
        .or_else(|| gems.newest(scene));
    let release = RELEASES.choose(asked);
    let debian = match release.version {
        "2.4" | "2.5" => "buster",
        "2.6" | "2.7" | "3.0" => "bullseye",
        _ => "bookworm",
    };
    let build = format!("ruby:{}-{debian}", release.version);
    let runtime = format!("ruby:{}-slim-{debian}", release.version);
    program.images(release, build, Some(runtime));
    install(scene, gems, &mut program);
    packages(gems, &mut program);
    program
}

fn install(scene: &Scene<'_>, gems: &Gems, program: &mut Program) {
    let Some(file) = gems.file else { return };
    program.detection.package_manager = Some("bundler".to_owned());
    let lock = format!("{file}.lock");
    program.manifests(scene, &[file, &lock, ".ruby-version", ".tool-versions", "vendor/cache/"]);
    // A gem that lies in the source, or a file that the Gemfile reads, has to be there.
    program
        .detection
        .manifests
        .extend(gems.local.iter().filter(|path| scene.has_directory(path)).map(|path| format!("{path}/")));
    let is_locked = scene.has(&lock) || gems.file == Some("gems.rb") && scene.has("gems.locked");
    if !is_locked {
        program.detection.warnings.push(no_lockfile("bundler", &lock, "bundle lock"));
    }
    let boot = if gems.has("bootsnap") { " && bundle exec bootsnap precompile --gemfile" } else { "" };
    program.detection.install = Some(scene.found(format!("bundle install{boot}"), file, "names the gems"));
    program.node_assets(scene);
    program.variable("BUNDLE_PATH", format!("{APP}/vendor/bundle"));
    program.variable("BUNDLE_WITHOUT", "development:test");
    if is_locked {
        program.variable("BUNDLE_DEPLOYMENT", "1");
    }
}

fn packages(gems: &Gems, program: &mut Program) {
    const NEEDS: &[(&[&str], &[&str], &[&str])] = &[
        (&["pg"], &["libpq-dev"], &["libpq5"]),
        (&["mysql2", "trilogy"], &["default-libmysqlclient-dev"], &["libmariadb3"]),
        (&["sqlite3"], &["libsqlite3-dev"], &["libsqlite3-0"]),
        (&["ruby-vips", "image_processing"], &[], &["libvips42"]),
        (&["mini_magick", "carrierwave"], &[], &["imagemagick"]),
        (&["rmagick"], &["libmagickwand-dev"], &["imagemagick", "libmagickwand-6.q16-6"]),
        (&["charlock_holmes"], &["libicu-dev"], &["libicu72"]),
        (&["execjs", "uglifier"], &[], &["nodejs"]),
        (&["wicked_pdf"], &[], &["wkhtmltopdf"]),
        (&["tiny_tds"], &["freetds-dev"], &["freetds-bin"]),
    ];
    for (names, build, runtime) in NEEDS {
        if names.iter().any(|name| gems.has(name)) {
            program.packages(build, runtime);
        }
    }
    if gems.has("psych") || gems.has("rails") {
        program.packages(&["libyaml-dev"], &["libyaml-0-2"]);
    }
}

fn rails(scene: &Scene<'_>) -> Option<Detection> {
    let gems = Gems::of(scene);
    let is_rails = gems.has("rails") || gems.has("railties");
    let application = scene.text("config/application.rb");
    // The source of a gem names Rails for its tests.
    let is_gem = || scene.files("").iter().any(|file| file.ends_with(".gemspec"));
    let is_app = application.is_some() || scene.has("config.ru") || scene.has("bin/rails") || !is_gem();
    let file = gems.file.filter(|_| is_rails && is_app)?;
    let mut program = program(scene, &gems);
    program.framework("rails", scene.fact(file, "depends on rails"));
    program.detection.writes = Some(scene.fact(file, "Rails keeps its process id and its caches in tmp"));
    program.detection.kind = ProjectKind::Server;
    let evidence = scene.fact("config/application.rb", "is a Rails application");
    let start = "bundle exec rails server -b 0.0.0.0 -p ${PORT:-3000}".to_owned();
    program.detection.start = Some(Found { value: start, evidence: evidence.clone() });
    program.usual_port = Some((3000, "Rails listens there unless it is told otherwise"));
    let only_api = application.is_some_and(|text| {
        text.lines().any(|line| {
            let line = line.trim();
            line.starts_with("config.api_only") && line.ends_with("true")
        })
    });
    let pipelines = [
        "sprockets",
        "sprockets-rails",
        "propshaft",
        "sassc-rails",
        "webpacker",
        "shakapacker",
        "vite_rails",
    ];
    let has_assets = pipelines.iter().any(|gem| gems.has(gem)) || scene.has_directory("app/assets");
    let assets = (has_assets && !only_api)
        .then_some("SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=unused bundle exec rake assets:precompile");
    let boot = gems.has("bootsnap").then_some("bundle exec bootsnap precompile app/ lib/");
    let build: Vec<&str> = boot.into_iter().chain(assets).collect();
    if !build.is_empty() {
        program.detection.build = Some(Found { value: build.join(" && "), evidence });
    }
    for (name, value) in [
        ("RAILS_ENV", "production"),
        ("RACK_ENV", "production"),
        ("RAILS_LOG_TO_STDOUT", "1"),
        ("RAILS_SERVE_STATIC_FILES", "1"),
    ] {
        program.variable(name, value);
    }
    let routes = scene.text("config/routes.rb").unwrap_or_default();
    if routes.contains("rails/health#show") {
        let path = if routes.contains("\"up\"") || routes.contains("'up'") { "/up" } else { "/health" };
        program.detection.health_path =
            Some(scene.found(path.to_owned(), "config/routes.rb", format!("answers {path}")));
    }
    program.detection.warnings.extend(single_writer(scene));
    Some(program.plan(scene))
}

fn single_writer(scene: &Scene<'_>) -> Option<Reason> {
    const FILE: &str = "config/database.yml";
    let text = scene.text(FILE)?;
    let others = ["postgresql", "mysql2", "trilogy", "DATABASE_URL", "sqlserver"];
    let only = text.contains("sqlite3") && !others.iter().any(|other| text.contains(other));
    let message = "the database is a SQLite file: keep it on a volume, which one instance may use at a time";
    only.then(|| {
        Reason::new(ReasonCode::SingleWriterVolume, message).because(FILE, "names no database but SQLite")
    })
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let gems = Gems::of(scene);
    let is_site = GENERATORS.iter().any(|gem| gems.has(gem));
    let is_loose = gems.file.is_none() && !scene.has("config.ru");
    let is_beside = is_loose && (script(scene).is_none() || scene.has("package.json"));
    if is_site || is_beside || is_node_app(scene) {
        return None;
    }
    let mut program = program(scene, &gems);
    let framework = FRAMEWORKS.iter().find(|(gem, _, _)| gems.has(gem));
    let is_rack = scene.has("config.ru");
    if let Some((gem, name, port)) = framework.filter(|(gem, _, _)| *gem != "rack" || is_rack) {
        let file = gems.file.unwrap_or("config.ru");
        program.framework(name, scene.fact(file, format!("depends on {gem}")));
        program.usual_port = Some((*port, "is where such programs listen"));
    }
    let file = script(scene);
    let text = file.and_then(|file| scene.text(file)).unwrap_or_default();
    let listens =
        ["Sinatra", "sinatra", "WEBrick", "TCPServer", "Rack::Handler", "Rackup::Handler", "Agoo", "listen("];
    let answers = listens.iter().any(|word| text.contains(word));
    let bundle = if gems.file.is_some() { "bundle exec " } else { "" };
    if is_rack {
        let port = framework.map_or(9292, |(_, _, port)| *port).to_string();
        let server = SERVERS
            .iter()
            .find(|(gem, _)| gems.has(gem))
            .map_or("rackup --host 0.0.0.0 --port ${PORT:-PORT_HERE}", |(_, command)| *command);
        let start = format!("{bundle}{}", server.replace("PORT_HERE", &port));
        program.detection.kind = ProjectKind::Server;
        program.detection.start = Some(scene.found(start, "config.ru", "is a Rack application"));
        program.variable("RACK_ENV", "production");
    } else if let Some(file) = file {
        program.detection.kind = if answers { ProjectKind::Server } else { ProjectKind::Worker };
        program.detection.start =
            Some(scene.found(format!("{bundle}ruby {file}"), file, "is where the program begins"));
        program.variable("APP_ENV", "production");
        program.variable("RACK_ENV", "production");
        program.sources.push(file.to_owned());
    } else {
        let message = "this is a Ruby project, but nothing shows where a program begins: looked for config.ru and scripts \
                       such as app.rb or main.rb";
        let evidence = program.detection.evidence.first().cloned();
        let evidence = evidence.unwrap_or_else(|| scene.fact("Gemfile", "names the gems"));
        program.detection.blocked.push(start_unknown(
            evidence,
            message.to_owned(),
            "bundle exec ruby app.rb",
        ));
    }
    Some(program.plan(scene))
}

/// The script that a program begins in.
fn script<'s>(scene: &Scene<'s>) -> Option<&'s str> {
    let files = scene.files("");
    let usual = SCRIPTS.iter().find_map(|name| files.iter().find(|file| *file == name));
    let scripts: Vec<&&str> =
        files.iter().filter(|file| file.ends_with(".rb") && **file != "gems.rb").collect();
    let only = || scripts.first().copied().filter(|_| scripts.len() == 1);
    usual.or_else(only).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    const GEMS: &str = "source 'https://rubygems.org'\nruby '3.2.2'\ngem \"rails\", \"~> 7.1\"\ngem 'pg'\ngem 'puma'\n  gem 'bootsnap', require: false\n gem 'propshaft'\n# gem 'jekyll'";

    #[test]
    fn rails_is_built_and_served_for_production() {
        let files = [
            ("Gemfile", GEMS),
            ("Gemfile.lock", ""),
            ("config.ru", ""),
            ("config/application.rb", "class Application"),
            ("config/routes.rb", "get \"up\" => \"rails/health#show\""),
            ("package.json", "{\"scripts\":{\"build\":\"esbuild\"}}"),
            ("yarn.lock", ""),
        ];
        let detection = detect(&files);
        assert_eq!(value(&detection.start), "bundle exec rails server -b 0.0.0.0 -p ${PORT:-3000}");
        assert!(value(&detection.build).ends_with("bundle exec rake assets:precompile"));
        assert!(
            value(&detection.install)
                .starts_with("bundle install && bundle exec bootsnap precompile --gemfile")
        );
        assert!(
            value(&detection.install).ends_with("yarn install --frozen-lockfile"),
            "{:?}",
            detection.install
        );
        assert_eq!((value(&detection.health_path), detection.internal_port.unwrap().value), ("/up", 3000));
        assert_eq!(value(&detection.runtime_image), "ruby:3.2-slim-bookworm");
        assert!(detection.runtime_packages.contains("libpq5") && !detection.build_tools.is_empty());
    }

    #[test]
    fn rack_applications_run_on_their_server() {
        let rack =
            |gems: &str| value(&detect(&[("Gemfile", gems), ("config.ru", "run App")]).start).to_owned();
        assert_eq!(rack("gem 'sinatra'\ngem 'puma'"), "bundle exec puma -b tcp://0.0.0.0:${PORT:-4567}");
        assert_eq!(rack("gem 'roda'"), "bundle exec rackup --host 0.0.0.0 --port ${PORT:-9292}");
        let detection = detect(&[("Gemfile", "gem 'sinatra'"), ("app.rb", "require 'sinatra'")]);
        assert_eq!(
            (value(&detection.start), detection.kind),
            ("bundle exec ruby app.rb", ProjectKind::Server)
        );
        assert_eq!(detection.internal_port.unwrap().value, 4567);
    }

    #[test]
    fn what_is_no_program_is_left_to_other_rules() {
        let detection = detect(&[("Gemfile", "gem 'jekyll'"), ("_config.yml", "")]);
        assert_ne!(detection.planner, "ruby");
        let detection = detect(&[("Gemfile", "gem 'fastlane'")]);
        assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
        assert_eq!(detect(&[("main.rb", "puts 1")]).kind, ProjectKind::Worker);
    }
}
