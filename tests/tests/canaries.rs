//! Secrets end to end: a canary in every place of a profile that may hold one, and then everything that is said, kept
//! and run is searched for them (inv. 36; threat F11).
//!
//! The release prints them, its builds print them, its health body and health command are full of them, in plain text
//! and as people write them into URLs and headers; and each begins where a line or a body is cut.
//!
//! What is left out of the search is what has them by its nature: the environment of the control plane, which they are
//! read from; the files that a release reads them from; and the variables of its container, which the engine shows to
//! whoever may ask it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deploy_tests::docker::{Engine, docker};
use deploy_tests::{Installation, Page, Ran, Started, processes, wait};
use memchr::memmem::Finder;
use serde_json::Value;

/// By the variable of the control plane that holds it.
const CANARIES: [(&str, &str); 5] = [
    ("CANARY_VARIABLE", "cnryVAR-7f3a9c51e2b84d06/+&"),
    ("CANARY_FILE", "cnryFIL-51d077abc94e1f30\"'"),
    ("CANARY_BUILD", "cnryBLD_0b6e44a1f8d29c73"),
    ("CANARY_REGISTRY", "cnryREG.e3972c5b10af4d86"),
    ("DEPLOY_GIT_CANARY", "cnryGIT~a81f60c3d57e92b4"),
];
/// How long a piece of one must be to be one.
const PIECE: usize = 10;
/// How far apart the pieces begin that are searched for.
const STEP: usize = 4;
/// How long an answer that does not end by itself is read.
const STREAM: Duration = Duration::from_secs(2);
/// What may take a moment.
const SOON: Duration = Duration::from_secs(30);
/// Exit codes of contract.md.
const UNHEALTHY: i32 = 1;
const EXECUTION_FAILED: i32 = 3;

/// Clears up on the engine when the test ends, however it does.
struct Stage {
    installation: Installation,
    engine: Engine,
    /// What must appear nowhere.
    needles: Vec<(String, Finder<'static>)>,
    /// What did.
    seen: Mutex<BTreeSet<String>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.installation.kill_all();
        self.engine.sweep(&self.installation);
    }
}

#[test]
fn f11_inv_36_a_canary_in_every_slot_is_found_nowhere() {
    let Some(stage) = Stage::new() else { return };
    let (done, stage) = (Arc::new(AtomicBool::new(false)), Arc::new(stage));
    let watching = {
        let (done, stage) = (Arc::clone(&done), Arc::clone(&stage));
        std::thread::spawn(move || stage.watch_processes(&done))
    };
    let ids = stage.deploy_everything();
    done.store(true, Ordering::SeqCst);
    let looks = watching.join().expect("the watcher");
    assert!(looks > 50, "too few looks at the processes to say anything: {looks}");

    stage.every_canary_was_told(&ids);
    stage.ask_every_command(&ids);
    let answers = stage.ask_every_route(&ids);
    assert!(answers > 25, "too few routes to say anything: {answers}");
    let images = stage.search_the_engine();
    assert!(images >= 2, "too few images to say anything: {images}");
    let files = stage.search_the_state();
    assert!(files > 10, "too few files to say anything: {files}");
    let seen = stage.seen.lock().expect("what was seen");
    assert!(seen.is_empty(), "{seen:#?}");
    println!("{looks} looks at the processes, {answers} answers, {images} images, {files} files: no canary");
}

#[test]
fn the_search_finds_every_way_in_which_a_canary_is_written() {
    for (name, value) in CANARIES {
        let needles = needles(value);
        let found = |text: &str| needles.iter().any(|needle| needle.find(text.as_bytes()).is_some());
        for text in
            [value.to_owned(), value[4..PIECE + 4].to_owned(), base64(value.as_bytes()), reversed(value)]
        {
            assert!(found(&text), "{name}: {text}");
        }
        for before in ["u", "us", "usr"] {
            assert!(found(&base64(format!("{before}:{value}").as_bytes())), "{name} behind {before}");
        }
        assert!(!found("a text without any of them"));
    }
}

