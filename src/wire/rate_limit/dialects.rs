//! Every header that says something about a rate limit, one row each.
//!
//! **A provider's own family is one more row in [`DIALECTS`]**, one in `docs/providers.md` and one case in the tests.

use super::{own, reader::Reader};

/// One header, or one family of headers that begin alike.
pub(super) struct Dialect {
    /// In lower case. A family's name without the hyphen that more follows.
    pub(super) name: &'static str,
    reach: Reach,
    pub(super) shape: Shape,
    /// An explicit delay governs alone over this family's resets.
    pub(super) delay_governs: bool,
}

/// Which names a row speaks for.
enum Reach {
    /// This name.
    Name,
    /// This name, and this name with a hyphen and more.
    Family,
}

/// How the header is read.
pub(super) enum Shape {
    /// An explicit delay. Of several the row that stands first counts.
    Delay(Delay),
    /// A number for each attribute of a window.
    Flat(Keys, &'static [Word]),
    /// The structured field `RateLimit`.
    Items,
    /// The structured field `RateLimit-Policy`.
    Policies,
    /// How long the answer has lain in a cache.
    Age,
    /// A grammar of the vendor's own, given what follows the family's name, and the value.
    Own(fn(&mut Reader<'_>, &'static Dialect, &str, &[u8])),
}

/// The value of an explicit delay.
#[derive(Clone, Copy)]
pub(super) enum Delay {
    Millis,
    Seconds,
    SecondsOrDate,
    GoDuration,
}

/// What the names of a flat family are made of, beside words of its own.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Nothing: every name is listed.
    Listed,
    /// `limit`, `remaining`, `reset`, `reset-after`: one window.
    None,
    /// A key and behind it one of those: a window for each key.
    Before,
    /// One of those, alone, before or behind a key.
    Either,
    /// A key alone, which says what is left.
    Remaining,
}

/// A name of a family's own.
pub(super) struct Word {
    /// What follows the family's name and the hyphen.
    pub(super) text: &'static str,
    pub(super) attribute: Attribute,
    /// Of which of its windows it speaks; empty where the family has one.
    pub(super) key: &'static str,
}

/// What a number says of its window. Of two that say the same, the greater one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    /// A limit where there is no other.
    LimitElse,
    Limit,
    Remaining,
    /// A reset where there is no other.
    ResetElse,
    Reset,
    /// Always seconds from now.
    ResetAfter,
}

/// The longer name before the one it begins with.
pub(super) const ATTRIBUTES: [(&str, Attribute); 4] = [
    ("limit", Attribute::Limit),
    ("remaining", Attribute::Remaining),
    ("reset-after", Attribute::ResetAfter),
    ("reset", Attribute::Reset),
];

/// All that is read. Delays stand in the order of their precedence.
pub(super) static DIALECTS: [Dialect; 27] = [
    // RFC 9111 section 5.1.
    Dialect { name: "age", reach: Reach::Name, shape: Shape::Age, delay_governs: false },
    // OpenAI, Azure: their SDKs read the milliseconds before `Retry-After`.
    delay("retry-after-ms", Delay::Millis),
    delay("x-ms-retry-after-ms", Delay::Millis),
    // RFC 9110 section 10.2.3. Shopify sends `2.0`.
    delay("retry-after", Delay::SecondsOrDate),
    // AWS SDKs.
    delay("x-amz-retry-after", Delay::Millis),
    // MailerLite.
    delay("x-ratelimit-retry-after", Delay::Seconds),
    // Bucket4j.
    delay("x-rate-limit-retry-after-seconds", Delay::Seconds),
    // Traefik.
    delay("x-retry-in", Delay::GoDuration),
    // draft-ietf-httpapi-ratelimit-headers, 07 and later.
    draft("ratelimit", Reach::Name, Shape::Items),
    draft("ratelimit-policy", Reach::Name, Shape::Policies),
    // The same draft up to 06; GitLab, Twitch, Docker Hub. `ResetTime` is GitLab's.
    draft(
        "ratelimit",
        Reach::Family,
        Shape::Flat(Keys::Either, &[word("resettime", Attribute::ResetElse)]),
    ),
    // GitHub, Auth0, Discord, OpenAI and most others. `Max` is HighLevel's, `Next` Akamai's.
    flat(
        "x-ratelimit",
        Keys::Either,
        &[word("max", Attribute::LimitElse), word("next", Attribute::ResetElse)],
    ),
    // Okta, X; Zendesk sends the limit under the bare name.
    flat("x-rate-limit", Keys::Either, &[word("", Attribute::Limit)]),
    // Their resets are when all is full again, not when a request can pass.
    anthropic("anthropic-ratelimit"),
    anthropic("anthropic-priority"),
    flat("fastly-ratelimit", Keys::None, &[]),
    // Brevo.
    flat("x-sib-ratelimit", Keys::None, &[]),
    // X.
    flat("x-app-limit-24hour", Keys::None, &[]),
    flat("x-user-limit-24hour", Keys::None, &[]),
    // HubSpot. Its `interval-milliseconds` is a length, not an end.
    flat(
        "x-hubspot-ratelimit",
        Keys::Listed,
        &[
            word("max", Attribute::Limit),
            word("remaining", Attribute::Remaining),
            Word { key: "daily", ..word("daily", Attribute::Limit) },
            Word { key: "daily", ..word("daily-remaining", Attribute::Remaining) },
            Word { key: "secondly", ..word("secondly", Attribute::Limit) },
            Word { key: "secondly", ..word("secondly-remaining", Attribute::Remaining) },
        ],
    ),
    own("x-shopify-shop-api-call-limit", Reach::Name, own::shopify),
    // Salesforce.
    own("sforce-limit-info", Reach::Name, own::salesforce),
    own("auth0-client-quota-limit", Reach::Name, own::auth0),
    own("auth0-organization-quota-limit", Reach::Name, own::auth0),
    // Azure Resource Manager.
    own("x-ms-ratelimit-remaining-resource", Reach::Name, own::azure_resource),
    flat("x-ms-ratelimit-remaining", Keys::Remaining, &[]),
    own("zendesk-ratelimit", Reach::Family, own::zendesk),
];

