//! What a destination's actor asks of whoever keeps destinations: to be switched off, to have its health told.

use super::DestinationActor;
use crate::actors::messages::{Recorded, Told};
use crate::delivery::destination::{Ending, Input};
use crate::delivery::lifecycle::Request;
use crate::model::Notice;
use actix::prelude::*;

impl DestinationActor {
    /// Asks to be switched off, with the outcomes that led to it. The registry ends this actor once that is in the log.
    pub(super) fn end(&mut self, why: Ending, context: &mut Context<Self>) {
        let url = self.destination.url.clone();
        let request = match why {
            Ending::Gone => Request::Gone(url),
            Ending::Failures => Request::Failed(url, self.machine.failure_report()),
        };
        let (sequences, changes) = self.outcomes.drain(..).unzip();
        let changed = self.around.keeper.change(self.destination.id, request, changes);
        let actor = context.address();
        actix_rt::spawn(async move {
            let (stays_on, error) = match changed.await {
                Ok(is_changed) => (!is_changed, None),
                Err(error) => (false, Some(error)),
            };
            actor.do_send(Recorded { sequences, error, stays_on });
        });
    }

    pub(super) fn tell(&mut self, notice: Notice, context: &mut Context<Self>) {
        let told = self.around.keeper.tell(self.destination.id, notice);
        let (actor, id) = (context.address(), self.destination.id);
        actix_rt::spawn(async move {
            let told = told.await.inspect_err(
                |error| tracing::warn!(destination = %id, %error, "news of its health could not be told"),
            );
            actor.do_send(Told(told.ok()));
        });
    }
}

impl Handler<Told> for DestinationActor {
    type Result = ();
    fn handle(&mut self, told: Told, context: &mut Context<Self>) {
        self.step(Input::Told(told.0), context);
    }
}
