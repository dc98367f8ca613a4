//! What the actors of one thread share: the log, how to open secrets, and the thread's webhook client.

use super::meters::Meters;
use crate::config::DeliveryConfig;
use crate::delivery::lifecycle::Request;
use crate::log::{Change, EventLog, Later};
use crate::model::{Destination, DestinationId, Notice, Replay, Requeue};
use crate::webhook::client::WebhookClient;
use crate::webhook::delivery::{FormatOf, Recipient};
use crate::webhook::signature::LiveSecret;
use rustls::ClientConfig;
use std::cell::OnceCell;
use std::sync::Arc;

/// Gives a destination's signing secrets in the clear, the current one first.
pub type OpenSecrets = Arc<dyn Fn(&Destination) -> Vec<LiveSecret> + Send + Sync>;

/// Who changes destinations when an actor asks for it: durably, one change at a time, and with the event that tells.
pub trait Keeper: Send + Sync + 'static {
    /// Asks for a change, with outcomes that become durable in the same commit, or by themselves when nothing is to be
    /// changed. Gives whether anything was.
    fn change(&self, id: DestinationId, request: Request, outcomes: Vec<Change>) -> Later<bool>;

    /// Keeps how far a replay is, with what it puts back. Gives false, and keeps nothing, when the replay was ended, is
    /// gone, or is further than that.
    fn keep_replay(&self, replay: Replay, requeue: Option<Requeue>) -> Later<bool>;

    /// Tells what is known of an endpoint's health, unless that is told or past already. Gives what is told by then.
    fn tell(&self, id: DestinationId, notice: Notice) -> Later<Notice>;
}

/// What every actor needs, on any thread.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) config: DeliveryConfig,
    pub(super) open_secrets: OpenSecrets,
    pub(super) format_of: FormatOf,
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) meters: Arc<Meters>,
}

thread_local! {
    /// A client is not `Send`: each thread makes its own when its first destination starts.
    static CLIENT: OnceCell<WebhookClient> = const { OnceCell::new() };
}

impl Surroundings {
    /// A destination ready to be sent to.
    pub(super) fn recipient(&self, destination: &Destination) -> Recipient {
        Recipient::new(destination, &(self.open_secrets)(destination), Arc::clone(&self.format_of))
    }

    /// Whether what is sent to a destination can be signed, if it is to be.
    pub(super) fn can_sign(&self, destination: &Destination) -> bool {
        destination.secrets.is_empty() || !(self.open_secrets)(destination).is_empty()
    }

    /// The client of this thread.
    pub(super) fn client(&self) -> WebhookClient {
        let make = || WebhookClient::new(&self.config, Arc::clone(&self.tls));
        CLIENT.with(|client| client.get_or_init(make).clone())
    }
}
