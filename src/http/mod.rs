//! What a caller can do: the routes of the API, who may call them, and how errors look.
//!
//! Owns no policy and no state but what a connection needs; everything durable is the broker's.

mod auth;
mod body;
mod cloudevents;
mod destination_json;
mod destinations;
mod drafts;
mod keys;
mod metrics;
mod operations;
mod params;
mod poll;
mod problem;
mod publish;
mod request_id;
mod stream;
mod stream_body;
mod tenants;
mod tickets;

use crate::broker::Broker;
use actix_cors::Cors;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::{StatusCode, header};
use actix_web::{App as Application, HttpRequest, HttpServer, Resource, middleware, web};
use metrics::Metrics;
use problem::Problem;
use std::net::TcpListener;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tickets::Tickets;

/// A keep-alive connection may be silent for this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A request's head must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams end themselves when the broker drains; what is left after this is cut.
const SHUTDOWN_TIMEOUT_S: u64 = 5;

/// What every route shares.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) broker: Broker,
    pub(crate) waiting_polls: AtomicUsize,
    pub(crate) streams: AtomicUsize,
    pub(crate) tickets: Tickets,
    pub(crate) metrics: Metrics,
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
        waiting_polls: AtomicUsize::new(0),
        streams: AtomicUsize::new(0),
        tickets: Tickets::default(),
        metrics: Metrics::default(),
    });
    let (publish_api, origins) = (config.publish_api, config.cors_origins.clone());
    let server = HttpServer::new(move || {
        Application::new()
            .app_data(app.clone())
            .wrap(middleware::from_fn(request_id::finish))
            .configure(|routes| configure(routes, publish_api, &origins))
            .default_service(web::to(no_such_path))
    })
    .workers(workers)
    .max_connections(config.max_connections.div_ceil(workers))
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .h1_allow_half_closed(false)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
    .disable_signals()
    .on_connect(|connection, _| tune_socket(connection))
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok((server, handle))
}

/// A peer that is gone is noticed although nothing is read from it, and little waits in the kernel for a slow one.
fn tune_socket(connection: &dyn std::any::Any) {
    if let Some(socket) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        // None of these is vital: a kernel that refuses one serves all the same.
        let _ = socket.set_nodelay(true);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(socket, 120_000);
    }
}

fn configure(routes: &mut web::ServiceConfig, publish_api: bool, origins: &[String]) {
    let mut events = web::resource("/api/v1/events").route(web::get().to(poll::list));
    let mut batch = None;
    let mut allow = "GET";
    if publish_api {
        events = events.route(web::post().to(publish::one));
        batch =
            Some(only("POST", web::resource("/api/v1/events/batch").route(web::post().to(publish::many))));
        allow = "GET, POST";
    }
    routes.service(only(allow, events).wrap(cors(origins)));
    if let Some(batch) = batch {
        routes.service(batch);
    }
    let stream = web::resource("/api/v1/events/stream").route(web::get().to(stream::open));
    routes.service(only("GET", stream).wrap(cors(origins)));
    let simple = [
        ("/api/v1/events/{id}", web::get().to(poll::one), "GET"),
        ("/api/v1/events/{id}/deliveries", web::get().to(destinations::of_event), "GET"),
        ("/api/v1/stream-tickets", web::post().to(tickets::create), "POST"),
        ("/api/v1/keys/{id}", web::delete().to(keys::remove), "DELETE"),
        ("/healthz", web::get().to(operations::alive), "GET"),
        ("/livez", web::get().to(operations::alive), "GET"),
        ("/readyz", web::get().to(operations::ready), "GET"),
        ("/metrics", web::get().to(metrics::show), "GET"),
    ];
    for (path, route, allow) in simple {
        routes.service(only(allow, web::resource(path).route(route)));
    }
    let keys =
        web::resource("/api/v1/keys").route(web::get().to(keys::list)).route(web::post().to(keys::create));
    routes.service(only("GET, POST", keys));
    let tenants = web::resource("/api/v1/tenants")
        .route(web::get().to(tenants::list))
        .route(web::post().to(tenants::create));
    routes.service(only("GET, POST", tenants));
    let all = web::resource("/api/v1/destinations")
        .route(web::get().to(destinations::list))
        .route(web::post().to(destinations::create));
    routes.service(only("GET, POST", all));
    let one = web::resource("/api/v1/destinations/{id}")
        .route(web::get().to(destinations::show))
        .route(web::patch().to(destinations::change))
        .route(web::delete().to(destinations::remove));
    routes.service(only("GET, PATCH, DELETE", one));
}

/// A path that is there, asked with a method that is not.
fn only(allow: &'static str, resource: Resource) -> Resource {
    resource.default_service(web::to(move || async move {
        let detail = format!("this path answers to {allow}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Err::<actix_web::HttpResponse, _>(problem.with_header(header::ALLOW, allow))
    }))
}

async fn no_such_path(_request: HttpRequest) -> Result<actix_web::HttpResponse, Problem> {
    Err(Problem::not_found("there is no such path"))
}

/// Pages of the allowed origins may poll and stream; without any, no header is sent.
fn cors(origins: &[String]) -> middleware::Condition<Cors> {
    let mut cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers(["authorization", "last-event-id", "content-type", "idempotency-key"])
        .expose_headers(["link", "x-request-id", "retry-after", "idempotency-replayed", "etag"])
        .max_age(600);
    for origin in origins {
        cors = if origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    middleware::Condition::new(!origins.is_empty(), cors)
}
