//! Receives webhooks and checks their signatures.
//!
//!     WEBHOOK_SECRET=whsec_... cargo run --example receive -- 127.0.0.1:9000
//!
//! Then create a destination with `"url": "http://127.0.0.1:9000/"` on a broker in `--dev` mode.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use campanile::webhook::signature::Signer;

async fn receive(request: HttpRequest, body: web::Bytes, signer: web::Data<Signer>) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = campanile::clock::now().0 / 1000;
    let (id, time, signatures) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    if !signer.verify_standard(id, time, signatures, &body, now) {
        return HttpResponse::Unauthorized().finish();
    }
    // Deliveries are at least once: remember the id before acting on the event.
    println!("verified {id}: {}", String::from_utf8_lossy(&body));
    HttpResponse::NoContent().finish()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let signer = web::Data::new(Signer::new(&std::env::var("WEBHOOK_SECRET")?));
    let server =
        HttpServer::new(move || App::new().app_data(signer.clone()).default_service(web::to(receive)));
    let server = server.workers(1).bind(&address)?;
    println!("receiving on {}", server.addrs()[0]);
    Ok(server.run().await?)
}
