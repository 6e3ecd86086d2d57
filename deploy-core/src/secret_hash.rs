//! Keyed hashes of secrets: they tell that two releases were given different values, and nothing else.
//!
//! Equal values under one name have equal hashes, so two deployments can be compared long after their values are gone.
//! Without the key a hash says nothing, however few values there could have been. Hashes under different keys are
//! never compared: each names its key.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What every hash begins with: how it was made.
const LABEL: &str = "hmac-sha256-128";
/// Bytes of a hash that are kept. Two values that meet by chance need some 2^64 others before them.
const HASH_BYTES: usize = 16;
/// Bytes that name a key. They are made with the key and tell nothing of it.
const KEY_BYTES: usize = 4;

/// The key of an installation. It is never shown, and not part of any record.
#[derive(Clone)]
pub struct SecretKey {
    mac: Hmac<Sha256>,
    name: String,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.name).finish()
    }
}

impl SecretKey {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mac = Hmac::new_from_slice(bytes).expect("a key of any length is one");
        // No secret has an empty name, so the hash of nothing is nobody's.
        let name = hex(&mac.clone().finalize().into_bytes()[..KEY_BYTES]);
        Self { mac, name }
    }

    /// The hash of a secret: of its name too, so that two secrets of one value are not seen to be the same.
    #[must_use]
    pub fn hash(&self, name: &str, value: &str) -> SecretHash {
        // No name holds a NUL, so no other pair of a name and a value reads the same.
        let mac = self.mac.clone().chain_update(name).chain_update([0]).chain_update(value);
        SecretHash { key: self.name.clone(), hash: hex(&mac.finalize().into_bytes()[..HASH_BYTES]) }
    }
}

/// What is recorded of a secret: `hmac-sha256-128:KEY:HASH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHash {
    key: String,
    hash: String,
}

impl SecretHash {
    /// Whether two hashes are of the same value; `None` when they were made under different keys.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> Option<bool> {
        (self.key == other.key).then(|| self.hash == other.hash)
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}:{}:{}", self.key, self.hash)
    }
}

impl FromStr for SecretHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (label, key, hash) = (parts.next(), parts.next(), parts.next());
        match (label, key, hash, parts.next()) {
            (Some(LABEL), Some(key), Some(hash), None)
                if is_hex(key, KEY_BYTES) && is_hex(hash, HASH_BYTES) =>
            {
                Ok(Self { key: key.to_owned(), hash: hash.to_owned() })
            }
            (Some(_) | None, Some(_) | None, Some(_) | None, Some(_) | None) => {
                Err("not a keyed hash of this kind")
            }
        }
    }
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == bytes * 2 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Equal values have equal hashes and others have others, whatever name and value look like.
        #[test]
        fn inv_36_values_are_equal_exactly_when_their_hashes_are(
            key in any::<[u8; 32]>(),
            name in "[A-Z_]{1,4}",
            (one, other) in prop_oneof!["\\PC{0,6}", "[a-b]{0,2}"].prop_flat_map(|one| {
                let same = one.clone();
                (Just(one), prop_oneof![Just(same), "[a-b]{0,2}".boxed()])
            }),
        ) {
            let key = SecretKey::new(&key);
            let (first, second) = (key.hash(&name, &one), key.hash(&name, &other));
            prop_assert_eq!(first.same_value(&second), Some(one == other));
            prop_assert_eq!(first.to_string().parse(), Ok(first));
        }

        /// Nobody finds a value of four digits by trying them all, who has the record and not the key; and two
        /// secrets of one value are not seen to be the same.
        #[test]
        fn inv_36_a_value_that_can_be_guessed_can_not_be_guessed_from_the_record(
            bytes in any::<[u8; 32]>(), pin in 0..10_000_u16, guessed in any::<[u8; 32]>(),
        ) {
            prop_assume!(bytes != guessed);
            let (key, guessed) = (SecretKey::new(&bytes), SecretKey::new(&guessed));
            let recorded = key.hash("PIN", &format!("{pin:04}"));
            let found = (0..10_000_u16).any(|guess| {
                let guess = format!("{guess:04}");
                let plain = hex(&<Sha256 as sha2::Digest>::digest(format!("PIN\0{guess}")));
                guessed.hash("PIN", &guess).hash == recorded.hash || plain.starts_with(&recorded.hash)
            });
            prop_assert!(!found);
            prop_assert_eq!(key.hash("OTHER", &format!("{pin:04}")).same_value(&recorded), Some(false));
        }
    }

    #[test]
    fn inv_36_a_key_is_not_shown_and_hashes_of_two_keys_say_nothing() {
        let (key, other) = (SecretKey::new(&[7; 32]), SecretKey::new(&[8; 32]));
        assert!(!format!("{key:?}").contains("7, 7") && !format!("{key:?}").contains("0707"));
        assert_eq!(key.hash("TOKEN", "x").same_value(&other.hash("TOKEN", "x")), None);
        assert!("hmac-sha256-128:00000000:xyz".parse::<SecretHash>().is_err());
        assert!("sha256:00000000:00000000000000000000000000000000".parse::<SecretHash>().is_err());
    }
}
