//! Which of a server's buckets a request was counted in.

use http::HeaderMap;

/// Longer names are none: they would be kept.
const MAX_NAME: usize = 128;

/// What an answer says about the bucket that its request was counted in, for servers that count groups of endpoints apart.
///
/// | header | server |
/// |---|---|
/// | `x-ratelimit-bucket` | [Discord](https://discord.com/developers/docs/topics/rate-limits) |
/// | `x-ratelimit-resource` | [GitHub](https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api) |
/// | `x-ratelimit-global: true`, `x-ratelimit-scope: global` | Discord, for a limit over all buckets |
///
/// The policies of the IETF draft are none of these: their names tell the several limits of one request apart, not the requests.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use tower_heed::headers::Bucket;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-ratelimit-resource", HeaderValue::from_static("search"));
/// assert_eq!(Bucket::from_headers(&headers), Some(Bucket::Named("search")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bucket<'a> {
    /// The request was counted in this one.
    Named(&'a str),
    /// What the answer says holds for all of them.
    Global,
}

// === impl Bucket ===

impl<'a> Bucket<'a> {
    /// Reads the headers of an answer. None if they name no bucket, or one of more than 128 bytes.
    #[must_use]
    pub fn from_headers(headers: &'a HeaderMap) -> Option<Self> {
        let value = |name| Some(headers.get(name)?.to_str().ok()?.trim());
        let says =
            |name, word: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if says("x-ratelimit-global", "true") || says("x-ratelimit-scope", "global") {
            return Some(Self::Global);
        }
        let name = value("x-ratelimit-bucket").or_else(|| value("x-ratelimit-resource"))?;
        (1..=MAX_NAME).contains(&name.len()).then_some(Self::Named(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, value.parse().unwrap());
        }
        Bucket::from_headers(&headers).map(|bucket| format!("{bucket:?}"))
    }

    #[test]
    fn buckets_and_what_is_none() {
        let named = |name: &str| Some(format!("Named({name:?})"));
        assert_eq!(read(&[("x-ratelimit-bucket", "abcd1234")]), named("abcd1234"));
        assert_eq!(read(&[("x-ratelimit-resource", " search ")]), named("search"));
        let global = Some("Global".to_owned());
        assert_eq!(read(&[("x-ratelimit-global", "True"), ("x-ratelimit-bucket", "a")]), global);
        assert_eq!(read(&[("x-ratelimit-scope", "global")]), global);
        let shared = &[("x-ratelimit-scope", "shared"), ("x-ratelimit-bucket", "a")];
        assert_eq!(read(shared), named("a"));
        assert_eq!(read(&[("x-ratelimit-global", "false")]), None);
        assert_eq!(read(&[("x-ratelimit-bucket", "")]), None);
        assert_eq!(read(&[("x-ratelimit-bucket", &"a".repeat(129))]), None);
        assert_eq!(read(&[("ratelimit", "\"default\";r=1;t=2")]), None);
    }
}
