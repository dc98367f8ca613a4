//! The egress proxy's address, which may hold a password: not shown by `Debug`.

use std::fmt;
use url::{Host, Url};

/// `http://proxy.internal:3128`, with `user:password@` before the host when it wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    host: String,
    port: u16,
    user_info: Option<(String, String)>,
}

impl ProxyUrl {
    /// Reads an address; what is wrong says what it must be and repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "an address such as http://user:password@proxy.internal:3128".to_owned();
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http").ok_or_else(wanted)?;
        let fits = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(wanted()),
        };
        let is_named = !url.username().is_empty() || url.password().is_some();
        let user_info = if is_named {
            let user = unescaped(url.username()).ok_or_else(wanted)?;
            Some((user, unescaped(url.password().unwrap_or_default()).ok_or_else(wanted)?))
        } else {
            None
        };
        let port = url.port_or_known_default().unwrap_or(80);
        if fits { Ok(Self { host, port, user_info }) } else { Err(wanted()) }
    }

    /// Its host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, 80 when none is named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// User and password.
    pub fn user_info(&self) -> Option<(&str, &str)> {
        self.user_info.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({}:{})", self.host, self.port)
    }
}

/// A text without its percent escapes, when it is UTF-8 then.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let escaped = others.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = escaped.and_then(|two| u8::from_str_radix(two, 16).ok());
        match escaped.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_address_with_or_without_a_password() {
        let proxy = ProxyUrl::parse("http://ops:p%40ss@proxy.internal:3128").unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.internal", 3128));
        assert_eq!(proxy.user_info(), Some(("ops", "p@ss")));
        assert_eq!(format!("{proxy:?}"), "ProxyUrl(proxy.internal:3128)");
        let proxy = ProxyUrl::parse("http://[::1]").unwrap();
        assert_eq!((proxy.host(), proxy.port(), proxy.user_info()), ("::1", 80, None));
        for bad in ["", "proxy:3128", "https://proxy", "socks5://proxy", "http://proxy/path", "http://p?q"] {
            assert!(ProxyUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(!ProxyUrl::parse("https://ops:hush@proxy").unwrap_err().contains("hush"));
    }
}
