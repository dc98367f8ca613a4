//! A webhook endpoint for the demo: takes deliveries, checks both signatures, tells what came.

use crate::clock;
use crate::webhook::signature::Signer;
use actix_web::dev::ServerHandle;
use actix_web::http::header::HeaderMap;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::net::TcpListener;
use tokio::sync::mpsc;

/// A delivery that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) event_type: String,
    pub(super) sequence: String,
    pub(super) verified: bool,
}

struct Endpoint {
    signer: Signer,
    taken: mpsc::Sender<Taken>,
}

/// Listens on the socket; tells each delivery to `taken`.
pub(super) fn start(
    listener: TcpListener,
    secret: &str,
    taken: mpsc::Sender<Taken>,
) -> std::io::Result<ServerHandle> {
    let endpoint = web::Data::new(Endpoint { signer: Signer::new(secret), taken });
    let server =
        HttpServer::new(move || App::new().app_data(endpoint.clone()).default_service(web::to(take)))
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(handle)
}

async fn take(request: HttpRequest, endpoint: web::Data<Endpoint>, body: web::Bytes) -> HttpResponse {
    let of = |name: &str| text(request.headers(), name);
    let now = clock::now().0 / 1000;
    let standard = endpoint.signer.verify_standard(
        &of("webhook-id"),
        &of("webhook-timestamp"),
        &of("webhook-signature"),
        &body,
        now,
    );
    let verified = standard && endpoint.signer.verify_body_only(&of("x-campanile-signature"), &body);
    let (event_type, sequence) = (of("x-campanile-event"), of("x-campanile-sequence"));
    if endpoint.taken.send(Taken { event_type, sequence, verified }).await.is_err() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if verified { HttpResponse::NoContent().finish() } else { HttpResponse::Unauthorized().finish() }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
