//! Reading the config: the file, then the environment, which wins. Everything wrong is said at once.

use super::read::{
    at_least_a_millisecond, flag, origins, path, scopes, size, tenant, text, texts, token, wait, waits, whole,
};
use super::section::{Section, Table};
use super::source::{ConfigError, Node, Raw, parse};
use super::{Config, KeyConfig, ProxyUrl, Token, UnknownTypes, WebhookConfig};
use crate::catalog;
use crate::model::{PayloadFilter, Scopes, Timestamp, TypePattern, Verification};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Settings in the environment are named `CAMPANILE_SECTION__KEY`.
const PREFIX: &str = "CAMPANILE_";

impl Config {
    /// Reads a file, if one is given, and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<ConfigError>> {
        let environment = texts_of(std::env::vars_os())?;
        let Some(path) = file else { return Self::read("", "the defaults", &environment) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&text, &name, &environment),
            Err(error) => Err(vec![ConfigError::of(name, format!("cannot be read: {error}"))]),
        }
    }

    /// Reads a config's text with a given environment.
    pub fn read(
        text: &str,
        file: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut tree = parse(text, file, &|name| environment.get(name).cloned(), &mut errors);
        overlay(&mut tree, environment, &mut errors);
        let mut config = Self::default();
        let mut root = Section::root(tree, &mut errors);
        config.read_root(&mut root);
        root.finish();
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    fn read_root(&mut self, root: &mut Section<'_>) {
        self.read_server(root);
        self.read_storage(root);
        root.section("events", |section| self.read_events(section));
        self.read_delivery(root);
        self.read_stream(root);
        self.read_functions(root);
        self.read_keys(root);
    }

    fn read_server(&mut self, root: &mut Section<'_>) {
        root.section("server", |section| {
            let server = &mut self.server;
            section.set("listen", &mut server.listen, |raw| {
                text(raw)?.parse().map_err(|_| "an address such as 127.0.0.1:8080".into())
            });
            section.set("publish_api", &mut server.publish_api, flag);
            section.set("metrics_public", &mut server.metrics_public, flag);
            section.set("drain", &mut server.drain, wait);
            section.set("max_body", &mut server.max_body, |raw| {
                size(raw, 1024..=64 << 20).map(|bytes| bytes as usize)
            });
            section.set("body_timeout", &mut server.body_timeout, |raw| {
                wait(raw).and_then(at_least_a_millisecond)
            });
            section.set("max_waiting_polls", &mut server.max_waiting_polls, |raw| whole(raw, 0..=1_000_000));
            section.set("max_keys", &mut server.max_keys, |raw| whole(raw, 1..=1_000_000));
            section.set("cors_origins", &mut server.cors_origins, origins);
            section.set("workers", &mut server.workers, |raw| whole(raw, 0..=256));
            section.set("max_connections", &mut server.max_connections, |raw| whole(raw, 1..=1_000_000));
        });
    }

    fn read_storage(&mut self, root: &mut Section<'_>) {
        root.section("storage", |section| {
            let storage = &mut self.storage;
            section.set("path", &mut storage.path, path);
            section.set("segment_bytes", &mut storage.segment_bytes, |raw| size(raw, 1 << 20..=4 << 30));
            section.set("tail_bytes", &mut storage.tail_bytes, |raw| {
                size(raw, 0..=8 << 30).map(|bytes| bytes as usize)
            });
            section.set("cache_bytes", &mut storage.cache_bytes, |raw| {
                size(raw, 1 << 20..=64 << 30).map(|bytes| bytes as usize)
            });
            section.set("min_free", &mut storage.min_free, |raw| size(raw, 0..=u64::MAX));
            section.set("max_queued", &mut storage.max_queued, |raw| whole(raw, 16..=1_000_000));
            section.set("scrub_every", &mut storage.scrub_every, wait);
            section.section("retention", |retention| {
                retention
                    .set("max_age", &mut storage.max_age, |raw| wait(raw).and_then(at_least_a_millisecond));
                retention.set("max_bytes", &mut storage.max_bytes, |raw| size(raw, 1 << 20..=u64::MAX));
            });
        });
    }

    fn read_delivery(&mut self, root: &mut Section<'_>) {
        root.section("delivery", |section| {
            let delivery = &mut self.delivery;
            section.set("allow_http", &mut delivery.allow_http, flag);
            section.set("allow_networks", &mut delivery.allow_networks, |raw| {
                texts(raw)?
                    .iter()
                    .map(|one| one.parse().map_err(|_| "networks such as 127.0.0.0/8".to_owned()))
                    .collect()
            });
            section.set("schedule", &mut delivery.schedule, waits);
            section.set("timeout", &mut delivery.timeout, |raw| wait(raw).and_then(at_least_a_millisecond));
            section.set("connect_timeout", &mut delivery.connect_timeout, |raw| {
                wait(raw).and_then(at_least_a_millisecond)
            });
            section.set("proxy", &mut delivery.proxy, |raw| ProxyUrl::parse(&text(raw)?).map(Some));
            section.set("max_in_flight", &mut delivery.max_in_flight, |raw| whole(raw, 1..=10_000));
            section.set("max_retrying", &mut delivery.max_retrying, |raw| whole(raw, 1..=10_000_000));
            section.set("deactivate_after", &mut delivery.deactivate_after, wait);
            section.set("breaker_after", &mut delivery.breaker_after, wait);
            section.set("breaker_pause", &mut delivery.breaker_pause, |raw| {
                wait(raw).and_then(at_least_a_millisecond)
            });
            section.set("breaker_pause_max", &mut delivery.breaker_pause_max, |raw| {
                wait(raw).and_then(at_least_a_millisecond)
            });
            section.set("verify_schedule", &mut delivery.verify_schedule, waits);
            section.set("ca_file", &mut delivery.ca_file, |raw| path(raw).map(Some));
            section.set("max_tests", &mut delivery.max_tests, |raw| whole(raw, 0..=10_000));
            section.set("max_destinations", &mut delivery.max_destinations, |raw| whole(raw, 0..=1_000_000));
            section.set("shards", &mut delivery.shards, |raw| whole(raw, 0..=64));
        });
    }

    fn read_functions(&mut self, root: &mut Section<'_>) {
        root.section("functions", |section| {
            let functions = &mut self.functions;
            section.set("timeout", &mut functions.timeout, |raw| wait(raw).and_then(at_least_a_millisecond));
            section.set("max_functions", &mut functions.max_functions, |raw| whole(raw, 0..=1_000_000));
            section.set("max_subscriptions", &mut functions.max_subscriptions, |raw| whole(raw, 0..=1023));
            section.set("max_gates", &mut functions.max_gates, |raw| whole(raw, 1..=100_000));
            section.set("max_in_flight", &mut functions.max_in_flight, |raw| whole(raw, 1..=10_000));
            section.set("max_answer", &mut functions.max_answer, |raw| {
                size(raw, 1024..=64 << 20).map(|bytes| bytes as usize)
            });
        });
    }

    fn read_stream(&mut self, root: &mut Section<'_>) {
        root.section("stream", |section| {
            let stream = &mut self.stream;
            section
                .set("keep_alive", &mut stream.keep_alive, |raw| wait(raw).and_then(at_least_a_millisecond));
            section.set("max_clients", &mut stream.max_clients, |raw| whole(raw, 0..=10_000_000));
            section.set("client_buffer", &mut stream.client_buffer, |raw| {
                size(raw, 4096..=1 << 30).map(|bytes| bytes as usize)
            });
            section.set("stall_timeout", &mut stream.stall_timeout, |raw| {
                wait(raw).and_then(at_least_a_millisecond)
            });
        });
    }

    fn read_keys(&mut self, root: &mut Section<'_>) {
        root.each("keys", &["name", "token", "scopes"], |section| {
            let mut key = KeyConfig {
                name: String::new(),
                token: Token(String::new()),
                tenant: "default".to_owned(),
                scopes: Scopes::default(),
                expires_at: None,
            };
            let others = &self.keys;
            section.set("name", &mut key.name, |raw| {
                let name = text(raw)?;
                let fits = !name.is_empty() && others.iter().all(|other| other.name != name);
                if fits { Ok(name) } else { Err("a name that no other key has".to_owned()) }
            });
            section.set("token", &mut key.token, |raw| {
                let token = token(raw)?;
                let fits = others.iter().all(|other| other.token != token);
                if fits { Ok(token) } else { Err("a token that no other key has".to_owned()) }
            });
            section.set("tenant", &mut key.tenant, tenant);
            section.set("scopes", &mut key.scopes, scopes);
            section.set("expires_at", &mut key.expires_at, |raw| {
                let wanted = |_| "an RFC 3339 time with a zone, such as 2027-01-01T00:00:00Z".to_owned();
                Timestamp::parse_bound(&text(raw)?).map(Some).map_err(wanted)
            });
            self.keys.push(key);
        });
    }

    fn read_events(&mut self, section: &mut Section<'_>) {
        let events = &mut self.events;
        section.set("catalogs", &mut events.catalogs, |raw| {
            let names = texts(raw)?;
            let unknown = names.iter().find(|name| !catalog::NAMES.contains(&name.as_str()));
            unknown.map_or(Ok(()), |name| {
                Err(format!("among {}, and {name:?} is not", catalog::NAMES.join(", ")))
            })?;
            Ok(names)
        });
        section.set("unknown_types", &mut events.unknown_types, |raw| match &*text(raw)? {
            "accept" => Ok(Some(UnknownTypes::Accept)),
            "reject" => Ok(Some(UnknownTypes::Reject)),
            _ => Err("accept or reject".to_owned()),
        });
        section.set("max_types", &mut events.max_types, |raw| whole(raw, 0..=100_000));
        section.set("dedupe_window", &mut events.dedupe_window, wait);
        section.each("webhooks", &["url"], |section| {
            let mut webhook = WebhookConfig {
                url: String::new(),
                events: Vec::new(),
                filter: None,
                secret: None,
                retry: true,
                tenant: "default".to_owned(),
                description: String::new(),
                verification: Verification::None,
            };
            section.set("url", &mut webhook.url, text);
            section.set("events", &mut webhook.events, |raw| {
                let types: Result<_, _> = texts(raw)?.iter().map(|one| TypePattern::parse(one)).collect();
                types.map_err(|_| "a list of event types, prefixes such as pipeline.*, or *".to_owned())
            });
            section.set("filter", &mut webhook.filter, |raw| {
                PayloadFilter::parse(&text(raw)?).map(Some).map_err(|why| format!("an expression; {why}"))
            });
            section.set("secret", &mut webhook.secret, |raw| token(raw).map(Some));
            section.set("retry", &mut webhook.retry, flag);
            section.set("tenant", &mut webhook.tenant, tenant);
            section.set("description", &mut webhook.description, text);
            section.set("verification", &mut webhook.verification, |raw| match &*text(raw)? {
                "none" => Ok(Verification::None),
                "ping" => Ok(Verification::Ping),
                "challenge" => Ok(Verification::Challenge),
                _ => Err("none, ping or challenge".to_owned()),
            });
            events.webhooks.push(webhook);
        });
    }
}

