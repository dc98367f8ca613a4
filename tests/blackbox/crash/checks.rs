//! What must hold after the last kill.

use super::Kill;
use super::publishers::Acknowledged;
use crate::support::{ADMIN, Delivery, Receiver, Request, Server, eventually, eventually_within, text_of};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// An event as the log gives it in the end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logged {
    pub(super) id: String,
    pub(super) sequence: u64,
    pub(super) by: String,
    pub(super) n: u64,
    pub(super) envelope: Value,
}

pub(super) fn whole_log(server: &Server) -> Vec<Logged> {
    let mut log = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = server.list(&format!("?limit=1000&cursor={cursor}"));
        log.extend(page["data"].as_array().unwrap().iter().map(logged));
        cursor = text_of(&page["next_cursor"]);
        if page["has_more"] == false {
            return log;
        }
    }
}

fn logged(event: &Value) -> Logged {
    let mut envelope = event.clone();
    envelope.as_object_mut().unwrap().remove("sequence");
    Logged {
        id: text_of(&event["id"]),
        sequence: event["sequence"].as_u64().unwrap(),
        by: text_of(&event["data"]["by"]),
        n: event["data"]["n"].as_u64().unwrap(),
        envelope,
    }
}

pub(super) fn every_acknowledged_event_is_there_once(
    log: &[Logged],
    acknowledged: &Acknowledged,
    deaths: usize,
) {
    assert!(log.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "sequences increase");
    let ids: BTreeSet<&str> = log.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), log.len(), "no id is there twice");
    let marks: BTreeMap<(&str, u64), &Logged> =
        log.iter().map(|event| ((event.by.as_str(), event.n), event)).collect();
    assert_eq!(marks.len(), log.len(), "nothing was stored twice, however often it was sent");
    let promises = acknowledged.all();
    for promise in &promises {
        let kept = marks.get(&(promise.mark.0.as_str(), promise.mark.1));
        let kept = kept.unwrap_or_else(|| panic!("acknowledged and lost: {promise:?}"));
        assert_eq!(
            (&kept.id, kept.sequence),
            (&promise.id, promise.sequence),
            "it is where it was said to be"
        );
    }
    let hopeful = log.iter().filter(|event| event.by == "hopeful").count();
    let promised = promises.iter().filter(|promise| promise.mark.0 == "hopeful").count();
    assert!(
        hopeful - promised <= deaths,
        "at most one unanswered publish a death: {hopeful} kept, {promised} promised"
    );
    assert_eq!(
        log.len() - hopeful,
        promises.len() - promised,
        "what was repeated until it was answered is all there is"
    );
}

#[track_caller]
pub(super) fn same(seen: &[(u64, String)], wanted: &[(u64, String)], who: &str) {
    let different = seen.iter().zip(wanted).position(|(seen, wanted)| seen != wanted);
    if let Some(at) = different {
        let from = at.saturating_sub(2);
        let until = |list: &[(u64, String)]| list[from..(at + 5).min(list.len())].to_vec();
        panic!("{who} differs from the log at {at}: it has {:?}, the log {:?}", until(seen), until(wanted));
    }
    assert_eq!(seen.len(), wanted.len(), "{who} has as many as the log");
}

pub(super) fn endpoint_has_everything(receiver: &Receiver, log: &[Logged], patience: Duration) {
    let wanted: BTreeSet<&str> = log.iter().map(|event| event.id.as_str()).collect();
    eventually_within(patience, "every event at the endpoint", || {
        let deliveries = receiver.deliveries();
        let have: BTreeSet<&str> =
            deliveries.iter().filter(|one| one.succeeded()).map(Delivery::event_id).collect();
        wanted.is_subset(&have).then_some(())
    });
}

pub(super) fn deliveries_are_signed_and_tell_the_truth(receiver: &Receiver, log: &[Logged], secret: &str) {
    let events: HashMap<&str, &Logged> = log.iter().map(|event| (event.id.as_str(), event)).collect();
    for delivery in receiver.deliveries() {
        delivery.assert_signed_with(secret);
        let event = events.get(delivery.event_id());
        let event = event.unwrap_or_else(|| panic!("delivered but not in the log: {delivery:?}"));
        assert_eq!(delivery.sequence(), event.sequence);
        assert_eq!(delivery.json(), event.envelope);
        assert_eq!(delivery.header("X-Campanile-Event"), event.envelope["type"].as_str().unwrap());
    }
}

/// Whatever is sent again was in flight at a kill, and no more is in flight than the destination's window.
pub(super) fn duplicates_are_bounded(receiver: &Receiver, kills: &[Kill], window: usize) {
    let mut of_event: HashMap<String, Vec<Delivery>> = HashMap::new();
    for delivery in receiver.deliveries() {
        of_event.entry(delivery.event_id().to_owned()).or_default().push(delivery);
    }
    let mut at_kill = vec![0; kills.len()];
    for deliveries in of_event.values_mut() {
        // An endpoint that dawdles remembers late what it read early.
        deliveries.sort_by_key(|one| one.at);
        let attempts: Vec<u32> = deliveries.iter().map(Delivery::attempt).collect();
        let distinct: BTreeSet<u32> = attempts.iter().copied().collect();
        let last = *distinct.last().unwrap();
        assert_eq!(distinct.len(), last as usize, "attempts count from 1 without a hole: {attempts:?}");
        let mut sent_again_at = BTreeSet::new();
        for (at, delivery) in deliveries.iter().enumerate().skip(1) {
            // A connection that was closed under a request is dialled again within the same attempt.
            let mut answered = deliveries[..at].iter().rev().filter(|one| one.answered.is_some());
            let first = answered.find(|one| one.succeeded() || one.attempt() == delivery.attempt());
            let Some(first) = first else { continue };
            let after = |kill: &Kill| kill.killed < delivery.at;
            let kill = kills.iter().position(|kill| first.at < kill.spawned && after(kill));
            let kill = kill.unwrap_or_else(|| panic!("sent again though nothing was killed: {deliveries:?}"));
            sent_again_at.insert(kill);
        }
        for kill in sent_again_at {
            at_kill[kill] += 1;
        }
    }
    println!("{} events, sent again at each kill: {at_kill:?}", of_event.len());
    for (count, kill) in at_kill.iter().zip(kills) {
        assert!(*count <= window * kill.brokers, "at most {window} are in flight: {at_kill:?}");
    }
}

/// The deliveries of one event, as the broker lists them.
fn deliveries_of(server: &Server, event: &Value) -> Vec<Value> {
    let path = format!("/api/v1/events/{}/deliveries", text_of(&event["id"]));
    let answer = server.send(&Request::get(&path).key(ADMIN)).must(200);
    answer["data"].as_array().expect("a list").clone()
}

/// Waits until the broker has recorded so many attempts of an event's one delivery.
pub(super) fn wait_for_recorded_attempts(server: &Server, event: &Value, count: usize) {
    eventually(&format!("{count} recorded attempts"), || {
        let deliveries = deliveries_of(server, event);
        let attempts = &deliveries.first()?["attempts"];
        let made = attempts.as_array().map_or_else(|| attempts.as_u64(), |list| Some(list.len() as u64))?;
        (made >= count as u64).then_some(())
    });
}

/// Waits until every destination has heard everything there is.
pub(super) fn wait_until_nothing_is_in_flight(server: &Server) {
    eventually("no lag", || {
        let list = server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200);
        let destinations = list["data"].as_array().unwrap();
        destinations.iter().all(|one| one["lag"]["events"] == 0).then_some(())
    });
}
