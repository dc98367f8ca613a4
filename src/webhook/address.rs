//! Which addresses may be sent to: judged on the text of a URL when it is set, and on every address that is
//! really dialled.

use crate::config::DeliveryConfig;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// What the config allows besides public https addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// `http://` too.
    pub allow_http: bool,
    /// Networks that may be dialled although they are not public, on any port.
    pub allow_networks: Vec<IpNet>,
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct UrlProblem {
    /// A stable word.
    pub code: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// Names under these never are public hosts.
const LOCAL_SUFFIXES: &[&str] = &[
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "onion",
    "test",
    "invalid",
    "example",
    "svc",
    "lan",
    "corp",
    "home",
    "intranet",
    "private",
];

/// Ports above 1023 that no webhook endpoint listens on: browsers block them, or databases own them.
const REFUSED_PORTS: &[u16] = &[
    1433, 1521, 1719, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3659, 4045, 4190, 5060, 5061, 5432,
    5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 8086, 9042, 9092,
    9200, 9300, 10080, 10250, 11211, 27017, 27018, 27019,
];

/// What every recipient of a request should take (RFC 9110 section 4.1).
const LONGEST_URL: usize = 8000;

impl Policy {
    /// The policy of a config.
    pub fn of(config: &DeliveryConfig) -> Self {
        Self { allow_http: config.allow_http, allow_networks: config.allow_networks.clone() }
    }

    /// Whether an address may be dialled.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.is_allowed(address) || is_public(address)
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.allow_networks.iter().any(|network| network.contains(&address))
    }

    fn allows_loopback(&self) -> bool {
        self.is_allowed(IpAddr::V4(Ipv4Addr::LOCALHOST)) || self.is_allowed(IpAddr::V6(Ipv6Addr::LOCALHOST))
    }
}

fn refuse<T>(code: &'static str, detail: &str) -> Result<T, UrlProblem> {
    Err(UrlProblem { code, detail: detail.to_owned() })
}

/// Judges a URL by its text, without resolving anything. The raw text counts where parsing would silently
/// repair it.
pub fn check_url(raw: &str, policy: &Policy) -> Result<Url, UrlProblem> {
    let is_bad = |character: char| {
        character.is_control()
            || matches!(character, ' ' | '\\' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    if raw.len() > LONGEST_URL {
        return refuse("bad_url", "a URL has at most 8000 bytes");
    }
    if raw.chars().any(is_bad) {
        return refuse(
            "bad_characters",
            "a URL has no control characters, spaces, backslashes or invisible characters",
        );
    }
    let lower = raw.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://");
    let rest = rest.or_else(|| lower.strip_prefix("http://").filter(|_| policy.allow_http));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        return refuse("not_https", "the URL must start with https://");
    }
    let authority = &raw[raw.find("//").map_or(0, |at| at + 2)..];
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let Ok(url) = Url::parse(raw) else {
        return if authority.contains('@') {
            refuse("userinfo", "a URL with a user or password is refused")
        } else if is_dots(authority) {
            refuse("bad_host", "this is no host name")
        } else {
            refuse("bad_url", "this is no URL")
        };
    };
    if authority.contains('@') {
        return refuse("userinfo", "a URL with a user or password is refused");
    }
    if raw.contains('#') {
        return refuse("fragment", "a URL with a fragment is refused");
    }
    let is_allowed = check_host(&url, authority, policy)?;
    check_port(&url, is_allowed)?;
    Ok(url)
}

fn is_dots(authority: &str) -> bool {
    !authority.is_empty() && authority.bytes().all(|byte| byte == b'.')
}

/// Whether the host is in an allowed network, where more ports are fine.
fn check_host(url: &Url, authority: &str, policy: &Policy) -> Result<bool, UrlProblem> {
    let raw_host = without_port(authority);
    match url.host() {
        Some(Host::Ipv4(address)) => check_ip(IpAddr::V4(address), raw_host == address.to_string(), policy),
        Some(Host::Ipv6(address)) => {
            let canonical = raw_host == format!("[{address}]") && address.to_ipv4_mapped().is_none();
            check_ip(IpAddr::V6(address), canonical, policy)
        }
        Some(Host::Domain(domain)) => check_domain(domain, raw_host, policy),
        None => refuse("bad_host", "the URL has no host"),
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    }
}

fn check_ip(address: IpAddr, canonical: bool, policy: &Policy) -> Result<bool, UrlProblem> {
    if !policy.permits(address) {
        return refuse("private_address", "this address is not public");
    }
    if !canonical {
        return refuse("not_canonical", "write the address in its usual form");
    }
    Ok(policy.is_allowed(address))
}

fn check_domain(domain: &str, raw_host: &str, policy: &Policy) -> Result<bool, UrlProblem> {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        let parsed_away = domain.bytes().any(|byte| matches!(byte, b',' | b'!' | b'%'));
        let code = if parsed_away { "bad_url" } else { "bad_host" };
        return refuse(code, "this is no host name");
    }
    let is_local = |suffix: &&str| name == *suffix || name.ends_with(&format!(".{suffix}"));
    if !name.contains('.') || LOCAL_SUFFIXES.iter().any(is_local) {
        if name == "localhost" && policy.allows_loopback() {
            return Ok(true);
        }
        return refuse("local_name", "this name is local, not a public host");
    }
    if raw_host.contains('%') {
        return refuse("not_canonical", "write the host without percent escapes");
    }
    Ok(false)
}

