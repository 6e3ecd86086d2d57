//! The main job as a whole, on the release binary: deploying a site of 1,000 files with the processes
//! already running, rolling back, starting the command, and memory at rest.
//!
//! `cargo bench -p deploy-tests --bench up`; `DEPLOY_BENCH_RUNS` sets the number of runs (20).
//! Each figure is the median with the least and the most.

#![expect(clippy::disallowed_methods, reason = "a benchmark that runs programs")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

const FILES: usize = 1_000;
const FILE_BYTES: usize = 10_000;

struct Bench {
    deploy: PathBuf,
    place: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.run(&["serve", "--stop"]);
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

impl Bench {
    fn run(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(&self.deploy);
        command.args(arguments).arg("--json").arg("--state-dir").arg(self.place.join("s"));
        let ran = command.output().expect("the binary was just built");
        serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null)
    }

    fn up(&self, number: usize) -> Value {
        let site = self.place.join("site");
        std::fs::write(site.join("index.html"), format!("<h1>{number}</h1>")).expect("the site is ours");
        self.run(&["up", site.to_str().expect("an ASCII path"), "--resource", "bench"])
    }

    fn resident_kib(&self, file: &str) -> u64 {
        let text =
            std::fs::read_to_string(self.place.join("s").join(file)).expect("the process recorded itself");
        let pid = serde_json::from_str::<Value>(&text).expect("a record")["pid"].clone();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("every process has a size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }
}

/// Milliseconds between two times of a status.
fn millis(from: &Value, to: &Value) -> f64 {
    let at = |value: &Value| {
        let text = value.as_str().expect("a time");
        text.parse::<deploy_core::time::Timestamp>().expect("RFC 3339").as_millis()
    };
    (at(to) - at(from)) as f64
}

fn total(status: &Value) -> f64 {
    millis(&status["createdAt"], &status["endedAt"])
}

fn step(status: &Value, id: &str) -> f64 {
    let steps = status["steps"].as_array().expect("steps");
    steps
        .iter()
        .filter(|step| step["id"] == id)
        .map(|step| millis(&step["startedAt"], &step["endedAt"]))
        .sum()
}

fn say(what: &str, unit: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    println!("{what:44} {:8.1} {unit}  ({least:.1} to {most:.1})", values[values.len() / 2]);
}

fn make_site(site: &Path) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..FILES {
        let directory = site.join(format!("d{}", number % 40));
        std::fs::create_dir_all(&directory).expect("a directory of ours");
        let text: String = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            format!("{seed:016x}")
        })
        .take(FILE_BYTES / 16)
        .collect();
        std::fs::write(directory.join(format!("p{number}.html")), text).expect("a file of ours");
    }
}

fn main() {
    let runs: usize =
        std::env::var("DEPLOY_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(20);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built =
        Command::new(cargo).args(["build", "--release", "-p", "deploy-cli"]).current_dir(&root).status();
    assert!(built.is_ok_and(|built| built.success()), "the release binary could not be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let place = PathBuf::from(format!("/tmp/db-{}", std::process::id()));
    std::fs::create_dir_all(place.join("site")).expect("a directory of ours");
    let bench = Bench { deploy: target.join("release/deploy"), place };
    make_site(&bench.place.join("site"));

    println!(
        "first up of {FILES} files of {FILE_BYTES} bytes, processes included: {} ms",
        total(&bench.up(0))
    );
    let resting = ["serve.lock", "edge/edge.json"].map(|file| bench.resident_kib(file));
    println!("memory at rest: control plane {} KiB, edge {} KiB", resting[0], resting[1]);

    let ups: Vec<Value> = (1..=runs).map(|number| bench.up(number)).collect();
    say("up, one file changed", "ms", ups.iter().map(total).collect());
    for id in ["publish", "check-candidate", "switch", "check-public"] {
        say(&format!("  {id}"), "ms", ups.iter().map(|up| step(up, id)).collect());
    }
    let steps = |up: &Value| {
        ["publish", "check-candidate", "switch", "check-public"].iter().map(|id| step(up, id)).sum::<f64>()
    };
    say("  journalling, detecting, planning", "ms", ups.iter().map(|up| total(up) - steps(up)).collect());

    // The last up made the newest of runs + 1 releases; go back and forth between the newest two.
    let to = |number: usize| format!("v{}", runs + number % 2);
    let backs = (0..runs).map(|number| bench.run(&["rollback", "bench", "--to", &to(number)]));
    let backs: Vec<Value> = backs.inspect(|back| assert_eq!(back["status"], "succeeded")).collect();
    say("rollback", "ms", backs.iter().map(total).collect());

    let whole = |arguments: &[&str]| {
        let started = Instant::now();
        bench.run(arguments);
        started.elapsed().as_secs_f64() * 1_000.0
    };
    let hello = root.join("examples/hello-site");
    say("deploy --help, whole process", "ms", (0..runs).map(|_| whole(&["--help"])).collect());
    let hello = hello.to_str().expect("an ASCII path");
    say(
        "deploy plan of a small site, whole process",
        "ms",
        (0..runs).map(|_| whole(&["plan", hello])).collect(),
    );
}
