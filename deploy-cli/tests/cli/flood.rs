//! A build that floods its log (invariant 39): it is cut visibly, costs bounded memory and disk, and the run is none
//! the worse for it.

use crate::common::{LIMIT, Place, serves, toml_build, wait_for};

/// What the control plane may hold at its most, in bytes.
const MEMORY: u64 = 192 << 20;
/// What the store may have on disk, in bytes.
const DISK: u64 = 256 << 20;

/// The most that a process ever held in memory, in bytes.
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn stored(place: &Place) -> u64 {
    let entries = std::fs::read_dir(place.state().join("store")).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn flood(lines: u64, bytes: u64, limit: std::time::Duration) {
    let place = Place::new();
    let url = place.with_v1();
    let build = format!(
        "head -c {bytes} /dev/zero | tr '\\0' x; echo; yes 'a line of a flood' | head -n {lines}; mkdir dist; echo after > dist/index.html"
    );
    place.write("flood/deploy.toml", &toml_build(&build));
    let up = place.start(&["up", "flood", "--resource", "web"]);
    let up = up.end_within(limit).expect("in time");
    up.exits(0);
    serves(&url, "after");
    let serve = place.recorded_processes()[0];
    let status = place.newest();
    let id = status["id"].as_str().unwrap();
    let log = place.run(&["logs", id]);
    let log = &log.exits(0).out;
    println!(
        "{lines} lines and one of {bytes} bytes in {:.1} s: the control plane held {} MiB at most, the store has {} MiB, the log {} lines",
        up.took.as_secs_f64(),
        peak(serve) >> 20,
        stored(&place) >> 20,
        log.lines().count(),
    );
    assert!(log.contains("more bytes]"), "that the long line was cut is not said");
    assert!(log.contains("truncated: ") || log.contains(" dropped: "), "that lines are missing is not said");
    assert!(peak(serve) < MEMORY, "{} bytes of memory", peak(serve));
    wait_for("a store of bounded size", || stored(&place) < DISK);
    // Another run finds all in order.
    place.live("v1");
    serves(&url, "first");
}

#[test]
fn inv_39_a_build_that_floods_its_log_is_cut_visibly_and_succeeds() {
    flood(300_000, 64 << 20, LIMIT);
}

/// `cargo test -p deploy-cli --test cli -- --ignored --nocapture ten_million`
#[test]
#[ignore = "takes minutes; run by hand"]
fn inv_39_ten_million_lines_and_one_of_a_gibibyte_from_a_build() {
    flood(10_000_000, 1 << 30, 20 * LIMIT);
}
