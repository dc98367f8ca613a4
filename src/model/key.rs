//! Who may do what: tenants, API keys and their scopes.

use super::{KeyId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A tenant: sees its own events, destinations and keys and nothing of another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its number in the log.
    pub number: TenantId,
    /// Its name in the API and the config, unique, `[a-z0-9-]{1,64}`.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One thing a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Read events: poll, stream, tickets.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Publish events. Part of no other scope.
    #[serde(rename = "events:publish")]
    EventsPublish,
    /// See destinations and their deliveries.
    #[serde(rename = "destinations:read")]
    DestinationsRead,
    /// Change destinations.
    #[serde(rename = "destinations:write")]
    DestinationsWrite,
    /// See functions and their invocations.
    #[serde(rename = "functions:read")]
    FunctionsRead,
    /// Change functions.
    #[serde(rename = "functions:write")]
    FunctionsWrite,
    /// Everything in its tenant but publishing, and the tenant's keys.
    #[serde(rename = "admin")]
    Admin,
    /// Every tenant.
    #[serde(rename = "operator")]
    Operator,
}

impl Scope {
    /// Every scope with its name in the API.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::EventsRead, "events:read"),
        (Self::EventsPublish, "events:publish"),
        (Self::DestinationsRead, "destinations:read"),
        (Self::DestinationsWrite, "destinations:write"),
        (Self::FunctionsRead, "functions:read"),
        (Self::FunctionsWrite, "functions:write"),
        (Self::Admin, "admin"),
        (Self::Operator, "operator"),
    ];

    /// Reads a scope's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(scope, _)| *scope)
    }

    /// The scope's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(pub Vec<Scope>);

impl Scopes {
    /// Whether `scope` is granted, by itself or by a wider one. Publishing is granted by nothing but itself.
    pub fn allow(&self, scope: Scope) -> bool {
        let has = |wanted| self.0.contains(&wanted);
        match scope {
            Scope::EventsPublish | Scope::Operator => has(scope),
            _ => has(scope) || has(Scope::Admin) || has(Scope::Operator),
        }
    }
}

/// The keyed hash of an API key: all that is stored of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id, safe to show.
    pub id: KeyId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// How it is recognised.
    pub hash: KeyHash,
    /// Its first characters, so that a person can tell keys apart.
    pub hint: String,
    /// Declared in the config: gone when it is no longer there, and not deletable through the API.
    pub declared: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_is_granted_by_no_other_scope() {
        let admin = Scopes(vec![Scope::Admin, Scope::Operator]);
        assert!(!admin.allow(Scope::EventsPublish));
        assert!(admin.allow(Scope::EventsRead));
        assert!(Scopes(vec![Scope::EventsPublish]).allow(Scope::EventsPublish));
        assert!(!Scopes(vec![Scope::Admin]).allow(Scope::Operator));
        assert!(!Scopes(vec![Scope::EventsRead]).allow(Scope::DestinationsRead));
    }

    #[test]
    fn scope_names_read_back() {
        for (scope, name) in Scope::ALL {
            assert_eq!(Scope::parse(name), Some(scope));
            assert_eq!(serde_json::to_string(&scope).unwrap(), format!("{name:?}"));
        }
    }
}
