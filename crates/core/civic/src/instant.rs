//! Instants and hashes as people and JSON read them.

use std::fmt;

use record::UnixMillis;

/// An instant written as `3 March 2027 at 17:00 UTC`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written(pub(crate) UnixMillis);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.unix_seconds() / 60;
        let (year, month_index, day) = civil(minutes / (24 * 60));
        let month = usize::try_from(month_index).ok().and_then(|it| MONTHS.get(it)).unwrap_or(&"");
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        write!(f, "{day} {month} {year} at {hour:02}:{minute:02} UTC")
    }
}

/// Year, month from 0 and day from 1 of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years begin in March here, so that the leap day is the last: eras of 400 years have 146,097 days.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month_index = (months_since_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month_index < 2);
    (year, month_index, day)
}

/// Thirty-two bytes as lower-case hexadecimal.
pub(crate) fn hex<S: serde::Serializer>(
    bytes: &[u8; 32],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    struct Hex<'a>(&'a [u8; 32]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    serializer.collect_str(&Hex(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_the_gregorian_calendar() {
        let written = |seconds: u64| Written(UnixMillis(seconds * 1_000)).to_string();
        assert_eq!(written(0), "1 January 1970 at 00:00 UTC");
        assert_eq!(written(951_782_399), "28 February 2000 at 23:59 UTC");
        assert_eq!(written(951_782_400), "29 February 2000 at 00:00 UTC");
        assert_eq!(written(1_804_093_200), "3 March 2027 at 17:00 UTC");
        assert_eq!(written(4_107_542_400), "1 March 2100 at 00:00 UTC");
        assert!(!written(u64::MAX / 1_000).is_empty());
    }
}
