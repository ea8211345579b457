//! EXT-X-PROGRAM-DATE-TIME: ISO 8601 with a time zone (HLS2 §4.4.4.6).

/// Microseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.f...](Z|±hh[:]mm)`; `None` for anything else.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let zone_at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset_seconds(zone)?;
    Some(seconds * 1_000_000 + micros)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut fields = text.split(separator).map(|field| {
        field.bytes().all(|byte| byte.is_ascii_digit()).then(|| field.parse::<i64>().ok()).flatten()
    });
    let numbers = [fields.next()??, fields.next()??, fields.next()??];
    fields.next().is_none().then_some(numbers)
}

/// How far the zone's clock is ahead.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.as_bytes().first()? {
        b'Z' => return (zone == "Z").then_some(0),
        b'-' => (-1, &zone[1..]),
        _ => (1, &zone[1..]),
    };
    let digits = digits.replace(':', "");
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60)
}

/// Days of the proleptic Gregorian calendar since 1970-01-01. Years begin in March here, so that the leap day is the
/// last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const BEFORE_1970: i64 = 719_468;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_and_without_fractions_and_zones() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2026-11-22T22:24:16.123Z"), Some(1_795_386_256_123_000));
        assert_eq!(parse("2024-02-29T12:00:00.5+08:00"), Some(1_709_179_200_500_000));
        assert_eq!(parse("2024-03-01T00:00:00-0130"), Some(1_709_256_600_000_000));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T22:24:16",
            "2026-13-01T00:00:00Z",
            "2026-11-22T22:24Z",
            "2026-11-22T22:24:16.Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
