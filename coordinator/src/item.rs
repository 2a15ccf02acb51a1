//! An item of the feed as the store keeps it, as subscribers get it, and where reading resumes after it.

use formats::{
    cursor::Cursor,
    feed::{FeedEntry, Origin, Told},
};
use proto::v1;
use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis,
    payload::words::Language,
    place::{GssCode, Place},
};
use serde::Deserialize;
use store::{FeedItem, Position, StoreError};

use crate::words::Words;

/// The kinds of case, as in filters, registers and labels.
pub(crate) const KINDS: [&str; 4] = ["covenant", "opportunity", "pool", "poll"];

/// The JSON of an item; see [`FeedItem`].
#[derive(Debug, Clone, Deserialize)]
struct Stored {
    id: String,
    transition: String,
    kind: String,
    case: String,
    state: String,
    provisional: bool,
    summary: String,
    at: u64,
    deadline: Option<u64>,
    causes: Vec<StoredCause>,
    community: Option<String>,
    places: Vec<StoredPlace>,
    told: Option<StoredSource>,
}

/// Who told an item of a neighbouring region.
#[derive(Debug, Clone, Deserialize)]
struct StoredSource {
    by: String,
    address: String,
    checked: String,
}

#[derive(Debug, Clone, Deserialize)]
struct StoredCause {
    record: String,
    community: String,
    era: u32,
    index: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct StoredPlace {
    code: String,
    vintage: u16,
}

/// A record that caused an item, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause {
    record: RecordId,
    community: CommunityId,
    era: u32,
    index: u64,
}

/// An item, read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Its number here.
    pub(crate) seq: i64,
    /// From where on it is visible.
    pub(crate) position: Position,
    /// Where reading resumes after it: everything up to there has been told.
    pub(crate) resume: Position,
    pub(crate) kind: String,
    pub(crate) case: RecordId,
    pub(crate) places: Vec<Place>,
    id: ItemId,
    transition: String,
    state: String,
    provisional: bool,
    summary: String,
    at: UnixMillis,
    deadline: Option<UnixMillis>,
    causes: Vec<Cause>,
    community: Option<CommunityId>,
    /// Where it came from; `None` for an item of our own region.
    source: Option<Source>,
}

/// Where an item of a neighbouring region came from.
#[derive(Debug, Clone)]
struct Source {
    region: RegionId,
    told: Told,
    /// `host:port` of who told it.
    address: String,
}

/// Whose feed an item is served in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here {
    /// The coordinator that serves it.
    pub(crate) coordinator: CommunityId,
    /// Its region.
    pub(crate) region: RegionId,
}

/// The items of some rows in ascending order, with their places to resume; `following` is the row after them, if any.
///
/// Items of one commit share a position. After the last of them it has been passed; after any other, only what came
/// before it has, so that whoever resumes there is told some items again and misses none.
///
/// # Errors
///
/// [`StoreError::Damaged`] if a row holds something that the store did not write.
pub(crate) fn read_items(
    rows: &[FeedItem],
    following: Option<&FeedItem>,
) -> Result<Vec<Item>, StoreError> {
    let later = rows.iter().skip(1).chain(following).map(Some).chain([None]);
    rows.iter()
        .zip(later)
        .map(|(row, next)| {
            let is_last = next.is_none_or(|next| next.position != row.position);
            let resume = if is_last { row.position } else { just_before(row.position) };
            read_item(row, resume).ok_or(StoreError::Damaged { what: "an item of the feed" })
        })
        .collect()
}

/// The place right before a position: positions are whole milliseconds, and no two commits with items share one.
fn just_before(position: Position) -> Position {
    let instant = UnixMillis(position.instant.0.saturating_sub(1));
    Position { log_size: position.log_size, instant }
}

fn read_item(row: &FeedItem, resume: Position) -> Option<Item> {
    let stored: Stored = serde_json::from_str(&row.item).ok()?;
    let cause = |it: StoredCause| {
        let (record, community) = (it.record.parse().ok()?, it.community.parse().ok()?);
        Some(Cause { record, community, era: it.era, index: it.index })
    };
    let place =
        |it: StoredPlace| Some(Place { code: GssCode::parse(&it.code)?, vintage: it.vintage });
    let source = |region: RegionId| {
        let StoredSource { by, address, checked } = stored.told.clone()?;
        Some(Source { region, told: Told { by: by.parse().ok()?, checked }, address })
    };
    let source = row.region.map(|it| source(it).ok_or(())).transpose().ok()?;
    let community = stored.community.map(|it| it.parse().ok().ok_or(())).transpose().ok()?;
    Some(Item {
        seq: row.seq,
        position: row.position,
        resume,
        id: stored.id.parse().ok()?,
        transition: stored.transition,
        kind: stored.kind,
        case: stored.case.parse().ok()?,
        state: stored.state,
        provisional: stored.provisional,
        summary: stored.summary,
        at: UnixMillis(stored.at),
        deadline: stored.deadline.map(UnixMillis),
        causes: stored.causes.into_iter().map(cause).collect::<Option<_>>()?,
        community,
        places: stored.places.into_iter().map(place).collect::<Option<_>>()?,
        source,
    })
}

