//! Another signing secret for a destination, with an overlap in which the earlier ones sign too.
//!
//! What must hold: the new secret is durable before anybody sees it; a delivery is signed with every secret that is
//! live when it is sent, the current one first; an overlap that is asked for ends every earlier one that is longer.

use super::{ManageError, new_signing_secret, open_secrets, sealed};
use crate::broker::Broker;
use crate::broker::fields::Fields;
use crate::clock;
use crate::delivery::lifecycle::{self, Request};
use crate::model::{Destination, DestinationId, SealedSecret, TenantId, Timestamp, UnixMillis, Violation};
use crate::secrets::Secrets;
use crate::webhook::signature;
use serde_json::{Map, Value};
use std::sync::Arc;

/// How long the earlier secrets go on to sign when nothing else is asked for, and at most.
const OVERLAP_S: u64 = 24 * 3600;
const LONGEST_OVERLAP_S: u64 = 30 * 24 * 3600;

/// Secrets that sign beside the current one: each adds a signature to every delivery.
const MOST_OVERLAPPING: usize = 4;

/// A destination with a new secret, and the only sight of it.
#[derive(Clone)]
pub struct Rotated {
    /// The destination.
    pub destination: Arc<Destination>,
    /// The secret that it has now.
    pub secret: String,
    /// Until when an earlier one signs too; `None` when none does.
    pub overlap_until: Option<Timestamp>,
}

impl std::fmt::Debug for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotated").field("destination", &self.destination.id).finish_non_exhaustive()
    }
}

/// What a caller may say.
struct Wish {
    overlap_s: u64,
    secret: Option<String>,
}

impl Wish {
    fn read(body: Map<String, Value>) -> Result<Self, Vec<Violation>> {
        let mut fields = Fields::of(body, "");
        let overlap_s = fields.whole("overlap_s", 0..=LONGEST_OVERLAP_S).unwrap_or(OVERLAP_S);
        let secret = fields.read("secret", |value| {
            let secret = value.as_str().ok_or("a string; left out, one is made")?;
            signature::check_secret(secret).map(|()| secret.to_owned())
        });
        let violations = fields.finish();
        if violations.is_empty() { Ok(Self { overlap_s, secret }) } else { Err(violations) }
    }
}

impl Broker {
    /// Gives a destination another signing secret, made or given. The earlier ones sign too until the overlap is over.
    pub async fn rotate_secret(
        &self,
        tenant: TenantId,
        id: DestinationId,
        body: Map<String, Value>,
    ) -> Result<Rotated, ManageError> {
        let wish = Wish::read(body);
        let _one_at_a_time = self.0.life.managing().await;
        let current = self.destination(tenant, id)?;
        let Wish { overlap_s, secret } = wish.map_err(ManageError::Invalid)?;
        if current.declared {
            return Err(ManageError::Declared);
        }
        let (secret, now) = (secret.unwrap_or_else(new_signing_secret), clock::now());
        let overlap_until = now.plus(overlap_s * 1000);
        let mut rotated = (*current).clone();
        rotated.secrets = rotate(self.secrets(), &current, &secret, overlap_until, now)?;
        let overlap_until = rotated.secrets.iter().filter_map(|one| one.expires_at).max();
        let request = Request::Become(Box::new(rotated));
        let destination = match lifecycle::change(&current, request, Timestamp::from(now))? {
            Some(changed) => self.0.life.put(&current, changed, None, Vec::new()).await?,
            None => current,
        };
        Ok(Rotated { destination, secret, overlap_until })
    }
}

