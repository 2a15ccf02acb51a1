//! Amounts of money as OCDS writes them, JSON decimals, to and from minor units without rounding.

use record::{Money, money::Currency};
use serde_json::Number;

/// Why the text of an amount cannot be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountError {
    /// It is not a decimal number.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It does not fit 63 bits of minor units.
    TooLarge,
    /// It has a fraction of a minor unit.
    TooPrecise,
}

/// How many decimal places the minor unit of a currency has (ISO 4217).
#[must_use]
pub fn decimal_places(currency: Currency) -> u8 {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The exact number of minor units in a JSON number such as `14216.93` or `1.5e6`.
///
/// # Errors
///
/// See [`AmountError`]; nothing is ever rounded.
pub fn parse_minor(text: &str, places: u8) -> Result<i64, AmountError> {
    let decimal = Decimal::parse(text).ok_or(AmountError::NotANumber)?;
    if decimal.digits.is_empty() {
        return Ok(0);
    }
    if decimal.negative {
        return Err(AmountError::Negative);
    }
    decimal.shifted(i64::from(places))
}

/// A decimal number: `digits` × 10^`exponent`, without leading or trailing zeros; no digits for zero.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let n_places = i64::try_from(fraction.len()).ok()?;
        let joined = format!("{whole}{fraction}");
        let kept = joined.trim_end_matches('0');
        let n_cut = i64::try_from(joined.len() - kept.len()).ok()?;
        let exponent = parse_exponent(exponent)?.checked_sub(n_places)?.checked_add(n_cut)?;
        Some(Self { negative, digits: kept.trim_start_matches('0').to_owned(), exponent })
    }

    fn shifted(&self, places: i64) -> Result<i64, AmountError> {
        let zeros = self.exponent.saturating_add(places);
        let n_digits = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        if n_digits.saturating_add(zeros) > 19 {
            return Err(AmountError::TooLarge);
        }
        let zeros = usize::try_from(zeros).ok().ok_or(AmountError::TooPrecise)?;
        let written = format!("{}{}", self.digits, "0".repeat(zeros));
        written.parse().ok().ok_or(AmountError::TooLarge)
    }
}

/// An exponent; one of more than 18 digits is as good as the largest, because nothing that large is money.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000_000_000_000);
    Some(if negative { -size } else { size })
}

/// The amount as a JSON number of major units that reads back as exactly these minor units.
///
/// `None` for the few amounts above about 7 × 10^13 major units (2^46) that a JSON number does not hold exactly.
#[must_use]
pub fn render_number(money: Money) -> Option<Number> {
    let places = decimal_places(money.currency);
    let scale = 10_i64.pow(u32::from(places));
    let negative = if money.minor < 0 { "-" } else { "" };
    let (whole, part) = (money.minor / scale, money.minor % scale);
    if part == 0 {
        return Some(whole.into());
    }
    let width = usize::from(places);
    let text = format!("{negative}{}.{:0width$}", whole.unsigned_abs(), part.unsigned_abs());
    let number: Number = serde_json::from_str(&text).ok()?;
    let unsigned = number.to_string();
    let exact =
        parse_minor(unsigned.trim_start_matches('-'), places) == Ok(money.minor.checked_abs()?);
    exact.then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_become_pence_exactly() {
        for (text, pence) in [
            ("0", 0),
            ("-0.0", 0),
            ("0e999999999999999999999", 0),
            ("0.01", 1),
            ("14216.93", 1_421_693),
            ("200000000.0", 20_000_000_000),
            ("1.5e6", 150_000_000),
            ("1230E-3", 123),
            ("1.230", 123),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(parse_minor(text, 2), Ok(pence), "{text}");
        }
    }

    #[test]
    fn refuses_fractions_of_a_penny_negatives_and_what_does_not_fit() {
        for (text, error) in [
            ("0.001", AmountError::TooPrecise),
            ("1e-999999999999999999999", AmountError::TooPrecise),
            ("-0.01", AmountError::Negative),
            ("92233720368547758.08", AmountError::TooLarge),
            ("1e18", AmountError::TooLarge),
            ("1e999999999999999999999", AmountError::TooLarge),
            ("", AmountError::NotANumber),
            ("1,000", AmountError::NotANumber),
            ("POA", AmountError::NotANumber),
            ("1.", AmountError::NotANumber),
            ("--1", AmountError::NotANumber),
            ("1e", AmountError::NotANumber),
        ] {
            assert_eq!(parse_minor(text, 2), Err(error), "{text}");
        }
    }

    #[test]
    fn yen_have_no_minor_unit_and_dinars_have_thousandths() {
        let places = |code| decimal_places(Currency::parse(code).unwrap());
        assert_eq!((places("JPY"), places("GBP"), places("KWD")), (0, 2, 3));
        assert_eq!(parse_minor("5.5", 0), Err(AmountError::TooPrecise));
        assert_eq!(parse_minor("5.005", 3), Ok(5_005));
    }

    #[test]
    fn an_amount_that_a_number_cannot_hold_is_not_written() {
        assert_eq!(render_number(Money::pence(i64::MAX)), None);
        assert!(render_number(Money::pence(7_000_000_000_000_007)).is_some());
        assert_eq!(render_number(Money::pence(-150)).unwrap().to_string(), "-1.5");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_to_the_penny(minor in 0..=7_000_000_000_000_000_i64) {
            let number = render_number(Money::pence(minor)).unwrap();
            prop_assert_eq!(parse_minor(&number.to_string(), 2), Ok(minor));
        }

        #[test]
        fn no_text_is_too_odd(text in "[-+.eE0-9]{0,30}") {
            let _ = parse_minor(&text, 2);
        }
    }
}
