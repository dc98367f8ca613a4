//! What is sent again, and the ordering keys of what was read before this actor began: until they are known, such an event
//! may be of any key, and everything behind it waits.

use super::DestinationActor;
use crate::actors::attempt::{fetch, key_of};
use crate::actors::messages::{ReplayStopped, Requeued};
use crate::delivery::destination::{Input, Outcome};
use crate::log::Query;
use crate::model::EventFilter;
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So many are looked up before the machine hears of them.
const AT_ONCE: usize = 256;

/// How long after a failure they are looked up again.
const AGAIN: Duration = Duration::from_secs(1);

impl DestinationActor {
    /// Looks up the keys that its machine does not know, and goes on until there is none.
    pub(super) fn learn_keys(&mut self, context: &mut Context<Self>) {
        let unknown = self.machine.of_unknown_key(AT_ONCE);
        if unknown.is_empty() || self.is_learning || self.draining {
            return;
        }
        self.is_learning = true;
        let (log, ordering) = (Arc::clone(&self.around.log), self.destination.ordering);
        let one = self.query(EventFilter::default(), unknown[0], 1);
        let looked_up = async move {
            let mut keys = BTreeMap::new();
            for sequence in unknown {
                let query = Query { from: sequence.previous(), up_to: sequence, ..one.clone() };
                match fetch(&*log, query).await {
                    Ok(event) => keys.insert(sequence, key_of(&event, ordering)),
                    Err(Outcome::Interrupted) => break,
                    // It is gone, and will not be sent: it has a key of its own.
                    Err(_) => keys.insert(sequence, sequence.0),
                };
            }
            keys
        };
        context.spawn(looked_up.into_actor(self).map(move |keys, actor, context| {
            actor.is_learning = false;
            let is_again = keys.is_empty();
            if ordering == actor.destination.ordering {
                actor.step(Input::Keyed(keys), context);
            }
            if is_again {
                context.run_later(AGAIN, Self::learn_keys);
            } else {
                actor.learn_keys(context);
            }
        }));
    }
}

impl Handler<Requeued> for DestinationActor {
    type Result = ();
    fn handle(&mut self, requeued: Requeued, context: &mut Context<Self>) {
        if !self.draining {
            self.step(Input::Requeued(requeued.0), context);
            self.learn_keys(context);
        }
    }
}

impl Handler<ReplayStopped> for DestinationActor {
    type Result = ();
    fn handle(&mut self, stopped: ReplayStopped, context: &mut Context<Self>) {
        self.step(Input::ReplayStopped(stopped.replay), context);
    }
}
