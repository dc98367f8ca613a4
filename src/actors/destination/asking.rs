//! What a destination's actor asks of whoever keeps destinations: to be switched off, to have its health told, to
//! forget secrets whose overlap is over.

use super::DestinationActor;
use crate::actors::messages::{Recorded, SecretsExpire, Told};
use crate::clock;
use crate::delivery::destination::{Ending, Input};
use crate::delivery::lifecycle::Request;
use crate::model::{Notice, UnixMillis};
use actix::prelude::*;
use std::time::Duration;

/// A secret is forgotten this long after its end: it costs a commit, and nobody waits for it.
const FORGET_LATER_MS: u64 = 100;

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

impl DestinationActor {
    /// Has a secret forgotten once its overlap is over. It signs no more by then in any case.
    pub(super) fn mind_secrets(&mut self, context: &mut Context<Self>) {
        if let Some(known) = self.secrets_end.take() {
            context.cancel_future(known);
        }
        let ends = self.destination.secrets.iter().filter_map(|secret| secret.expires_at);
        if let Some(first) = ends.map(UnixMillis::from).min() {
            let wait = first.since(clock::now()).max(1).saturating_add(FORGET_LATER_MS);
            self.secrets_end = Some(context.notify_later(SecretsExpire, Duration::from_millis(wait)));
        }
    }
}

impl Handler<SecretsExpire> for DestinationActor {
    type Result = ();
    fn handle(&mut self, _: SecretsExpire, context: &mut Context<Self>) {
        self.secrets_end = None;
        let is_over = |at: UnixMillis| at <= clock::now();
        if !self.destination.secrets.iter().filter_map(|one| one.expires_at).any(|at| is_over(at.into())) {
            // The clock was set back.
            return self.mind_secrets(context);
        }
        let forgotten = self.around.keeper.change(self.destination.id, Request::ForgetSecrets, Vec::new());
        let id = self.destination.id;
        actix_rt::spawn(async move {
            if let Err(error) = forgotten.await {
                // The next start forgets it.
                tracing::warn!(destination = %id, %error, "a secret whose overlap is over could not be forgotten");
            }
        });
    }
}

impl Handler<Told> for DestinationActor {
    type Result = ();
    fn handle(&mut self, told: Told, context: &mut Context<Self>) {
        self.step(Input::Told(told.0), context);
    }
}
