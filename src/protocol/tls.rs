//! TLS settings of everything that is sent: whom to trust. Verification cannot be switched off.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Why no TLS settings could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of further authorities cannot be used.
    #[error("delivery.ca_file cannot be used: {0}")]
    CaFile(String),
    /// The provider refuses its own defaults.
    #[error("tls is not available: {0}")]
    Provider(String),
}

/// TLS settings for every delivery: the system's authorities (or Mozilla's where there are none) and those of
/// `ca_file`.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = ca_file {
        add_file(path, &mut roots)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| TlsError::Provider(error.to_string()))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add_file(path: &Path, roots: &mut RootCertStore) -> Result<(), TlsError> {
    let broken = |why: &dyn std::fmt::Display| TlsError::CaFile(format!("{}: {why}", path.display()));
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| broken(&error))? {
        let certificate = certificate.map_err(|error| broken(&error))?;
        roots.add(certificate).map_err(|error| broken(&error))?;
        count += 1;
    }
    if count == 0 { Err(broken(&"there is no certificate in it")) } else { Ok(()) }
}
