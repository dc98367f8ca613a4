//! Where a request goes to: what a URL means for dialling, for TLS and for the request's first line.

use super::SendError;
use awc::error::HttpError;
use awc::http::Uri;
use awc::http::header::HeaderValue;
use awc::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use url::{Host, Url};

/// A URL taken apart.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The host as the `Host` header names it, with its port when it is not the usual one.
    pub(super) authority: String,
    /// The host without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The name to verify, when it is spoken to over TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// Path and query.
    pub(super) path: PathAndQuery,
}

impl Target {
    /// Reads a URL that was accepted once.
    pub(super) fn of(url: &str) -> Result<Self, SendError> {
        let unusable = |why: &dyn std::fmt::Display| SendError::Connect(format!("unusable URL: {why}"));
        let url = Url::parse(url).map_err(|error| unusable(&error))?;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(unusable(&"it has no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| unusable(&"it has no port"))?;
        let tls_name = match url.scheme() {
            "https" => Some(ServerName::try_from(host.clone()).map_err(|error| unusable(&error))?),
            "http" => None,
            _ => return Err(unusable(&"it is neither https nor http")),
        };
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path =
            PathAndQuery::try_from(format!("{}{query}", url.path())).map_err(|error| unusable(&error))?;
        let bracketed = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{bracketed}:{port}"),
            None => bracketed.to_owned(),
        };
        Ok(Self { authority, host, port, tls_name, path })
    }

    /// The address that the URL spells out, when it names none to resolve.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Where the HTTP library is told to go: TLS is not its business.
    pub(super) fn uri(&self) -> Result<Uri, HttpError> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let authority = format!("{host}:{}", self.port);
        Uri::builder().scheme("http").authority(authority).path_and_query(self.path.clone()).build()
    }
}

/// A URL ready to be asked, or why it cannot be.
#[derive(Debug)]
pub struct Endpoint {
    url: String,
    ready: Result<Ready, SendError>,
}

/// What the HTTP library is told of an endpoint at every request.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) uri: Uri,
    pub(super) host: HeaderValue,
    pub(super) is_tls: bool,
}

impl Endpoint {
    /// Takes a URL apart, once for all its requests.
    pub fn of(url: &str) -> Self {
        Self { url: url.to_owned(), ready: Ready::of(url) }
    }

    /// A URL that is asked nothing, because what is sent there could not be signed.
    pub(super) fn sealed(url: &str) -> Self {
        Self { url: url.to_owned(), ready: Err(SendError::Sealed) }
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn ready(&self) -> Result<&Ready, SendError> {
        self.ready.as_ref().map_err(Clone::clone)
    }
}

impl Ready {
    fn of(url: &str) -> Result<Self, SendError> {
        let unusable = |why: &dyn std::fmt::Display| SendError::Connect(format!("unusable URL: {why}"));
        let target = Target::of(url)?;
        let uri = target.uri().map_err(|error| unusable(&error))?;
        let host = HeaderValue::try_from(target.authority).map_err(|error| unusable(&error))?;
        Ok(Self { uri, host, is_tls: target.tls_name.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::of("https://Example.com:8443/a%20b/{c}?d=\"e\"|f").unwrap();
        assert_eq!((target.authority.as_str(), target.port), ("example.com:8443", 8443));
        assert_eq!(target.uri().unwrap().authority().unwrap(), "example.com:8443");
        assert!(target.tls_name.is_some() && target.literal().is_none());
        let target = Target::of("http://example.com/").unwrap();
        assert_eq!((target.authority.as_str(), target.port), ("example.com", 80));
        assert!(target.tls_name.is_none());
        assert_eq!(target.uri().unwrap(), "http://example.com:80/");
        let target = Target::of("https://[2001:DB8::1]:9000/x?y").unwrap();
        assert_eq!(target.authority, "[2001:db8::1]:9000");
        assert_eq!(target.literal(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(target.path, "/x?y");
        assert_eq!(Target::of("https://example.com./").unwrap().host, "example.com");
        for bad in ["nonsense", "ftp://example.com/", "data:x"] {
            assert!(Target::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_url_that_is_accepted_can_be_asked() {
        use crate::webhook::address::{Policy, check_url};
        let odd: String = (0x21..0x7f_u8).map(char::from).filter(|one| !"#\\".contains(*one)).collect();
        for url in [
            format!("https://example.com/{odd}?{odd}"),
            "https://example.com/ü/日本?ü=日本".to_owned(),
            "https://bücher.example.com/".to_owned(),
            "https://example.com?only=query".to_owned(),
            format!("https://example.com/{}", "x".repeat(2000)),
        ] {
            let accepted = check_url(&url, &Policy::default());
            assert!(accepted.is_ok(), "{url}: {accepted:?}");
            assert!(Endpoint::of(&url).ready().is_ok(), "{url}: {:?}", Endpoint::of(&url));
        }
    }
}
