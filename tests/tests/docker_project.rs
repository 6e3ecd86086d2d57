//! A Compose project with a database: to and fro under load with its data kept, through crashes of the control plane,
//! and what is refused (inv. 1, 4, 5, 26, 27, 35; threat F05).

use std::collections::BTreeMap;
use std::time::Duration;

use deploy_tests::docker::{Engine, docker};
use deploy_tests::{Connection, Installation, Load, Manner, Page, Site, Started, Story, wait};
use serde_json::Value;

/// The program of every service but the ones that are images.
const PROGRAM: &str = include_str!("../src/docker_project.py");
/// What a control plane that is back may take for what was under way.
const HEAL: Duration = Duration::from_secs(90);
/// What cleaning up may take behind an ending.
const CLEAN_UP: Duration = Duration::from_secs(40);
/// Exit codes of contract.md.
const UNHEALTHY: i32 = 1;
const EXECUTION_FAILED: i32 = 3;
const BLOCKED: i32 = 4;

/// Clears up on the engine when the test ends, however it does.
struct Stage {
    installation: Installation,
    engine: Engine,
    database: String,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.installation.kill_all();
        self.engine.sweep(&self.installation);
    }
}

#[test]
fn inv_01_inv_26_inv_35_a_project_goes_to_and_fro_and_through_crashes_with_its_data_kept() {
    let Some(mut stage) = Stage::new() else { return };
    let mut story = Story::default();
    story.deploy(&stage.installation, &stage.project(Page(1), ""), Page(1));
    assert_eq!(stage.database_says("SET/colour/blue"), "blue");
    let before = stage.staying();
    let manners = [Manner::KeepAlive, Manner::KeepAlive, Manner::OneShot, Manner::OneShot];
    let load = Load::start(stage.installation.edge(), Installation::HOST, &manners);
    story.deploy(&stage.installation, &stage.project(Page(2), ""), Page(2));
    story.roll_back(&stage.installation);
    story.deploy(&stage.installation, &stage.project(Page(2), ""), Page(2));
    let visits = load.finish();
    story.check(&visits);
    assert!(visits.len() > 100, "too little load to say anything");
    println!("{} requests over {} switches, 0 failed", visits.len(), story.switches());
    stage.check_whole(&before, "after the switches");

    let mut crashes = 0;
    for moment in [4, 9, 14, 19, 24, 29] {
        crashes += usize::from(stage.crash(moment, &before));
    }
    assert!(crashes >= 4, "only {crashes} crashes");
}

#[test]
fn inv_05_what_a_project_can_not_do_leaves_the_live_release_and_its_database_as_they_are() {
    let Some(stage) = Stage::new() else { return };
    let _ = stage.installation.up(&stage.project(Page(1), ""), &[]).well();
    assert_eq!(stage.database_says("SET/colour/blue"), "blue");
    let before = stage.staying();
    let of = |page| stage.project(page, "");

    let ends = of(Page(2));
    ends.write(
        "compose.yaml",
        compose(Page(2), &stage.database).replace("/app.py, echo]", "/app.py, nothing]"),
    );
    let ran = stage.installation.up(&ends, &[]);
    assert_eq!(ran.code, UNHEALTHY, "{ran:?}");
    assert!(ran.stdout.contains("the service echo"), "{ran:?}");

    let job = of(Page(2));
    job.write(
        "compose.yaml",
        compose(Page(2), &stage.database).replace("/app.py, migrate]", "/app.py, nothing]"),
    );
    let ran = stage.installation.up(&job, &[]);
    assert!([UNHEALTHY, EXECUTION_FAILED].contains(&ran.code), "{ran:?}");
    assert!(ran.stdout.contains("the service migrate"), "{ran:?}");

    let other = of(Page(2));
    // With a job that would fail if it were run first.
    let early = "services:\n  a-job:\n    build: .\n    command: [python3, /app.py, nothing]\n";
    let file = compose(Page(2), &stage.database).replace("MODE: fast", "MODE: slow");
    let file = file.replace("services:\n", early).replace(
        "      echo: { condition: service_started }",
        "      echo: { condition: service_started }\n      a-job: { condition: service_completed_successfully }",
    );
    other.write("compose.yaml", file);
    let ran = stage.installation.up(&other, &[]);
    assert_eq!(ran.code, EXECUTION_FAILED, "{ran:?}");
    assert!(ran.stdout.contains("service_changed") && ran.stdout.contains("docker rm --force"), "{ran:?}");

    let hostile = of(Page(2));
    let mount = "      - /var/run/docker.sock:/run/d\n      - data:/data";
    hostile.write("compose.yaml", compose(Page(2), &stage.database).replace("      - data:/data", mount));
    let ran = stage.installation.up(&hostile, &[]);
    assert_eq!(ran.code, BLOCKED, "{ran:?}");

    assert_eq!(Page::of(&stage.installation.ask().body), Some(Page(1)));
    stage.check_whole(&before, "after what was refused");
}

/// The file of a project.
fn compose(page: Page, database: &str) -> String {
    let site = page.0;
    format!(
        "services:
  web:
    build: .
    command: [python3, /app.py, web]
    environment: {{ SITE: '{site}' }}
    ports: ['80:8080']
    depends_on:
      db: {{ condition: service_healthy }}
      migrate: {{ condition: service_completed_successfully }}
      echo: {{ condition: service_started }}
  echo:
    build: {{ context: . }}
    command: [python3, /app.py, echo]
    environment: [SITE={site}]
  migrate:
    build: .
    command: [python3, /app.py, migrate]
    environment: {{ SITE: '{site}' }}
    depends_on: {{ db: {{ condition: service_healthy }} }}
  db:
    image: {database}
    environment: {{ MODE: fast, PASSWORD: '${{PASSWORD}}' }}
    volumes:
      - data:/data
    healthcheck: {{ test: [CMD, python3, /app.py, check], interval: 500ms, timeout: 5s, retries: 20 }}
    deploy: {{ resources: {{ limits: {{ memory: 128m, cpus: '1.0' }} }} }}
volumes:
  data:
"
    )
}

