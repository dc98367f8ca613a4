//! Runs the verification of one pending destination: feeds its machine and performs what it orders. Started by the
//! registry, which it tells when it ends.

use super::messages::{ChildStopped, ClockReached, Kept, Replied, StopNow};
use super::question::Question;
use super::shard::Surroundings;
use crate::clock;
use crate::delivery::lifecycle::Request;
use crate::delivery::verification::{Action, Input, VerificationMachine};
use crate::model::{Destination, UnixMillis};
use crate::webhook::client::WebhookClient;
use crate::webhook::delivery::Recipient;
use actix::prelude::*;
use actix_rt::task::JoinHandle;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct VerificationActor {
    around: Surroundings,
    destination: Arc<Destination>,
    generation: u64,
    registry: actix::Recipient<ChildStopped>,
    client: WebhookClient,
    recipient: Recipient,
    /// `None` when the destination need not consent.
    question: Option<Question>,
    machine: VerificationMachine,
    asking: Option<JoinHandle<()>>,
}

impl VerificationActor {
    pub(super) fn new(
        around: Surroundings,
        destination: Arc<Destination>,
        generation: u64,
        registry: actix::Recipient<ChildStopped>,
    ) -> Self {
        let schedule = around.config.verify_schedule.iter().map(|wait| wait.as_millis() as u64).collect();
        Self {
            client: around.client(),
            recipient: around.recipient(&destination),
            question: Question::new(&destination),
            machine: VerificationMachine::new(schedule),
            around,
            destination,
            generation,
            registry,
            asking: None,
        }
    }

    /// Feeds the machine one input, then performs everything it asks for.
    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut actions = Vec::new();
        self.machine.handle(input, clock::steady(), &mut actions);
        for action in actions {
            match action {
                Action::Ask { attempt } => self.ask(attempt, context),
                Action::Keep => self.keep(context),
                Action::WakeAt(at) => Self::wake_at(at, context),
                Action::GiveUp => {
                    tracing::warn!(destination = %self.destination.id, "its endpoint did not verify: it stays pending");
                }
            }
        }
    }

    fn ask(&mut self, attempt: u32, context: &mut Context<Self>) {
        let Some(question) = self.question.clone() else { return };
        let request = question.request(&self.recipient, attempt);
        let (client, actor, id) = (self.client.clone(), context.address(), self.destination.id);
        self.asking = Some(actix_rt::spawn(async move {
            // Whatever happens in an attempt, the machine hears of its end.
            let answer = AssertUnwindSafe(client.send(request)).catch_unwind().await.ok();
            let consented = answer.as_ref().is_some_and(|answer| question.is_answered_by(answer));
            if !consented {
                let result = answer.map(|answer| answer.result.map(|response| response.status));
                tracing::info!(destination = %id, attempt, ?result, "its endpoint did not verify");
            }
            actor.do_send(Replied { consented });
        }));
    }

    /// The registry ends this actor once the consent is in the log.
    fn keep(&mut self, context: &mut Context<Self>) {
        let request = Request::Verified(self.destination.url.clone(), self.destination.verification);
        let kept = self.around.keeper.change(self.destination.id, request, Vec::new());
        let actor = context.address();
        actix_rt::spawn(async move { actor.do_send(Kept { error: kept.await.err() }) });
    }

    fn wake_at(at: UnixMillis, context: &mut Context<Self>) {
        let wait = Duration::from_millis(at.since(clock::steady()).max(1));
        context.notify_later(ClockReached, wait);
    }
}

impl Actor for VerificationActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.step(Input::ClockReached, context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // This also runs while a panic unwinds: it only tells, and must not fail.
        self.asking.iter().for_each(JoinHandle::abort);
        let _ = self.registry.try_send(ChildStopped { id: self.destination.id, generation: self.generation });
    }
}

impl Handler<Replied> for VerificationActor {
    type Result = ();
    fn handle(&mut self, replied: Replied, context: &mut Context<Self>) {
        let consented = replied.consented;
        self.step(Input::Answered { consented, jitter: clock::random_unit() }, context);
    }
}

impl Handler<Kept> for VerificationActor {
    type Result = ();
    fn handle(&mut self, kept: Kept, context: &mut Context<Self>) {
        if let Some(error) = kept.error {
            tracing::warn!(destination = %self.destination.id, %error, "its consent could not be kept");
            self.step(Input::NotKept, context);
        }
    }
}

impl Handler<ClockReached> for VerificationActor {
    type Result = ();
    fn handle(&mut self, _: ClockReached, context: &mut Context<Self>) {
        self.step(Input::ClockReached, context);
    }
}

impl Handler<StopNow> for VerificationActor {
    type Result = ();
    fn handle(&mut self, _: StopNow, context: &mut Context<Self>) {
        context.stop();
    }
}
