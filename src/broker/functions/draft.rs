//! What a caller may say about an app or a function, and the rules of each member.

use crate::broker::destinations::draft::{read_schedule, read_url};
use crate::broker::fields::Fields;
use crate::config::DeliveryConfig;
use crate::model::Violation;
use crate::webhook::signature;
use serde_json::{Map, Value};

/// The longest time that a call may take, in milliseconds.
const LONGEST_TIMEOUT_MS: u64 = 3_600_000;

/// Members of an app as a caller gave them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AppDraft {
    pub(super) slug: Option<String>,
    pub(super) name: Option<String>,
}

impl AppDraft {
    pub(super) fn read(body: Map<String, Value>) -> Result<Self, Vec<Violation>> {
        let mut fields = Fields::of(body, "");
        let draft = Self { slug: fields.read("slug", read_slug), name: read_name(&mut fields) };
        refuse_read_only(&mut fields, &["id", "created_at", "updated_at"]);
        finished(fields, draft)
    }
}

/// Members of a function as a caller gave them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FunctionDraft {
    pub(super) name: Option<String>,
    pub(super) slug: Option<String>,
    /// The slug of its app.
    pub(super) app: Option<String>,
    pub(super) url: Option<String>,
    /// Given: a secret, or `None` for unsigned.
    pub(super) secret: Option<Option<String>>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) retry_enabled: Option<bool>,
    pub(super) schedule_s: Option<Vec<u64>>,
}

impl FunctionDraft {
    pub(super) fn read(
        body: Map<String, Value>,
        is_new: bool,
        config: &DeliveryConfig,
    ) -> Result<Self, Vec<Violation>> {
        let mut fields = Fields::of(body, "");
        let mut draft = Self {
            name: read_name(&mut fields),
            slug: fields.read("slug", read_slug),
            app: fields.read("app", read_app).or_else(|| fields.read("app_slug", read_slug)),
            url: read_url(&mut fields, config),
            timeout_ms: fields.whole("timeout_ms", 1..=LONGEST_TIMEOUT_MS),
            ..Self::default()
        };
        if let Some(retry) = fields.take("retry") {
            draft.read_retry(retry, &mut fields);
        }
        if is_new {
            draft.secret = fields.read("secret", |value| match value {
                Value::Null => Ok(None),
                Value::String(secret) => signature::check_secret(secret).map(|()| Some(secret.clone())),
                _ => Err("a string, or null for unsigned calls".to_owned()),
            });
            for (name, is_given) in [("name", draft.name.is_some()), ("url", draft.url.is_some())] {
                let pointer = format!("/{name}");
                if !is_given && fields.violations.iter().all(|violation| violation.pointer != pointer) {
                    fields.refuse(name, "is required");
                }
            }
        } else if fields.take("secret").is_some() {
            fields.refuse("secret", "can only be given on creation");
        }
        refuse_read_only(&mut fields, &["id", "kind", "created_at", "updated_at"]);
        finished(fields, draft)
    }

    fn read_retry(&mut self, retry: Value, fields: &mut Fields) {
        let Value::Object(members) = retry else {
            return fields.refuse("retry", "an object with enabled and schedule_s");
        };
        let mut retry = Fields::of(members, "/retry");
        self.retry_enabled = retry.flag("enabled");
        self.schedule_s = retry.read("schedule_s", read_schedule);
        fields.violations.extend(retry.finish());
    }
}

fn finished<T>(fields: Fields, draft: T) -> Result<T, Vec<Violation>> {
    let violations = fields.finish();
    if violations.is_empty() { Ok(draft) } else { Err(violations) }
}

fn refuse_read_only(fields: &mut Fields, names: &[&str]) {
    for name in names {
        if fields.take(name).is_some() {
            fields.refuse(name, "read-only");
        }
    }
}

fn read_name(fields: &mut Fields) -> Option<String> {
    fields.read("name", |value| {
        let name = value.as_str().filter(|name| (1..=100).contains(&name.chars().count()));
        let name = name.filter(|name| !name.chars().any(char::is_control) && !name.trim().is_empty());
        name.map(str::to_owned).ok_or_else(|| "1 to 100 characters without control characters".to_owned())
    })
}

/// An app by its slug, alone or as the app's own object.
fn read_app(value: &Value) -> Result<String, String> {
    read_slug(value.get("slug").unwrap_or(value))
}

fn read_slug(value: &Value) -> Result<String, String> {
    let slug = value.as_str().filter(|slug| is_slug(slug));
    slug.map(str::to_owned).ok_or_else(|| "1 to 64 of a-z, 0-9 and -".to_owned())
}

pub(super) fn is_slug(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// A slug made of a name: its letters and digits, with dashes between.
pub(super) fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        match character.to_ascii_lowercase() {
            plain if plain.is_ascii_alphanumeric() => slug.push(plain),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(64);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_slug() {
        assert_eq!(slug_of("Validate User Data"), "validate-user-data");
        assert_eq!(slug_of("  Ünïcode & more! "), "n-code-more");
        assert_eq!(slug_of("???"), "");
        assert!(is_slug(&slug_of(&"x y".repeat(60))));
    }
}