/// The text of a place in this coordinator's feed.
pub(crate) fn cursor(coordinator: CommunityId, position: Position) -> Cursor {
    Cursor { coordinator, log_size: position.log_size, instant: position.instant }
}

impl Item {
    /// The neighbouring region whose it is; `None` for our own.
    pub(crate) fn region(&self) -> Option<&RegionId> {
        self.source.as_ref().map(|it| &it.region)
    }

    /// The item as a subscriber gets it.
    pub(crate) fn render(&self, here: Here, words: &Words) -> v1::Item {
        let cause = |it: &Cause| v1::Cause {
            record: it.record.to_string(),
            community: it.community.to_string(),
            era: it.era,
            index: it.index,
        };
        let told = self.source.as_ref().map(|it| &it.told);
        let titles =
            words.titles().map(|(language, title)| (language.to_owned(), title.to_owned()));
        v1::Item {
            id: self.id.to_string(),
            transition: self.transition.clone(),
            kind: self.kind.clone(),
            case_id: self.case.to_string(),
            state: self.state.clone(),
            provisional: self.provisional,
            summary: self.summary.clone(),
            at: self.at.0,
            deadline: self.deadline.map(|it| it.0),
            causes: self.causes.iter().map(cause).collect(),
            community: self.community.map(|it| it.to_string()).unwrap_or_default(),
            places: self.places.iter().map(|it| it.code.to_string()).collect(),
            cursor: cursor(here.coordinator, self.resume).to_string(),
            titles: titles.collect(),
            level: level_of(&self.transition).unwrap_or_default().to_owned(),
            region: self.region().unwrap_or(&here.region).to_string(),
            told_by: told.map(|it| it.by.to_string()).unwrap_or_default(),
            checked: told.map(|it| it.checked.clone()).unwrap_or_default(),
        }
    }

    /// The item as an entry of a feed document served under `base`, an address without a slash at its end. What a
    /// neighbouring region tells is shown and proved there.
    pub(crate) fn entry(&self, here: Here, words: &Words, base: &str) -> FeedEntry {
        let elsewhere = self.source.as_ref().map(|it| format!("https://{}", it.address));
        let base = elsewhere.as_deref().unwrap_or(base);
        let step = self.transition.rsplit('.').next().unwrap_or_default().replace('_', " ");
        let subject = match words.title() {
            "" => capitalised(&self.kind),
            title => title.to_owned(),
        };
        let proof =
            |it: &Cause| format!("{base}/log/{}/{}/proof/{}", it.community, it.era, it.index);
        FeedEntry {
            id: self.id,
            title: format!("{subject}: {step}"),
            summary: self.summary.clone(),
            text: self.summary.clone(),
            url: format!("{base}/register/{}/{}", register_of(&self.kind), self.case),
            published_at: self.at,
            // An item, once told, stays as it is.
            updated_at: self.position.instant,
            tags: vec![self.kind.clone(), self.state.clone()],
            // Only the title may be in another language; summary and step are English.
            language: Language::english(),
            origin: Origin {
                cursor: cursor(here.coordinator, self.resume),
                case: self.case,
                kind: self.kind.clone(),
                state: self.state.clone(),
                provisional: self.provisional,
                causes: self.causes.iter().map(|it| it.record).collect(),
                deadline: self.deadline,
                community: self.community,
                places: self.places.clone(),
                proof_urls: self.causes.iter().map(proof).collect(),
                level: level_of(&self.transition).map(str::to_owned),
                region: *self.region().unwrap_or(&here.region),
                told: self.source.as_ref().map(|it| it.told.clone()),
            },
        }
    }
}

