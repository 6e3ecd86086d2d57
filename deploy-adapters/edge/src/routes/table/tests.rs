use super::*;
use crate::digest::Digest;
use crate::routes::Upstream;
use proptest::prelude::*;

const MAX_ROUTES: usize = 8;

fn change(host: &str, target: &str, epoch: u64, content: &str) -> RouteChange {
    RouteChange {
        host: host.into(),
        target: target.into(),
        epoch,
        to: Some(Digest::of(content.as_bytes())),
        fallback: None,
        port: None,
        upstream: None,
        drain_ms: None,
        expect: None,
    }
}

impl RouteTable {
    /// Decides and applies.
    fn switch(&mut self, change: &RouteChange, max_routes: usize) -> Result<Switched, Refused> {
        let accepted = self.decide(change, max_routes)?;
        self.apply(&accepted);
        Ok(accepted.switched())
    }
}

fn removal(host: &str, target: &str, epoch: u64) -> RouteChange {
    RouteChange { to: None, ..change(host, target, epoch, "") }
}

#[test]
fn inv_21_lower_epoch_is_refused_and_told_the_current_one() {
    let mut table = RouteTable::default();
    table.switch(&change("a.example", "web", 7, "new"), MAX_ROUTES).unwrap();
    let before = table.clone();
    let refused = table.switch(&change("a.example", "web", 6, "old"), MAX_ROUTES);
    assert!(matches!(refused, Err(Refused::StaleEpoch { epoch: 6, current: 7, .. })));
    assert_eq!(table, before);
}

#[test]
fn inv_21_epoch_is_remembered_after_the_route_is_gone() {
    let mut table = RouteTable::default();
    table.switch(&change("a.example", "web", 7, "x"), MAX_ROUTES).unwrap();
    table.switch(&removal("a.example", "web", 8), MAX_ROUTES).unwrap();
    assert_eq!(table.get("a.example"), None);
    let refused = table.switch(&change("a.example", "web", 7, "x"), MAX_ROUTES);
    assert!(matches!(refused, Err(Refused::StaleEpoch { current: 8, .. })));
    let refused = table.switch(&change("b.example", "web", 7, "x"), MAX_ROUTES);
    assert!(
        matches!(refused, Err(Refused::StaleEpoch { current: 8, .. })),
        "the fence is per target, not per host"
    );
}

#[test]
fn inv_21_epochs_of_different_targets_do_not_touch() {
    let mut table = RouteTable::default();
    table.switch(&change("a.example", "web", 100, "x"), MAX_ROUTES).unwrap();
    table.switch(&change("b.example", "api", 1, "x"), MAX_ROUTES).unwrap();
    assert_eq!((table.epoch("web"), table.epoch("api")), (Some(100), Some(1)));
}

#[test]
fn repeating_a_change_whose_reply_was_lost_is_answered_as_done() {
    let mut table = RouteTable::default();
    let mut first = change("a.example", "web", 1, "one");
    first.expect = Some(Expect::Absent);
    table.switch(&first, MAX_ROUTES).unwrap();
    let again = table.switch(&first, MAX_ROUTES).unwrap();
    assert_eq!(again.before, again.after);

    let mut second = change("a.example", "web", 2, "two");
    second.expect = Some(Expect::Release(Digest::of(b"zero")));
    let refused = table.switch(&second, MAX_ROUTES);
    assert!(matches!(refused, Err(Refused::UnexpectedCurrent { current: Some(_), .. })));
    assert_eq!(table.epoch("web"), Some(1), "a refused change leaves no trace");
}

#[test]
fn threat_f43_host_of_another_target_is_taken_in_every_spelling() {
    let mut table = RouteTable::default();
    table.switch(&change("web.example", "web", 1, "x"), MAX_ROUTES).unwrap();
    for host in ["web.example", "WEB.example", "web.example.", "web.example:80"] {
        let refused = table.switch(&change(host, "evil", 9, "y"), MAX_ROUTES);
        assert!(matches!(refused, Err(Refused::HostTaken { .. })), "{host}");
        let refused = table.switch(&removal(host, "evil", 9), MAX_ROUTES);
        assert!(matches!(refused, Err(Refused::HostTaken { .. })), "{host}");
    }
}

#[test]
fn inv_39_the_table_is_bounded() {
    let mut table = RouteTable::default();
    for n in 0..MAX_ROUTES {
        table.switch(&change(&format!("h{n}.example"), "web", 1, "x"), MAX_ROUTES).unwrap();
    }
    let refused = table.switch(&change("one-more.example", "web", 1, "x"), MAX_ROUTES);
    assert!(matches!(refused, Err(Refused::TableFull { .. })));
    table.switch(&change("h0.example", "web", 1, "y"), MAX_ROUTES).unwrap();
}

#[test]
fn a_port_belongs_to_one_route() {
    let mut table = RouteTable::default();
    let with_port = |host: &str, port| RouteChange { port: Some(port), ..change(host, "web", 1, "x") };
    table.switch(&with_port("a.example", 8081), MAX_ROUTES).unwrap();
    table.switch(&with_port("a.example", 8081), MAX_ROUTES).unwrap();
    for refused in [with_port("b.example", 8081), with_port("b.example", 0)] {
        assert!(matches!(table.switch(&refused, MAX_ROUTES), Err(Refused::PortInUse { .. })));
    }
}

fn upstream(port: u16) -> Option<Upstream> {
    Some(Upstream::at(([10, 0, 0, 1], port).into()))
}

