//! Laws of the line.

use proptest::prelude::*;

use super::*;
use crate::testkit;
use crate::testkit::contract::Writer;

const MINUTE: Span = Span::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

fn status(resource: usize, word: StatusName) -> Status {
    let writer = Writer::new(&format!("r{resource}"));
    let mut status = writer.status(word, crate::id::Seq(1));
    status.created_at = at(0);
    status
}

fn usual(resources: usize) -> BTreeMap<ResourceKey, Span> {
    (0..resources).map(|number| (format!("r{number}").parse().unwrap(), MINUTE)).collect()
}

proptest! {
    /// With what each takes known, everybody in the line has a place, nobody shares one, and whoever is
    /// further back of the same resource starts later.
    #[test]
    fn everybody_has_a_place_of_its_own_and_starts_in_order(
        resources in prop::collection::vec(0usize..4, 1..30),
        concurrent in 1u32..4,
    ) {
        let statuses: Vec<Status> = resources.iter().map(|&resource| status(resource, StatusName::Queued)).collect();
        let usual = usual(4);
        let line = Line { statuses: &statuses, concurrent, usual: &usual, damaged: &BTreeSet::new(), now: at(10) };
        let places: Vec<Place> = statuses.iter().map(|status| line.place(status.id).unwrap()).collect();
        let positions: Vec<u32> = places.iter().map(|place| place.position.unwrap()).collect();
        prop_assert_eq!(positions, (1..=statuses.len() as u32).collect::<Vec<_>>());
        let starts: Vec<Timestamp> = places.iter().map(|place| place.expected_start.unwrap()).collect();
        for (index, start) in starts.iter().enumerate() {
            let at_once = starts.iter().filter(|other| *other == start).count();
            prop_assert!(at_once <= concurrent as usize, "{at_once} start at once");
            let elder = (0..index).filter(|elder| resources[*elder] == resources[index]);
            prop_assert!(elder.clone().all(|elder| starts[elder] < *start));
        }
        prop_assert_eq!(places[0].expected_start, Some(at(10)));
    }
}

#[test]
fn what_is_not_known_is_not_promised() {
    let statuses = [status(0, StatusName::Executing), status(0, StatusName::Queued)];
    let line = Line {
        statuses: &statuses,
        concurrent: 5,
        usual: &BTreeMap::new(),
        damaged: &BTreeSet::new(),
        now: at(0),
    };
    let place = line.place(statuses[1].id).unwrap();
    assert_eq!((place.expected_start, place.behind), (None, Some(statuses[0].id)));
    assert_eq!(line.place(statuses[0].id), None, "what runs does not wait");
}

#[test]
fn the_reason_is_what_is_in_the_way() {
    let running = status(0, StatusName::Executing);
    let mut paused = status(1, StatusName::Queued);
    paused.paused = true;
    let mut deferred = status(2, StatusName::Queued);
    deferred.deferred_reasons = vec![testkit::frozen().until(Some(at(99)))];
    let [behind_paused, behind_deferred] = [status(1, StatusName::Queued), status(2, StatusName::Queued)];
    let statuses = [running, paused, deferred, behind_paused, behind_deferred];
    let (usual, none) = (usual(3), BTreeSet::new());
    let line =
        |concurrent| Line { statuses: &statuses, concurrent, usual: &usual, damaged: &none, now: at(0) };
    let waits = |concurrent, index: usize| line(concurrent).place(statuses[index].id).unwrap().waits_for;
    assert_eq!([waits(5, 1), waits(5, 2)], [WaitsFor::Resume, WaitsFor::Policy]);
    assert_eq!([waits(5, 3), waits(5, 4)], [WaitsFor::Resource, WaitsFor::Nothing]);
    assert_eq!(waits(1, 4), WaitsFor::Workspace);
    assert_eq!(line(5).place(statuses[2].id).unwrap().expected_start, Some(at(99)));
    assert_eq!(
        line(5).place(statuses[3].id).unwrap().expected_start,
        None,
        "nobody knows when it is resumed"
    );
    assert_eq!(line(1).place(statuses[4].id).unwrap().expected_start, Some(at(60)));
}

#[test]
fn a_damaged_record_in_the_way_is_named_with_what_to_do_and_takes_nobodys_room() {
    let statuses =
        [status(0, StatusName::Executing), status(0, StatusName::Queued), status(1, StatusName::Queued)];
    let damaged = BTreeSet::from([statuses[0].id]);
    // The engine adds a place for each that is left alone.
    let line = Line { statuses: &statuses, concurrent: 2, usual: &usual(2), damaged: &damaged, now: at(0) };
    let behind = line.place(statuses[1].id).unwrap();
    assert_eq!((behind.waits_for, behind.behind), (WaitsFor::Resource, Some(statuses[0].id)));
    assert!(behind.message.contains("damaged") && behind.message.contains("deploy abandon dep_"));
    assert_eq!(behind.expected_start, None, "it does not end by itself");
    assert_eq!(line.place(statuses[2].id).unwrap().waits_for, WaitsFor::Nothing);
}

#[test]
fn the_median_is_the_one_in_the_middle() {
    let spans = |seconds: &[u64]| seconds.iter().map(|&seconds| Span::from_secs(seconds)).collect();
    assert_eq!(median(spans(&[])), None);
    assert_eq!(median(spans(&[9, 1, 5])), Some(Span::from_secs(5)));
}