/// How far the figures of a step have been checked, where it publishes figures (VOTES.md, levels).
fn level_of(transition: &str) -> Option<&'static str> {
    let has_figures = matches!(transition, "tally.counted" | "poll.tallied" | "poll.declared");
    has_figures.then_some(civic::poll::SELF_DECLARED)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The register in which cases of this kind stand.
pub(crate) fn register_of(kind: &str) -> &'static str {
    match kind {
        "covenant" => "covenants",
        "opportunity" => "opportunities",
        "pool" => "pools",
        _ => "polls",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn here() -> Here {
        let [coordinator, region] = [[8; 32], [9; 32]];
        Here {
            coordinator: CommunityId::from_bytes(coordinator),
            region: RegionId::from_bytes(region),
        }
    }

    /// A row of the feed in the form in which the store writes it.
    pub(crate) fn row(seq: i64, log_size: u64, instant: u64) -> FeedItem {
        let id = |n: u8| CommunityId::from_bytes([n; 32]);
        let cause = serde_json::json!({
            "record": RecordId::from_bytes([2; 32]), "community": id(4), "era": 0, "index": 7,
        });
        let item = serde_json::json!({
            "id": ItemId::from_bytes([9; 32]), "transition": "pool.threshold_met", "kind": "pool",
            "case": RecordId::from_bytes([1; 32]), "state": "threshold met", "provisional": false,
            "summary": "Enough.", "at": 5, "deadline": null, "causes": [cause], "community": id(4),
            "places": [{"code": "E07000223", "vintage": 2025}],
        });
        let position = Position { log_size, instant: UnixMillis(instant) };
        FeedItem { seq, position, item: item.to_string(), region: None }
    }

    fn resumes(rows: &[FeedItem], following: Option<&FeedItem>) -> Vec<(u64, u64)> {
        let items = read_items(rows, following).unwrap();
        items.iter().map(|it| (it.resume.log_size, it.resume.instant.0)).collect()
    }

    #[test]
    fn only_the_last_item_of_a_commit_passes_its_position() {
        let rows = [row(1, 3, 10), row(2, 3, 10), row(3, 4, 20)];
        assert_eq!(resumes(&rows, None), [(3, 9), (3, 10), (4, 20)]);
    }

    #[test]
    fn a_commit_cut_by_a_page_is_not_passed() {
        let rows = [row(1, 3, 10), row(2, 4, 20)];
        assert_eq!(resumes(&rows, Some(&row(3, 4, 20))), [(3, 10), (4, 19)]);
        assert_eq!(resumes(&rows, Some(&row(3, 4, 21))), [(3, 10), (4, 20)]);
    }

    #[test]
    fn an_item_keeps_all_that_the_store_wrote() {
        let item = read_items(&[row(1, 3, 10)], None).unwrap().remove(0);
        let rendered = item.render(here(), &Words::default());
        assert_eq!(rendered.places, ["E07000223"]);
        assert_eq!(rendered.causes[0].index, 7);
        assert_eq!((rendered.at, rendered.deadline), (5, None));
        assert!(rendered.titles.is_empty());
    }

    #[test]
    fn an_entry_without_words_is_named_by_its_kind_and_links_its_proofs() {
        let item = read_items(&[row(1, 3, 10)], None).unwrap().remove(0);
        let entry = item.entry(here(), &Words::default(), "https://c.example");
        assert_eq!(entry.title, "Pool: threshold met");
        assert_eq!(entry.url, format!("https://c.example/register/pools/{}", item.case));
        let of = CommunityId::from_bytes([4; 32]);
        assert_eq!(entry.origin.proof_urls, [format!("https://c.example/log/{of}/0/proof/7")]);
    }

    #[test]
    fn a_step_with_figures_says_how_far_they_were_checked_and_another_says_nothing() {
        let level = |transition: &str| {
            let plain = row(1, 3, 10);
            let item = plain.item.replace("pool.threshold_met", transition);
            let item = read_items(&[FeedItem { item, ..plain }], None).unwrap().remove(0);
            let rendered = item.render(here(), &Words::default()).level;
            let entry = item.entry(here(), &Words::default(), "https://c.example");
            assert_eq!(rendered, entry.origin.level.unwrap_or_default());
            rendered
        };
        assert_eq!(level("poll.declared"), "self-declared");
        assert_eq!(level("pool.threshold_met"), "");
    }

    #[test]
    fn a_damaged_row_is_named_as_one() {
        let damaged = FeedItem { item: "{}".to_owned(), ..row(1, 3, 10) };
        assert!(matches!(read_items(&[damaged], None), Err(StoreError::Damaged { .. })));
    }
}
