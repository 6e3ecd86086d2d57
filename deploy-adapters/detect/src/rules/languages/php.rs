//! PHP: Composer, the document root, and FrankenPHP (Apache for releases that it no longer has).

use deploy_core::detect::{Detection, Found, ProjectKind};
use serde_json::Value;

use super::asked;
use super::program::{APP, Program};
use super::release::Releases;
use crate::manifest::Values;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};
use crate::rules::procfile::main_process;

/// Projects with Composer, and those of frameworks.
pub(super) const RULE: Rule = detect;

const COMPOSER: &str = "composer.json";

const RELEASES: Releases = Releases {
    language: "PHP",
    all: &["5.6", "7.0", "7.1", "7.2", "7.3", "7.4", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5"],
    usual: "8.4",
};

/// The releases that FrankenPHP has.
const FRANKEN: [&str; 4] = ["8.2", "8.3", "8.4", "8.5"];

/// A framework: the package that shows it, its document root, and the extensions that it needs.
struct Framework {
    package: &'static str,
    name: &'static str,
    root: &'static str,
    extensions: &'static str,
}

const DATABASES: &str = "gd intl opcache pdo_mysql pdo_pgsql zip";

const FRAMEWORKS: &[Framework] = &[
    framework(
        "laravel/framework",
        "laravel",
        "public",
        "bcmath gd intl opcache pcntl pdo_mysql pdo_pgsql zip",
    ),
    framework("laravel/lumen-framework", "lumen", "public", DATABASES),
    framework("symfony/framework-bundle", "symfony", "public", DATABASES),
    framework("symfony/symfony", "symfony", "web", DATABASES),
    framework("roots/wordpress", "wordpress", "web", "exif gd intl mysqli opcache zip"),
    framework("johnpbloch/wordpress", "wordpress", "", "exif gd intl mysqli opcache zip"),
    framework("craftcms/cms", "craft", "web", DATABASES),
    framework("drupal/core-recommended", "drupal", "web", DATABASES),
    framework("drupal/core", "drupal", "web", DATABASES),
    framework("cakephp/cakephp", "cakephp", "webroot", DATABASES),
    framework("codeigniter4/framework", "codeigniter", "public", "intl mysqli opcache"),
    framework("yiisoft/yii2", "yii", "web", DATABASES),
    framework("laminas/laminas-mvc", "laminas", "public", DATABASES),
    framework("typo3/cms-core", "typo3", "public", "exif gd intl mysqli opcache zip"),
    framework("slim/slim", "slim", "public", "opcache"),
    framework("mezzio/mezzio", "mezzio", "public", "opcache"),
    framework("nette/application", "nette", "www", DATABASES),
    framework("october/rain", "october", "", DATABASES),
    framework(
        "magento/product-community-edition",
        "magento",
        "pub",
        "bcmath gd intl opcache pdo_mysql soap sockets xsl zip",
    ),
];

const fn framework(
    package: &'static str,
    name: &'static str,
    root: &'static str,
    extensions: &'static str,
) -> Framework {
    Framework { package, name, root, extensions }
}

/// Where a document root may be, most telling first.
const ROOTS: [&str; 8] = ["public", "web", "webroot", "public_html", "htdocs", "www", "", "src"];

const WORDPRESS: [&str; 4] = ["wp-config.php", "wp-load.php", "wp-config-sample.php", "wp-settings.php"];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let composer = scene.json(COMPOSER);
    let wordpress = scene.first_of(&WORDPRESS);
    let index = ROOTS.iter().find(|root| scene.has(&join(root, "index.php")));
    let script = || scene.files("").into_iter().find(|file| file.ends_with(".php"));
    let file = match (&composer, wordpress, index) {
        (Some(_), _, _) => COMPOSER.to_owned(),
        (None, Some(file), _) => file.to_owned(),
        (None, None, Some(root)) => join(root, "index.php"),
        (None, None, None) => script().filter(|_| !scene.has("package.json"))?.to_owned(),
    };
    let manifest = composer.unwrap_or_default();
    let requires = |package: &str| !manifest.at(&["require", package]).is_null();
    let framework = FRAMEWORKS.iter().find(|framework| requires(framework.package));
    // A library has nothing that answers.
    let root = framework.map(|framework| framework.root).filter(|root| scene.has(&join(root, "index.php")));
    let root = root.or_else(|| index.copied()).or_else(|| framework.map(|framework| framework.root));
    // A server that only Heroku has: its last word is the document root.
    let hosted = main_process(scene).filter(|found| found.value.command.contains("heroku-php-"));
    let hosted_root = hosted.as_ref().and_then(|found| found.value.command.split_whitespace().next_back());
    let hosted_root = hosted_root.map(|root| root.trim_matches('/')).filter(|root| scene.has_directory(root));
    let root = hosted_root.or(root);
    let mut program = Program::new("php", scene.fact(&file, "belongs to a PHP program"));
    match (framework, wordpress) {
        (Some(framework), _) => {
            program
                .framework(framework.name, scene.fact(COMPOSER, format!("requires {}", framework.package)));
        }
        (None, Some(file)) => program.framework("wordpress", scene.fact(file, "belongs to WordPress")),
        (None, None) => {}
    }
    if framework.is_some() || wordpress.is_some() {
        let why = "keeps caches, sessions and uploads among its files";
        program.detection.writes = Some(scene.fact(&file, why));
    }
    images(scene, &manifest, framework, wordpress.is_some(), &mut program);
    build(scene, &mut program);
    start(scene, root, script(), &mut program);
    health(scene, &mut program);
    let own = program.detection.start.clone();
    let mut detection = program.plan(scene);
    if hosted.is_some() {
        detection.start = own;
    }
    Some(detection)
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn images(
    scene: &Scene<'_>,
    manifest: &Value,
    framework: Option<&Framework>,
    wordpress: bool,
    program: &mut Program,
) {
    let of_composer = || {
        let platform = manifest.text_at(&["config", "platform", "php"]);
        asked::asks(scene, COMPOSER, platform.or_else(|| manifest.text_at(&["require", "php"]))?)
    };
    let asked = asked::in_file(scene, ".php-version")
        .or_else(|| asked::of_tool(scene, &["php"]))
        .or_else(of_composer);
    let release = RELEASES.choose(asked);
    let version = release.version;
    let image = match FRANKEN.contains(&version) {
        true => {
            // A file that asks for a privilege is not executed where privileges can't be gained
            // (frankenphp's page on Docker, "Running With No Capabilities").
            program.detection.image_setup.push("setcap -r /usr/local/bin/frankenphp".to_owned());
            format!("dunglas/frankenphp:1-php{version}-bookworm")
        }
        false => {
            program.tool(
                "mlocati/php-extension-installer:2",
                "/usr/bin/install-php-extensions",
                "/usr/local/bin/",
            );
            let debian = match version {
                "5.6" | "7.0" => "stretch",
                "7.1" | "7.2" => "buster",
                "7.3" | "7.4" | "8.0" => "bullseye",
                _ => "bookworm",
            };
            format!("php:{version}-apache-{debian}")
        }
    };
    // The extensions are compiled into it, so it runs where it was built.
    program.images(release, image, None);
    install(scene, manifest, framework, wordpress, version, program);
}

fn install(
    scene: &Scene<'_>,
    manifest: &Value,
    framework: Option<&Framework>,
    wordpress: bool,
    version: &str,
    program: &mut Program,
) {
    let named = manifest.keys_at(&["require"]).into_iter().filter_map(|key| key.strip_prefix("ext-"));
    let usual = framework.map_or("", |framework| framework.extensions);
    let usual = if wordpress && usual.is_empty() { "exif gd intl mysqli opcache zip" } else { usual };
    // These are in every image.
    const BUILT_IN: [&str; 22] = [
        "ctype",
        "curl",
        "date",
        "dom",
        "fileinfo",
        "filter",
        "hash",
        "iconv",
        "json",
        "libxml",
        "mbstring",
        "openssl",
        "pcre",
        "pdo",
        "phar",
        "posix",
        "session",
        "simplexml",
        "sodium",
        "tokenizer",
        "xml",
        "xmlwriter",
    ];
    let mut extensions: Vec<String> =
        named.chain(usual.split_whitespace()).map(str::to_ascii_lowercase).collect();
    extensions.retain(|name| !BUILT_IN.contains(&name.as_str()) && name != "xmlreader");
    extensions.sort_unstable();
    extensions.dedup();
    let is_plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    extensions.retain(is_plain);
    let mut commands = Vec::new();
    if !extensions.is_empty() {
        commands.push(format!("install-php-extensions {}", extensions.join(" ")));
    }
    if scene.has(COMPOSER) {
        let image = if matches!(version, "5.6" | "7.0" | "7.1") { "composer:2.2" } else { "composer:2" };
        program.tool(image, "/usr/bin/composer", "/usr/local/bin/composer");
        program.detection.package_manager = Some("composer".to_owned());
        commands.push(
            "composer install --no-dev --optimize-autoloader --no-interaction --no-progress --no-scripts"
                .to_owned(),
        );
        program.packages(&["git", "unzip"], &[]);
        program.caches(&["/root/.composer/cache"]);
        program.variable("COMPOSER_ALLOW_SUPERUSER", "1");
        if !scene.has("composer.lock") && manifest.keys_at(&["require"]).iter().any(|name| name.contains('/'))
        {
            program.detection.warnings.push(no_lockfile("composer", "composer.lock", "composer update"));
        }
        // A class map is made of the sources, so all of them have to be there.
        let maps = [["autoload", "classmap"], ["autoload", "files"]];
        let needs_sources = maps.iter().any(|path| !manifest.at(path).is_null())
            || manifest.at(&["repositories"]).to_string().contains("\"path\"");
        if !needs_sources {
            program.manifests(scene, &[COMPOSER, "composer.lock", "auth.json"]);
        }
    }
    if !commands.is_empty() {
        let file = program.detection.evidence.first().map_or(COMPOSER, |fact| &fact.file).to_owned();
        let evidence = deploy_core::evidence::Fact::new(file, "needs extensions and packages");
        program.detection.install = Some(Found { value: commands.join(" && "), evidence });
    }
}

fn build(scene: &Scene<'_>, program: &mut Program) {
    let had_manifests = !program.detection.manifests.is_empty();
    let package = scene.json("package.json").unwrap_or_default();
    let script = ["build", "prod", "production"]
        .into_iter()
        .find(|name| package.text_at(&["scripts", name]).is_some());
    let mut commands = Vec::new();
    if let (Some(script), Some(manager)) = (script, script.and_then(|_| program.node_assets(scene))) {
        commands.push(format!("{manager} run {script}"));
    }
    if !had_manifests {
        program.detection.manifests.clear();
    }
    if scene.has("artisan") {
        commands.push("php artisan package:discover --ansi".to_owned());
    }
    if !commands.is_empty() {
        let file = if script.is_some() { "package.json" } else { "artisan" };
        program.detection.build = Some(scene.found(commands.join(" && "), file, "says how it is built"));
    }
}

fn start(scene: &Scene<'_>, root: Option<&str>, script: Option<&str>, program: &mut Program) {
    program.detection.kind = ProjectKind::Server;
    let is_franken =
        program.detection.runtime_version.as_deref().is_some_and(|version| FRANKEN.contains(&version));
    let index = root.map(|root| join(root, "index.php")).filter(|index| scene.has(index));
    let answers = index.is_some() || program.detection.framework.is_some();
    let Some(root) = root.filter(|_| answers) else {
        without_pages(scene, script, program);
        return;
    };
    let shown = if root.is_empty() { "." } else { root };
    let file = index.unwrap_or_else(|| join(root, "index.php"));
    let evidence = scene.fact(&file, "is the page that everything begins with");
    program.usual_port = Some((80, "web servers listen there"));
    if is_franken {
        let value = format!("frankenphp php-server --listen :${{PORT:-80}} --root {shown}");
        program.detection.start = Some(Found { value, evidence });
        return;
    }
    let document_root = if root.is_empty() { APP.to_owned() } else { format!("{APP}/{root}") };
    let rewrite = format!(
        "sed -ri 's!/var/www/html!{document_root}!g' /etc/apache2/sites-available/*.conf && \
         sed -ri 's!/var/www/!{document_root}!g' /etc/apache2/apache2.conf && a2enmod rewrite"
    );
    let build = match program.detection.build.take() {
        Some(build) => format!("{} && {rewrite}", build.value),
        None => rewrite,
    };
    program.detection.build = Some(Found { value: build, evidence: evidence.clone() });
    program.detection.start = Some(Found { value: "apache2-foreground".to_owned(), evidence });
}

/// A program for the command line, or a library.
fn without_pages(scene: &Scene<'_>, script: Option<&str>, program: &mut Program) {
    if let Some(file) = script {
        program.detection.kind = ProjectKind::Worker;
        program.detection.start =
            Some(scene.found(format!("php {file}"), file, "is where the program begins"));
        return;
    }
    let message = "this is a PHP project, but no index.php shows where its pages are".to_owned();
    let evidence = scene.fact(COMPOSER, "belongs to a PHP program");
    let suggestion = "frankenphp php-server --root public";
    program.detection.blocked.push(super::program::start_unknown(evidence, message, suggestion));
}

/// Laravel answers a path of its own since version 11.
fn health(scene: &Scene<'_>, program: &mut Program) {
    const FILE: &str = "bootstrap/app.php";
    let text = scene.text(FILE).unwrap_or_default();
    let path = text.split_once("health:").and_then(|(_, after)| after.split(['\'', '"']).nth(1));
    if let Some(path) = path.filter(|path| path.starts_with('/')) {
        program.detection.health_path = Some(scene.found(path.to_owned(), FILE, format!("answers {path}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};
    use deploy_core::reason::ReasonCode;

    #[test]
    fn laravel_is_installed_built_and_served() {
        let files = [
            (
                "composer.json",
                "{\"require\":{\"php\":\"^8.2\",\"laravel/framework\":\"^11\",\"ext-redis\":\"*\"}}",
            ),
            ("composer.lock", ""),
            ("artisan", ""),
            ("public/index.php", "<?php"),
            ("bootstrap/app.php", "health: '/up',"),
            ("package.json", "{\"scripts\":{\"build\":\"vite build\"},\"devDependencies\":{\"vite\":\"6\"}}"),
            ("package-lock.json", ""),
        ];
        let detection = detect(&files);
        assert_eq!(value(&detection.start), "frankenphp php-server --listen :${PORT:-80} --root public");
        assert_eq!(value(&detection.build), "npm run build && php artisan package:discover --ansi");
        assert!(
            value(&detection.install).starts_with("install-php-extensions bcmath"),
            "{:?}",
            detection.install
        );
        assert!(
            value(&detection.install).contains("redis") && value(&detection.install).ends_with("&& npm ci")
        );
        assert_eq!((value(&detection.health_path), detection.internal_port.unwrap().value), ("/up", 80));
        assert_eq!(value(&detection.build_image), "dunglas/frankenphp:1-php8.4-bookworm");
        assert_eq!(detection.build_tools.len(), 2);
    }

    #[test]
    fn document_roots_are_where_the_index_is() {
        for (files, root) in [
            (&[("index.php", "")][..], "."),
            (&[("public/index.php", ""), ("composer.json", "{}")], "public"),
            (
                &[
                    ("web/index.php", ""),
                    ("composer.json", "{\"require\":{\"drupal/core-recommended\":\"^10\"}}"),
                ],
                "web",
            ),
            (&[("wp-load.php", ""), ("index.php", ""), ("wp-config-sample.php", "")], "."),
        ] {
            let detection = detect(files);
            assert!(value(&detection.start).ends_with(&format!("--root {root}")), "{:?}", detection.start);
            assert_eq!(detection.kind, ProjectKind::Server);
        }
    }

    #[test]
    fn old_releases_run_on_apache_and_scripts_are_workers() {
        let detection = detect(&[("composer.json", "{\"require\":{\"php\":\"7.4.*\"}}"), ("index.php", "")]);
        assert_eq!(value(&detection.build_image), "php:7.4-apache-bullseye");
        assert_eq!(value(&detection.start), "apache2-foreground");
        let detection =
            detect(&[("composer.json", "{\"require\":{\"monolog/monolog\":\"3\"}}"), ("run.php", "")]);
        assert_eq!((detection.kind, value(&detection.start)), (ProjectKind::Worker, "php run.php"));
        assert_eq!(detection.warnings[0].code, ReasonCode::NoLockfile);
        let detection =
            detect(&[("Procfile", "web: heroku-php-apache2 web/"), ("web/index.php", ""), ("index.php", "")]);
        assert!(value(&detection.start).ends_with("--root web"), "{:?}", detection.start);
        let detection = detect(&[("composer.json", "{}"), ("src/A.php", "")]);
        assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
    }
}
