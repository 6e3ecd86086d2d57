//! Whether a release is what the machines run: every one of them, this content, this release, and well. Pure.

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Fence};

use crate::mark::Mark;
use crate::platform::{Checks, Machine};

/// What the machines must run.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) mark: Mark,
    /// The content, where it is known before.
    pub(crate) digest: Option<Digest>,
}

/// What the machines run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) digest: Digest,
    pub(crate) version: u64,
    pub(crate) image: Option<String>,
    pub(crate) machines: usize,
}

/// What a look at the machines comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// It is what they run, and they are well.
    Ready(Runs),
    /// Not yet: this is missing. With `FailureCode` what it is when it never comes.
    Waiting(FailureCode, String),
    /// Some machine runs something else.
    Other(String),
    /// It can't become what is wanted any more.
    Failed(Box<Failure>),
}

/// Looks at the machines.
pub(crate) fn judge(machines: &[Machine], checks: &Checks, wanted: &Wanted) -> Rollout {
    let serving: Vec<&Machine> = machines.iter().filter(|machine| machine.serves()).collect();
    if serving.is_empty() {
        return Rollout::Waiting(FailureCode::ReleaseExited, "the app has no machine".to_owned());
    }
    if let Some(failure) = serving.iter().find_map(|machine| dead(machine, wanted)) {
        return Rollout::Failed(Box::new(failure));
    }
    if let Some(other) = serving.iter().find_map(|machine| other(machine, wanted)) {
        return Rollout::Other(other);
    }
    let runs = match same(&serving) {
        Ok(runs) => runs,
        Err(differs) => return Rollout::Other(differs),
    };
    match serving.iter().find_map(|machine| unready(machine, checks)) {
        Some((code, why)) => Rollout::Waiting(code, why),
        None => Rollout::Ready(runs),
    }
}

/// Whether a machine is of the wanted release, whatever its fence.
pub(crate) fn is_ours(machine: &Machine, mark: &Mark) -> bool {
    machine.mark().and_then(Mark::parse).is_some_and(|found| found.is_same(mark))
}

/// Refuses to change anything that a newer owner or another resource has made.
pub(crate) fn refuse(machines: &[Machine], mark: &Mark) -> Result<(), Failure> {
    let marks =
        machines.iter().filter(|machine| machine.serves()).filter_map(Machine::mark).filter_map(Mark::parse);
    for found in marks {
        if found.resource != mark.resource {
            let message = format!("the app serves {} of this or another installation", found.resource);
            return Err(Failure::new(FailureCode::NameTaken, message).because("app", found.to_string()));
        }
        if found.fence > mark.fence {
            let message = format!("a newer owner made what serves, under fence {}", found.fence);
            return Err(Failure::new(FailureCode::StaleFence, message)
                .because("fence", Fence(mark.fence).0.to_string()));
        }
    }
    Ok(())
}

fn dead(machine: &Machine, wanted: &Wanted) -> Option<Failure> {
    if !is_ours(machine, &wanted.mark) {
        return None;
    }
    let exit = machine.exit();
    let id = &machine.id;
    let crashing =
        machine.restarts() > 1 && exit.is_some_and(|exit| exit.exit_code != Some(0) && !exit.requested_stop);
    let stopped = machine.state == "stopped" && exit.is_some_and(|exit| !exit.requested_stop);
    let message = match machine.state.as_str() {
        "failed" | "launch_failed" => format!("machine {id} could not be started"),
        _ if crashing => format!("machine {id} is started again and again"),
        _ if stopped => format!("machine {id} has ended"),
        _ => return None,
    };
    let code = if exit.is_some_and(|exit| exit.oom_killed) {
        FailureCode::OutOfMemory
    } else {
        FailureCode::ReleaseExited
    };
    let ended = exit.and_then(|exit| exit.exit_code).map_or("unknown".to_owned(), |code| code.to_string());
    Some(Failure::new(code, message).because("exit", ended).because("state", machine.state.clone()))
}

fn other(machine: &Machine, wanted: &Wanted) -> Option<String> {
    let id = &machine.id;
    if !is_ours(machine, &wanted.mark) {
        let runs = machine.image().unwrap_or_else(|| "nothing that is known".to_owned());
        return Some(format!("machine {id} is not of this release: it runs {runs}"));
    }
    let found = machine.digest();
    match (&wanted.digest, found) {
        (Some(wanted), Some(found)) if *wanted != found => {
            Some(format!("machine {id} runs {found} instead of {wanted}"))
        }
        (_, None) => Some(format!("machine {id} does not say what it runs")),
        (_, Some(_)) => None,
    }
}

/// All of them run one content under one number.
fn same(serving: &[&Machine]) -> Result<Runs, String> {
    let first = serving[0];
    let (digest, version) = (first.digest(), first.version());
    for machine in serving {
        if machine.digest() != digest {
            return Err(format!("machines {} and {} run different images", first.id, machine.id));
        }
        if machine.version() != version {
            return Err(format!("machines {} and {} are of different releases", first.id, machine.id));
        }
    }
    let (Some(digest), Some(version)) = (digest, version) else {
        return Err(format!("machine {} does not say of which release it is", first.id));
    };
    Ok(Runs { digest, version, image: first.image(), machines: serving.len() })
}

