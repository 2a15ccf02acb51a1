//! Money: integer minor units and an ISO 4217 currency. Sums are checked; currencies never mix.

use std::fmt;

/// An ISO 4217 currency code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Pounds sterling.
    pub const GBP: Self = Self(*b"GBP");

    /// The currency with this code, if it is three upper-case letters.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// An amount in minor units (pence for GBP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Money {
    /// Minor units; negative amounts are refused where a rule says so.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` pence.
    #[must_use]
    pub const fn pence(minor: i64) -> Self {
        Self { minor, currency: Currency::GBP }
    }

    /// The sum, or `None` for two currencies or an overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let same = self.currency == other.currency;
        let minor = self.minor.checked_add(other.minor)?;
        same.then_some(Self { minor, ..self })
    }

    /// The amount `n` times, or `None` on overflow.
    #[must_use]
    pub fn checked_mul(self, n: u64) -> Option<Self> {
        let minor = self.minor.checked_mul(i64::try_from(n).ok()?)?;
        Some(Self { minor, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_do_not_mix_and_sums_do_not_wrap() {
        let euro = Money { minor: 1, currency: Currency::parse("EUR").unwrap() };
        assert_eq!(Money::pence(1).checked_add(Money::pence(2)), Some(Money::pence(3)));
        assert_eq!(Money::pence(1).checked_add(euro), None);
        assert_eq!(Money::pence(i64::MAX).checked_add(Money::pence(1)), None);
        assert_eq!(Money::pence(2).checked_mul(u64::MAX), None);
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert!(Currency::parse("GBP").is_some());
        for wrong in ["gbp", "GB", "GBPP", "G1P", "£££"] {
            assert!(Currency::parse(wrong).is_none(), "{wrong}");
        }
    }
}
