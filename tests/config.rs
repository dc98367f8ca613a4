//! The config file: what is shipped is the defaults, and every mistake is named with its place.

#![allow(clippy::unwrap_used)]

use campanile::Config;
use std::collections::BTreeMap;

fn read(text: &str) -> Result<Config, Vec<String>> {
    read_with(text, &[])
}

fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let read = Config::read(text, "config.toml", &environment);
    read.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(read(include_str!("../config.toml")).unwrap(), Config::default());
}

#[test]
fn what_is_commented_out_in_the_shipped_file_is_valid_too() {
    let text = include_str!("../config.toml");
    let settings = |line: &str| line.contains(" = ") || line.starts_with("[[");
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| settings(rest) && !rest.contains(": ")).unwrap_or(line)
        })
        .collect();
    let environment = [("WEBHOOK_SECRET", "a-secret-of-some-length"), ("CAMPANILE_OPS_KEY", "ops")];
    let config = read_with(&uncommented.join("\n"), &environment).unwrap();
    assert_eq!((config.events.webhooks.len(), config.keys.len()), (1, 1));
    assert_eq!(config.keys[0].token.0, "ops");
    assert!(config.delivery.ca_file.is_some());
}

#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    let text = "[server]\nlisten = \"nowhere\"\npublsh_api = true\n[delivery]\ntimeout = 5\n[[keys]]\nname = \"${MISSING}\"\ntoken = \"x y\"\n";
    let errors = read(text).unwrap_err();
    for wanted in [
        "config.toml:2:1: server.listen: must be an address",
        "config.toml:3:1: server.publsh_api: there is no such setting",
        "config.toml:5:1: delivery.timeout: must be a text in quotes",
        "config.toml:7:1: keys[0].name: the environment variable MISSING is not set",
        "config.toml:8:1: keys[0].token: must be",
        "keys[0].scopes: is needed",
    ] {
        assert!(errors.iter().any(|error| error.contains(wanted)), "{wanted}\n{}", errors.join("\n"));
    }
    assert!(read("[server").unwrap_err()[0].starts_with("config.toml:1:"));
}

#[test]
fn the_environment_wins_and_is_checked_like_the_file() {
    let config = read_with(
        "[server]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("CAMPANILE_SERVER__LISTEN", "127.0.0.1:2"),
            ("CAMPANILE_STORAGE__RETENTION__MAX_AGE", "1h"),
            ("CAMPANILE_DELIVERY__ALLOW_NETWORKS", "127.0.0.0/8, 10.0.0.0/8"),
            ("CAMPANILE_DELIVERY__ALLOW_HTTP", "true"),
            ("CAMPANILE_URL", "http://elsewhere"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.storage.max_age.as_secs(), 3600);
    assert_eq!(config.delivery.allow_networks.len(), 2);
    let errors = read_with("", &[("CAMPANILE_SERVER__LISTN", "x")]).unwrap_err();
    assert!(errors[0].contains("CAMPANILE_SERVER__LISTN"), "{errors:?}");
}

#[test]
fn a_default_in_a_variable_and_the_seed_s_section_are_understood() {
    let text = "[[events.webhooks]]\nurl = \"https://your-app.com/webhooks/acme\"\nevents = [\"pipeline.completed\", \"pipeline.failed\"]\nsecret = \"${NOT_SET:-a-secret-of-some-length}\"\nretry = true\n";
    let config = read(text).unwrap();
    let webhook = &config.events.webhooks[0];
    assert_eq!(webhook.secret.as_ref().unwrap().0, "a-secret-of-some-length");
    assert_eq!(webhook.events.len(), 2);
    assert!(!format!("{config:?}").contains("a-secret-of-some-length"), "secrets are not shown");
}
