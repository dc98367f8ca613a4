//! A destination whose stored filter is none any more waits with its events.

use crate::broker::{Broker, Event};
use crate::config::Config;
use crate::log::{Change, Commit, MemoryLog};
use crate::model::{DestinationStatus, PayloadFilter, Sequence, Verification};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_filter_that_no_longer_compiles_keeps_its_destination_waiting_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.storage.path = folder.path().to_owned();
    (config.delivery.allow_http, config.delivery.allow_networks) =
        (true, vec!["127.0.0.0/8".parse().unwrap()]);
    // It hangs up, so that each event that gets through waits as a retry.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let broker = Broker::with_log(config, Arc::new(MemoryLog::default())).unwrap();
    let tenant = broker.log().management().tenants.values().next().unwrap().number;
    // It is sent no event before its filter is broken: nobody has consented yet.
    let body = json!({"url": url});
    let made =
        broker.create_destination(tenant, body.as_object().unwrap().clone()).await.unwrap().destination;

    let mut broken = (*made).clone();
    (broken.status, broken.verification) = (DestinationStatus::Active, Verification::None);
    broken.filter = Some(PayloadFilter::from("data.n ==".to_owned()));
    assert!(!broken.has_working_filter());
    let changes = vec![Change::PutDestination(Box::new(broken))];
    broker.log().commit(Commit { changes, ..Commit::default() }).await.unwrap();
    for n in 0..3 {
        broker.publish(Event::new("counted").data(&json!({"n": n}))).await.unwrap();
    }
    assert_eq!(broker.log().consumer(made.id).unwrap().place, Sequence(0));

    let repaired = json!({"filter": "data.n > 0"});
    broker.change_destination(tenant, made.id, repaired.as_object().unwrap().clone()).await.unwrap();
    let waiting = || broker.log().consumer(made.id).unwrap().retries.into_keys().collect::<Vec<_>>();
    while waiting() != [Sequence(2), Sequence(3)] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    broker.shutdown().await;
}
