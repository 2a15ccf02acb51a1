//! Instants and civil dates. There is no clock here: times are arguments.

use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The instant `millis` later, or the last one that can be written.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1_000
    }
}

/// Milliseconds in one hour.
pub const HOUR_MILLIS: u64 = 60 * 60 * 1_000;
/// Milliseconds in one day of 24 hours.
pub const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;

/// A date in the calendar, without a time of day: `2027-03-03`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    year: u16,
    month: u8,
    day: u8,
}

impl CivilDate {
    /// The date, if it is in the Gregorian calendar and its year is 1900 to 2999.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        let known = (1900..=2999).contains(&year) && 1 <= day && day <= days;
        known.then_some(Self { year, month, day })
    }

    /// Parses `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, rest) = text.split_at_checked(4)?;
        let (month, day) = rest.strip_prefix('-')?.split_once('-')?;
        let digits = |part: &str, n| {
            (part.len() == n && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())?
        };
        Self::new(
            digits(year, 4)?,
            u8::try_from(digits(month, 2)?).ok()?,
            u8::try_from(digits(day, 2)?).ok()?,
        )
    }

    /// The date as the number YYYYMMDD, as payloads carry it.
    #[must_use]
    pub fn as_number(self) -> u32 {
        u32::from(self.year) * 10_000 + u32::from(self.month) * 100 + u32::from(self.day)
    }

    /// The date written as the number YYYYMMDD.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::new(
            u16::try_from(number / 10_000).ok()?,
            u8::try_from(number / 100 % 100).ok()?,
            u8::try_from(number % 100).ok()?,
        )
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for CivilDate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_29th_of_february_exists_in_leap_years_only() {
        assert!(CivilDate::new(2028, 2, 29).is_some());
        assert!(CivilDate::new(2027, 2, 29).is_none());
        assert!(CivilDate::new(2100, 2, 29).is_none());
        assert!(CivilDate::new(2000, 2, 29).is_some());
    }

    #[test]
    fn a_date_reads_back_from_text_and_number() {
        let date = CivilDate::parse("2027-03-09").unwrap();
        assert_eq!(date.to_string(), "2027-03-09");
        assert_eq!(CivilDate::from_number(date.as_number()), Some(date));
        for wrong in ["2027-3-09", "2027-03-9", "+027-03-09", "2027-13-01", "2027-04-31", ""] {
            assert_eq!(CivilDate::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn years_are_1900_to_2999_and_months_end_on_their_last_day() {
        for (year, month, day, exists) in [
            (1899, 12, 31, false),
            (1900, 1, 1, true),
            (2999, 12, 31, true),
            (3000, 1, 1, false),
            (2027, 4, 30, true),
            (2027, 4, 31, false),
            (2027, 12, 32, false),
            (2027, 0, 1, false),
            (2027, 1, 0, false),
        ] {
            assert_eq!(CivilDate::new(year, month, day).is_some(), exists, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn an_instant_does_not_wrap_and_its_seconds_are_rounded_down() {
        assert_eq!(UnixMillis(1).plus_millis(2), UnixMillis(3));
        assert_eq!(UnixMillis(u64::MAX).plus_millis(1), UnixMillis(u64::MAX));
        assert_eq!((UnixMillis(999).unix_seconds(), UnixMillis(1_000).unix_seconds()), (0, 1));
    }
}
