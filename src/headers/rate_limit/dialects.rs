//! The table of rate-limit headers.
//!
//! **To add a vendor's headers, add a row to [`DIALECTS`]**, one to `docs/providers.md`, and a documented response to
//! `tests/corpus/cases.json`.

use super::{
    dialect::{
        Attribute, Delay, Dialect, Keys, Reach, Shape, Word, anthropic, delay, draft, flat, vendor,
        word,
    },
    vendor,
};

/// All known headers. Delays are in order of precedence.
pub(super) static DIALECTS: [Dialect; 28] = [
    // OpenAI, Azure: their SDKs prefer the milliseconds to `Retry-After`.
    delay("retry-after-ms", Delay::Millis),
    delay("x-ms-retry-after-ms", Delay::Millis),
    // RFC 9110 section 10.2.3. Shopify sends `2.0`.
    delay("retry-after", Delay::SecondsOrMoment),
    // gRPC: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    delay("grpc-retry-pushback-ms", Delay::Millis),
    // Google's APIs over gRPC: https://cloud.google.com/apis/design/errors
    delay("grpc-status-details-bin", Delay::RetryInfo),
    // AWS SDKs.
    delay("x-amz-retry-after", Delay::Millis),
    // MailerLite.
    delay("x-ratelimit-retry-after", Delay::SecondsOrMoment),
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
    // The resets are when a window is full again, not when the next request passes.
    anthropic("anthropic-ratelimit"),
    anthropic("anthropic-priority"),
    flat("fastly-ratelimit", Keys::None, &[]),
    // Brevo.
    flat("x-sib-ratelimit", Keys::None, &[]),
    // X.
    flat("x-app-limit-24hour", Keys::None, &[]),
    flat("x-user-limit-24hour", Keys::None, &[]),
    // HubSpot. Its `interval-milliseconds` is the length of the window, not its reset.
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
    vendor("x-shopify-shop-api-call-limit", Reach::Name, vendor::shopify),
    // Salesforce.
    vendor("sforce-limit-info", Reach::Name, vendor::salesforce),
    vendor("auth0-client-quota-limit", Reach::Name, vendor::auth0),
    vendor("auth0-organization-quota-limit", Reach::Name, vendor::auth0),
    // Azure Resource Manager.
    vendor("x-ms-ratelimit-remaining-resource", Reach::Name, vendor::azure_resource),
    flat("x-ms-ratelimit-remaining", Keys::Remaining, &[]),
    vendor("zendesk-ratelimit", Reach::Family, vendor::zendesk),
];

// === Lookup ===

/// For each letter, a bit set of the rows with that letter at one position of their names. Three positions leave one or two rows to
/// compare, and none for most other headers.
type Index = [u64; 32];

static FIRST: Index = index(0);
static THIRD: Index = index(2);
static SEVENTH: Index = index(6);

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

/// The row that matches a lower-case header name, its index, and the suffix of the name.
#[inline]
pub(super) fn find(name: &str) -> Option<(u8, &'static Dialect, &str)> {
    let [first, _, third, _, _, _, seventh, ..] = name.as_bytes() else { return None };
    let letter = |index: &Index, letter: u8| index[usize::from(letter & 31)];
    let rows = letter(&FIRST, *first) & letter(&THIRD, *third) & letter(&SEVENTH, *seventh);
    if rows == 0 { None } else { find_among(rows, name) }
}

fn find_among(mut rows: u64, name: &str) -> Option<(u8, &'static Dialect, &str)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Option<(&'static str, &str)> {
        find(name).map(|(_, dialect, rest)| (dialect.name, rest))
    }

    #[test]
    fn the_most_specific_row_matches() {
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
