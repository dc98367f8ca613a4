//! What a caller can do: the routes of the API, who may call them, and how errors look.
//!
//! Owns no policy and no state but what a connection needs; everything durable is the broker's.

mod accept;
mod auth;
mod body;
mod cloud;
mod console;
mod cors;
mod deliveries;
mod destination_json;
mod destinations;
mod drafts;
mod edge;
mod event_types;
mod functions;
mod idempotency;
mod invocations;
mod keys;
mod metrics;
mod openapi;
mod operations;
mod page;
mod params;
mod poll;
mod problem;
mod publish;
mod publish_pre;
mod replays;
mod request_id;
mod routes;
mod session;
mod socket;
mod stream;
mod stream_body;
mod stream_params;
mod tenants;
mod tickets;
mod waiting;

use crate::actors::Hub;
use crate::broker::Broker;
use crate::model::UnixMillis;
use actix_web::dev::{Server, ServerHandle};
use actix_web::{App as Application, HttpServer, web};
use metrics::Metrics;
use session::EndedSessions;
use std::net::TcpListener;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tickets::Tickets;
use waiting::WaitingRoom;

/// A keep-alive connection may be silent for this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A request's head must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that is being closed may go on sending what nobody reads.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of an answer that wait above the kernel before its body is asked for more. The buffer stays as large as
/// it has been once, so this bounds what a quiet stream costs.
const WRITE_BUFFER: usize = 16 * 1024;

/// Streams end themselves when the broker drains; what is left after this is cut.
const SHUTDOWN_TIMEOUT_S: u64 = 5;

/// What every route shares.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) broker: Broker,
    /// Long polls under way.
    pub(crate) waiting: WaitingRoom,
    /// Open event streams.
    pub(crate) streams: AtomicUsize,
    pub(crate) tickets: Tickets,
    pub(crate) ended_sessions: EndedSessions,
    pub(crate) metrics: Metrics,
    /// The paths and methods that there are.
    pub(crate) served: OnceLock<Vec<openapi::Served>>,
    /// When this server began.
    pub(crate) started: UnixMillis,
}

/// Serves the API on a socket until [`ServerHandle::stop`]. Must be called on an actix runtime.
pub fn serve(broker: Broker, listener: TcpListener) -> std::io::Result<(Server, ServerHandle)> {
    let config = broker.config().server.clone();
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        workers => workers,
    };
    let app = web::Data::new(App {
        broker,
        waiting: WaitingRoom::new(config.max_waiting_polls),
        streams: AtomicUsize::new(0),
        tickets: Tickets::default(),
        ended_sessions: EndedSessions::default(),
        metrics: Metrics::default(),
        served: OnceLock::new(),
        started: crate::clock::now(),
    });
    let stall = app.broker.config().stream.stall_timeout;
    let server = HttpServer::new(move || {
        let app = app.clone();
        let hub =
            Hub::new(Arc::clone(app.broker.log()), &app.broker.config().stream, app.broker.supervisor());
        Application::new()
            .app_data(app.clone())
            .app_data(hub)
            .app_data(poll::Lobby::new(Arc::clone(app.broker.log())))
            .configure(move |config| routes::configure(config, &app))
    })
    .workers(workers)
    .max_connections(config.max_connections.div_ceil(workers))
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(CLOSE_TIMEOUT)
    .h1_allow_half_closed(false)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
    .disable_signals()
    .h1_write_buffer_size(WRITE_BUFFER)
    .on_connect(move |connection, _| socket::tune(connection, stall))
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok((server, handle))
}