fn unready(machine: &Machine, checks: &Checks) -> Option<(FailureCode, String)> {
    let id = &machine.id;
    if machine.host_status.as_deref() == Some("unreachable") {
        return Some((
            FailureCode::ProviderUnavailable,
            format!("the host of machine {id} can't be reached"),
        ));
    }
    // A machine that the platform itself put to sleep is started by the next request.
    if !matches!(machine.state.as_str(), "started" | "stopped" | "suspended") {
        return Some((FailureCode::Unhealthy, format!("machine {id} is {}", machine.state)));
    }
    let listed = checks.get(id).into_iter().flatten();
    let bad = machine.checks.iter().chain(listed).find(|check| check.status != "passing")?;
    let output = bad.output.as_deref().unwrap_or_default();
    let shown: String = output.chars().filter(|c| !c.is_control()).take(200).collect();
    Some((FailureCode::Unhealthy, format!("check {} of machine {id} is {}: {shown}", bad.name, bad.status)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mark() -> Mark {
        Mark { resource: "web@production".to_owned(), fence: 3, who: "dep_1".to_owned() }
    }

    fn digest(n: u8) -> String {
        Digest::of(&[n]).to_string()
    }

    fn machine(id: &str, mark: &str, image: u8, version: u64, state: &str) -> Machine {
        serde_json::from_value(json!({
            "id": id, "state": state,
            "image_ref": { "registry": "registry.fly.io", "repository": "web", "digest": digest(image) },
            "config": {
                "env": { "DEPLOY_RELEASE": mark },
                "metadata": { "fly_platform_version": "v2", "fly_release_version": version.to_string() }
            }
        }))
        .expect("a machine")
    }

    fn wanted() -> Wanted {
        Wanted { mark: mark(), digest: Some(Digest::of(&[1])) }
    }

    fn ours(id: &str, state: &str) -> Machine {
        machine(id, "web@production/3/dep_1", 1, 7, state)
    }

    #[test]
    fn only_all_machines_of_this_release_are_this_release() {
        let judged = |machines: &[Machine]| judge(machines, &Checks::new(), &wanted());
        let ready = judged(&[ours("a", "started"), ours("b", "stopped")]);
        assert!(matches!(ready, Rollout::Ready(Runs { version: 7, machines: 2, .. })), "{ready:?}");
        let old = machine("b", "web@production/2/dep_0", 0, 6, "started");
        let reverted = machine("b", "web@production/3/dep_1", 0, 7, "started");
        let number = machine("b", "web@production/3/dep_1", 1, 8, "started");
        for other in [old, reverted, number] {
            let judged = judged(&[ours("a", "started"), other.clone()]);
            assert!(matches!(judged, Rollout::Other(_)), "{other:?} {judged:?}");
        }
        assert!(matches!(judged(&[ours("a", "starting")]), Rollout::Waiting(FailureCode::Unhealthy, _)));
        assert!(matches!(judged(&[ours("a", "failed")]), Rollout::Failed(_)));
        assert!(matches!(judged(&[]), Rollout::Waiting(..)));
    }

    #[test]
    fn a_check_that_does_not_pass_is_waited_for() {
        for status in ["critical", "warning"] {
            let check =
                serde_json::from_value(json!([{ "name": "http", "status": status, "output": "502" }]));
            let checks = Checks::from([("a".to_owned(), check.expect("a check"))]);
            let judged = judge(&[ours("a", "started")], &checks, &wanted());
            assert!(matches!(judged, Rollout::Waiting(FailureCode::Unhealthy, _)), "{judged:?}");
        }
    }

    #[test]
    fn a_program_that_ended_says_how() {
        let mut machine = ours("a", "stopped");
        for (oom, code) in [(true, FailureCode::OutOfMemory), (false, FailureCode::ReleaseExited)] {
            let events = json!([{ "type": "exit", "request": { "exit_event": { "exit_code": 137, "oom_killed": oom } } }]);
            machine.events = serde_json::from_value(events).expect("events");
            let Rollout::Failed(failure) = judge(&[machine.clone()], &Checks::new(), &wanted()) else {
                panic!("it has not failed")
            };
            assert_eq!(failure.code, code);
        }
    }

    #[test]
    fn inv_21_a_stale_owner_and_another_resource_are_refused() {
        let newer = machine("a", "web@production/4/dep_2", 1, 7, "started");
        assert_eq!(refuse(&[newer], &mark()).map_err(|f| f.code), Err(FailureCode::StaleFence));
        let others = machine("a", "api@production/1/dep_2", 1, 7, "started");
        assert_eq!(refuse(&[others], &mark()).map_err(|f| f.code), Err(FailureCode::NameTaken));
        let by_hand = machine("a", "something", 1, 7, "started");
        assert_eq!(refuse(&[by_hand, ours("b", "started")], &mark()), Ok(()));
    }

    proptest! {
        #[test]
        fn inv_07_ready_means_every_machine_runs_what_is_wanted(
            machines in proptest::collection::vec((0_u8..3, 0_u8..3, 6_u64..9, 0_usize..5), 0..5),
        ) {
            let states = ["started", "stopped", "starting", "failed", "destroyed"];
            let all: Vec<Machine> = machines.iter().enumerate().map(|(index, (who, image, version, state))| {
                machine(&index.to_string(), &format!("web@production/3/dep_{who}"), *image, *version, states[*state])
            }).collect();
            if let Rollout::Ready(runs) = judge(&all, &Checks::new(), &wanted()) {
                let serving: Vec<_> = machines.iter().filter(|(.., state)| *state != 4).collect();
                prop_assert_eq!(serving.len(), runs.machines);
                for (who, image, version, state) in serving {
                    prop_assert!((*who, *image, *version) == (1, 1, runs.version) && *state < 2);
                }
            }
        }
    }
}
