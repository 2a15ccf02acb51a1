//! A JSON Feed of ours against the independent checker of ../shared; where it cannot run the test says so and passes.
//!
//! The checker needs the Python packages `jsonschema` and `referencing`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it skips"
)]

use std::{fs, path::Path, process::Command};

use formats::{
    cursor::Cursor,
    feed::{FeedEntry, FeedMeta, Origin, Told, json},
};
use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis,
    payload::words::Language,
    place::{GssCode, Place},
};

fn meta() -> FeedMeta {
    FeedMeta {
        network: "demo.folkmoot.example".parse().unwrap(),
        title: "Calder".to_owned(),
        home_url: "https://c.example/".to_owned(),
        feed_url: "https://c.example/feed.json".to_owned(),
        next_url: Some("https://c.example/feed.json?page=2".to_owned()),
        about_url: "https://c.example/about/feed".to_owned(),
        author: "Calder coordinator".to_owned(),
        updated: UnixMillis(1_800_000_000_000),
        language: Language::english(),
    }
}

fn entry(n: u8, full: bool) -> FeedEntry {
    let coordinator = CommunityId::from_bytes([9; 32]);
    let some = |words: &str| if full { words.to_owned() } else { String::new() };
    FeedEntry {
        id: ItemId::from_bytes([n; 32]),
        title: some("In force </title>\u{0}"),
        summary: some("The covenant is in force."),
        text: some("The covenant is in force.\n\"Quoted\""),
        url: "https://c.example/case/1".to_owned(),
        published_at: UnixMillis(1_799_999_000_001),
        updated_at: UnixMillis(1_799_999_000_001),
        tags: vec!["covenant".to_owned(), "covenant".to_owned()],
        language: Language::english(),
        origin: Origin {
            cursor: Cursor { coordinator, log_size: 7, instant: UnixMillis(1) },
            case: RecordId::from_bytes([1; 32]),
            kind: "covenant".to_owned(),
            state: "in_force".to_owned(),
            provisional: full,
            causes: full.then(|| RecordId::from_bytes([2; 32])).into_iter().collect(),
            deadline: (!full).then_some(UnixMillis(5)),
            community: full.then_some(coordinator),
            places: GssCode::parse("E07000223")
                .map(|code| Place { code, vintage: 2025 })
                .into_iter()
                .collect(),
            proof_urls: vec!["https://c.example/proof/1".to_owned()],
            level: full.then(|| "public".to_owned()),
            region: RegionId::from_bytes([5; 32]),
            told: full.then(|| Told { by: coordinator, checked: "folded".to_owned() }),
        },
    }
}

#[test]
fn the_independent_checker_finds_no_fault_in_a_json_feed() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared");
    let script = Path::new(shared).join("checks/jsonfeed/check_jsonfeed.py");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("feed.json");
    let feed = json::render(&meta(), &[entry(1, true), entry(2, false)]);
    fs::write(&file, feed.to_string()).unwrap();
    let output = Command::new("python3").arg(&script).arg(&file).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.stdout.is_empty() => {
            eprintln!(
                "skipped: check_jsonfeed.py cannot run: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => eprintln!("skipped: python3 cannot run: {error}"),
    }
}