// === Rows ===

const fn delay(name: &'static str, value: Delay) -> Dialect {
    Dialect { name, reach: Reach::Name, shape: Shape::Delay(value), delay_governs: false }
}

const fn draft(name: &'static str, reach: Reach, shape: Shape) -> Dialect {
    Dialect { name, reach, shape, delay_governs: true }
}

const fn flat(name: &'static str, keys: Keys, words: &'static [Word]) -> Dialect {
    Dialect { name, reach: Reach::Family, shape: Shape::Flat(keys, words), delay_governs: false }
}

const fn anthropic(name: &'static str) -> Dialect {
    Dialect { delay_governs: true, ..flat(name, Keys::Before, &[]) }
}

const fn own(
    name: &'static str,
    reach: Reach,
    read: fn(&mut Reader<'_>, &'static Dialect, &str, &[u8]),
) -> Dialect {
    Dialect { name, reach, shape: Shape::Own(read), delay_governs: false }
}

const fn word(text: &'static str, attribute: Attribute) -> Word {
    Word { text, attribute, key: "" }
}

// === Finding a row ===

/// Rows by a letter of their names, a bit each. Two letters leave a handful of rows to compare with, and none at all for nearly
/// every header that is not ours.
type Index = [u64; 32];

static FIRST: Index = index(0);
static THIRD: Index = index(2);

const fn index(letter: usize) -> Index {
    assert!(DIALECTS.len() <= 64, "a row is a bit of u64");
    let mut index = [0; 32];
    let mut row = 0;
    while row < DIALECTS.len() {
        let name = DIALECTS[row].name.as_bytes();
        index[(name[letter] & 31) as usize] |= 1 << row;
        row += 1;
    }
    index
}

/// The row that speaks for a header's name in lower case, its place, and what the name has after the family's.
pub(super) fn find(name: &str) -> Option<(u8, &'static Dialect, &str)> {
    let [first, _, third, ..] = name.as_bytes() else { return None };
    let mut rows = FIRST[usize::from(first & 31)] & THIRD[usize::from(third & 31)];
    while rows != 0 {
        let row = rows.trailing_zeros();
        rows &= rows - 1;
        let dialect = &DIALECTS[row as usize];
        if let Some(rest) = dialect.rest(name) {
            return Some((row as u8, dialect, rest));
        }
    }
    None
}

// === impl Dialect ===

impl Dialect {
    /// The word for an attribute in the family's names.
    pub(super) fn word(&self, attribute: Attribute) -> &'static str {
        let own = match self.shape {
            Shape::Flat(_, words) => words.iter().find(|word| word.attribute == attribute),
            _ => None,
        };
        let usual = || ATTRIBUTES.iter().find(|(_, known)| *known == attribute);
        own.map(|word| word.text).or_else(|| usual().map(|(word, _)| *word)).unwrap_or_default()
    }

    /// What follows the family's name and its hyphen, if it is one of this row's names.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.reach {
            Reach::Name => (name == self.name).then_some(""),
            Reach::Family => match name.strip_prefix(self.name)? {
                "" => Some(""),
                rest => rest.strip_prefix('-'),
            },
        }
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Dialect {}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Option<(&'static str, &str)> {
        find(name).map(|(_, dialect, rest)| (dialect.name, rest))
    }

    #[test]
    fn the_most_special_row_speaks_for_a_name() {
        assert_eq!(row("retry-after"), Some(("retry-after", "")));
        assert_eq!(row("retry-after-ms"), Some(("retry-after-ms", "")));
        assert_eq!(row("ratelimit"), Some(("ratelimit", "")));
        assert_eq!(row("ratelimit-policy"), Some(("ratelimit-policy", "")));
        assert_eq!(row("ratelimit-reset"), Some(("ratelimit", "reset")));
        assert_eq!(row("x-ratelimit-retry-after"), Some(("x-ratelimit-retry-after", "")));
        assert_eq!(
            row("x-ms-ratelimit-remaining-resource"),
            Some(("x-ms-ratelimit-remaining-resource", ""))
        );
        assert_eq!(
            row("x-ms-ratelimit-remaining-subscription-reads"),
            Some(("x-ms-ratelimit-remaining", "subscription-reads"))
        );
    }

    #[test]
    fn every_row_is_found_by_its_own_name() {
        for dialect in &DIALECTS {
            assert_eq!(row(dialect.name).unwrap().0, dialect.name);
        }
    }

    #[test]
    fn other_names_have_no_row() {
        for name in [
            "",
            "x",
            "xx",
            "x-",
            "date",
            "x-request-id",
            "beta-ratelimit",
            "x-beta-ratelimit-limit",
            "retry-after-s",
            "x-ratelimitlimit",
            "anthropic-ratelimits-reset",
            "http_x_shopify_shop_api_call_limit",
        ] {
            assert_eq!(row(name), None, "{name}");
        }
    }
}
