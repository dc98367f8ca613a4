//! Every setting with its default and its bound. `config.toml` documents them; `load` reads them.
//!
//! Nothing in the program is bounded by a number that has no name here.

mod load;
mod proxy;
mod read;
mod section;
mod source;
mod values;

pub use proxy::ProxyUrl;
pub use source::ConfigError;

use crate::model::{PayloadFilter, Scopes, Timestamp, TypePattern, Verification};
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// The log.
    pub storage: StorageConfig,
    /// Publishing.
    pub events: EventsConfig,
    /// Webhook deliveries.
    pub delivery: DeliveryConfig,
    /// Event streams.
    pub stream: StreamConfig,
    /// Functions.
    pub functions: FunctionsConfig,
    /// API keys known from the start.
    pub keys: Vec<KeyConfig>,
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether events can be published over HTTP.
    pub publish_api: bool,
    /// Whether `/metrics` needs no key.
    pub metrics_public: bool,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How many long polls may wait at once.
    pub max_waiting_polls: usize,
    /// The most API keys a tenant may have.
    pub max_keys: usize,
    /// Origins whose pages may read streams and polls; `*` for any.
    pub cors_origins: Vec<String>,
    /// HTTP threads; zero takes one for each core.
    pub workers: usize,
    /// The largest number of connections in all.
    pub max_connections: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            publish_api: true,
            metrics_public: false,
            drain: Duration::from_secs(30),
            max_body: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            max_waiting_polls: 5000,
            max_keys: 1000,
            cors_origins: Vec::new(),
            workers: 0,
            max_connections: 25_000,
        }
    }
}

/// `[storage]`.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageConfig {
    /// The data folder.
    pub path: PathBuf,
    /// Events older than this are trimmed.
    pub max_age: Duration,
    /// The oldest events are trimmed when the log is larger than this many bytes.
    pub max_bytes: u64,
    /// A new file of events is begun at about this many bytes.
    pub segment_bytes: u64,
    /// Bytes of the newest events kept in memory.
    pub tail_bytes: usize,
    /// Bytes of redb's page cache.
    pub cache_bytes: usize,
    /// Publishing stops when fewer bytes than this are free on the volume.
    pub min_free: u64,
    /// How many commits may wait for the writer.
    pub max_queued: usize,
    /// How long the scrubber takes to read the whole log once; zero switches it off.
    pub scrub_every: Duration,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("campanile-data"),
            max_age: Duration::from_secs(30 * 24 * 3600),
            max_bytes: 10 << 30,
            segment_bytes: 128 << 20,
            tail_bytes: 32 << 20,
            cache_bytes: 32 << 20,
            min_free: 64 << 20,
            max_queued: 16_384,
            scrub_every: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// `[events]`.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsConfig {
    /// Which shipped catalogs are loaded.
    pub catalogs: Vec<String>,
    /// Whether events of unknown types are accepted; `None` accepts them until a catalog is loaded.
    pub unknown_types: Option<UnknownTypes>,
    /// The most event types of its own that a tenant may have.
    pub max_types: usize,
    /// For how long a repeated id or idempotency key is recognised.
    pub dedupe_window: Duration,
    /// Destinations declared here.
    pub webhooks: Vec<WebhookConfig>,
}

impl EventsConfig {
    /// Whether events of types that nothing is known of are refused.
    pub fn rejects_unknown(&self) -> bool {
        match self.unknown_types {
            Some(chosen) => chosen == UnknownTypes::Reject,
            None => !self.catalogs.is_empty(),
        }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            catalogs: Vec::new(),
            unknown_types: None,
            max_types: 1000,
            dedupe_window: Duration::from_secs(24 * 3600),
            webhooks: Vec::new(),
        }
    }
}

/// What happens to events whose type no catalog knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownTypes {
    /// They are accepted.
    Accept,
    /// They are refused (422).
    Reject,
}

