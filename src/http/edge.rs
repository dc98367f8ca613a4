//! The outermost layer of every route: the request's id, problem documents, cross-origin headers and counting.
//!
//! What must hold: nothing leaves the server without `X-Request-Id`, and no error leaves it in any other form
//! than a problem document, whoever made the error.

use super::cors::Cors;
use super::metrics::RouteMetrics;
use super::openapi::Operation;
use super::params;
use super::problem::Problem;
use super::request_id::{RequestIds, X_REQUEST_ID};
use crate::clock;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::HeaderValue;
use actix_web::http::{ConnectionType, Method, Version};
use actix_web::{Error, HttpResponse};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What the layer of one route knows.
#[derive(Clone)]
pub(super) struct Edge {
    /// Which pages of other sites may read the answers; `None` for routes that no other site's page may read.
    pub(super) cors: Option<Rc<Cors>>,
    pub(super) ids: Rc<RequestIds>,
    pub(super) metrics: Arc<RouteMetrics>,
    pub(super) draining: watch::Receiver<bool>,
    /// What is said of this path: a query parameter that is not said is refused.
    pub(super) operations: Rc<[&'static Operation]>,
}

impl<S> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service, edge: Rc::new(self.clone()) }))
    }
}

pub(super) struct EdgeService<S> {
    service: S,
    edge: Rc<Edge>,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let began = clock::instant();
        let edge = Rc::clone(&self.edge);
        let id = edge.ids.of(request.headers());
        if let Some(early) = edge.answer_early(&request, &id) {
            let response = request.into_response(early);
            return Box::pin(ready(Ok(edge.finish(response, id, began))));
        }
        let answer = self.service.call(request);
        Box::pin(async move { Ok(edge.finish(answer.await?, id, began)) })
    }
}

impl Edge {
    /// What needs no route: what browsers ask before they ask, and what nobody may ask.
    fn answer_early(&self, request: &ServiceRequest, id: &HeaderValue) -> Option<HttpResponse> {
        if let Some(cors) = self.cors.as_ref().filter(|_| request.method() == Method::OPTIONS) {
            return cors.preflight(request.headers());
        }
        let asked = |one: &&&Operation| one.answers_to(request.method().as_str());
        let operation = self.operations.iter().find(asked)?;
        let refused = params::check(request.query_string(), operation.query).err()?;
        if operation.has_envelope {
            return Some(refused.in_envelope());
        }
        Some(refused.respond(id.to_str().unwrap_or_default()))
    }

    fn finish(&self, response: ServiceResponse, id: HeaderValue, began: Instant) -> ServiceResponse {
        let status = response.status();
        let mut response = if status.is_client_error() || status.is_server_error() {
            into_problem(response, id.to_str().unwrap_or_default())
        } else {
            response
        };
        if let Some(cors) = &self.cors {
            let (request, answer) = (response.request().clone(), response.response_mut());
            cors.allow(request.headers(), answer.headers_mut());
        }
        // What older versions know of the end of a body is its length, or the end of the connection.
        let knows_chunks = response.request().version() > Version::HTTP_10;
        let is_endless = matches!(response.response().body().size(), BodySize::Stream);
        // The server hangs up after a request that offers another protocol: whoever keeps connections is told.
        let offers_another = response.request().head().upgrade();
        let head = response.response_mut().head_mut();
        if is_endless && !knows_chunks {
            head.no_chunking(true);
        }
        if *self.draining.borrow() || offers_another || (is_endless && !knows_chunks) {
            head.set_connection_type(ConnectionType::Close);
        }
        response.headers_mut().insert(X_REQUEST_ID, id);
        self.metrics.observe(status, began.elapsed());
        response
    }
}

/// Renders an error as a problem document; the framework's own errors too.
fn into_problem(response: ServiceResponse, request_id: &str) -> ServiceResponse {
    let (request, answer) = response.into_parts();
    let is_document = answer.headers().contains_key(actix_web::http::header::CONTENT_TYPE);
    let problem = match answer.error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => problem.respond(request_id),
        None if is_document && answer.error().is_none() => answer,
        None => {
            let status = answer.status();
            let kind = if status.is_server_error() { "unavailable" } else { "bad_request" };
            Problem::new(status, kind, "the request could not be understood").respond(request_id)
        }
    };
    ServiceResponse::new(request, problem)
}