fn check_port(url: &Url, is_allowed: bool) -> Result<(), UrlProblem> {
    let port = url.port_or_known_default().unwrap_or(0);
    let standard = port == 443 || (port == 80 && url.scheme() == "http");
    let fine = standard || (port >= 1024 && !REFUSED_PORTS.contains(&port));
    if port != 0 && (fine || is_allowed) { Ok(()) } else { refuse("port", "this port is refused") }
}

/// Whether an address is globally routable unicast, whatever it is wrapped in.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    !matches!(
        (a, b, c, d),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, ..)
            | (169, 254, ..)
            | (172, 16..=31, ..)
            | (192, 0, 0 | 2, _)
            | (192, 88, 99, _)
            | (192, 168, ..)
            | (198, 18 | 19, ..)
            | (198, 51, 100, _)
            | (203, 0, 113, _)
            | (168, 63, 129, 16)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let segments = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        // NAT64 and 6to4 lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Special purpose: protocol assignments (with Teredo, ORCHID), documentation, SRv6.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is global unicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> String {
        text.replace("\\u00ad", "\u{ad}")
            .replace("\\t", "\t")
            .replace("\\n", "\n")
            .replace("\\r", "\r")
            .replace("\\0", "\0")
    }

    #[test]
    fn every_row_of_the_table_gets_its_verdict() {
        let table = include_str!("../../tests/data/ssrf.tsv");
        let mut wrong = Vec::new();
        for line in table.lines().skip(1).filter(|line| !line.is_empty()) {
            let mut columns = line.split('\t');
            let (Some(input), Some(expected), Some(reason)) =
                (columns.next(), columns.next(), columns.next())
            else {
                panic!("{line}");
            };
            let verdict = check_url(&unescaped(input), &Policy::default()).map_err(|problem| problem.code);
            let fine = match (&verdict, expected) {
                (Ok(_), "accept") => true,
                (Err(code), "refuse") => *code == reason,
                _ => false,
            };
            if !fine {
                wrong.push(format!("{input}: {expected} {reason}, got {:?}", verdict.err()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(table.lines().count() > 100);
    }

    #[test]
    fn development_networks_relax_scheme_name_and_port() {
        let policy = Policy { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse().unwrap()] };
        for url in ["http://127.0.0.1:9000/x", "http://localhost:3000/", "https://127.0.0.1:22/"] {
            assert!(check_url(url, &policy).is_ok(), "{url}");
        }
        for url in
            ["http://10.0.0.1/", "http://127.0.0.1:0/", "http://printer.local/", "http://user@127.0.0.1/"]
        {
            assert!(check_url(url, &policy).is_err(), "{url}");
        }
    }
}
