//! The master key and what is derived from it: hashes of API keys, encryption of signing secrets.
//!
//! Nothing here is ever shown by `Debug`, logged or put into an error.

use crate::clock;
use crate::model::KeyHash;
use base64::prelude::{BASE64_STANDARD, Engine};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Names the environment variable that holds the master key: 64 hexadecimal digits.
pub const MASTER_KEY_VARIABLE: &str = "CAMPANILE_SECRET_KEY";

const KEY_FILE: &str = "secret.key";
const NONCE_BYTES: usize = 24;

/// Hashes API keys and seals signing secrets with keys derived from one master key.
#[derive(Clone)]
pub struct Secrets {
    keys: Hmac<Sha256>,
    seal: XChaCha20Poly1305,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// Why there is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or made.
    #[error("the master key {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("the master key {0} can be read by others: chmod 600 it")]
    Permissions(PathBuf),
    /// It is not 64 hexadecimal digits.
    #[error("the master key from {0} is not 64 hexadecimal digits")]
    Malformed(String),
}

/// A sealed secret that does not open: the master key is another one, or the record was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be decrypted with this master key")]
pub struct Unsealable;

impl Secrets {
    /// Takes the master key from the environment, else from `secret.key` in `folder`, which is made when it
    /// is not there (readable by its owner only).
    pub fn load(folder: &Path) -> Result<Self, SecretsError> {
        let (text, origin) = match std::env::var(MASTER_KEY_VARIABLE) {
            Ok(text) => (Zeroizing::new(text), MASTER_KEY_VARIABLE.to_owned()),
            Err(_) => (read_or_make(&folder.join(KEY_FILE))?, folder.join(KEY_FILE).display().to_string()),
        };
        let master = from_hex(text.trim()).ok_or(SecretsError::Malformed(origin))?;
        Ok(Self::from_master(&master))
    }

    /// From a master key in hand.
    pub fn from_master(master: &[u8; 32]) -> Self {
        let derive = |purpose: &[u8]| -> Zeroizing<[u8; 32]> {
            Zeroizing::new(mac(master).chain_update(purpose).finalize().into_bytes().into())
        };
        let keys = derive(b"campanile api keys v1");
        let seal = derive(b"campanile signing secrets v1");
        Self { keys: mac(&*keys), seal: XChaCha20Poly1305::new((&*seal).into()) }
    }

    /// The keyed hash under which an API key is stored.
    pub fn hash_key(&self, token: &str) -> KeyHash {
        KeyHash(self.keys.clone().chain_update(token.as_bytes()).finalize().into_bytes().into())
    }

    /// Binds the digest of a request to this broker: what was in the request cannot be guessed from what is kept.
    pub fn bind(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.keys.clone().chain_update(b"request\0").chain_update(digest).finalize().into_bytes().into()
    }

    /// Encrypts a signing secret for the record named `owner`; it opens for no other record.
    pub fn seal(&self, secret: &str, owner: &str) -> String {
        let nonce: [u8; NONCE_BYTES] = clock::random();
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        let sealed = self.seal.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a short text can be encrypted");
        BASE64_STANDARD.encode([&nonce[..], &sealed].concat())
    }

    /// Decrypts what [`Secrets::seal`] made for `owner`.
    pub fn open(&self, sealed: &str, owner: &str) -> Result<String, Unsealable> {
        let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| Unsealable)?;
        let (nonce, message) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(Unsealable)?;
        let payload = Payload { msg: message, aad: owner.as_bytes() };
        let secret = self.seal.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unsealable)?;
        String::from_utf8(secret).map_err(|_| Unsealable)
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn read_or_make(path: &Path) -> Result<Zeroizing<String>, SecretsError> {
    let failed = |source| SecretsError::File { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(SecretsError::Permissions(path.to_owned()));
            }
            Ok(Zeroizing::new(text))
        }
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => make(path).map_err(failed),
        Err(other) => Err(failed(other)),
    }
}

/// Writes a new key under another name first, so that a crash leaves a whole file or none.
fn make(path: &Path) -> io::Result<Zeroizing<String>> {
    let text = Zeroizing::new(to_hex(&clock::random::<32>()));
    let unfinished = path.with_extension("key.new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(text)
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Makes an API key: `cmp_`, 37 random base62 characters and 6 that are a checksum of them, so that secret
/// scanners recognise one without asking anybody.
pub fn new_api_key() -> String {
    let mut text = String::with_capacity(47);
    while text.len() < 37 {
        // Values above the largest multiple of 62 would favour the first letters.
        let usable = clock::random::<64>().into_iter().filter(|byte| *byte < 248);
        text.extend(usable.take(37 - text.len()).map(|byte| char::from(BASE62[usize::from(byte % 62)])));
    }
    let checksum = key_checksum(&text);
    format!("cmp_{text}{checksum}")
}

/// Whether a text has the form and the checksum of [`new_api_key`].
pub fn is_api_key(text: &str) -> bool {
    let Some(body) = text.strip_prefix("cmp_") else {
        return false;
    };
    body.len() == 43 && body.is_ascii() && key_checksum(&body[..37]) == body[37..]
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 of the random part, six base62 digits.
fn key_checksum(random_part: &str) -> String {
    let mut rest = crc32fast::hash(random_part.as_bytes()) as usize;
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_for_its_record_and_key_only() {
        let secrets = Secrets::from_master(&[7; 32]);
        let sealed = secrets.seal("whsec_abc", "dst_1");
        assert_eq!(secrets.open(&sealed, "dst_1").unwrap(), "whsec_abc");
        assert_eq!(secrets.open(&sealed, "dst_2"), Err(Unsealable));
        assert_eq!(Secrets::from_master(&[8; 32]).open(&sealed, "dst_1"), Err(Unsealable));
        assert_ne!(sealed, secrets.seal("whsec_abc", "dst_1"));
        assert_eq!(secrets.open("AAAA", "dst_1"), Err(Unsealable));
    }

    #[test]
    fn the_master_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::load(folder.path()).unwrap();
        let again = Secrets::load(folder.path()).unwrap();
        assert_eq!(first.hash_key("k"), again.hash_key("k"));
        let path = folder.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secrets::load(folder.path()), Err(SecretsError::Permissions(_))));
    }

    #[test]
    fn a_made_key_is_recognised_and_a_mistyped_one_is_not() {
        let key = new_api_key();
        assert_eq!(key.len(), 47);
        assert!(is_api_key(&key));
        let mistyped = if key.ends_with('0') { key.replace('0', "1") } else { format!("{}0", &key[..46]) };
        assert!(!is_api_key(&mistyped));
        assert_ne!(new_api_key(), key);
    }
}
