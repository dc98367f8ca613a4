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
        "config.toml:6:1: keys[0].scopes: is needed",
    ] {
        assert!(errors.iter().any(|error| error.contains(wanted)), "{wanted}\n{}", errors.join("\n"));
    }
    assert!(read("[server").unwrap_err()[0].starts_with("config.toml:1:"));
}

#[test]
fn a_declared_filter_is_compiled_and_a_bad_one_is_named() {
    let text = "[[events.webhooks]]\nurl = \"https://example.com/\"\nfilter = 'data.rows > 5'\n";
    let filter = read(text).unwrap().events.webhooks[0].filter.clone();
    assert_eq!(filter.unwrap().as_str(), "data.rows > 5");
    let errors = read(&text.replace("data.rows > 5", "data.rows >")).unwrap_err();
    let wanted = "config.toml:3:1: events.webhooks[0].filter: must be an expression; line 1, column 12:";
    assert!(errors[0].contains(wanted), "{errors:?}");
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

/// The settings of a config, by the names of the structures that hold them.
fn settings_of(config: &Config) -> Vec<String> {
    let shown = format!("{config:#?}");
    let (mut open, mut names) = (Vec::new(), Vec::new());
    for line in shown.lines().map(str::trim) {
        if line.starts_with(['}', ']', ')']) {
            open.pop();
            continue;
        }
        let (name, value) = line.split_once(": ").unwrap_or(("", line));
        let is_section = value.ends_with("Config {");
        if !is_section && open.last().is_some_and(|holder: &String| holder.ends_with("Config")) {
            names.push(name.to_owned());
        }
        if value.ends_with(['{', '[', '(']) {
            open.push(value.trim_end_matches([' ', '{', '[', '(']).to_owned());
        }
    }
    names
}

#[test]
fn every_setting_is_in_the_shipped_file() {
    let text = include_str!("../config.toml");
    let lists = "[[events.webhooks]]\nurl = \"https://a.example\"\n[[keys]]\nname = \"a\"\ntoken = \"a\"\nscopes = [\"admin\"]\n";
    let names = settings_of(&read(lists).unwrap());
    assert!(names.len() > 45 && names.contains(&"expires_at".to_owned()), "{names:?}");
    for name in names.iter().filter(|name| !["keys", "webhooks"].contains(&name.as_str())) {
        let shown = text.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{name} = ")) || line.contains(&format!(" {name} = "))
        });
        assert!(shown, "config.toml does not show {name}");
    }
}

#[test]
fn every_setting_of_the_shipped_file_can_be_changed_there_and_in_the_environment() {
    let (mut section, mut changed) = ("", 0);
    for line in include_str!("../config.toml").lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let Some((name, value)) = line.split('#').next().unwrap().trim_end().split_once(" = ") else {
            continue;
        };
        if name == "retention" {
            continue;
        }
        let other = other_than(name, value);
        let in_file = read(&format!("[{section}]\n{name} = {other}\n")).unwrap();
        assert_ne!(in_file, Config::default(), "{section}.{name}");
        let variable = format!("CAMPANILE_{}__{}", section.to_uppercase(), name.to_uppercase());
        let loose = other.replace(['"', '[', ']'], "");
        assert_eq!(read_with("", &[(&variable, &loose)]).unwrap(), in_file, "{variable}");
        changed += 1;
    }
    assert!(changed > 30, "{changed}");
    for retention in ["max_age = \"1d\"", "max_bytes = \"1GiB\""] {
        assert_ne!(read(&format!("[storage]\nretention = {{ {retention} }}")).unwrap(), Config::default());
    }
}

/// Another valid value of the same kind.
fn other_than(name: &str, value: &str) -> String {
    match (name, value) {
        ("allow_networks", _) => "[\"127.0.0.0/8\"]".to_owned(),
        ("catalogs", _) => "[\"acme\"]".to_owned(),
        ("cors_origins", _) => "[\"https://app.example.com\"]".to_owned(),
        (_, "true") => "false".to_owned(),
        (_, "false") => "true".to_owned(),
        (_, number) if number.chars().all(|c| c.is_ascii_digit()) => {
            (number.parse::<u64>().unwrap() + 1).to_string()
        }
        ("path", _) => "\"elsewhere\"".to_owned(),
        _ => {
            let at = value.find(|c: char| c.is_ascii_digit()).unwrap();
            let digit = if value[at..].starts_with('2') { "3" } else { "2" };
            format!("{}{digit}{}", &value[..at], &value[at + 1..])
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused_and_said_once() {
    for (text, wanted) in [
        ("[server]\n\"\" = 1\n", "config.toml:2:1: server.\"\": there is no such setting"),
        ("[storage]\npath = \"${A\"\n", "config.toml:2:1: storage.path: a ${ has no }"),
        ("[storage]\npath = \"${A B}\"\n", "config.toml:2:1: storage.path: between ${ and } must be"),
        (
            "[storage]\npath = \"${A}\"\n",
            "config.toml:2:1: storage.path: the environment variable A is not set",
        ),
        ("[storage]\npath = \"\"\n", "config.toml:2:1: storage.path: must be a path"),
        ("[delivery]\nschedule = [\"${A}\"]\n", "config.toml:2:13: delivery.schedule[0]: the environment"),
        ("[delivery]\ntimeout = \"40000d\"\n", "config.toml:2:1: delivery.timeout: must be a duration"),
        (
            "[delivery]\nmax_in_flight = 10001\n",
            "config.toml:2:1: delivery.max_in_flight: must be a whole number",
        ),
        ("[server]\nbody_timeout = \"0s\"\n", "config.toml:2:1: server.body_timeout: must be longer"),
        (
            "[server]\ncors_origins = [\"https://a.example/\"]\n",
            "config.toml:2:1: server.cors_origins: must be",
        ),
    ] {
        let errors = read(text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(wanted), "{wanted}\n{}", errors[0]);
    }
}

#[test]
fn keys_have_names_and_tokens_of_their_own() {
    let key = |name: &str, token: &str| {
        format!("[[keys]]\nname = \"{name}\"\ntoken = \"{token}\"\nscopes = [\"admin\"]\n")
    };
    let errors =
        read(&[key("a", "the-secret"), key("a", "other"), key("b", "the-secret")].join("")).unwrap_err();
    let wanted = [
        "config.toml:6:1: keys[1].name: must be a name that no other key has",
        "config.toml:11:1: keys[2].token: must be a token that no other key has",
    ];
    assert_eq!(errors, wanted);
}

#[test]
fn a_default_stands_in_for_an_empty_variable_too() {
    let text = "[storage]\npath = \"${FOLDER:-kept}/${NAME}\"\n";
    let path = |environment: &[(&str, &str)]| read_with(text, environment).unwrap().storage.path;
    assert_eq!(path(&[("NAME", "x")]).to_str(), Some("kept/x"));
    assert_eq!(path(&[("FOLDER", ""), ("NAME", "x")]).to_str(), Some("kept/x"));
    assert_eq!(path(&[("FOLDER", "there"), ("NAME", "")]).to_str(), Some("there/"));
}
