//! Sheets as they are printed.

use record::identity::parse_paper;

use super::*;

fn sheet() -> Sheet {
    Sheet {
        name: "Harbour <Baths> & Society".to_owned(),
        community: CommunityId::from_bytes([7; 32]),
        network: "test.folkmoot.example".parse().unwrap(),
        threshold: (2, 3),
        region: Some(("Estuary".to_owned(), "fmg1abc".to_owned())),
        addresses: vec![("Coordinator".to_owned(), "c.example:7443".to_owned())],
    }
}

fn key(role: PaperRole) -> SheetKey {
    SheetKey { role, seed: Zeroizing::new([3; 32]) }
}

/// The texts of a page, in their order.
fn texts(svg: &str) -> Vec<&str> {
    let after = svg.split("<text ").skip(1);
    after.filter_map(|it| it.split_once('>')?.1.split_once("</text>")).map(|it| it.0).collect()
}

#[test]
fn a_sheet_for_everybody_says_who_and_where_in_two_languages_and_holds_no_secret() {
    let svg = sheet().render(&[]).unwrap();
    let all = texts(&svg).join(" ");
    for part in
        ["fm1a4dqobyh", "c.example:7443", "Estuary", "2 / 3", "After a loss", "ar ôl colled"]
    {
        assert!(all.to_lowercase().contains(&part.to_lowercase()), "{part}: {all}");
    }
    assert!(svg.contains("Harbour &lt;Baths&gt; &amp; Society"));
    assert!(!all.contains("SECRET") && !all.contains("key / "));
}

#[test]
fn the_groups_of_an_officers_own_sheet_are_read_back() {
    for role in [PaperRole::Officer, PaperRole::Spare] {
        let svg = sheet().render(&[key(role)]).unwrap();
        let groups: Vec<&str> = texts(&svg)
            .into_iter()
            .filter(|it| it.contains("  ") && it.split("  ").all(|it| it.len() == 5))
            .collect();
        assert_eq!(parse_paper(&groups.concat()), Ok((role, [3; 32])));
        assert!(texts(&svg).join(" ").contains("SECRET"));
    }
    assert!(!format!("{:?}", key(PaperRole::Officer)).contains('3'));
}

#[test]
fn everything_fits_on_one_page() {
    let keys = [key(PaperRole::Officer), key(PaperRole::Spare)];
    let mut longest = sheet();
    longest.name = "W".repeat(100);
    longest.addresses =
        (0..40).map(|n| ("Peer".to_owned(), format!("{n}.{}", "x".repeat(60)))).collect();
    for keys in [&keys[..], &[]] {
        let svg = longest.render(keys).unwrap();
        let lowest =
            svg.split(" y=\"").skip(1).filter_map(|it| it.split_once('"')?.0.parse::<u32>().ok());
        let lowest = lowest.max().unwrap();
        assert!(lowest <= PAGE.1 - 10, "{lowest} mm, with {} keys", keys.len());
    }
}

#[test]
fn a_line_breaks_between_words_and_a_longer_word_is_cut() {
    assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
}