impl Stage {
    fn new() -> Option<Self> {
        let mut engine = Engine::find()?;
        let mut installation = Installation::new();
        let dockerfile = "FROM python:3.13-slim\nCOPY app.py /app.py\nCMD [\"python3\",\"/app.py\",\"db\"]\n";
        let files = [("Dockerfile", dockerfile), ("app.py", PROGRAM)];
        let database = engine.build(&installation.path("database"), "kv", "1", &files);
        assert_eq!(installation.start(None), Started::Ready);
        Some(Self { installation, engine, database })
    }

    fn project(&self, page: Page, more: &str) -> Site {
        let config = format!(
            "target = \"docker\"\n[runtime]\nstrategy = \"compose\"\n[env]\nPASSWORD = \"not a secret here\"\n{more}"
        );
        let site = self.installation.site(&format!("project-{}", page.0), page).with_config(&config);
        site.write("app.py", PROGRAM);
        site.write("Dockerfile", "FROM python:3.13-slim\nCOPY app.py /app.py\nUSER 1000\n");
        site.write("compose.yaml", compose(page, &self.database));
        site
    }

    /// What the database answers through the web service.
    fn database_says(&self, words: &str) -> String {
        let answer = Connection::once(self.installation.edge(), Installation::HOST, &format!("/db/{words}"));
        String::from_utf8_lossy(&answer.expect("an answer").body).into_owned()
    }

    fn ours(&self, format: &str) -> String {
        let owner = std::fs::read_to_string(self.installation.state().join("installation"));
        let label = format!("label=deploy.owner={}", owner.expect("it has a name"));
        docker(&["ps", "--all", "--filter", &label, "--format", format]).expect("a list")
    }

    /// The container of the database and when it was started.
    fn staying(&self) -> String {
        let ids = self.ours("{{if eq (.Label \"deploy.stays\") \"true\"}}{{.ID}}{{end}}");
        let id = ids.split_whitespace().next().expect("a database").to_owned();
        docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &id]).expect("a container")
    }

    /// One crash in the middle of a deployment to the other site; whether there was one.
    fn crash(&mut self, moment: usize, before: &str) -> bool {
        let served = Page::of(&self.installation.ask().body).expect("a page");
        let next = Page(3 - served.0);
        let known = self.installation.deployments().len();
        self.installation.kill_control_plane();
        assert_eq!(self.installation.start(Some(moment)), Started::Ready);
        let load =
            Load::start(self.installation.edge(), Installation::HOST, &[Manner::KeepAlive, Manner::OneShot]);
        let acknowledged = self.installation.up(&self.project(next, ""), &["--detach"]).code == 0;
        let crashed = wait::until("a crash or an end", HEAL, || {
            if self.installation.is_gone() {
                return Some(true);
            }
            let listed = self.installation.run(&["list", "--json", "--limit", "200"]);
            let all = (listed.code == 0).then(|| listed.json().as_array().cloned()).flatten()?;
            let new = &all[..all.len().saturating_sub(known)];
            (!new.is_empty() && new.iter().all(has_ended)).then_some(false)
        });
        self.installation.kill_control_plane();
        assert_eq!(self.installation.start(None), Started::Ready);
        let ended = wait::until("the end of what was under way", HEAL, || {
            let all = self.installation.deployments();
            let new = &all[..all.len().saturating_sub(known)];
            new.iter().all(has_ended).then(|| new.first().cloned())
        });
        for visit in load.finish() {
            assert!(visit.outcome.is_ok(), "crash at {moment}: {visit:?}");
        }
        assert!(ended.is_some() || !acknowledged, "crash at {moment}: what was acknowledged is gone");
        let expected = if let Some(deployment) = &ended {
            assert_eq!(deployment["status"], "succeeded", "crash at {moment}: {deployment:#}");
            next
        } else {
            served
        };
        assert_eq!(Page::of(&self.installation.ask().body), Some(expected), "crash at {moment}");
        self.check_whole(before, &format!("after a crash at {moment}"));
        crashed
    }

    /// One web service, one echo and the database run, the database the one it always was with what it was told; of
    /// everything else only what a kept release needs is left.
    fn check_whole(&self, before: &str, what: &str) {
        wait::until_fine(CLEAN_UP, || {
            let format = "{{.Label \"deploy.service\"}}|{{.State}}|{{.Names}}";
            let mut running: BTreeMap<String, usize> = BTreeMap::new();
            let listed = self.ours(format);
            for line in listed.lines().filter(|line| line.contains("|running|")) {
                *running.entry(line.split('|').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            let expected = ["", "db", "echo"].map(|name| (name.to_owned(), 1));
            let jobs = listed.lines().filter(|line| line.starts_with("migrate|")).count();
            if running == BTreeMap::from(expected) && jobs == 0 {
                Ok(())
            } else {
                Err(format!("{what}: {listed}"))
            }
        });
        assert_eq!(self.staying(), *before, "{what}: the database was stopped");
        assert_eq!(self.database_says("GET/colour"), "blue", "{what}");
    }
}

fn has_ended(deployment: &Value) -> bool {
    !deployment["endedAt"].is_null()
}
