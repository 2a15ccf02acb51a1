//! The value of a process, exactly, or not at all.
//!
//! The first of these that is disclosed: the tender's value; the sum of the active awards; where there are no awards, the
//! sum of the contracts; the budget. Awards and contracts are never added together, and one id never counts twice.

use std::collections::BTreeSet;

use record::{Money, money::Currency};
use serde_json::value::RawValue;

use super::{Note, Refusal, find, shown};
use crate::ocds::amount::{AmountError, decimal_places, parse_minor};

/// The value without tax, and why it is not disclosed where it is not.
pub(super) fn value_of(
    release: &RawValue,
    notes: &mut Vec<Note>,
) -> Result<Option<Money>, Refusal> {
    let tender = find::raw(release, &["tender", "value"]);
    if let Some(value) = disclosed(tender, "tender.value", notes)? {
        return Ok(Some(value));
    }
    let awards = find::raw_list(release, &["awards"]);
    let (list, name) = if awards.is_empty() {
        (find::raw_list(release, &["contracts"]), "contracts.value")
    } else {
        (awards, "awards.value")
    };
    if let Some(sum) = sum(&list, name, notes)? {
        return Ok(Some(sum));
    }
    let budget = find::raw(release, &["planning", "budget", "amount"]);
    disclosed(budget, "planning.budget.amount", notes)
}

/// The sum over those that stand, each id once; `None` unless every one of them is disclosed in one currency.
fn sum(list: &[&RawValue], name: &str, notes: &mut Vec<Note>) -> Result<Option<Money>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut total: Option<Money> = None;
    for raw in list.iter().filter(|raw| stands(raw)) {
        let id = find::raw(raw, &["id"]).map(RawValue::get);
        if id.is_some_and(|id| !seen.insert(id)) {
            continue;
        }
        let Some(value) = disclosed(find::raw(raw, &["value"]), name, notes)? else {
            return Ok(None);
        };
        total = match total {
            None => Some(value),
            Some(so_far) if so_far.currency != value.currency => return Ok(None),
            Some(so_far) => Some(so_far.checked_add(value).ok_or_else(|| too_large(name))?),
        };
    }
    Ok(total)
}

fn stands(raw: &RawValue) -> bool {
    let status = find::raw(raw, &["status"]).map_or("", RawValue::get);
    !["\"cancelled\"", "\"unsuccessful\"", "\"pending\""].contains(&status)
}

/// One OCDS value object. Amounts of 0, 0.01 and 1 mean "not disclosed".
fn disclosed(
    value: Option<&RawValue>,
    name: &str,
    notes: &mut Vec<Note>,
) -> Result<Option<Money>, Refusal> {
    let Some(amount) = value.and_then(|value| find::raw(value, &["amount"])) else {
        return Ok(None);
    };
    let digits = amount.get().trim_matches(['"', ' ']);
    if digits == "null" {
        return Ok(None);
    }
    let mut not_usable = |what: &'static str, why: &str| {
        let detail =
            format!("{name}.amount, `{}`, {why}; the value is not disclosed.", shown(digits));
        notes.push(Note { what, detail });
        Ok(None)
    };
    let currency = currency_of(value);
    match parse_minor(digits, currency.map_or(2, decimal_places)) {
        Err(AmountError::Negative) => Err(Refusal::new(
            "value.negative",
            format!("{name}.amount is below zero: {}.", shown(digits)),
        )),
        Err(AmountError::TooLarge) => Err(too_large(name)),
        Err(AmountError::NotANumber) => not_usable("value.not_a_number", "is not a number"),
        Err(AmountError::TooPrecise) => {
            not_usable("value.too_precise", "has a fraction of the smallest unit of its currency")
        }
        Ok(minor) => match currency {
            None => not_usable("value.no_currency", "has no ISO 4217 currency"),
            Some(currency) if is_placeholder(minor, currency) => {
                not_usable("value.placeholder", "stands for no value")
            }
            Some(currency) => Ok(Some(Money { minor, currency })),
        },
    }
}

fn currency_of(value: Option<&RawValue>) -> Option<Currency> {
    let code = find::raw(value?, &["currency"])?.get();
    Currency::parse(&code.trim_matches(['"', ' ']).to_ascii_uppercase())
}

fn is_placeholder(minor: i64, currency: Currency) -> bool {
    let one = 10_i64.pow(u32::from(decimal_places(currency)));
    [0, one / 100, one].contains(&minor)
}

fn too_large(name: &str) -> Refusal {
    let detail =
        format!("{name}.amount does not fit 63 bits of the smallest unit of its currency.");
    Refusal::new("value.too_large", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Result<Option<Money>, &'static str> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        value_of(raw, &mut Vec::new()).map_err(|refusal| refusal.reason)
    }

    fn tender(amount: &str) -> Result<Option<Money>, &'static str> {
        value(&format!(r#"{{"tender":{{"value":{{"amount":{amount},"currency":"GBP"}}}}}}"#))
    }

    #[test]
    fn nought_a_penny_and_a_pound_are_not_disclosed() {
        for amount in ["0", "0.0", "0.01", "1", "1.00", "-0", "null", "\"POA\"", "2.345", "{}"] {
            assert_eq!(tender(amount), Ok(None), "{amount}");
        }
        assert_eq!(tender("0.02"), Ok(Some(Money::pence(2))));
        assert_eq!(tender("1.01"), Ok(Some(Money::pence(101))));
        assert_eq!(tender("\"250.50\""), Ok(Some(Money::pence(25_050))));
    }

    #[test]
    fn more_digits_than_a_float_holds_are_kept() {
        assert_eq!(tender("90071992547409.93"), Ok(Some(Money::pence(9_007_199_254_740_993))));
    }

    #[test]
    fn negative_and_overflowing_values_are_refused() {
        assert_eq!(tender("-0.01"), Err("value.negative"));
        assert_eq!(tender("1e30"), Err("value.too_large"));
        let two = r#"{"awards":[{"value":{"amount":9e16,"currency":"GBP"}},
                                {"value":{"amount":9e16,"currency":"GBP"}}]}"#;
        assert_eq!(value(two), Err("value.too_large"));
    }

    #[test]
    fn awards_and_contracts_are_never_added_twice() {
        let both = r#"{"awards":[
            {"id":"1","status":"active","value":{"amount":100,"currency":"GBP"}},
            {"id":"1","status":"active","value":{"amount":100,"currency":"GBP"}},
            {"id":"2","status":"cancelled","value":{"amount":7,"currency":"GBP"}},
            {"id":"3","value":{"amount":50,"currency":"gbp"}}],
          "contracts":[{"id":"1","value":{"amount":100,"currency":"GBP"}}]}"#;
        assert_eq!(value(both), Ok(Some(Money::pence(15_000))));
    }

    #[test]
    fn a_sum_needs_every_part_in_one_currency() {
        let missing = r#"{"awards":[{"value":{"amount":100,"currency":"GBP"}},{"value":{"amount":0,"currency":"GBP"}}]}"#;
        let mixed = r#"{"awards":[{"value":{"amount":100,"currency":"GBP"}},{"value":{"amount":9,"currency":"EUR"}}]}"#;
        let none = r#"{"tender":{"value":{"amount":100}}}"#;
        for json in [missing, mixed, none] {
            assert_eq!(value(json), Ok(None), "{json}");
        }
    }
}
