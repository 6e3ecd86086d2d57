//! Laws of the built-in rules, over all times.

use proptest::prelude::*;

use super::*;
use crate::id::DeploymentId;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn freeze(from: i64, until: i64) -> Freeze {
    Freeze {
        from: Boundary::At(at(from)),
        until: Boundary::At(at(until)),
        reason: "inventory".to_owned(),
        link: Some("https://status.example".to_owned()),
        environments: Vec::new(),
        workspaces: Vec::new(),
        may_override: vec!["anna".to_owned()],
    }
}

fn past_due(since: i64, grace: Span) -> Rules {
    let plan = Plan { concurrent: 1, grace, ..Plan::default() };
    let workspace =
        Workspace { plan: Some(name("free")), past_due_since: Some(at(since)), ..Workspace::default() };
    Rules {
        plans: [(name("free"), plan)].into(),
        workspaces: [(name("acme"), workspace)].into(),
        ..Rules::default()
    }
}

fn judge(rules: &Rules, actor: &str, trigger: &Trigger, now: i64, facts: Facts) -> Verdict {
    let (resource, workspace, actor) = ("web".parse().unwrap(), name("acme"), Actor(actor.to_owned()));
    let petition =
        Petition { resource: &resource, workspace: &workspace, actor: &actor, trigger, at: at(now) };
    rules.judge(&petition, facts)
}

fn triggers() -> [Trigger; 3] {
    [Trigger::Create, Trigger::Redeploy, Trigger::Retry { of: DeploymentId::new(uuid::Uuid::nil()) }]
}

proptest! {
    #[test]
    fn a_freeze_blocks_from_its_beginning_to_its_end_and_says_until_when(from in 0..500i64, long in 1..500i64, now in 0..1_500i64) {
        let rules = Rules { freezes: vec![freeze(from, from + long)], ..Rules::default() };
        for trigger in triggers() {
            let verdict = judge(&rules, "bob", &trigger, now, Facts::default());
            let frozen = (from..from + long).contains(&now);
            prop_assert_eq!(!verdict.blocked.is_empty(), frozen);
            prop_assert_eq!(verdict.until(), frozen.then(|| at(from + long)).or(verdict.blocked.is_empty().then_some(None).flatten()));
            let overridden = judge(&rules, "anna", &trigger, now, Facts::default());
            prop_assert!(overridden.blocked.is_empty());
            prop_assert_eq!(!overridden.warnings.is_empty(), frozen);
        }
    }

    #[test]
    fn past_due_warns_within_the_grace_and_blocks_after_it(since in 0..100i64, days in prop::sample::select(vec![3u64, 7, 14]), offset in -2i64..20) {
        let day = 24 * 3_600_000;
        let rules = past_due(since, Span::from_secs(days * 24 * 3_600));
        let verdict = judge(&rules, "bob", &Trigger::Create, since + offset * day, Facts::default());
        prop_assert_eq!(!verdict.warnings.is_empty(), (0..days as i64).contains(&offset));
        prop_assert_eq!(!verdict.blocked.is_empty(), offset >= days as i64);
    }

    #[test]
    fn too_little_space_blocks(free in 0u64..(4 << 30)) {
        let rules = Rules { disk: Disk { floor: Some(Size::from_mib(2_048)) }, ..Rules::default() };
        let verdict = judge(&rules, "bob", &Trigger::Create, 0, Facts { free_bytes: Some(free) });
        prop_assert_eq!(!verdict.blocked.is_empty(), free < 2 << 30);
        prop_assert!(judge(&rules, "bob", &Trigger::Create, 0, Facts::default()).blocked.is_empty());
    }

    #[test]
    fn a_rollback_is_never_refused(now in 0..2_000i64, free in any::<Option<u64>>()) {
        let mut rules = past_due(0, Span::ZERO);
        rules.freezes = vec![freeze(0, 1_000)];
        rules.disk.floor = Some(Size::from_mib(1));
        prop_assert_eq!(judge(&rules, "bob", &Trigger::Rollback, now, Facts { free_bytes: free }), Verdict::ALLOW);
    }
}

#[test]
fn a_freeze_concerns_whom_it_names() {
    let other = Freeze { workspaces: vec![name("other")], ..freeze(0, 9) };
    let staging = Freeze { environments: vec![name("staging")], ..freeze(0, 9) };
    let rules = Rules { freezes: vec![other, staging], ..Rules::default() };
    assert_eq!(judge(&rules, "bob", &Trigger::Create, 1, Facts::default()), Verdict::ALLOW);
}

#[test]
fn a_resource_belongs_to_one_workspace() {
    let of = |resources: &[&str]| Workspace {
        resources: resources.iter().map(|&text| text.to_owned()).collect(),
        ..Workspace::default()
    };
    let workspaces = [(name("a"), of(&["web"])), (name("b"), of(&["web@staging"]))].into();
    let rules = Rules { workspaces, ..Rules::default() };
    assert_eq!(rules.check(), Ok(()));
    let workspace = |key: &str| rules.workspace(&key.parse().unwrap()).to_string();
    assert_eq!([workspace("web"), workspace("web@staging"), workspace("api")], ["a", "b", "default"]);
}

#[test]
fn what_contradicts_itself_is_named() {
    let mut unknown = past_due(0, Span::ZERO);
    unknown.plans.clear();
    let backwards = Rules { freezes: vec![freeze(9, 1)], ..Rules::default() };
    let weekly = |from: &str, until: &str| Rules {
        freezes: vec![Freeze { from: from.parse().unwrap(), until: until.parse().unwrap(), ..freeze(0, 1) }],
        ..Rules::default()
    };
    let mut nothing = past_due(0, Span::ZERO);
    nothing.plans.values_mut().for_each(|plan| plan.concurrent = 0);
    for (rules, named) in [
        (unknown, "workspaces.acme.plan"),
        (backwards, "the freeze from"),
        (weekly("Fri 16:00Z", "Fri 17:00+01:00"), "ends when it begins"),
        (weekly("Fri 16:00Z", "2026-12-24T18:00:00Z"), "ends every week"),
        (nothing, "plans.free.concurrent"),
    ] {
        assert!(rules.check().is_err_and(|message| message.contains(named)), "{named}");
    }
}