impl Stage {
    fn new() -> Option<Self> {
        let engine = Engine::find()?;
        docker(&["image", "inspect", "busybox:stable"]).ok()?;
        let mut installation = Installation::new();
        for (name, value) in CANARIES {
            installation.knows(name, value);
        }
        assert_eq!(installation.start(None), Started::Ready);
        let of = |(name, value): (&str, &str)| {
            needles(value).into_iter().map(|needle| (name.to_owned(), needle)).collect::<Vec<_>>()
        };
        let needles = CANARIES.into_iter().flat_map(of).collect();
        Some(Self { installation, engine, needles, seen: Mutex::default() })
    }

    /// Whether a canary is in it, said at the end.
    fn search(&self, place: &str, bytes: &[u8]) {
        for (name, needle) in &self.needles {
            if let Some(at) = needle.find(bytes) {
                let around = &bytes[at.saturating_sub(60)..bytes.len().min(at + 40)];
                let around = String::from_utf8_lossy(around).into_owned();
                self.seen.lock().expect("what was seen").insert(format!("{name} in {place}: …{around}…"));
            }
        }
    }

    // -----------------------------------------------------------------------------------------
    // What is deployed

    /// A release that is good, and one that fails in every way that has an output of its own.
    fn deploy_everything(&self) -> Vec<String> {
        let good = [("", 0), ("[rollback]\nwarm = \"paused\"\n", 0)];
        let bad = [
            ("[health]\nexpected_body = \"never there\"\ndeadline = \"2s\"\n", UNHEALTHY),
            (
                "[health]\ncommand = \"cat /run/secrets/FILE_KEY; echo $TOKEN; exit 1\"\ndeadline = \"2s\"\n",
                UNHEALTHY,
            ),
        ];
        let mut ids = Vec::new();
        for (config, code) in good.into_iter().chain(bad) {
            ids.push(self.up(&app(""), config, code));
        }
        ids.push(self.up(&app(" && exit 3"), "", EXECUTION_FAILED));
        let back = self.installation.run(&["rollback", "web", "--json"]).well();
        self.search("what `deploy rollback` said", (back.stdout.clone() + &back.stderr).as_bytes());
        ids.push(id(&back));
        ids
    }

    fn up(&self, dockerfile: &str, config: &str, code: i32) -> String {
        let secrets = "target = \"docker\"\n\
            [runtime]\nregistry = { server = \"registry.invalid\", username = \"robot\", password = { env = \"CANARY_REGISTRY\" } }\n\
            [network]\ninternal_port = 8080\n\
            [secrets]\nTOKEN = { env = \"CANARY_VARIABLE\" }\nFILE_KEY = { env = \"CANARY_FILE\", file = true }\n\
            BUILD_TOKEN = { env = \"CANARY_BUILD\", build = true }\n";
        let site = self.installation.site("app", Page(1)).with_config(&format!("{secrets}{config}"));
        site.write("Dockerfile", dockerfile);
        site.write("app.sh", APP);
        let ran = self.installation.up(&site, &[]);
        assert_eq!(ran.code, code, "{ran:?}");
        self.search("what `deploy up` said", (ran.stdout.clone() + &ran.stderr).as_bytes());
        id(&ran)
    }

    // -----------------------------------------------------------------------------------------
    // Where it is searched

    /// The arguments of every process of this machine, over and over; how often.
    fn watch_processes(&self, done: &AtomicBool) -> usize {
        let mut looks = 0;
        while !done.load(Ordering::SeqCst) {
            for (pid, arguments) in processes::arguments() {
                self.search(&format!("the arguments of process {pid}"), &arguments);
            }
            looks += 1;
        }
        let edge = self.installation.recorded("edge/edge.json").expect("the edge runs");
        let variables = std::fs::read(format!("/proc/{edge}/environ")).expect("it is ours");
        self.search("the environment of the edge", &variables);
        looks
    }

