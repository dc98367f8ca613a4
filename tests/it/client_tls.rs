//! The Rust client over TLS: only a certificate of an authority that it trusts will do.

use campanile::client::{Client, Error};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// Answers every request with an event, under a certificate for `localhost`; and the authority's own certificate.
fn serve() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (config, listener) = (Arc::new(config), crate::ports::listen());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let body = r#"{"id":"evt_1","type":"a","timestamp":"2026-01-01T00:00:00Z","data":{}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            // Whoever does not trust this certificate is gone.
            let _ = tls.write_all(answer.as_bytes());
        }
    });
    (address, made.cert.pem())
}

#[test]
fn only_a_trusted_certificate_for_the_name_will_do() {
    let (address, authority) = serve();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = |name: &str, trusts: bool| {
        let builder = Client::builder(format!("https://{name}:{}", address.port()), "k").max_retries(0);
        let builder = if trusts { builder.ca_file(&path) } else { builder };
        let client = builder.build().unwrap();
        runtime.block_on(async { client.events().get("evt_1").await })
    };
    assert_eq!(get("localhost", true).unwrap().id, "evt_1");
    for (name, trusts) in [("localhost", false), ("127.0.0.1", true)] {
        let error = get(name, trusts).unwrap_err();
        assert!(
            matches!(&error, Error::Unreachable { detail, .. } if detail.contains("ertificate")),
            "{error}"
        );
    }
    let nothing = Client::builder("https://localhost", "k").ca_file(folder.path().join("none.pem")).build();
    assert!(matches!(nothing, Err(Error::Configuration(_))));
}
