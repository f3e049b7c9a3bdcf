use std::time::Duration;

use super::*;

fn at_year(year: i64) -> SystemTime {
    let days = days(year, 7, 1).unwrap();
    if days < 0 {
        UNIX_EPOCH - Duration::from_secs((-days * DAY) as u64)
    } else {
        UNIX_EPOCH + Duration::from_secs((days * DAY) as u64)
    }
}

fn seconds(text: &str) -> Option<i64> {
    let nanos = http_date(text.as_bytes(), at_year(2026))?;
    Some(i64::try_from(nanos / i128::from(SECOND)).unwrap())
}

#[test]
fn what_httpdate_writes_is_read_as_the_same_moment() {
    for unix in (0..253_402_300_799).step_by(86_400 * 97 + 3_607) {
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix));
        assert_eq!(seconds(&text), Some(unix as i64), "{text}");
    }
}

#[test]
fn three_forms_name_one_moment() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
    ] {
        assert_eq!(seconds(text), Some(784_111_777), "{text}");
    }
}

#[test]
fn the_weekday_is_a_name_and_no_more() {
    assert_eq!(seconds("Mon, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(seconds("Monday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(seconds("Zun, 06 Nov 1994 08:49:37 GMT"), None);
    assert_eq!(seconds("Sunday, 06 Nov 1994 08:49:37 GMT"), None);
    assert_eq!(seconds("Sun, 06-Nov-94 08:49:37 GMT"), None);
}

#[test]
fn what_is_no_date_is_none() {
    for text in [
        "",
        "Sun",
        "Sun,",
        "06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
    ] {
        assert_eq!(seconds(text), None, "{text}");
    }
}

#[test]
fn a_leap_second_is_the_next_day_and_years_have_no_first() {
    assert_eq!(seconds("Sat, 31 Dec 2016 23:59:60 GMT"), seconds("Sun, 01 Jan 2017 00:00:00 GMT"));
    assert_eq!(seconds("Wed, 31 Dec 1969 23:59:59 GMT"), Some(-1));
    assert_eq!(seconds("Sat, 29 Feb 2020 00:00:00 GMT"), Some(1_582_934_400));
}

#[test]
fn two_digits_are_a_year_at_most_fifty_ahead() {
    for (now, digits, year) in [
        (2026, 26, 2026),
        (2026, 76, 2076),
        (2026, 77, 1977),
        (2026, 99, 1999),
        (1994, 94, 1994),
        (1999, 0, 2000),
        (2060, 10, 2110),
        (2060, 11, 2011),
        (1950, 50, 1950),
    ] {
        let text = format!("Friday, 01-Jan-{digits:02} 00:00:00 GMT");
        let moment = http_date(text.as_bytes(), at_year(now));
        let first = i128::from(days(year, 1, 1).unwrap() * DAY) * i128::from(SECOND);
        assert_eq!(moment, Some(first), "{digits:02} in {now}");
    }
}

#[test]
fn the_year_turns_at_new_year() {
    for year in 1600..2600 {
        let new_year = days(year, 1, 1).unwrap() * DAY;
        for (offset, expected) in [(-1, year - 1), (0, year), (DAY, year)] {
            let unix = new_year + offset;
            let time = if unix < 0 {
                UNIX_EPOCH - Duration::from_secs(unix.unsigned_abs())
            } else {
                UNIX_EPOCH + Duration::from_secs(unix.unsigned_abs())
            };
            assert_eq!(year_of(time), expected);
        }
    }
}

#[test]
fn rfc_3339_has_an_offset_and_may_lack_seconds() {
    let noon = Some(1_709_294_400 * i128::from(SECOND));
    for text in [
        "2024-03-01T12:00:00Z",
        "2024-03-01t12:00:00z",
        "2024-03-01T12:00Z",
        "2024-03-01T12:00:00.000Z",
        "2024-03-01T13:30:00+01:30",
        "2024-03-01T00:00:00-12:00",
        "2024-02-29T23:00-13:00",
        "2024-03-02T11:59+23:59",
    ] {
        assert_eq!(rfc3339(text.as_bytes()), noon, "{text}");
    }
    assert_eq!(rfc3339(b"2024-03-01T12:00:00.25Z"), noon.map(|noon| noon + 250_000_000));
    assert_eq!(rfc3339(b"2024-03-01T12:00:00.0000000001Z"), noon.map(|noon| noon + 1));
    assert_eq!(rfc3339(b"2016-12-31T23:59:60Z"), rfc3339(b"2017-01-01T00:00:00Z"));
    assert_eq!(rfc3339(b"2017-01-01T00:59:60+01:00"), rfc3339(b"2017-01-01T00:00:00Z"));
    for text in [
        "",
        "2024-03-01",
        "2024-03-01T12:00:00",
        "2024-03-01 12:00:00Z",
        "2024-03-01T12:00:00 Z",
        "2024-03-01T12Z",
        "2024-03-01T12:00.5Z",
        "2024-03-01T12:00:00.Z",
        "2024-03-01T12:00:000Z",
        "2024-03-01T12:00:0Z",
        "2024-03-01T12:00:60Z",
        "2024-03-01T24:00:00Z",
        "2024-03-01T12:60Z",
        "2024-02-30T12:00:00Z",
        "2024-3-01T12:00:00Z",
        "+024-03-01T12:00:00Z",
        "2024-03-01T12:00:00+0100",
        "2024-03-01T12:00:00+24:00",
        "2024-03-01T12:00:00+01:60",
        "2024-03-01T12:00:00\u{2212}01:00",
    ] {
        assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_date_after_another_is_read_as_if_it_were_the_first() {
    let dates = [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:38 GMT",
        "Mon, 06 Nov 1994 08:49:38 GMT",
        "Sun, 31 Feb 1994 08:49:38 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ];
    for first in dates {
        for second in dates {
            let _ = seconds(first);
            let alone = imf_fixdate(second.as_bytes())
                .or_else(|| rfc850(second.as_bytes(), || at_year(2026)))
                .or_else(|| asctime(second.as_bytes()));
            assert_eq!(seconds(second), alone, "{second} after {first}");
        }
    }
}
