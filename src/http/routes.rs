//! The table of routes. Each path is exactly what stands here: nothing is normalised.

use super::App;
use super::cors::Cors;
use super::edge::Edge;
use super::openapi::{self, Served, operations_at};
use super::problem::Problem;
use super::request_id::RequestIds;
use super::{
    cloud, console, deliveries, destinations, event_types, functions, invocations, keys, metrics, operations,
    poll, publish, replays, session, stream, tenants, tickets,
};
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, guard};
use std::rc::Rc;

/// Every route.
fn add_all(table: &mut Table<'_>) {
    let (mut events, mut batch) = (Path::at("/api/v1/events"), Path::at("/api/v1/events/batch"));
    events = events.cross_origin().get(poll::list);
    batch = batch.get(poll::one_named_batch);
    if table.app.broker.config().server.publish_api {
        (events, batch) = (events.post(publish::one), batch.post(publish::many));
    }
    table.add(events);
    table.add(batch);
    table.add(Path::at("/api/v1/events/stream").cross_origin().get(stream::open));
    table.add(Path::at("/api/v1/events/{id}").cross_origin().get(poll::one));
    table.add(Path::at("/api/v1/events/{id}/deliveries").get(deliveries::of_event));
    table.add(Path::at("/api/v1/stream-tickets").post(tickets::create));
    table.add(Path::at("/api/v1/destinations").get(destinations::list).post(destinations::create));
    table.add(Path::at("/api/v1/destinations/test").post(destinations::test_url));
    table.add(
        Path::at("/api/v1/destinations/{id}")
            .get(destinations::show)
            .patch(destinations::change)
            .delete(destinations::remove),
    );
    table.add(Path::at("/api/v1/destinations/{id}/verify").post(destinations::verify));
    table.add(Path::at("/api/v1/destinations/{id}/test").post(destinations::test));
    table.add(Path::at("/api/v1/destinations/{id}/activate").post(destinations::activate));
    table.add(Path::at("/api/v1/destinations/{id}/deactivate").post(destinations::deactivate));
    table.add(Path::at("/api/v1/destinations/{id}/rotate-secret").post(destinations::rotate_secret));
    table.add(Path::at("/api/v1/destinations/{id}/deliveries").get(deliveries::list));
    table.add(Path::at("/api/v1/destinations/{id}/stats").get(deliveries::stats));
    table.add(Path::at("/api/v1/deliveries/{id}").get(deliveries::show));
    table.add(Path::at("/api/v1/deliveries/{id}/resend").post(deliveries::resend));
    table.add(Path::at("/api/v1/destinations/{id}/replay").post(replays::create));
    table.add(Path::at("/api/v1/replays").get(replays::list));
    table.add(Path::at("/api/v1/replays/{id}").get(replays::show).delete(replays::stop));
    table.add(Path::at("/api/v1/filters/dry-run").post(replays::dry_run));
    add_event_types(table);
    add_functions(table);
    table.add(Path::at("/api/v1/keys").get(keys::list).post(keys::create));
    table.add(Path::at("/api/v1/keys/{id}").delete(keys::remove));
    table.add(Path::at("/api/v1/tenants").get(tenants::list).post(tenants::create));
    table.add(Path::at("/healthz").get(operations::alive));
    table.add(Path::at("/livez").get(operations::alive));
    table.add(Path::at("/readyz").get(operations::ready));
    table.add(Path::at("/metrics").get(metrics::show));
    table.add(Path::at("/openapi.json").get(openapi::show));
    table.add(Path::at("/docs").get(openapi::docs));
    table.add(Path::at("/docs/style.css").get(openapi::style));
    table.add(Path::at("/api/v1/session").get(session::show).post(session::create).delete(session::remove));
    table.add(Path::at("/").get(console::page));
    table.add(Path::at("/console/{version}/{file}").get(console::file));
    table.add(Path::at("/console/{version}/{folder}/{file}").get(console::file));
}

/// What events there are.
fn add_event_types(table: &mut Table<'_>) {
    table.add(Path::at("/api/v1/event-types").get(event_types::list));
    let one = Path::at("/api/v1/event-types/{name}").get(event_types::show);
    table.add(one.put(event_types::put).delete(event_types::remove));
    table.add(Path::at("/api/v1/event-types/{name}/sample").get(event_types::sample));
}

