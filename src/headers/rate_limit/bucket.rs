use http::HeaderMap;

use super::{dialect::Dialect, text::trim};

/// The family of the headers below.
pub(super) const BUCKET_FAMILY: &str = "x-ratelimit";

/// Longer names are ignored, because they are stored.
const MAX_NAME: usize = 128;

/// The bucket that a request counted against, for servers that count groups of endpoints separately.
///
/// | header | server |
/// |---|---|
/// | `x-ratelimit-bucket` | [Discord](https://discord.com/developers/docs/topics/rate-limits) |
/// | `x-ratelimit-resource` | [GitHub](https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api) |
/// | `x-ratelimit-global: true`, `x-ratelimit-scope: global` | Discord, for a limit over all buckets |
///
/// The policies of the IETF draft are not buckets: their names distinguish the limits of one request, not the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bucket<'a> {
    /// The request counted against this bucket.
    Named(&'a str),
    /// The response's limit applies to all buckets.
    Global,
}

// === impl Bucket ===

impl<'a> Bucket<'a> {
    /// Reads the headers of a response. None without a bucket, or if its name exceeds 128 bytes.
    pub(crate) fn from_headers(headers: &'a HeaderMap) -> Option<Self> {
        let value = |name| Some(trim(headers.get(name)?.as_bytes()));
        let fields = BucketFields {
            global: value("x-ratelimit-global"),
            scope: value("x-ratelimit-scope"),
            bucket: value("x-ratelimit-bucket"),
            resource: value("x-ratelimit-resource"),
        };
        fields.bucket()
    }
}

/// The first value of each header that names a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BucketFields<'a> {
    global: Option<&'a [u8]>,
    scope: Option<&'a [u8]>,
    bucket: Option<&'a [u8]>,
    resource: Option<&'a [u8]>,
}

// === impl BucketFields ===

impl<'a> BucketFields<'a> {
    /// Whether a header is one of these.
    pub(super) fn has(dialect: &Dialect, rest: &str) -> bool {
        dialect.name == BUCKET_FAMILY && matches!(rest, "global" | "scope" | "bucket" | "resource")
    }

    /// A header of the family; `rest` is the suffix of its name.
    pub(super) fn add(&mut self, rest: &str, value: &'a [u8]) {
        let field = match rest {
            "global" => &mut self.global,
            "scope" => &mut self.scope,
            "bucket" => &mut self.bucket,
            "resource" => &mut self.resource,
            _ => return,
        };
        field.get_or_insert(value);
    }

    pub(super) fn bucket(&self) -> Option<Bucket<'a>> {
        let says = |field: Option<&[u8]>, word: &[u8]| {
            field.is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if says(self.global, b"true") || says(self.scope, b"global") {
            return Some(Bucket::Global);
        }
        let name = visible(self.bucket).or_else(|| visible(self.resource))?;
        (1..=MAX_NAME).contains(&name.len()).then_some(Bucket::Named(name))
    }
}

fn visible(field: Option<&[u8]>) -> Option<&str> {
    let field = field.filter(|field| field.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
    std::str::from_utf8(field?).ok()
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
    fn buckets_are_read() {
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
