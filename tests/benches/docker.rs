//! The docker target beside what people would use instead, in one run: from the command to the first answer of the
//! new version, and back again, with requests all the while. Debian's docker-compose is passed over, loudly, where it is
//! not installed.
//!
//! `cargo bench -p deploy-tests --bench docker`; `DEPLOY_BENCH_RUNS` sets the number of runs (10), and
//! `DEPLOY_TEST_BIN_DIR` names a directory with the `deploy` to measure. Each figure is the median with the least and
//! the most. Look at the differences: the machine is never quiet.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deploy_tests::docker::{Engine, docker};
use deploy_tests::{Connection, Installation, Load, Manner, Page, Site, Started, wait};

/// What anything here may take.
const SOON: Duration = Duration::from_secs(60);
const PORT: u16 = 8080;

struct Bench {
    installation: Installation,
    engine: Engine,
    images: [String; 2],
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.installation.kill_all();
        self.engine.sweep(&self.installation);
    }
}

impl Bench {
    fn new() -> Option<Self> {
        let mut engine = Engine::find()?;
        let mut installation = Installation::new();
        let images = [1, 2].map(|number| engine.image(&installation.path(&format!("app-{number}")), number));
        assert_eq!(installation.start(None), Started::Ready);
        Some(Self { installation, engine, images })
    }

    fn site(&self, page: Page, warm: &str) -> Site {
        let image = &self.images[page.0 - 1];
        let config = format!(
            "target = \"docker\"\n[runtime]\nstrategy = \"image\"\nimage = \"{image}\"\n[network]\ninternal_port = {PORT}\n\
             [rollback]\nwarm = \"{warm}\"\n"
        );
        self.installation.site(&format!("site-{}", page.0), page).with_config(&config)
    }

    /// From `docker run` to the first answer of the container.
    fn raw(&self) -> f64 {
        let started = Instant::now();
        let id = docker(&["run", "--detach", &self.images[0]]).expect("it runs");
        let id = id.trim();
        let ip = docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", id])
            .expect("it has an address");
        let address = SocketAddr::new(ip.trim().parse().expect("an address"), PORT);
        wait::until("an answer", SOON, || Connection::once(address, "raw", "/").ok());
        let took = millis(started);
        let _ = docker(&["rm", "--force", id]);
        took
    }

    /// From `docker-compose up` with the other image to its first answer, over and over under load; and how many
    /// requests failed of how many. `None` without docker-compose.
    fn compose(&self, runs: usize) -> Option<(Vec<f64>, usize, usize)> {
        let directory = self.installation.path("compose");
        std::fs::create_dir_all(&directory).expect("the bench's directory can be written");
        let address = SocketAddr::from(([127, 0, 0, 1], self.installation.edge().port() + 500));
        let project = format!("bench{}", std::process::id());
        let run = |words: &[&str]| {
            let words = [&["--project-name", &project], words].concat();
            compose(&directory, &words)
        };
        let up = |number: usize| {
            let file = format!(
                "version: '3'\nservices:\n  web:\n    image: {}\n    ports: ['{address}:{PORT}']\n",
                self.images[number]
            );
            std::fs::write(directory.join("docker-compose.yml"), file).expect("it can be written");
            run(&["up", "-d"])
        };
        up(1).then_some(())?;
        let is = |page| {
            let answer = Connection::once(address, "raw", "/").ok()?;
            (Page::of(&answer.body)? == page).then_some(())
        };
        wait::until("the first answer", SOON, || is(Page(2)));
        let load = Load::start(address, "raw", &[Manner::KeepAlive, Manner::OneShot]);
        let took = (0..runs).map(|run| {
            let started = Instant::now();
            assert!(up(run % 2), "docker-compose fails");
            wait::until("the new answer", SOON, || is(Page(run % 2 + 1)));
            millis(started)
        });
        let took = took.collect();
        let visits = load.finish();
        assert!(run(&["down"]), "docker-compose fails");
        Some((took, visits.iter().filter(|visit| visit.outcome.is_err()).count(), visits.len()))
    }

    /// From a command to the first answer of what it leads to, and to its own end.
    fn until_answered(&self, page: Page, arguments: &[&str]) -> (f64, f64) {
        let started = Instant::now();
        let running = self.installation.begin(arguments);
        wait::until("the new answer", SOON, || {
            (Page::of(&self.installation.ask().body)? == page).then_some(())
        });
        let answered = millis(started);
        let _ = running.wait().well();
        (answered, millis(started))
    }
}

/// Whether docker-compose does something.
#[expect(clippy::disallowed_methods, reason = "the named place of this bench: what it is measured beside")]
fn compose(directory: &Path, words: &[&str]) -> bool {
    let mut command = Command::new("docker-compose");
    command.args(words).current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn say(what: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    println!("{what:58} {:8.0} ms  ({least:.0} to {most:.0})", values[values.len() / 2]);
}

fn main() {
    let runs: usize =
        std::env::var("DEPLOY_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(10);
    let Some(bench) = Bench::new() else { return };
    let up = |page: Page, warm: &str| {
        let site = bench.site(page, warm);
        bench.until_answered(page, &["up", site.argument(), "--resource", "web", "--json"])
    };
    let _ = bench.installation.up(&bench.site(Page(2), "stopped"), &[]).well();
    let manners = [Manner::KeepAlive, Manner::OneShot];
    let load = Load::start(bench.installation.edge(), Installation::HOST, &manners);
    let (mut raw, mut ups, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        raw.push(bench.raw());
        let (answered, ended) = up(Page(run % 2 + 1), "stopped");
        ups.push(answered);
        whole.push(ended);
    }
    let visits = load.finish();
    let failed = visits.iter().filter(|visit| visit.outcome.is_err()).count();
    println!("{} requests during {runs} switches, {failed} failed", visits.len());
    match bench.compose(runs.min(4)) {
        Some((took, failed, visits)) => {
            println!("{visits} requests during {} switches of docker-compose, {failed} failed", took.len());
            say("docker-compose up until the new version answers", took);
        }
        None => println!("*** NOT MEASURED: docker-compose is not there ***"),
    }
    let load = Load::start(bench.installation.edge(), Installation::HOST, &manners);
    say("docker run until its first answer", raw);
    say("deploy up until the new version answers", ups);
    say("deploy up until it has ended, the old version retired", whole);
    for (warm, what) in [("stopped", "cold"), ("paused", "warm")] {
        for page in [Page(1), Page(2)] {
            let _ = up(page, warm);
        }
        // Between the newest release of either page, which are the newest two.
        let releases = bench.installation.releases();
        let version = |at: usize| releases[at]["version"].as_str().unwrap_or_default().to_owned();
        let pairs = [(Page(1), version(1)), (Page(2), version(0))];
        let backs: Vec<(f64, f64)> = (0..runs)
            .map(|run| {
                let (page, version) = &pairs[run % 2];
                bench.until_answered(*page, &["rollback", "web", "--to", version, "--json"])
            })
            .collect();
        say(&format!("rollback, {what}, until the old version answers"), backs.iter().map(|b| b.0).collect());
        say(&format!("rollback, {what}, until it has ended"), backs.iter().map(|b| b.1).collect());
    }
    let visits = load.finish();
    let failed = visits.iter().filter(|visit| visit.outcome.is_err()).count();
    println!("{} requests during the rollbacks, {failed} failed", visits.len());
}