/// Apps, functions, and the cloud's event calls.
fn add_functions(table: &mut Table<'_>) {
    table.add(Path::at("/api/v1/apps").get(functions::list_apps).post(functions::create_app));
    let app = Path::at("/api/v1/apps/{slug}").get(functions::show_app);
    table.add(app.patch(functions::change_app).delete(functions::remove_app));
    table.add(Path::at("/api/v1/functions").get(functions::list).post(functions::create));
    let function = Path::at("/api/v1/functions/{id}").get(functions::show);
    table.add(function.patch(functions::change).delete(functions::remove));
    table.add(Path::at("/api/v1/invocations").get(invocations::list));
    table.add(Path::at("/api/v1/invocations/{id}").get(invocations::show));
    table.add(Path::at("/api/v1/invocations/{id}/retry").post(invocations::retry));
    table.add(Path::at("/api/cloud/events/").get(cloud::list));
    table.add(Path::at("/api/cloud/events/{event}/subscribe/").post(cloud::subscribe));
    table.add(Path::at("/api/cloud/events/{event}/unsubscribe/").post(cloud::unsubscribe));
    table.add(Path::at("/api/apps/{app_slug}/events/{event}/").get(cloud::of_app));
}

/// Adds everything to the application of one worker thread.
pub(super) fn configure(config: &mut ServiceConfig, app: &Data<App>) {
    let mut table = Table::new(config, app.clone());
    add_all(&mut table);
    table.add_not_found();
    let served = table.served;
    app.served.get_or_init(|| served);
}

/// Where paths are added, once for each worker thread.
struct Table<'c> {
    config: &'c mut ServiceConfig,
    app: Data<App>,
    cors: Option<Rc<Cors>>,
    ids: Rc<RequestIds>,
    served: Vec<Served>,
}

impl<'c> Table<'c> {
    fn new(config: &'c mut ServiceConfig, app: Data<App>) -> Self {
        let cors = Cors::new(&app.broker.config().server.cors_origins).map(Rc::new);
        Self { config, app, cors, ids: Rc::new(RequestIds::new()), served: Vec::new() }
    }

    /// Adds a path. The first one added that fits a request takes it.
    fn add(&mut self, path: Path) {
        let allow = path.allow.join(", ");
        let refuse = move || {
            let refused = Problem::method_not_allowed(&allow);
            async move { Err::<HttpResponse, Problem>(refused) }
        };
        let edge = self.edge(path.path, path.cross_origin);
        self.served.push(Served { path: path.path, methods: path.allow });
        self.config.service(path.resource.default_service(web::route().to(refuse)).wrap(edge));
    }

    /// Answers whatever fits no path.
    fn add_not_found(&mut self) {
        let edge = self.edge("(none)", false);
        self.config.default_service(web::route().to(not_found).wrap(edge));
    }

    fn edge(&self, path: &'static str, cross_origin: bool) -> Edge {
        Edge {
            cors: self.cors.clone().filter(|_| cross_origin),
            ids: Rc::clone(&self.ids),
            metrics: self.app.metrics.route(path),
            draining: self.app.broker.draining(),
            operations: operations_at(path).into(),
        }
    }
}

async fn not_found(method: Method) -> Result<HttpResponse, Problem> {
    if method == Method::CONNECT {
        // There is no path in such a request: this is no proxy.
        return Err(Problem::method_not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    Err(Problem::not_found("there is no such path"))
}

/// One path with what can be done there.
struct Path {
    path: &'static str,
    resource: Resource,
    allow: Vec<&'static str>,
    cross_origin: bool,
}

impl Path {
    /// A path, `{name}` standing for one segment.
    fn at(path: &'static str) -> Self {
        Self { path, resource: web::resource(path), allow: Vec::new(), cross_origin: false }
    }

    /// Lets the origins that the config allows read it.
    fn cross_origin(mut self) -> Self {
        self.cross_origin = true;
        self
    }

    /// `GET` and `HEAD`.
    fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allow.extend(["GET", "HEAD"]);
        let either = guard::Any(guard::Get()).or(guard::Head());
        self.resource = self.resource.route(web::route().guard(either).to(handler));
        self
    }

    /// `POST`.
    fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("POST", web::post().to(handler))
    }

    /// `PUT`.
    fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("PUT", web::put().to(handler))
    }

    /// `PATCH`.
    fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("PATCH", web::patch().to(handler))
    }

    /// `DELETE`.
    fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("DELETE", web::delete().to(handler))
    }

    fn method(mut self, name: &'static str, route: Route) -> Self {
        self.allow.push(name);
        self.resource = self.resource.route(route);
        self
    }
}
