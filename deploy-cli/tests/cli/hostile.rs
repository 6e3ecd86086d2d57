//! Much of everything (invariant 39): it works or is refused with a typed code, in bounded time.

use std::time::Duration;

use crate::common::{Place, serves, toml_build};

#[test]
fn a_hundred_thousand_files_are_deployed_or_refused_in_bounded_time() {
    let place = Place::for_much();
    let url = place.with_v1();
    for directory in 0..100 {
        let directory = place.path(&format!("many/{directory}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..1000 {
            std::fs::write(directory.join(format!("{file}.txt")), b"x").unwrap();
        }
    }
    place.write("many/index.html", "many");
    let plan = place.run(&["plan", "many"]);
    assert!(plan.took < Duration::from_secs(10) && [0, 4].contains(&plan.code), "{:?}", plan.took);
    let run = place.run(&["up", "many", "--resource", "web"]);
    eprintln!("100 000 files: plan {:?}, up {:?}, exit {}", plan.took, run.took, run.code);
    assert!(run.took < Duration::from_secs(40), "{:?}", run.took);
    if run.code == 0 {
        serves(&url, "many");
    } else {
        assert!(run.err.contains("[source_too_large]") || run.err.contains("[too_large]"), "{run:#?}");
        serves(&url, "first");
    }
}

#[test]
fn directories_too_deep_are_refused_with_a_typed_code() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/index.html", "second");
    place.write(&format!("v2/{}x.txt", "d/".repeat(300)), "deep");
    let run = place.run(&["up", "v2", "--resource", "web"]);
    run.exits(4).prints_nothing().says("[source_too_large]");
    serves(&url, "first");
}

#[test]
fn a_build_that_prints_without_end_is_cut_and_goes_on() {
    let place = Place::new();
    let build = "yes 'the same line over and over' | head -n 400000; head -c 3000000 /dev/zero | tr '\\0' x; echo; mkdir dist; echo page > dist/index.html";
    place.write("site/deploy.toml", &toml_build(build));
    let run = place.run(&["up", "site"]);
    serves(run.exits(0).out.trim_end(), "page");
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let logs = place.run(&["logs", &id, "--json"]);
    let lines = logs.exits(0).lines();
    assert_eq!(lines.last().unwrap()["kind"], "closed");
    assert!(logs.out.len() < 64 << 20, "{} bytes", logs.out.len());
    assert!(logs.out.lines().all(|line| line.len() < 1 << 20), "a line without a limit");
    place.run(&["doctor"]).exits(0);
}

#[test]
fn a_build_that_takes_longer_than_it_may_is_ended() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/deploy.toml", &(toml_build("sleep 100") + "[limits]\nbuild_timeout = \"1s\"\n"));
    let run = place.run(&["up", "v2", "--resource", "web"]);
    run.exits(3).prints_nothing().says("[step_timed_out]").says("live    v1");
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    serves(&url, "first");
}
