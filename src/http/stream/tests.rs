//! What a hub hears that happens around the opening of its first stream.

use crate::actors::{Hub, Setup, Wanted};
use crate::broker::Broker;
use crate::config::Config;
use crate::delivery::stream::machine::Pace;
use crate::delivery::stream::{Begin, StreamFormat};
use crate::log::{Change, Commit, EventLog, MemoryLog};
use crate::model::{EventFilter, Key, KeyHash, KeyId, Scope, Scopes, TenantId, Timestamp};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

const TENANT: TenantId = TenantId(1);

fn key() -> Key {
    Key {
        id: KeyId(700),
        tenant: TENANT,
        name: "reader".to_owned(),
        scopes: Scopes(vec![Scope::EventsRead]),
        hash: KeyHash([7; 32]),
        hint: "cmp_".to_owned(),
        declared: false,
        created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        expires_at: None,
    }
}

async fn commit(log: &MemoryLog, change: Change) {
    log.commit(Commit { changes: vec![change], ..Commit::default() }).await.unwrap();
}

#[actix_rt::test]
async fn a_key_that_is_removed_before_the_hub_begins_to_listen_ends_its_stream() {
    let (log, folder) = (Arc::new(MemoryLog::default()), tempfile::tempdir().unwrap());
    let mut config = Config::default();
    config.storage.path = folder.path().to_owned();
    let broker = Broker::with_log(config.clone(), log.clone()).unwrap();
    let hub = Hub::new(log.clone(), &config.stream, broker.supervisor());
    commit(&log, Change::PutKey(key())).await;
    let stream = hub.open(Setup {
        key: Arc::new(key()),
        wanted: Wanted { tenant: TENANT, filter: EventFilter::default(), format: StreamFormat::default() },
        from: hub.start_at(Begin::Live),
        is_finite: false,
        pace: Pace::default(),
        fails_on_gap: false,
        claim: Box::new(()),
    });
    // The task that listens has not run yet: nothing here has waited for anything since it was spawned.
    futures_executor::block_on(commit(&log, Change::RemoveKey(key().id)));
    let ended = async { while poll_fn(|context| stream.poll_bytes(context)).await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends with its key");
    drop(stream);
    broker.shutdown().await;
}
