//! Reading the config: the file, then the environment, which wins. Everything wrong is said at once.

use super::read::{
    at_least_a_millisecond, flag, list, scopes, size, tenant, text, texts, token, wait, whole,
};
use super::source::{ConfigError, Node, Raw, parse};
use super::{Config, KeyConfig, Token, UnknownTypes, WebhookConfig};
use crate::model::{Scopes, Timestamp, TypePattern};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings in the environment are named `CAMPANILE_SECTION__KEY`.
const PREFIX: &str = "CAMPANILE_";

/// Catalogs that this version knows by name.
const CATALOGS: &[&str] = &["acme", "deck", "peliqan", "activepieces", "taruvi"];

type Table = BTreeMap<String, Node>;

impl Config {
    /// Reads a file, if one is given, and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<ConfigError>> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let Some(path) = file else { return Self::read("", "the defaults", &environment) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&text, &name, &environment),
            Err(error) => {
                let detail = format!("cannot be read: {error}");
                Err(vec![ConfigError { origin: name, place: None, key: String::new(), detail }])
            }
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
        let mut root = Section { key: String::new(), table: tree, errors: &mut errors };
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
            section.set("body_timeout", &mut server.body_timeout, wait);
            section.set("max_waiting_polls", &mut server.max_waiting_polls, |raw| whole(raw, 0..=1_000_000));
            section.set("cors_origins", &mut server.cors_origins, texts);
            section.set("workers", &mut server.workers, |raw| whole(raw, 0..=256));
            section.set("max_connections", &mut server.max_connections, |raw| whole(raw, 1..=1_000_000));
        });
    }

    fn read_storage(&mut self, root: &mut Section<'_>) {
        root.section("storage", |section| {
            let storage = &mut self.storage;
            section.set("path", &mut storage.path, |raw| text(raw).map(PathBuf::from));
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
            section.set("schedule", &mut delivery.schedule, |raw| {
                let waits: Vec<Duration> =
                    list(raw)?.iter().map(|node| wait(&node.value)).collect::<Result<_, _>>()?;
                let fits = (1..=100).contains(&waits.len()) && waits.iter().all(|wait| wait.as_secs() >= 1);
                if fits { Ok(waits) } else { Err("1 to 100 waits of a second or more".to_owned()) }
            });
            section.set("timeout", &mut delivery.timeout, |raw| wait(raw).and_then(at_least_a_millisecond));
            section.set("max_in_flight", &mut delivery.max_in_flight, |raw| whole(raw, 1..=10_000));
            section.set("max_retrying", &mut delivery.max_retrying, |raw| whole(raw, 1..=10_000_000));
            section.set("deactivate_after", &mut delivery.deactivate_after, wait);
            section
                .set("ca_file", &mut delivery.ca_file, |raw| text(raw).map(|path| Some(PathBuf::from(path))));
            section.set("max_destinations", &mut delivery.max_destinations, |raw| whole(raw, 0..=1_000_000));
            section.set("shards", &mut delivery.shards, |raw| whole(raw, 0..=64));
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
        root.each("keys", |section| {
            let mut key = KeyConfig {
                name: String::new(),
                token: Token(String::new()),
                tenant: "default".to_owned(),
                scopes: Scopes::default(),
                expires_at: None,
            };
            section.require(&["name", "token", "scopes"]);
            section.set("name", &mut key.name, text);
            section.set("token", &mut key.token, token);
            section.set("tenant", &mut key.tenant, tenant);
            section.set("scopes", &mut key.scopes, scopes);
            section.set("expires_at", &mut key.expires_at, |raw| {
                Timestamp::parse(&text(raw)?).map(Some).map_err(|error| error.to_string())
            });
            self.keys.push(key);
        });
    }

    fn read_events(&mut self, section: &mut Section<'_>) {
        let events = &mut self.events;
        section.set("catalogs", &mut events.catalogs, |raw| {
            let names = texts(raw)?;
            let unknown = names.iter().find(|name| !CATALOGS.contains(&name.as_str()));
            unknown.map_or(Ok(()), |name| {
                Err(format!("there is no catalog {name:?}; there are {}", CATALOGS.join(", ")))
            })?;
            Ok(names)
        });
        section.set("unknown_types", &mut events.unknown_types, |raw| match &*text(raw)? {
            "accept" => Ok(Some(UnknownTypes::Accept)),
            "reject" => Ok(Some(UnknownTypes::Reject)),
            _ => Err("accept or reject".to_owned()),
        });
        section.set("dedupe_window", &mut events.dedupe_window, wait);
        section.each("webhooks", |section| {
            let mut webhook = WebhookConfig {
                url: String::new(),
                events: Vec::new(),
                secret: None,
                retry: true,
                tenant: "default".to_owned(),
                description: String::new(),
            };
            section.require(&["url"]);
            section.set("url", &mut webhook.url, text);
            section.set("events", &mut webhook.events, |raw| {
                texts(raw)?.iter().map(|one| TypePattern::parse(one).map_err(str::to_owned)).collect()
            });
            section.set("secret", &mut webhook.secret, |raw| token(raw).map(Some));
            section.set("retry", &mut webhook.retry, flag);
            section.set("tenant", &mut webhook.tenant, tenant);
            section.set("description", &mut webhook.description, text);
            events.webhooks.push(webhook);
        });
    }
}

/// Puts `CAMPANILE_SECTION__KEY` over what the file says.
fn overlay(tree: &mut Table, environment: &BTreeMap<String, String>, errors: &mut Vec<ConfigError>) {
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) else { continue };
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

/// A table whose settings are being read.
struct Section<'a> {
    key: String,
    table: Table,
    errors: &'a mut Vec<ConfigError>,
}

