//! Decimal numbers as every C2SP text writes them: ASCII, no sign, no leading zero but a lone `0`.

/// The number that `digits` is the one spelling of, or `None`.
pub(crate) fn parse_decimal(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let one_spelling = digits == "0" || !digits.starts_with('0');
    (all_digits && one_spelling).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("70000"), Some(70_000));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "٣", "18446744073709551616"] {
            assert_eq!(parse_decimal(wrong), None, "{wrong:?}");
        }
    }
}