/// The environment as texts; only a setting must be one.
fn texts_of(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, Vec<ConfigError>> {
    let (mut texts, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => drop(texts.insert(name, value)),
            Err(_) if is_setting(&name) => errors.push(ConfigError::of(name, "is not UTF-8".to_owned())),
            Err(_) => {}
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(errors) }
}

/// Settings are those with two underscores: `CAMPANILE_URL` and its like are other programs' business.
fn is_setting(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|path| path.contains("__"))
}

/// Puts `CAMPANILE_SECTION__KEY` over what the file says.
fn overlay(tree: &mut Table, environment: &BTreeMap<String, String>, errors: &mut Vec<ConfigError>) {
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(PREFIX).filter(|_| is_setting(name)) else { continue };
        let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let node = Node { value: Raw::Loose(value.clone()), place: None, origin: name.clone() };
        if !insert(tree, &path, node) {
            let detail = "there is no such setting".to_owned();
            errors.push(ConfigError { origin: name.clone(), place: None, key: path.join("."), detail });
        }
    }
}

/// Puts a node at a path; false when something on the way is no section.
fn insert(table: &mut Table, path: &[String], node: Node) -> bool {
    match path {
        [] => false,
        [last] => {
            table.insert(last.clone(), node);
            true
        }
        [section, rest @ ..] => {
            let made = Node { value: Raw::Table(Table::new()), place: None, origin: node.origin.clone() };
            match &mut table.entry(section.clone()).or_insert(made).value {
                Raw::Table(inner) => insert(inner, rest, node),
                _ => false,
            }
        }
    }
}