    /// That there was something to hide: each of them was printed, in each way, and shown in a failure.
    fn every_canary_was_told(&self, ids: &[String]) {
        let build = self.installation.run(&["logs", &ids[0]]).well().stdout;
        for told in ["token [secret BUILD_TOKEN]", "x … ["] {
            assert!(build.contains(told), "{told} is not in the log of the build");
        }
        let live = ids.last().expect("a rollback");
        wait::until("the release to tell", SOON, || {
            let log = self.installation.run(&["logs", live, "--source", "runtime"]).well().stdout;
            let told = |name: &str| {
                let ways = ["token [secret ", "app:[secret "];
                ways.iter().all(|way| log.contains(&format!("{way}{name}]")))
            };
            ["TOKEN", "FILE_KEY", "BUILD_TOKEN"].into_iter().all(told).then_some(())
        });
        for (id, shown) in [(&ids[2], "x[secret TOKEN]"), (&ids[3], "[secret FILE_KEY][secret TOKEN]")] {
            let said = self.installation.run(&["show", id, "--json"]).well().json();
            let evidence = said["failure"]["evidence"].to_string().replace("\\n", "");
            assert!(evidence.contains(shown), "{shown} is not in the evidence: {evidence}");
        }
    }

    fn ask_every_command(&self, ids: &[String]) {
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["list"],
            vec!["releases", "web"],
            vec!["stats"],
            vec!["doctor"],
            vec!["logs", "--search", "token"],
            vec!["compare", &ids[0], &ids[2]],
            vec!["plan", "app"],
            vec!["detect", "app"],
            vec!["up", "app", "--dry-run"],
            vec!["verify", "--url", "http://web.localhost/", "--expected-body", "never"],
        ];
        for id in ids {
            commands.extend([vec!["show", id], vec!["events", id], vec!["logs", id]]);
        }
        for command in commands {
            for more in [&[][..], &["--json"]] {
                let ran = self.installation.run(&[&command, more].concat());
                let said = ran.stdout.clone() + &ran.stderr;
                assert!(!said.is_empty(), "`deploy {}` says nothing", command.join(" "));
                self.search(&format!("what `deploy {}` said", command.join(" ")), said.as_bytes());
            }
        }
        // Whoever writes a password into an URL has told it to their shell; it goes no further.
        let url = format!("https://robot:{}@git.invalid/acme/web.git", CANARIES[4].1);
        let ran = self.installation.run(&["up", &url, "--resource", "web", "--json"]);
        assert_ne!(ran.code, 0, "{ran:?}");
        self.search("what `deploy up URL` said", (ran.stdout + &ran.stderr).as_bytes());
    }

    /// Every route that reads, as the description of the API lists them, and every page.
    fn ask_every_route(&self, ids: &[String]) -> usize {
        let description = self.get("/openapi.json");
        let body = description.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let body = &body[body.find('{').unwrap_or(0)..=body.rfind('}').unwrap_or(0)];
        let described: Value = serde_json::from_str(body).expect("a description");
        let paths = described["paths"].as_object().expect("paths");
        let reads =
            paths.iter().filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path.as_str());
        let pages = [
            "/",
            "/runs/{id}",
            "/runs/{id}/panel",
            "/resources/{id}",
            "/compare?a={a}&b={b}",
            "/stats",
            "/plan",
        ];
        let mut asked = 0;
        for path in reads.chain(pages) {
            for id in ids {
                let path = match path {
                    path if path.contains("/resources/{id}") => path.replace("{id}", "web"),
                    path => path.replace("{id}", id).replace("{a}", &ids[0]).replace("{b}", id),
                };
                let answer = self.get(&path);
                assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
                self.search(&format!("the answer to {path}"), answer.as_bytes());
                asked += 1;
            }
        }
        asked
    }

    /// One request over the control plane's own socket. A stream that goes on is left after a while.
    fn get(&self, path: &str) -> String {
        let mut stream =
            UnixStream::connect(self.installation.state().join("control.sock")).expect("it answers");
        stream.set_read_timeout(Some(STREAM)).expect("a socket");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What images keep, and what the engine tells of containers but for the variables of ours.
    fn search_the_engine(&self) -> usize {
        let owner =
            std::fs::read_to_string(self.installation.state().join("installation")).expect("an owner");
        let reference = format!("reference=deploy.local/{owner}/*/*");
        let listed = docker(&["images", "--quiet", "--no-trunc", "--filter", &reference]).expect("a list");
        let images: BTreeSet<&str> = listed.split_whitespace().collect();
        for image in &images {
            let asked: [&[&str]; 2] = [&["history", "--no-trunc"], &["image", "inspect"]];
            for words in asked {
                let said = docker(&[words, &[*image]].concat()).expect("the engine tells");
                self.search(&format!("`docker {}`", words.join(" ")), said.as_bytes());
            }
            let file = self.installation.path("image.tar");
            docker(&["save", "--output", file.to_str().expect("plain text"), image])
                .expect("the image is whole");
            self.search("the layers of an image", &std::fs::read(&file).expect("it was saved"));
            std::fs::remove_file(&file).expect("it is ours");
        }
        for container in docker(&["ps", "--all", "--quiet"]).expect("a list").split_whitespace() {
            let Ok(said) = docker(&["inspect", container]) else { continue };
            let mut told: Value = serde_json::from_str(&said).expect("JSON");
            if told[0]["Config"]["Labels"]["deploy.owner"] == owner.as_str() {
                told[0]["Config"]["Env"] = Value::Null;
            }
            self.search("`docker inspect` of a container", told.to_string().as_bytes());
        }
        images.len()
    }

    /// Every file below the test's directory, but for those that releases read secrets from.
    fn search_the_state(&self) -> usize {
        let own = self.installation.state().join("work/docker/secrets");
        let mut files = Vec::new();
        below(&self.installation.path(""), &own, &mut files);
        for file in &files {
            // One that was removed meanwhile holds nothing.
            let bytes = std::fs::read(file).unwrap_or_default();
            self.search(&file.display().to_string(), &bytes);
        }
        let secrets = own.join("");
        assert!(secrets.is_dir(), "no release reads a secret from a file: {}", secrets.display());
        files.len()
    }
}