#[test]
fn an_upstream_is_a_route_under_the_same_fence() {
    let mut table = RouteTable::default();
    let to = |epoch, port| RouteChange { upstream: upstream(port), ..change("a.example", "web", epoch, "x") };
    table.switch(&to(7, 3000), MAX_ROUTES).unwrap();
    let moved = table.switch(&to(7, 3001), MAX_ROUTES).unwrap();
    assert_ne!(moved.before, moved.after, "the same release at another address is a change");
    assert_eq!(table.get("a.example").unwrap().upstream, upstream(3001));
    assert!(matches!(table.switch(&to(6, 3000), MAX_ROUTES), Err(Refused::StaleEpoch { .. })));
    table.switch(&change("a.example", "web", 8, "x"), MAX_ROUTES).unwrap();
    assert_eq!(table.get("a.example").unwrap().upstream, None, "back to files");
}

#[test]
fn an_upstream_that_makes_no_sense_is_refused() {
    let no_address = Upstream { addresses: vec![], ..Upstream::at(([10, 0, 0, 1], 1).into()) };
    let too_many = Upstream { addresses: vec![([10, 0, 0, 1], 1).into(); 17], ..no_address.clone() };
    let good = RouteChange { upstream: upstream(80), ..change("a.example", "web", 1, "x") };
    let refused = [
        RouteChange { upstream: Some(no_address), ..good.clone() },
        RouteChange { upstream: Some(too_many), ..good.clone() },
        RouteChange { upstream: upstream(0), ..good.clone() },
        RouteChange { upstream: Some(Upstream::at(([0, 0, 0, 0], 80).into())), ..good.clone() },
        RouteChange { fallback: Some("index.html".into()), ..good.clone() },
        RouteChange { to: None, ..good },
    ];
    for change in refused {
        let result = RouteTable::default().switch(&change, MAX_ROUTES);
        assert!(matches!(result, Err(Refused::Invalid { .. })), "{change:?}");
    }
}

#[test]
fn inv_21_a_pause_is_fenced_and_ends_with_the_next_switch() {
    let mut table = RouteTable::default();
    let pause = |epoch, target: &str, pause| PauseChange {
        host: "A.example.".into(),
        target: target.into(),
        epoch,
        pause,
    };
    let held = Some(Pause { hold_ms: 1000, requests: 5 });
    let decided = table.decide_pause(&pause(1, "web", held));
    assert!(matches!(decided, Err(Refused::Unknown { .. })));
    table.switch(&change("a.example", "web", 7, "x"), MAX_ROUTES).unwrap();
    assert!(matches!(table.decide_pause(&pause(6, "web", held)), Err(Refused::StaleEpoch { .. })));
    assert!(matches!(table.decide_pause(&pause(9, "evil", held)), Err(Refused::HostTaken { .. })));
    for bad in [
        Pause { hold_ms: 0, requests: 5 },
        Pause { hold_ms: 600_001, requests: 5 },
        Pause { hold_ms: 1, requests: 0 },
    ] {
        assert!(matches!(table.decide_pause(&pause(8, "web", Some(bad))), Err(Refused::Invalid { .. })));
    }
    let accepted = table.decide_pause(&pause(8, "web", held)).unwrap();
    table.apply(&accepted);
    let route = table.get("a.example").unwrap();
    assert_eq!((route.paused, route.epoch, route.digest), (held, 8, Digest::of(b"x")));
    table.switch(&change("a.example", "web", 8, "y"), MAX_ROUTES).unwrap();
    assert_eq!(table.get("a.example").unwrap().paused, None);
}

fn any_change() -> impl Strategy<Value = RouteChange> {
    let host =
        prop::sample::select(vec!["a.example", "A.Example.", "b.example:80", "c.example", "*.example"]);
    let target = prop::sample::select(vec!["web", "api", ""]);
    let expect = prop::option::weighted(0.2, Just(Expect::Absent));
    let port = prop::option::weighted(0.2, 8080..8083u16);
    let process = prop::option::weighted(0.3, 3000..3002u16);
    (host, target, 0..6u64, prop::option::of(0..3u8), port, process, expect).prop_map(
        |(host, target, epoch, to, port, process, expect)| RouteChange {
            to: to.map(|n| Digest::of(&[n])),
            port,
            upstream: process.and_then(upstream),
            expect,
            ..change(host, target, epoch, "")
        },
    )
}

proptest! {
    #[test]
    fn inv_21_no_sequence_of_changes_lowers_an_epoch(changes in prop::collection::vec(any_change(), 0..40)) {
        let mut table = RouteTable::default();
        for change in changes {
            let before = table.clone();
            let result = table.switch(&change, MAX_ROUTES);
            for (target, epoch) in &before.epochs {
                prop_assert!(table.epoch(target) >= Some(*epoch));
            }
            prop_assert!(table.is_consistent());
            match result {
                Err(_) => prop_assert_eq!(&table, &before),
                Ok(switched) => {
                    prop_assert!(Some(change.epoch) >= before.epoch(&change.target));
                    let host = normalize_host(&change.host).unwrap();
                    prop_assert_eq!(switched.before.as_ref(), before.get(&host));
                    prop_assert_eq!(switched.after.as_ref(), table.get(&host));
                    prop_assert_eq!(switched.after.as_ref().map(|r| r.digest), change.to);
                    prop_assert_eq!(switched.after.as_ref().and_then(|r| r.upstream.clone()), change.upstream);
                    for route in before.routes().filter(|r| r.host != host) {
                        prop_assert_eq!(table.get(&route.host), Some(&**route));
                    }
                }
            }
            let mut ports: Vec<u16> = table.routes().filter_map(|r| r.port).collect();
            let with_port = ports.len();
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(ports.len(), with_port);
        }
    }
}
