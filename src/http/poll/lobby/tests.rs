//! Who waits in a lobby, who is called, and where they go on.

use super::*;
use crate::log::{Commit, MemoryLog};
use crate::model::{EventDraft, EventType, TypePattern};
use bytes::Bytes;
use futures_util::FutureExt;

const TENANT: TenantId = TenantId(1);

fn asked(tenant: TenantId, event_type: &str) -> Asked {
    let filter = EventFilter::of_types(vec![TypePattern::parse(event_type).unwrap()]);
    Asked { tenant, filter }
}

async fn publish(log: &MemoryLog, event_type: &str, count: usize) -> Sequence {
    let draft = EventDraft {
        id: None,
        event_type: EventType::parse(event_type).unwrap(),
        timestamp: None,
        pipeline: None,
        run_id: None,
        data: Bytes::from_static(b"{}"),
        extensions: None,
    };
    let commit = Commit { tenant: Some(TENANT), events: vec![draft; count], ..Commit::default() };
    log.commit(commit).await.unwrap().events.last().unwrap().sequence()
}

/// Lets the task that follows the log run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn who_waits_is_called_by_what_is_asked_for_and_told_where_to_look() {
    let log = Arc::new(MemoryLog::default());
    let lobby = Lobby::new(log.clone());
    let from = publish(&log, "a", 3).await;
    let mut one = lobby.enter(asked(TENANT, "b"), from).unwrap();
    let mut same = lobby.enter(asked(TENANT, "b"), from).unwrap();
    let mut stranger = lobby.enter(asked(TenantId(2), "b"), from).unwrap();
    assert_eq!(lobby.0.groups.borrow().len(), 2, "those who ask the same are one group");
    let quiet = publish(&log, "a", 2000).await;
    settle().await;
    assert!(one.call().now_or_never().is_none(), "nothing of it was asked for");
    assert_eq!(one.quiet_up_to(), quiet);
    publish(&log, "b", 1).await;
    publish(&log, "a", 1).await;
    assert_eq!((one.call().await, same.call().await), (Some(quiet), Some(quiet)));
    assert!(stranger.call().now_or_never().is_none(), "it is another tenant's");
}

#[actix_rt::test]
async fn what_came_between_looking_and_waiting_is_looked_at_first() {
    let log = Arc::new(MemoryLog::default());
    let lobby = Lobby::new(log.clone());
    let looked = publish(&log, "a", 1).await;
    let head = publish(&log, "b", 1).await;
    assert!(lobby.enter(asked(TENANT, "b"), looked).is_none());
    assert!(lobby.enter(asked(TENANT, "b"), head).is_some());
}

#[actix_rt::test]
async fn who_leaves_in_time_still_learns_of_a_call_that_came_meanwhile() {
    let log = Arc::new(MemoryLog::default());
    let lobby = Lobby::new(log.clone());
    let from = publish(&log, "a", 1).await;
    let mut late = lobby.enter(asked(TENANT, "b"), from).unwrap();
    let quiet = publish(&log, "a", 1).await;
    publish(&log, "b", 1).await;
    settle().await;
    assert_eq!(late.quiet_up_to(), quiet, "what came after is not passed over");
}

#[actix_rt::test]
async fn nobody_is_kept_who_has_left_and_nothing_follows_an_empty_lobby() {
    let log = Arc::new(MemoryLog::default());
    let lobby = Lobby::new(log.clone());
    for _ in 0..3 {
        let waiting = lobby.enter(asked(TENANT, "b"), Sequence::ZERO).unwrap();
        let other = lobby.enter(asked(TENANT, "b"), Sequence::ZERO).unwrap();
        drop(waiting);
        assert_eq!(lobby.0.groups.borrow().len(), 1);
        drop(other);
        assert!(lobby.0.groups.borrow().is_empty());
    }
    let head = publish(&log, "a", 1).await;
    settle().await;
    assert!(!lobby.0.is_running.get());
    let mut again = lobby.enter(asked(TENANT, "b"), head).unwrap();
    publish(&log, "b", 1).await;
    assert_eq!(again.call().await, Some(head));
}

#[actix_rt::test]
async fn a_log_that_closes_calls_everybody() {
    let log = Arc::new(MemoryLog::default());
    let lobby = Lobby::new(log.clone());
    let mut waiting = lobby.enter(asked(TENANT, "b"), Sequence::ZERO).unwrap();
    settle().await;
    Follower(lobby.clone());
    assert_eq!(waiting.call().await, None);
}