/// `[[events.webhooks]]`: a destination of the operator's own.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookConfig {
    /// Where to.
    pub url: String,
    /// Which types; empty means all.
    pub events: Vec<TypePattern>,
    /// What their payload must be, as an expression.
    pub filter: Option<PayloadFilter>,
    /// The signing secret; without one deliveries are unsigned.
    pub secret: Option<Token>,
    /// Whether failed deliveries are tried again.
    pub retry: bool,
    /// The tenant whose events are sent.
    pub tenant: String,
    /// What it is for.
    pub description: String,
    /// How it shows that it wants events.
    pub verification: Verification,
}

/// `[delivery]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryConfig {
    /// Whether `http://` destinations are allowed.
    pub allow_http: bool,
    /// Networks that may be dialled although they are not public, on any port.
    pub allow_networks: Vec<IpNet>,
    /// Waits before each further attempt, for destinations that name none.
    pub schedule: Vec<Duration>,
    /// The time-out of an attempt, for destinations that name none.
    pub timeout: Duration,
    /// How long a connection may take of it: resolving, dialling, TLS.
    pub connect_timeout: Duration,
    /// The proxy that every delivery goes through.
    pub proxy: Option<ProxyUrl>,
    /// The window of a destination that names none.
    pub max_in_flight: u32,
    /// Deliveries of one destination that may wait for a retry; at the bound first attempts wait in the log.
    pub max_retrying: usize,
    /// A destination that only failed for this long is deactivated.
    pub deactivate_after: Duration,
    /// An endpoint that only failed for this long, many events of it, is probed instead of sent everything.
    pub breaker_after: Duration,
    /// The pause before the first probe; each one that fails doubles it.
    pub breaker_pause: Duration,
    /// No pause between probes is longer.
    pub breaker_pause_max: Duration,
    /// Waits before each further attempt to verify a pending destination; after the last it stays pending.
    pub verify_schedule: Vec<Duration>,
    /// A PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Tests and verifications that a tenant may wait for at once.
    pub max_tests: usize,
    /// The most destinations a tenant may have.
    pub max_destinations: usize,
    /// Threads that deliver; zero takes one for each core, at most 4.
    pub shards: usize,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        let schedule = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
        Self {
            allow_http: false,
            allow_networks: Vec::new(),
            schedule: schedule.map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            proxy: None,
            max_in_flight: 16,
            max_retrying: 100_000,
            deactivate_after: Duration::from_secs(5 * 24 * 3600),
            breaker_after: Duration::from_secs(30),
            breaker_pause: Duration::from_secs(5),
            breaker_pause_max: Duration::from_secs(300),
            verify_schedule: [2, 10, 60, 300, 1800, 7200, 36_000].map(Duration::from_secs).to_vec(),
            ca_file: None,
            max_tests: 16,
            max_destinations: 10_000,
            shards: 0,
        }
    }
}

/// `[stream]`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamConfig {
    /// A checkpoint is written after this long without bytes.
    pub keep_alive: Duration,
    /// How many streams may be open.
    pub max_clients: usize,
    /// Encoded bytes that are in memory for one client at most (one event more, if it is larger).
    pub client_buffer: usize,
    /// A peer that takes no byte for this long is gone.
    pub stall_timeout: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            max_clients: 20_000,
            client_buffer: 64 * 1024,
            stall_timeout: Duration::from_secs(120),
        }
    }
}

/// `[functions]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionsConfig {
    /// The time-out of a call, for functions that name none.
    pub timeout: Duration,
    /// The most functions a tenant may have, and the most apps.
    pub max_functions: usize,
    /// The most subscriptions a tenant may have, at most 1023.
    pub max_subscriptions: usize,
    /// PRE events whose functions may run at once.
    pub max_gates: usize,
    /// Calls of one subscription that may run at once; more wait.
    pub max_in_flight: u32,
    /// The largest answer of a function, in bytes.
    pub max_answer: usize,
}

impl Default for FunctionsConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            max_functions: 1000,
            max_subscriptions: 1000,
            max_gates: 4096,
            max_in_flight: 256,
            max_answer: 256 * 1024,
        }
    }
}

/// `[[keys]]`: an API key known from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyConfig {
    /// What it is for; unique.
    pub name: String,
    /// The key itself: any string without white space.
    pub token: Token,
    /// The tenant it belongs to.
    pub tenant: String,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// A secret text from the config: never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
