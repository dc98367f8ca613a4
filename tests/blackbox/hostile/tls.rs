//! TLS that is not to be trusted, and TLS that is; authorities of one's own.

use super::connections::Deaf;
use super::{Case, Expected, failed, late, run_with, taken};
use crate::support::{Peer, Rogue, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, SupportedProtocolVersion};
use std::io;
use std::path::Path;
use std::sync::Arc;

const TLS: &str = "tls failed: ";

/// What a certificate says.
pub(crate) struct Wanted {
    pub(crate) names: Vec<String>,
    pub(crate) from: (i32, u8, u8),
    pub(crate) to: (i32, u8, u8),
}

pub(crate) fn wanted() -> Wanted {
    Wanted { names: vec!["127.0.0.1".to_owned()], from: (2000, 1, 1), to: (2200, 1, 1) }
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate of this authority with its key.
    pub(crate) fn signs(&self, wanted: Wanted) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params(wanted).signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).unwrap();
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

fn params(wanted: Wanted) -> CertificateParams {
    let mut params = CertificateParams::new(wanted.names).unwrap();
    params.not_before = date_time_ymd(wanted.from.0, wanted.from.1, wanted.from.2);
    params.not_after = date_time_ymd(wanted.to.0, wanted.to.1, wanted.to.2);
    params
}

fn self_signed() -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = params(wanted()).self_signed(&key).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn config(identity: Identity, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(identity.0, identity.1).unwrap())
}

pub(crate) fn usual(identity: Identity) -> Arc<ServerConfig> {
    config(identity, rustls::ALL_VERSIONS)
}

fn polite(peer: &mut Peer) -> io::Result<()> {
    peer.request()?;
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    peer.close()
}

fn shows(name: &'static str, tls: Arc<ServerConfig>, expected: Expected) -> Case {
    let requests = usize::from(expected.error.is_none());
    Case::new(name, Rogue::with_tls(tls, polite), expected).hearing(requests)
}

/// Answers a greeting with these bytes, which are no handshake.
fn greets(name: &'static str, bytes: &'static [u8]) -> Case {
    let rogue = Rogue::start(move |peer| {
        peer.hear()?;
        peer.say(bytes)?;
        peer.fall_silent()
    });
    over_tls(Case::new(name, rogue, failed(TLS)))
}

fn over_tls(case: Case) -> Case {
    let url = case.url.replace("http:", "https:");
    case.hearing(0).at(url)
}

fn trusting(authority: &Path) -> Settings {
    Settings::new().with("delivery.ca_file", &format!("{:?}", authority.display().to_string()))
}

#[test]
fn what_cannot_be_verified_is_sent_nothing() {
    let (folder, authority, other) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let path = folder.path().join("authority.pem");
    authority.write(&path);
    let expired = Wanted { to: (2020, 1, 1), ..wanted() };
    let future = Wanted { from: (2190, 1, 1), ..wanted() };
    let misnamed =
        Wanted { names: vec!["elsewhere.example.com".to_owned(), "127.0.0.2".to_owned()], ..wanted() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(other.roots()), Arc::clone(&provider));
    let (chain, key) = authority.signs(wanted());
    let demanding =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let demanding = demanding.with_client_cert_verifier(verifier.build().unwrap());
    let demanding = Arc::new(demanding.with_single_cert(chain, key).unwrap());
    run_with(
        trusting(&path),
        &[
            shows(
                "expired",
                usual(authority.signs(expired)),
                failed("tls failed: invalid peer certificate: certificate expired"),
            ),
            shows(
                "not valid yet",
                usual(authority.signs(future)),
                failed("tls failed: invalid peer certificate: certificate not valid yet"),
            ),
            shows(
                "another name",
                usual(authority.signs(misnamed)),
                failed("tls failed: invalid peer certificate: certificate not valid for name"),
            ),
            shows("signed by itself", usual(self_signed()), failed(TLS)),
            shows(
                "an unknown authority",
                usual(other.signs(wanted())),
                failed("tls failed: invalid peer certificate: "),
            ),
            shows("wants a certificate of ours", demanding, failed(TLS)),
            greets("garbage", b"\x00\xff\x13garbage garbage garbage"),
            greets("plain HTTP", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            greets("no common cipher", b"\x15\x03\x03\x00\x02\x02\x28"),
            greets("an old version only", b"\x15\x03\x01\x00\x02\x02\x46"),
            over_tls(Case::new(
                "hangs up on a greeting",
                Rogue::start(|peer| peer.hear().map(drop)),
                failed(TLS),
            )),
            over_tls(Case::new("a handshake that stalls", Rogue::start(Peer::fall_silent), late())),
        ],
    );
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_a_missing_farewell_is_none_of_our_business() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let path = folder.path().join("authority.pem");
    authority.write(&path);
    let tls = || usual(authority.signs(wanted()));
    let abrupt = |answer: &'static str| {
        Rogue::with_tls(tls(), move |peer| {
            peer.request()?;
            peer.say(answer)
        })
    };
    let old = config(authority.signs(wanted()), &[&rustls::version::TLS12]);
    let (mut long, key) = authority.signs(wanted());
    for _ in 0..20 {
        long.push(authority.0.der().clone());
    }
    run_with(
        trusting(&path),
        &[
            shows("as it should be", tls(), taken(200).keeping("ok")),
            shows("TLS 1.2", old, taken(200).keeping("ok")),
            shows("a long chain", usual((long, key)), taken(200)),
            Case::new(
                "no farewell after the answer",
                abrupt("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                taken(200).keeping("ok"),
            ),
            Case::new(
                "no farewell within the answer",
                abrupt("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
                taken(200).keeping("ok"),
            ),
            Case::new(
                "no farewell at an open end",
                abrupt("HTTP/1.1 200 OK\r\n\r\nok"),
                taken(200).keeping("ok"),
            ),
        ],
    );
}

#[test]
fn a_connection_has_a_time_out_of_its_own() {
    let deaf = Deaf::new();
    let none = "connection failed: none within 3000 ms";
    run_with(
        Settings::new().with("delivery.connect_timeout", r#""3s""#),
        &[
            Case::nobody("no connection in time", &deaf.url(), failed(none)),
            over_tls(Case::new("no handshake in time", Rogue::start(Peer::fall_silent), failed(none))),
            Case::new(
                "no answer in time",
                Rogue::start(|peer| peer.request().and_then(|_| peer.fall_silent())),
                late(),
            ),
        ],
    );
}

#[test]
fn authorities_that_are_none_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, damaged) = (folder.path().join("empty.pem"), folder.path().join("damaged.pem"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for path in [empty, damaged, folder.path().join("missing.pem")] {
        let name = path.display().to_string();
        let (code, said) = crate::config_errors::start_with(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[delivery]\nca_file = {name:?}\n"
        ));
        assert!(code.is_some_and(|code| code != 0) && said.contains(&name), "{code:?} {said}");
    }
}
