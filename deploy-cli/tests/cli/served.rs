//! What the edge never gives out (threat F09): configuration, dotfiles, anything outside what was
//! published, however it is asked for.

use crate::common::Place;
use crate::http;

#[test]
fn threat_f09_nothing_but_what_was_published_is_ever_served() {
    let place = Place::new();
    place.write("outside.txt", "CANARY outside");
    place.write(
        "site/deploy.toml",
        "resource = \"web\"\n[runtime]\npublish_directory = \"dist\"\n# CANARY toml\n",
    );
    place.write("site/private.txt", "CANARY private");
    place.write("site/.env", "CANARY env");
    place.write("site/dist/index.html", "page");
    place.write("site/dist/deploy.toml", "# CANARY published toml");
    place.write("site/dist/.env", "CANARY published env");
    place.write("site/dist/.git/config", "CANARY git");
    place.write("site/dist/sub/.htpasswd", "CANARY below");
    place.write("site/dist/.well-known/security.txt", "contact");
    let url = place.run(&["up", "site"]);
    let url = url.exits(0).out.trim_end().to_owned();

    let asked = [
        "/deploy.toml",
        "/.env",
        "/.git/config",
        "/sub/.htpasswd",
        "/private.txt",
        "/../private.txt",
        "/../deploy.toml",
        "/%2e%2e/private.txt",
        "/%2e%2e%2fprivate.txt",
        "/..%2fprivate.txt",
        "/..%5cprivate.txt",
        "/%252e%252e/private.txt",
        "/sub/../../private.txt",
        "/sub/..%2f..%2fprivate.txt",
        "//private.txt",
        "/./.env",
        "/%2eenv",
        "/.%65nv",
        "/manifest.json",
        "/../manifest.json",
        "/%2e%2e/manifest.json",
        "/../../../../../../etc/passwd",
        "/%c0%ae%c0%ae/private.txt",
        "/index.html%00.env",
        "/files/index.html",
        "/edge.json",
        "/../../edge/edge.json",
        "/../../store/store.db",
    ];
    for path in asked {
        let answer = http::get_path(&url, path);
        assert!((400..405).contains(&answer.status), "{path} is answered with {}", answer.status);
        let given = format!("{}{}", answer.head, answer.body);
        assert!(!given.contains("CANARY") && !given.contains("root:"), "{path}: {given}");
    }
    let long = format!("/{}", "a".repeat(64 * 1024));
    assert!((400..500).contains(&http::get_path(&url, &long).status));
    assert_eq!(http::get_path(&url, "/.well-known/security.txt").body, "contact");
    assert_eq!(http::get(&url).body, "page");
}

#[test]
fn the_configuration_is_not_served_when_the_source_itself_is_published() {
    let place = Place::new();
    place.write("site/deploy.toml", "resource = \"web\"\n");
    place.write("site/.env", "CANARY");
    place.write("site/index.html", "page");
    let run = place.run(&["up", "site"]);
    for path in ["/deploy.toml", "/.env", "/Deploy.toml", "/deploy%2etoml"] {
        assert_eq!(http::get_path(run.exits(0).out.trim_end(), path).status, 404, "{path}");
    }
}

#[test]
fn a_foreign_host_name_reaches_no_site() {
    let place = Place::new();
    let url = place.with_v1();
    let (_, address, _) = http::parts(&url);
    for host in ["evil.example", "web.localhost.evil.example", "other.localhost", ""] {
        let answer = http::request(address, "GET", "/", host, "", "");
        assert!(
            (400..500).contains(&answer.status) && !answer.body.contains("first"),
            "{host:?}: {}",
            answer.head
        );
    }
    let post = http::request(address, "POST", "/", &http::parts(&url).0, "", "x=1");
    assert_eq!(post.status, 405);
}

#[test]
fn the_old_release_is_gone_from_the_outside_after_the_switch() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v1/only-old.txt", "old");
    place.live("v1");
    assert_eq!(http::get_path(&url, "/only-old.txt").status, 200);
    place.write("v2/index.html", "second");
    place.live("v2");
    assert_eq!(http::get_path(&url, "/only-old.txt").status, 404);
}
