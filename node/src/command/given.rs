//! Values as people give them: times, money, dates, ids, words from files.

use std::{fs, io::Read as _, path::Path};

use formats::ocds::instant::{Day, parse as parse_instant};
use proto::{kinds::text::Wording, types};
use record::{CommunityId, RecordId, time::CivilDate};
use runtime::config;
use serde::{Deserialize, de::DeserializeOwned};

use super::failure::CommandError;

/// Units of a length of time, with their milliseconds.
const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
];

/// A length of time in milliseconds: `30d`, `45s`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no length of time: write it like 30d, 12h, 45s or 1h30m");
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at_checked(n_digits).ok_or_else(wrong)?;
        let n_letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, next) = after.split_at_checked(n_letters).ok_or_else(wrong)?;
        let number: u64 = digits.parse().map_err(|_error| wrong())?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.checked_mul(*millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = next;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

/// An instant in milliseconds: a length of time from `now` on, or a date and time (RFC 3339). A date alone ends with its
/// day, in the time of London.
pub(super) fn when(text: &str, now: u64) -> Result<u64, String> {
    if let Ok(millis) = duration(text) {
        return Ok(now.saturating_add(millis));
    }
    let at = parse_instant(text, Day::Ends).and_then(|it| it.unix_millis());
    at.map(|it| it.0).ok_or_else(|| {
        format!("`{text}` is no time: write 2027-03-03T17:00:00Z, 2027-03-03, or from now on 30d")
    })
}

/// Pounds and pence: `1200`, `18.50`.
pub(super) fn money(text: &str) -> Result<types::Money, String> {
    let wrong = || format!("`{text}` is no amount in pounds: write it like 1200 or 18.50");
    let (pounds, pence) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    if !digits(pounds) || !digits(pence) || pence.len() != 2 {
        return Err(wrong());
    }
    let pounds: i64 = pounds.parse().map_err(|_error| wrong())?;
    let pence: i64 = pence.parse().map_err(|_error| wrong())?;
    let minor = pounds.checked_mul(100).and_then(|it| it.checked_add(pence)).ok_or_else(wrong)?;
    Ok(types::Money { minor, currency: "GBP".to_owned() })
}

/// A date as the number that payloads carry.
pub(super) fn date(text: &str) -> Result<u32, String> {
    let date = CivilDate::parse(text).map(CivilDate::as_number);
    date.ok_or_else(|| format!("`{text}` is no date: write it like 2027-03-03"))
}

/// A community's id as bytes.
pub(super) fn community(text: &str) -> Result<Vec<u8>, String> {
    let id: CommunityId =
        text.trim().parse().map_err(|error| format!("`{text}` is no community: {error}"))?;
    Ok(id.as_bytes().to_vec())
}

/// A record's id as bytes.
pub(super) fn record(text: &str) -> Result<Vec<u8>, String> {
    let id: RecordId =
        text.trim().parse().map_err(|error| format!("`{text}` is no record: {error}"))?;
    Ok(id.as_bytes().to_vec())
}

/// The value of a protobuf list whose names begin with `prefix`: `co-decide` is `LEVEL_CO_DECIDE`.
pub(super) fn listed<E: Into<i32>>(
    text: &str,
    prefix: &str,
    from_name: impl Fn(&str) -> Option<E>,
) -> Result<i32, String> {
    let name = text.trim().to_ascii_uppercase().replace(['-', ' '], "_");
    let value = from_name(&format!("{prefix}_{name}")).filter(|_| name != "UNSPECIFIED");
    value.map(Into::into).ok_or_else(|| format!("`{text}` is not known here"))
}

/// The wording of one further language in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Translation {
    /// `cy`.
    pub(super) language: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) labels: Vec<String>,
}

impl From<Translation> for Wording {
    fn from(translation: Translation) -> Self {
        let Translation { language, title, text, labels } = translation;
        Self { language, title, text, labels }
    }
}

/// A TOML file of this form; errors name the key, the line and what was probably meant.
pub(super) fn toml_file<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    config::load(Some(path), "", std::iter::empty()).map_err(|error| {
        CommandError::caused_by(runtime::exit::Exit::Usage, "command.file", &error)
    })
}

/// The words of a file; `-` is standard input.
pub(super) fn text_file(path: &Path) -> Result<String, CommandError> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| {
        let sentence = format!("{} could not be read: {error}. Nothing was done.", path.display());
        CommandError::usage(sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_numbers_with_units() {
        assert_eq!(duration("30d"), Ok(30 * 86_400_000));
        assert_eq!(duration("1h30m"), Ok(5_400_000));
        assert_eq!(duration("250ms"), Ok(250));
        for wrong in ["", "30", "d", "-1d", "1.5h", "1y", "99999999999999999999d", "1é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_from_now_on_or_a_date() {
        assert_eq!(when("2s", 5), Ok(2_005));
        assert_eq!(when("2027-03-03T17:00:00Z", 5), Ok(1_804_093_200_000));
        // A date alone ends with its day; in March London keeps UTC.
        assert_eq!(when("2027-03-02", 5), Ok(1_804_032_000_000));
        assert!(when("next week", 5).is_err());
    }

    #[test]
    fn pounds_have_two_digits_of_pence_or_none() {
        assert_eq!(money("18.50").map(|it| it.minor), Ok(1_850));
        assert_eq!(money("1200").map(|it| it.minor), Ok(120_000));
        for wrong in ["", "18.5", "18.505", "£18", "-1", "1,200", ".50", "1."] {
            assert!(money(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_of_a_list_may_have_hyphens_and_none_is_no_word() {
        use proto::kinds::covenant::Level;
        let level = |text| listed(text, "LEVEL", Level::from_str_name);
        assert_eq!(level("co-decide"), Ok(Level::CoDecide.into()));
        assert_eq!(level("community_held"), Ok(Level::CommunityHeld.into()));
        assert!(level("unspecified").is_err());
        assert!(level("owned").is_err());
    }
}
