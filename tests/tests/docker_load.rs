//! Switches, failures and rollbacks of containers under load, counted request by request (inv. 1, 4, 5;
//! threat F34). A short run; `DEPLOY_LOAD=whole` makes it 100 deploys, 30 failures and 30 rollbacks.

use std::time::{Duration, Instant};

use deploy_tests::docker::Engine;
use deploy_tests::{Installation, Load, Manner, Page, Site, Started, Story, Visit};

/// Exit code of contract.md.
const UNHEALTHY: i32 = 1;

/// How much of it there is.
struct Length {
    deploys: usize,
    failures: usize,
    rollbacks: usize,
}

impl Length {
    fn chosen() -> Self {
        match std::env::var("DEPLOY_LOAD").as_deref() {
            Ok("whole") => Self { deploys: 100, failures: 30, rollbacks: 30 },
            Ok(_) | Err(_) => Self { deploys: 6, failures: 2, rollbacks: 2 },
        }
    }
}

/// Two sites that are the same app from two images.
struct Apps {
    images: [String; 2],
}

impl Apps {
    fn site(&self, installation: &Installation, page: Page, more: &str) -> Site {
        let image = &self.images[page.0 - 1];
        let config = format!(
            "target = \"docker\"\n[runtime]\nstrategy = \"image\"\nimage = \"{image}\"\n[network]\ninternal_port = 8080\n{more}"
        );
        installation.site(&format!("site-{}", page.0), page).with_config(&config)
    }
}

/// Clears up on the engine when the test ends, however it does.
struct Stage {
    installation: Installation,
    engine: Engine,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.installation.kill_all();
        self.engine.sweep(&self.installation);
    }
}

#[test]
fn f34_inv_01_inv_04_no_request_is_dropped_reset_or_answered_by_the_old_release() {
    let Some(mut engine) = Engine::find() else { return };
    let mut installation = Installation::new();
    let apps = Apps {
        images: [1, 2].map(|number| engine.image(&installation.path(&format!("app-{number}")), number)),
    };
    assert_eq!(installation.start(None), Started::Ready);
    let stage = Stage { installation, engine };
    let (installation, length) = (&stage.installation, Length::chosen());

    let mut story = Story::default();
    story.deploy(installation, &apps.site(installation, Page(1), ""), Page(1));
    let ms = Duration::from_millis;
    let manners = [
        Manner::KeepAlive,
        Manner::KeepAlive,
        Manner::OneShot,
        Manner::OneShot,
        Manner::Slow(ms(10)),
        Manner::Slow(ms(40)),
        Manner::Conversation(20, ms(20)),
        Manner::Conversation(40, ms(50)),
    ];
    let load = Load::start(installation.edge(), Installation::HOST, &manners);
    let (mut failed, mut back) = (0, 0);
    let started = Instant::now();
    for number in 0..length.deploys {
        let page = Page(3 - story.live().expect("something serves").0);
        story.deploy(installation, &apps.site(installation, page, ""), page);
        if failed * length.deploys < length.failures * (number + 1) {
            fails(installation, &apps, Page(3 - page.0));
            failed += 1;
        }
        if back * length.deploys < length.rollbacks * (number + 1) {
            story.roll_back(installation);
            back += 1;
        }
    }
    let took = started.elapsed();
    let visits = load.finish();
    story.check(&visits);
    report(&visits, &story, failed, back, took);
}

/// A deploy whose health check never passes: nobody is sent to it.
fn fails(installation: &Installation, apps: &Apps, page: Page) {
    let config = "[health]\nexpected_body = \"never there\"\ndeadline = \"700ms\"\n";
    let ran = installation.up(&apps.site(installation, page, config), &[]);
    assert_eq!(ran.code, UNHEALTHY, "{ran:?}");
}

fn report(visits: &[Visit], story: &Story, failed: usize, back: usize, took: Duration) {
    let of = |wanted: fn(&Manner) -> bool| visits.iter().filter(|visit| wanted(&visit.manner)).count();
    println!(
        "{} requests ({} keep-alive, {} one-shot, {} downloads of 20 MiB, {} conversations), 0 dropped, 0 reset, 0 answered by \
         the old release; {} switches, {back} of them rollbacks; {failed} deploys that failed; {took:.0?}",
        visits.len(),
        of(|manner| *manner == Manner::KeepAlive),
        of(|manner| *manner == Manner::OneShot),
        of(|manner| matches!(manner, Manner::Slow(_))),
        of(|manner| matches!(manner, Manner::Conversation(..))),
        story.switches(),
    );
    assert!(visits.len() > 500, "too little load to say anything");
}
