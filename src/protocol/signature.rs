//! Signing deliveries, and checking signatures.
//!
//! Two signatures: Standard Webhooks (`webhook-signature`, over id, time and body) and the body-only one
//! (`X-Campanile-Signature`), which whoever saw it can replay: receivers should check the first.

use crate::time::UnixMillis;
use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Seconds that a delivery's time may be off.
pub const TOLERANCE_S: u64 = 300;

/// More signatures than this in one header are not looked at.
const MOST_SIGNATURES: usize = 16;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A secret ready to sign with.
#[derive(Clone)]
pub struct Signer {
    standard: Hmac<Sha256>,
    body_only: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// A signing secret in the clear, for signing only: never shown by `Debug`.
#[derive(Clone)]
pub struct LiveSecret {
    text: Zeroizing<String>,
    until: Option<UnixMillis>,
}

impl std::fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSecret").field("until", &self.until).finish_non_exhaustive()
    }
}

impl LiveSecret {
    /// A secret that signs until a time, when there is one.
    pub fn new(text: String, until: Option<UnixMillis>) -> Self {
        Self { text: Zeroizing::new(text), until }
    }

    /// As it was shown.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Until when it signs, when it has been rotated out.
    pub fn until(&self) -> Option<UnixMillis> {
        self.until
    }

    /// Whether it signs at a time.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Whether a text can be a signing secret: ASCII of 16 to 256 characters, or `whsec_` and 24 to 64 bytes in
/// base64 (Standard Webhooks).
pub fn check_secret(secret: &str) -> Result<(), String> {
    if let Some(encoded) = secret.strip_prefix("whsec_") {
        let bytes =
            BASE64_STANDARD.decode(encoded).map_err(|_| "what follows whsec_ is base64".to_owned())?;
        return if (24..=64).contains(&bytes.len()) {
            Ok(())
        } else {
            Err("whsec_ holds 24 to 64 bytes".to_owned())
        };
    }
    let fits = (16..=256).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err("16 to 256 visible ASCII characters, or whsec_ and base64".to_owned()) }
}

impl Signer {
    /// From a secret as it is shown. The key of the standard signature is what follows `whsec_`, decoded, or the
    /// bytes of a secret without that prefix; the body-only one is keyed by the bytes of the secret as shown.
    pub fn new(secret: &str) -> Self {
        let decoded = secret.strip_prefix("whsec_").and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        let key =
            |bytes: &[u8]| Hmac::<Sha256>::new_from_slice(bytes).expect("HMAC takes keys of any length");
        Self {
            standard: key(decoded.as_deref().unwrap_or(secret.as_bytes())),
            body_only: key(secret.as_bytes()),
        }
    }

    /// `v1,` and the base64 of the HMAC of `id.timestamp.body`.
    pub fn standard(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mac = self.standard.clone().chain_update(id).chain_update(format!(".{timestamp}."));
        let mut text = String::with_capacity(47);
        text.push_str("v1,");
        BASE64_STANDARD.encode_string(mac.chain_update(body).finalize().into_bytes(), &mut text);
        text
    }

    /// `sha256=` and the hexadecimal HMAC of the body.
    pub fn body_only(&self, body: &[u8]) -> String {
        let mac = self.body_only.clone().chain_update(body).finalize().into_bytes();
        let mut text = String::with_capacity(71);
        text.push_str("sha256=");
        for byte in mac {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(HEX[usize::from(digit)]));
            }
        }
        text
    }

    /// Whether a `webhook-signature` header holds a signature of this secret. `now` and `timestamp` are seconds
    /// since the epoch; compared in constant time.
    pub fn verify_standard(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: i64,
    ) -> bool {
        let digits =
            !timestamp.is_empty() && timestamp.len() <= 12 && timestamp.bytes().all(|b| b.is_ascii_digit());
        let Some(seconds) = timestamp.parse::<i64>().ok().filter(|_| digits && !id.contains('.')) else {
            return false;
        };
        let canonical = seconds.to_string() == timestamp;
        if !canonical || seconds.abs_diff(now) > TOLERANCE_S {
            return false;
        }
        signatures.split(' ').take(MOST_SIGNATURES).filter_map(|one| one.strip_prefix("v1,")).any(|encoded| {
            let mac = self.standard.clone().chain_update(id).chain_update(format!(".{timestamp}."));
            let given = BASE64_STANDARD.decode(encoded);
            given.is_ok_and(|given| mac.chain_update(body).verify_slice(&given).is_ok())
        })
    }

    /// Whether a body-only signature is one of this secret.
    pub fn verify_body_only(&self, signature: &str, body: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.body_only(body).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_standard_s_own_example_is_signed_as_it_says() {
        let signer = Signer::new(SECRET);
        let body = br#"{"test": 2432232314}"#;
        let signature = signer.standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn other_implementations_accept_what_is_signed() {
        let now = crate::clock::now().0 / 1000;
        let signature = Signer::new(SECRET).standard("evt_1", now, b"{}");
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", &now.to_string()),
            ("webhook-signature", &signature),
        ] {
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(b"{}", &headers).unwrap();
    }

    #[test]
    fn a_forged_stale_or_foreign_signature_is_refused() {
        let signer = Signer::new(SECRET);
        let good = signer.standard("a", 1000, b"{}");
        let check = |id: &str, time: &str, signatures: &str, body: &[u8]| {
            signer.verify_standard(id, time, signatures, body, 1100)
        };
        assert!(check("a", "1000", &good, b"{}"));
        assert!(check("a", "1000", &format!("v2,x v1,AAAA {good}"), b"{}"));
        for (id, time, signatures, body) in [
            ("a", "1000", "", &b"{}"[..]),
            ("a", "1000", "v1,", b"{}"),
            ("a", "1000", &good[..good.len() - 1], b"{}"),
            ("a", "1000", &good.replace("v1,", "v2,"), b"{}"),
            ("b", "1000", &good, b"{}"),
            ("a", "1001", &good, b"{}"),
            ("a", "+1000", &good, b"{}"),
            ("a", "01000", &good, b"{}"),
            ("a", "1000", &good, b"{} "),
            ("a", "99999999999999999999", &good, b"{}"),
        ] {
            assert!(!check(id, time, signatures, body), "{id} {time} {signatures}");
        }
        assert!(!signer.verify_standard("a", "1000", &good, b"{}", 1301));
        assert!(!signer.verify_standard("a", "1000", &good, b"{}", 699));
        let many = "v1,AAAA ".repeat(1000) + &good;
        assert!(!check("a", "1000", &many, b"{}"));
    }

    #[test]
    fn the_body_only_signature_is_the_seed_s() {
        let signer = Signer::new("it's a secret to everybody");
        let signature = signer.body_only(b"Hello, World!");
        assert!(signature.starts_with("sha256=") && signature.len() == 71);
        assert!(signer.verify_body_only(&signature, b"Hello, World!"));
        assert!(!signer.verify_body_only(&signature.to_uppercase(), b"Hello, World!"));
    }

    #[test]
    fn secrets_have_their_lengths() {
        assert!(check_secret(SECRET).is_ok());
        assert!(check_secret("a-plain-secret-of-some-length").is_ok());
        for bad in [
            "short",
            "whsec_",
            "whsec_!!!",
            "whsec_AAAA",
            "with a space in it, long enough",
            "ééééééééééééééééé",
        ] {
            assert!(check_secret(bad).is_err(), "{bad}");
        }
    }
}