/// A release that tells all it knows: at once, in its log, and in its page, where a body is cut.
const APP: &str = r#"
KEY=$(cat /run/secrets/FILE_KEY)
for secret in "$TOKEN" "$KEY" "$BUILD_TOKEN"; do
  echo "token $secret"
  echo "token at postgres://app:$secret@db:5432/app" >&2
  printf 'Authorization: Basic %s\n' "$(printf 'robot:%s' "$secret" | base64 -w 0)"
  for x in 16376 16330 16340 20470; do echo "token $(head -c $x /dev/zero | tr '\0' x)$secret after"; done
done
mkdir /tmp/w
{ head -c 4080 /dev/zero | tr '\0' x; echo "$TOKEN $KEY"; } > /tmp/w/index.html
exec httpd -f -p 8080 -h /tmp/w
"#;

fn app(ends: &str) -> String {
    format!(
        "FROM busybox:stable\nRUN --mount=type=secret,id=BUILD_TOKEN echo {} && echo \"token $(cat /run/secrets/BUILD_TOKEN)\" && \
         base64 /run/secrets/BUILD_TOKEN && echo \"token $(head -c 16379 /dev/zero | tr '\\0' x)$(cat /run/secrets/BUILD_TOKEN)\"{ends}\n\
         COPY app.sh /app.sh\nUSER 1000\nCMD [\"sh\", \"/app.sh\"]\n",
        std::process::id()
    )
}

fn id(ran: &Ran) -> String {
    let said = ran.json();
    said["id"].as_str().unwrap_or_else(|| panic!("no id in {said}")).to_owned()
}

/// A canary in every way in which it may be written.
fn needles(value: &str) -> Vec<Finder<'static>> {
    let bytes = value.as_bytes();
    let pieces = |text: &[u8]| text.windows(PIECE).step_by(STEP).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut all = pieces(bytes);
    all.extend(pieces(reversed(value).as_bytes()));
    for skipped in 0..3 {
        let whole = (bytes.len() - skipped) / 3 * 3;
        all.push(base64(&bytes[skipped..skipped + whole]).into_bytes());
    }
    all.iter().map(|needle| Finder::new(needle).into_owned()).collect()
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

fn below(directory: &Path, but: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        if kind.is_dir() && path != but {
            below(&path, but, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}
