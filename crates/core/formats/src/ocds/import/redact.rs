//! Leaving out contact details before a notice is published again.
//!
//! Members that hold a contact point, a person, a mail address or a telephone number go, wherever they stand; in texts,
//! mail addresses and telephone numbers are replaced. The name of an organisation stays, even where it is a person's:
//! OCDS does not tell a sole trader apart. Names of people inside free text cannot be recognised.

use serde_json::Value;

/// What stands where a mail address stood in a text.
const NO_ADDRESS: &str = "[e-mail address left out]";
/// What stands where a telephone number stood in a text.
const NO_NUMBER: &str = "[telephone number left out]";

/// Leaves contact details out of a release.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !is_personal(name));
            members.values_mut().for_each(redact);
        }
        Value::Array(elements) => elements.iter_mut().for_each(redact),
        Value::String(text) => {
            if let Some(clean) = without_contacts(text) {
                *text = clean;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text without contact details; `None` if it holds none.
pub(super) fn without_contacts(text: &str) -> Option<String> {
    let no_addresses = text.contains('@').then(|| replace_addresses(text));
    let so_far = no_addresses.as_deref().unwrap_or(text);
    // A text of one word is a code, an id or a date.
    let prose = so_far.contains(char::is_whitespace);
    let no_numbers = prose.then(|| replace_numbers(so_far)).filter(|clean| clean != so_far);
    no_numbers.or(no_addresses)
}

fn is_personal(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let whole = ["mail", "tel", "fax", "mobile", "person", "persons", "people", "beneficialowners"];
    whole.contains(&plain.as_str())
        || ["contact", "fax", "mailaddress"].iter().any(|start| plain.starts_with(start))
        || ["email", "telephone", "contactpoint", "phonenumber"]
            .iter()
            .any(|part| plain.contains(part))
        || plain.ends_with("phone")
}

fn replace_addresses(text: &str) -> String {
    let outside = |c: char| c.is_whitespace() || "<>()[]{},;:\"|/=?&\\".contains(c);
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(outside) {
        let (body, end) = word
            .char_indices()
            .next_back()
            .filter(|(_, last)| outside(*last))
            .and_then(|(at, _)| word.split_at_checked(at))
            .unwrap_or((word, ""));
        clean.push_str(if is_address(body) { NO_ADDRESS } else { body });
        clean.push_str(end);
    }
    clean
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
}

/// Replaces runs of digits, spaces and brackets that look like a British or international telephone number.
fn replace_numbers(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let run = if after_word { "" } else { number_run(rest) };
        if is_telephone(run) {
            clean.push_str(NO_NUMBER);
            rest = rest.strip_prefix(run).unwrap_or_default();
            continue;
        }
        clean.push(first);
        after_word = first.is_alphanumeric() || "-./_".contains(first);
        rest = rest.strip_prefix(first).unwrap_or_default();
    }
    clean
}

/// The beginning of a text as far as it may be one telephone number: empty, or ending in a digit that no digit follows.
fn number_run(text: &str) -> &str {
    let bare = text.strip_prefix('(').unwrap_or(text);
    let max_digits = match bare.chars().next() {
        Some('+') => 16,
        Some('0') => 11,
        _ => return "",
    };
    let start = text.len() - bare.len() + 1;
    let (mut n_digits, mut end) = (usize::from(bare.starts_with('0')), 0);
    for (at, c) in text.char_indices().filter(|(at, _)| *at >= start) {
        if !c.is_ascii_digit() && !" ()\u{a0}".contains(c) {
            break;
        }
        if c.is_ascii_digit() {
            n_digits += 1;
            end = at + 1;
        }
        if n_digits == max_digits || at > start + 40 {
            break;
        }
    }
    let (run, rest) = text.split_at_checked(end).unwrap_or(("", text));
    if rest.starts_with(|c: char| c.is_ascii_digit()) { "" } else { run }
}

fn is_telephone(run: &str) -> bool {
    run.bytes().filter(u8::is_ascii_digit).count() >= 9
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contact_members_go_wherever_they_stand() {
        let mut release = json!({
            "parties": [{"name": "Council", "contactPoint": {"name": "A", "email": "a@b.example"}}],
            "buyer": {"contactPoint": {"telephone": "1"}},
            "tender": {"contactPersons": [], "e-mail": "x", "Telephone_cy": "1", "faxNumber": "2",
                       "contractPeriod": {}, "hasEnquiries": true},
            "x": {"persons": [{"name": "B"}], "mobilePhone": "3"},
        });
        redact(&mut release);
        let left = json!({
            "parties": [{"name": "Council"}],
            "buyer": {},
            "tender": {"contractPeriod": {}, "hasEnquiries": true},
            "x": {},
        });
        assert_eq!(release, left);
    }

    #[test]
    fn addresses_in_texts_are_replaced() {
        for (text, left) in [
            ("ask ann.o'neil+x@council.gov.uk, or", "ask [e-mail address left out], or"),
            ("<mailto:a@b.c>", "<mailto:[e-mail address left out]>"),
            ("(a@b)", "([e-mail address left out])"),
            ("Zoë@exämple.org.", "[e-mail address left out]"),
        ] {
            assert_eq!(without_contacts(text).as_deref(), Some(left));
        }
        assert_eq!(without_contacts("12 lamps @ £3"), Some("12 lamps @ £3".to_owned()));
    }

    #[test]
    fn telephone_numbers_in_texts_are_replaced() {
        for (text, left) in [
            ("call 0151 482 9230.", "call [telephone number left out]."),
            ("call +44 (0)151 482 9230 now", "call [telephone number left out] now"),
            ("(01632) 960 001 is it", "[telephone number left out] is it"),
            (
                "0151 482 9230 0151 482 9231",
                "[telephone number left out] [telephone number left out]",
            ),
        ] {
            assert_eq!(without_contacts(text).as_deref(), Some(left));
        }
    }

    #[test]
    fn a_text_of_brackets_and_spaces_takes_no_longer_than_its_length() {
        let text = "(( ".repeat(1_000_000);
        assert_eq!(without_contacts(&text), None);
    }

    #[test]
    fn codes_dates_and_sums_stay() {
        for text in [
            "2019/0000580267",
            "0000580267",
            "from 01-02-2025 10:00",
            "ref CT0123456789 here",
            "worth 1000000000 pounds",
            "lots 01 and 02",
            "part 012345678901234 here",
            "on 2025-01-02 00:00:00 UTC",
        ] {
            assert_eq!(without_contacts(text), None, "{text}");
        }
    }
}
