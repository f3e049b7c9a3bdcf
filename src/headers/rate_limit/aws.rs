use http::HeaderMap;

use super::text::trim;

/// The throttling codes of the AWS SDKs
/// ([retry behaviour](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)).
const CODES: [&str; 13] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// Whether `x-amzn-errortype` names an AWS throttling code.
///
/// Such an error is a rate limit whatever its status is: Cognito and DynamoDB throttle with a 400. The code is between an optional
/// namespace that ends in `#` and an optional documentation address that starts with `:`.
#[must_use]
pub fn is_aws_throttling(headers: &HeaderMap) -> bool {
    let types = headers.get_all("x-amzn-errortype");
    types.iter().any(|value| {
        let code = before(value.as_bytes(), b':');
        let code = trim(code.rsplit(|byte| *byte == b'#').next().unwrap_or(code));
        is_aws_throttling_code(code)
    })
}

/// Whether a code of an AWS service says that the caller sends too many requests.
pub(crate) fn is_aws_throttling_code(code: &[u8]) -> bool {
    CODES.iter().any(|known| known.as_bytes() == code)
}

fn before(text: &[u8], end: u8) -> &[u8] {
    text.split(|byte| *byte == end).next().unwrap_or(text)
}
