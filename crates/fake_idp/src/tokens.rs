//! The tokens that were given out.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// One token that was given out. Times are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Counted from 1.
    pub serial: usize,
    pub text: String,
    pub at: Duration,
    /// `None` for a token that never ends.
    pub expires: Option<Duration>,
    pub revoked: bool,
    pub scopes: Vec<String>,
    pub organization: Option<String>,
}

/// Why a credential is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    Missing,
    Malformed,
    Unknown,
    Expired,
    Revoked,
}

/// What a new token may do, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    pub scopes: Vec<String>,
    pub organization: Option<String>,
    pub lifetime: Option<Duration>,
}

/// The refresh tokens of one sign-in. A used one that comes again is taken for stolen, and ends them all.
#[derive(Debug, Default)]
pub struct Families {
    /// The family of each refresh token, and whether it was used.
    tokens: HashMap<String, (usize, bool)>,
    revoked: Vec<bool>,
}

// === impl Families ===

impl Families {
    /// A first refresh token.
    pub fn begin(&mut self) -> String {
        self.revoked.push(false);
        self.next(self.revoked.len() - 1)
    }

    fn next(&mut self, family: usize) -> String {
        let text = format!("rt_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()));
        self.tokens.insert(text.clone(), (family, false));
        text
    }

    /// Uses a refresh token, and gives the next one.
    pub fn rotate(&mut self, text: &str) -> Option<String> {
        let (family, used) = self.tokens.get_mut(text)?;
        let family = *family;
        if std::mem::replace(used, true) {
            self.revoked[family] = true;
        }
        (!self.revoked[family]).then(|| self.next(family))
    }

    pub fn revoke(&mut self) {
        self.revoked.fill(true);
    }

    pub fn revoked(&self) -> usize {
        self.revoked.iter().filter(|revoked| **revoked).count()
    }
}

/// All tokens, in the order of their issue.
#[derive(Debug, Default)]
pub struct Tokens {
    issued: Vec<Issued>,
    by_text: HashMap<String, usize>,
}

// === impl Tokens ===

impl Tokens {
    /// Takes note of a token that begins at `now`.
    pub fn issue(&mut self, text: String, grant: Grant, now: Duration) -> &Issued {
        let index = self.issued.len();
        self.by_text.insert(text.clone(), index);
        self.issued.push(Issued {
            serial: index + 1,
            text,
            at: now,
            expires: grant.lifetime.map(|lifetime| now + lifetime),
            revoked: false,
            scopes: grant.scopes,
            organization: grant.organization,
        });
        &self.issued[index]
    }

    /// The token of that text, if it is good at `now`.
    pub fn check(&self, text: &str, now: Duration) -> Result<&Issued, Invalid> {
        let token =
            self.by_text.get(text).map(|index| &self.issued[*index]).ok_or(Invalid::Unknown)?;
        if token.revoked {
            return Err(Invalid::Revoked);
        }
        if token.expires.is_some_and(|end| end <= now) {
            return Err(Invalid::Expired);
        }
        Ok(token)
    }

    /// Says whether there was such a token to revoke.
    pub fn revoke(&mut self, text: &str) -> bool {
        let found = self.by_text.get(text).map(|index| &mut self.issued[*index]);
        found.is_some_and(|token| !std::mem::replace(&mut token.revoked, true))
    }

    /// The number of tokens that were good until now.
    pub fn revoke_all(&mut self, now: Duration) -> usize {
        let good =
            |token: &&mut Issued| !token.revoked && token.expires.is_none_or(|end| end > now);
        self.issued.iter_mut().filter(good).map(|token| token.revoked = true).count()
    }

    pub fn all(&self) -> &[Issued] {
        &self.issued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn grant(lifetime: u64) -> Grant {
        Grant { lifetime: Some(Duration::from_secs(lifetime)), ..Grant::default() }
    }

    #[test]
    fn a_token_is_good_until_its_end_and_no_longer() {
        let mut tokens = Tokens::default();
        tokens.issue("a".to_owned(), grant(10), NOW);
        let last = NOW + Duration::from_millis(9_999);
        assert_eq!(tokens.check("a", last).map(|token| token.serial), Ok(1));
        assert_eq!(tokens.check("a", NOW + Duration::from_secs(10)), Err(Invalid::Expired));
        assert_eq!(tokens.check("b", NOW), Err(Invalid::Unknown));
    }

    #[test]
    fn a_refresh_token_that_is_used_twice_ends_its_family_and_no_other() {
        let mut families = Families::default();
        let (first, other) = (families.begin(), families.begin());
        let second = families.rotate(&first).unwrap();
        let third = families.rotate(&second).unwrap();
        assert_eq!((families.rotate(&first), families.revoked()), (None, 1));
        assert_eq!((families.rotate(&third), families.rotate("unknown")), (None, None));
        assert!(families.rotate(&other).is_some());
        assert_eq!(families.revoked(), 1);
    }

    #[test]
    fn revoking_counts_the_good_ones_once() {
        let mut tokens = Tokens::default();
        for text in ["a", "b", "c"] {
            tokens.issue(text.to_owned(), grant(10), NOW);
        }
        assert!(tokens.revoke("b") && !tokens.revoke("b") && !tokens.revoke("none"));
        assert_eq!(tokens.revoke_all(NOW), 2);
        assert_eq!(tokens.revoke_all(NOW), 0);
        assert_eq!(tokens.check("a", NOW), Err(Invalid::Revoked));
    }
}