/// The secrets of a destination from now on.
fn rotate(
    secrets: &Secrets,
    current: &Destination,
    secret: &str,
    overlap_until: UnixMillis,
    now: UnixMillis,
) -> Result<Vec<SealedSecret>, ManageError> {
    let texts = open_secrets(secrets, current);
    if texts.first().is_some_and(|one| one.text() == secret) {
        let violation = Violation::new("/secret", "this is its secret already");
        return Err(ManageError::Invalid(vec![violation]));
    }
    let mut next = vec![sealed(secrets, current.id, secret)];
    for earlier in &current.secrets {
        let expires_at = earlier.expires_at.unwrap_or(Timestamp::from(overlap_until));
        let expires_at = expires_at.min(Timestamp::from(overlap_until));
        // One that comes back is current, and signs once.
        let comes_back =
            secrets.open(&earlier.sealed, &current.id.to_string()).is_ok_and(|text| text == secret);
        if expires_at > Timestamp::from(now) && !comes_back {
            next.push(SealedSecret { expires_at: Some(expires_at), ..earlier.clone() });
        }
    }
    if next.len() > MOST_OVERLAPPING + 1 {
        return Err(ManageError::TooManySecrets(MOST_OVERLAPPING));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::destinations::blank;
    use crate::config::DeliveryConfig;
    use crate::model::Sequence;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn signed(texts: &[&str]) -> (Secrets, Destination) {
        let secrets = Secrets::from_master(&[7; 32]);
        let mut one = blank(DestinationId(1), TenantId(1), Sequence::ZERO, NOW, &DeliveryConfig::default());
        for text in texts {
            one.secrets = rotate(&secrets, &one, text, NOW.plus(5000), NOW).unwrap();
        }
        (secrets, one)
    }

    fn lives(secrets: &Secrets, one: &Destination) -> Vec<(String, Option<i64>)> {
        let until = |secret: &signature::LiveSecret| secret.until().map(|until| until.0 - NOW.0);
        open_secrets(secrets, one).iter().map(|live| (live.text().to_owned(), until(live))).collect()
    }

    #[test]
    fn earlier_secrets_stay_for_their_overlap_and_no_longer_than_a_later_one_says() {
        let (secrets, mut one) = signed(&["the-first-of-secrets", "the-second-of-secrets"]);
        let shown = lives(&secrets, &one);
        assert_eq!(shown[0], ("the-second-of-secrets".to_owned(), None));
        assert_eq!(shown[1], ("the-first-of-secrets".to_owned(), Some(5000)));
        one.secrets = rotate(&secrets, &one, "the-third-of-secrets", NOW.plus(2000), NOW).unwrap();
        let until: Vec<_> = lives(&secrets, &one).into_iter().map(|(_, until)| until).collect();
        assert_eq!(until, [None, Some(2000), Some(2000)]);
        one.secrets =
            rotate(&secrets, &one, "the-fourth-of-secrets", NOW.plus(60_000), NOW.plus(2000)).unwrap();
        let texts: Vec<_> = lives(&secrets, &one).into_iter().map(|(text, _)| text).collect();
        assert_eq!(texts, ["the-fourth-of-secrets", "the-third-of-secrets"], "what is over is gone");
        one.secrets = rotate(&secrets, &one, "the-fifth-of-secrets", NOW.plus(3000), NOW.plus(3000)).unwrap();
        assert_eq!(one.secrets.len(), 1, "an overlap of nothing ends all");
    }

    #[test]
    fn a_secret_comes_back_once_and_the_current_one_is_no_new_one() {
        let (secrets, one) = signed(&["the-first-of-secrets", "the-second-of-secrets"]);
        let again = rotate(&secrets, &one, "the-second-of-secrets", NOW.plus(1), NOW);
        assert!(matches!(again, Err(ManageError::Invalid(_))), "{again:?}");
        let back = rotate(&secrets, &one, "the-first-of-secrets", NOW.plus(9000), NOW).unwrap();
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn signatures_are_bounded() {
        let texts: Vec<String> = (0..=MOST_OVERLAPPING).map(|n| format!("secret-number-{n:05}")).collect();
        let (secrets, one) = signed(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let more = rotate(&secrets, &one, "one-secret-too-many", NOW.plus(5000), NOW);
        assert!(matches!(more, Err(ManageError::TooManySecrets(_))), "{more:?}");
        assert_eq!(rotate(&secrets, &one, "one-secret-too-many", NOW, NOW).unwrap().len(), 1);
    }
}