impl Section<'_> {
    fn path(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    fn fail(&mut self, node: &Node, name: &str, detail: String) {
        let (origin, place, key) = (node.origin.clone(), node.place, self.path(name));
        self.errors.push(ConfigError { origin, place, key, detail });
    }

    /// Reads a setting if it is there.
    fn set<T>(&mut self, name: &str, target: &mut T, read: impl FnOnce(&Raw) -> Result<T, String>) {
        let Some(node) = self.table.remove(name) else { return };
        match read(&node.value) {
            Ok(value) => *target = value,
            Err(wanted) => self.fail(&node, name, format!("must be {wanted}")),
        }
    }

    fn section(&mut self, name: &str, read: impl FnOnce(&mut Section<'_>)) {
        let Some(node) = self.table.remove(name) else { return };
        let key = self.path(name);
        match node.value {
            Raw::Table(table) => {
                let mut section = Section { key, table, errors: self.errors };
                read(&mut section);
                section.finish();
            }
            _ => self.fail(&node.clone(), name, "must be a section".to_owned()),
        }
    }

    /// Reads each table of a list of tables.
    fn each(&mut self, name: &str, mut read: impl FnMut(&mut Section<'_>)) {
        let Some(node) = self.table.remove(name) else { return };
        let Raw::List(list) = node.value else {
            return self.fail(&node.clone(), name, format!("must be [[{}]] sections", self.path(name)));
        };
        for (index, one) in list.into_iter().enumerate() {
            let key = format!("{}[{index}]", self.path(name));
            match one.value.clone() {
                Raw::Table(table) => {
                    let mut section = Section { key, table, errors: self.errors };
                    section.missing_place(&one);
                    read(&mut section);
                    section.finish();
                }
                _ => self.fail(&one, name, "must be a section".to_owned()),
            }
        }
    }

    /// Remembers where the section stands for what it lacks.
    fn missing_place(&mut self, node: &Node) {
        let marker = Node { value: Raw::Other(""), place: node.place, origin: node.origin.clone() };
        self.table.insert(String::new(), marker);
    }

    fn require(&mut self, names: &[&str]) {
        let place = self.table.remove("");
        for name in names {
            if !self.table.contains_key(*name)
                && let Some(node) = &place
            {
                self.fail(&node.clone(), name, "is needed".to_owned());
            }
        }
    }

    /// Every setting that nobody read is a mistake.
    fn finish(self) {
        for (name, node) in self.table.iter().filter(|(name, _)| !name.is_empty()) {
            let key = if self.key.is_empty() { name.clone() } else { format!("{}.{name}", self.key) };
            let (origin, place) = (node.origin.clone(), node.place);
            self.errors.push(ConfigError {
                origin,
                place,
                key,
                detail: "there is no such setting".to_owned(),
            });
        }
    }
}
