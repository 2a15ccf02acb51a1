//! Addresses as RFC 3986 wants them. Publishers write spaces, letters with accents, and bare `www.` names.

/// The address with what may not stand in one percent-encoded; `None` if it is none even then.
pub(super) fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    let text = if text.starts_with("www.") { format!("http://{text}") } else { text.to_owned() };
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let formed = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let encoded = encode(rest);
    (formed && !encoded.is_empty() && authority_is_sound(&encoded))
        .then(|| format!("{scheme}:{encoded}"))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut n_hashes = 0_usize;
    for (at, c) in text.char_indices() {
        n_hashes += usize::from(c == '#');
        let allowed = match c {
            '%' => is_escape(text.get(at..).unwrap_or_default()),
            '#' => n_hashes == 1,
            _ => c.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=".contains(c),
        };
        if allowed {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}

fn is_escape(text: &str) -> bool {
    text.as_bytes().get(1..3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
}

/// `//user@host:port`: at most one `@`, and digits after the colon.
fn authority_is_sound(rest: &str) -> bool {
    let Some(hierarchy) = rest.strip_prefix("//") else {
        return true;
    };
    let authority = hierarchy.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split_once('@').map_or(authority, |(_, host)| host);
    let port = host.split_once(':').map_or("", |(_, port)| port);
    !host.is_empty() && !host.contains('@') && port.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_accents_are_percent_encoded_and_escapes_stay() {
        for (text, uri) in [
            ("https://a.example/x", "https://a.example/x"),
            ("http://Contract Finder", "http://Contract%20Finder"),
            (" https://a.example/ä b%20c%zz ", "https://a.example/%C3%A4%20b%20c%25zz"),
            ("https://a.example/#a#b", "https://a.example/#a%23b"),
            ("https://a.example/?q=[1]|2", "https://a.example/?q=%5B1%5D%7C2"),
            ("www.a.example", "http://www.a.example"),
            ("urn:x:y", "urn:x:y"),
        ] {
            assert_eq!(tidy(text).as_deref(), Some(uri));
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "see website",
            "a b:c",
            "http:",
            "https://",
            "http://h:port/",
            "1a:b",
            "http://a@b@c/",
        ] {
            assert_eq!(tidy(text), None, "{text}");
        }
    }
}
