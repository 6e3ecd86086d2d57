use super::*;
use crate::digest::Digest;
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
        expect: None,
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

fn any_change() -> impl Strategy<Value = RouteChange> {
    let host =
        prop::sample::select(vec!["a.example", "A.Example.", "b.example:80", "c.example", "*.example"]);
    let target = prop::sample::select(vec!["web", "api", ""]);
    let expect = prop::option::weighted(0.2, Just(Expect::Absent));
    let port = prop::option::weighted(0.2, 8080..8083u16);
    (host, target, 0..6u64, prop::option::of(0..3u8), port, expect).prop_map(
        |(host, target, epoch, to, port, expect)| RouteChange {
            to: to.map(|n| Digest::of(&[n])),
            port,
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
                    for route in before.routes().filter(|r| r.host != host) {
                        prop_assert_eq!(table.get(&route.host), Some(route));
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
