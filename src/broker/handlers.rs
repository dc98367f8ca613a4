//! Functions of the embedding program that run on events: one thread of their own, so that they need no
//! runtime of the caller's and cannot hold up the broker.

use super::{Broker, Events, From};
use crate::log::LogError;
use crate::model::{EventFilter, StoredEvent};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many handlers may wait to be started; starting takes microseconds.
const WAITING_HANDLERS: usize = 1024;

/// How long after a failure events are read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Handlers(Mutex<Option<mpsc::Sender<BoxFuture<'static, ()>>>>);

impl Handlers {
    fn run(&self, work: BoxFuture<'static, ()>) {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.get_or_insert_with(start_thread);
        if sender.try_send(work).is_err() {
            tracing::error!("a handler could not be started: too many are being started at once");
        }
    }

    pub(super) fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn start_thread() -> mpsc::Sender<BoxFuture<'static, ()>> {
    let (sender, mut work) = mpsc::channel::<BoxFuture<'static, ()>>(WAITING_HANDLERS);
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else {
            return tracing::error!("no runtime for handlers");
        };
        runtime.block_on(async move {
            while let Some(handler) = work.recv().await {
                tokio::spawn(handler);
            }
        });
    };
    if let Err(error) = std::thread::Builder::new().name("campanile-handlers".to_owned()).spawn(run) {
        tracing::error!(%error, "no thread for handlers");
    }
    sender
}

impl Broker {
    /// Runs `handler` on each matching event from now on, one after the other, until the broker shuts down.
    /// A handler that panics loses that event and goes on with the next.
    pub fn on<H, F>(&self, filter: EventFilter, handler: H)
    where
        H: Fn(Arc<StoredEvent>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let events = self.subscribe(filter, From::Now);
        self.0.handlers.run(Box::pin(run_on_each(events, handler)));
    }
}

async fn run_on_each<H, F>(mut events: Events, handler: H)
where
    H: Fn(Arc<StoredEvent>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let sequence = event.sequence();
                // A task of its own keeps a panic to this one event.
                if let Err(error) = tokio::spawn(handler(event)).await {
                    tracing::error!(%sequence, %error, "a handler panicked");
                }
            }
            Err(error @ (LogError::Trimmed { .. } | LogError::Corrupt { .. })) => {
                tracing::warn!(%error, "a handler missed events");
            }
            // Nothing is missed: it is read again.
            Err(error) => {
                tracing::warn!(%error, "events for a handler could not be read");
                tokio::time::sleep(READ_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;
    use crate::config::Config;
    use crate::log::MemoryLog;
    use crate::model::{Sequence, TypePattern};

    fn broker() -> (Broker, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.path = folder.path().to_owned();
        (Broker::with_log(config, Arc::new(MemoryLog::default())).unwrap(), folder)
    }

    #[tokio::test]
    async fn a_handler_hears_what_it_asked_for_and_survives_its_own_panic() {
        let (broker, _folder) = broker();
        let (heard, mut hears) = mpsc::unbounded_channel();
        let wanted = EventFilter::of_types(vec![TypePattern::parse("pipeline.*").unwrap()]);
        broker.on(wanted, move |event| {
            let heard = heard.clone();
            async move {
                assert_ne!(event.event_type().as_str(), "pipeline.failed", "a handler that panics");
                heard.send(event.sequence()).unwrap();
            }
        });
        for event_type in ["other", "pipeline.failed", "pipeline.completed"] {
            broker.publish(Event::new(event_type)).await.unwrap();
        }
        assert_eq!(hears.recv().await, Some(Sequence(3)));
        broker.shutdown().await;
        assert_eq!(hears.recv().await, None);
    }

    #[test]
    fn data_of_the_program_keeps_the_rules_of_published_data() {
        let nested = |depth: usize| {
            let inner = (1..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
            Event::new("a").data(&serde_json::json!({"a": inner})).into_draft()
        };
        assert!(nested(64).is_ok());
        assert_eq!(nested(65).unwrap_err().code, Some("too_deep"));
        let raw = serde_json::value::RawValue::from_string(r#"{"a":1,"a":2}"#.to_owned()).unwrap();
        let refused = Event::new("a").data(&raw).into_draft().unwrap_err();
        assert_eq!((refused.pointer.as_str(), refused.code), ("/data/a", Some("duplicate_key")));
    }

    #[tokio::test]
    async fn a_subscription_goes_from_stored_to_live_events_without_a_gap() {
        let (broker, _folder) = broker();
        for _ in 0..600 {
            broker.publish(Event::new("a").data(&serde_json::json!({"n": 1}))).await.unwrap();
        }
        let mut events = broker.subscribe(EventFilter::default(), From::After(Sequence(5)));
        for expected in 6..=600 {
            assert_eq!(events.next().await.unwrap().unwrap().sequence(), Sequence(expected));
        }
        broker.publish(Event::new("b")).await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().sequence(), Sequence(601));
        broker.shutdown().await;
        assert!(events.next().await.is_none());
    }
}
