//! Decimal numbers and Go durations.

/// Nanoseconds in a second, a millisecond.
pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLISECOND: u64 = 1_000_000;

/// The units of Go's `time.ParseDuration`; a longer name precedes its prefix.
const GO_UNITS: [(&[u8], u64); 6] = [
    (b"ns", 1),
    (b"us", 1_000),
    (b"ms", MILLISECOND),
    (b"s", SECOND),
    (b"m", 60 * SECOND),
    (b"h", 3_600 * SECOND),
];

/// The value of `fraction` that equals one.
const ONE: u64 = 1_000_000_000_000_000_000;

/// `1*DIGIT [ "." 1*DIGIT ]` in ASCII, of any length.
///
/// The whole part saturates. A float would lose the milliseconds of `99999999999.001` and the last digit of 2^64 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    whole: u64,
    /// In units of 10^-18, truncated.
    fraction: u64,
    /// Whether digits were truncated, so that rounding up still rounds up.
    truncated: bool,
}

// === impl Number ===

impl Number {
    pub(super) const ZERO: Self = Self { whole: 0, fraction: 0, truncated: false };

    /// Parses all of `text`.
    #[inline]
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if let Some(whole) = few_digits(text) {
            return Some(Self::from(whole));
        }
        match Self::take(text)? {
            (number, []) => Some(number),
            _ => None,
        }
    }

    /// Parses a number at the start of `text`, and returns the rest.
    pub(super) fn take(text: &[u8]) -> Option<(Self, &[u8])> {
        let mut number = Self::ZERO;
        let mut rest = text;
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            let digit = u64::from(digit - b'0');
            number.whole = if number.whole < u64::MAX / 10 {
                number.whole * 10 + digit
            } else {
                number.whole.saturating_mul(10).saturating_add(digit)
            };
            rest = after;
        }
        if rest.len() == text.len() {
            return None;
        }
        if let [b'.', b'0'..=b'9', ..] = rest {
            let mut unit = ONE;
            rest = &rest[1..];
            while let [digit @ b'0'..=b'9', after @ ..] = rest {
                unit /= 10;
                number.fraction += u64::from(digit - b'0') * unit;
                number.truncated |= unit == 0 && *digit != b'0';
                rest = after;
            }
        }
        Some((number, rest))
    }

    /// Whether there is no fraction.
    pub(super) const fn is_whole(self) -> bool {
        self.fraction == 0 && !self.truncated
    }

    /// The whole part.
    pub(super) const fn floor(self) -> u64 {
        self.whole
    }

    /// The number times `unit` nanoseconds, rounded up.
    pub(super) fn nanos(self, unit: u64) -> u128 {
        let whole = u128::from(self.whole) * u128::from(unit);
        if self.is_whole() {
            return whole;
        }
        let fraction = u128::from(self.fraction) * u128::from(unit) + u128::from(self.truncated);
        whole + fraction.div_ceil(u128::from(ONE))
    }
}

impl From<u64> for Number {
    fn from(whole: u64) -> Self {
        Self { whole, ..Self::ZERO }
    }
}

/// Parses what most numbers are: so few digits that nothing can overflow.
#[inline]
pub(super) fn few_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Parses a Go `time.Duration` (`6m0s`, `7.66s`, `12ms`) to nanoseconds, rounded up.
pub(super) fn go_duration(mut text: &[u8]) -> Option<u128> {
    let mut nanos = None;
    while !text.is_empty() {
        let (number, rest) = Number::take(text)?;
        let (unit, rest) =
            GO_UNITS.iter().find_map(|(name, unit)| Some((*unit, rest.strip_prefix(*name)?)))?;
        nanos = Some(nanos.unwrap_or(0_u128).saturating_add(number.nanos(unit)));
        text = rest;
    }
    nanos
}

/// Parses digits, saturating.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.iter().all(u8::is_ascii_digit) { Number::parse(text).map(Number::floor) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u128> {
        Number::parse(text.as_bytes()).map(|number| number.nanos(SECOND))
    }

    #[test]
    fn a_number_is_digits_and_an_optional_fraction() {
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("007.50"), Some(7_500_000_000));
        for bad in [
            "", ".", ".5", "5.", "5.x", "+5", "-5", "5 ", "1e3", "0x1", "1_0", "1,0", "inf", "nan",
            "1.2.3",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn truncated_digits_still_round_up() {
        assert_eq!(seconds("1.000000000000000000"), Some(1_000_000_000));
        assert_eq!(seconds("1.0000000000000000000000001"), Some(1_000_000_001));
        assert_eq!(seconds("0.99999999999999999999"), Some(1_000_000_000));
        let almost_one = Number::parse(b"0.99999999999999999999999").unwrap();
        assert_eq!(almost_one.floor(), 0);
    }

    #[test]
    fn any_length_saturates() {
        let long = "9".repeat(5_000);
        assert_eq!(Number::parse(long.as_bytes()).unwrap().floor(), u64::MAX);
        assert_eq!(seconds(&long), Some(u128::from(u64::MAX) * u128::from(SECOND)));
        assert_eq!(
            go_duration(format!("{long}h").repeat(100).as_bytes()),
            Some(u128::from(u64::MAX) * 360_000_000_000_000)
        );
        assert_eq!(digits(b"18446744073709551616"), Some(u64::MAX));
    }

    #[test]
    fn a_go_duration_is_numbers_with_units() {
        for (text, nanos) in [
            ("6m0s", 360 * u128::from(SECOND)),
            ("7.66s", 7_660_000_000),
            ("12ms", 12_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("0.5ns", 1),
        ] {
            assert_eq!(go_duration(text.as_bytes()), Some(nanos), "{text}");
        }
        for bad in [
            "", "5", "s", "5 s", "5s ", "-5s", "+5s", ".5s", "5.s", "1d", "5S", "1m 2s", "1m,2s",
            "5\u{b5}s", "1m2",
        ] {
            assert_eq!(go_duration(bad.as_bytes()), None, "{bad}");
        }
    }
}
