//! An item as a neighbour's coordinator tells it: read, and checked as far as it can be by itself.

use formats::cursor::Cursor;
use proto::v1;
use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis, limits::MAX_ITEM_CAUSES,
    proved::ProvedError,
};
use serde::{Deserialize, Serialize};

use crate::item::KINDS;

/// The longest name of a step; the longest there is has 23 bytes.
const MAX_STEP_BYTES: usize = 64;
/// How far a neighbour's clock may be ahead of ours: what is shown as skew, too.
const MAX_AHEAD_MILLIS: u64 = 5 * 60 * 1_000;

/// Why an item is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("an item cannot be read: its {what}")]
    Malformed { what: &'static str },
    #[error("an item names another region, {0}")]
    OtherRegion(String),
    #[error("an item's id is not that of what it says")]
    OtherId,
    #[error("an item lies in the future")]
    Future,
    #[error("an item has more than {MAX_ITEM_CAUSES} causes")]
    TooManyCauses,
    #[error("a cause cannot be proved there ({0})")]
    NoProof(String),
    #[error("a cause is not proved: {0}")]
    NotProved(#[from] ProvedError),
    #[error("a cause is another record than the one that is proved")]
    OtherRecord,
    #[error("a cause is in the log of {0}, which never had a place in that region")]
    Stranger(CommunityId),
    #[error("a cause belongs to another case")]
    OtherCase,
    #[error("a case is not shown to be that region's")]
    CaseUnknown,
    #[error("there is no room for all records that were proved together")]
    NoRoom,
}

impl Refusal {
    /// The reason as a label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::OtherRegion(_) => "other_region",
            Self::OtherId => "other_id",
            Self::Future => "future",
            Self::TooManyCauses => "too_many_causes",
            Self::NoProof(_) => "no_proof",
            Self::NotProved(_) => "not_proved",
            Self::OtherRecord => "other_record",
            Self::Stranger(_) => "stranger",
            Self::OtherCase => "other_case",
            Self::CaseUnknown => "case_unknown",
            Self::NoRoom => "no_room",
        }
    }

    /// Whether the same item may be taken later: once a log is given out again, a case is opened or a member admitted.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::NoProof(_) | Self::Stranger(_) | Self::CaseUnknown | Self::NoRoom => true,
            Self::Malformed { .. }
            | Self::OtherRegion(_)
            | Self::OtherId
            | Self::Future
            | Self::TooManyCauses
            | Self::NotProved(_)
            | Self::OtherRecord
            | Self::OtherCase => false,
        }
    }
}

/// A record that is said to have caused an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    pub(super) record: RecordId,
    pub(super) community: CommunityId,
    pub(super) era: u32,
    pub(super) index: u64,
}

/// An item whose id is that of what it says. Its causes are still to be proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) id: ItemId,
    pub(super) transition: String,
    pub(super) kind: &'static str,
    pub(super) case: RecordId,
    pub(super) provisional: bool,
    pub(super) at: UnixMillis,
    pub(super) deadline: Option<UnixMillis>,
    pub(super) causes: Vec<Cause>,
}

impl Claim {
    /// What an item of a feed claims, if it can be true by itself, and says where the feed goes on after it.
    pub(super) fn parse(
        item: &v1::Item,
        region: RegionId,
        now: UnixMillis,
    ) -> Result<Self, Refusal> {
        if place(&item.cursor).is_none() {
            return Err(Refusal::Malformed { what: "cursor" });
        }
        Self::of(item, region, now)
    }

    /// What was kept of an item, checked as it was when it came.
    pub(super) fn parse_kept(
        kept: &str,
        region: RegionId,
        now: UnixMillis,
    ) -> Result<Self, Refusal> {
        let kept: Kept =
            serde_json::from_str(kept).ok().ok_or(Refusal::Malformed { what: "claim" })?;
        Self::of(&kept.into(), region, now)
    }

    /// The claim as it is kept.
    pub(super) fn to_kept(&self) -> String {
        let Self { id, transition, kind, case, provisional, at, deadline, causes } = self;
        let cause = |it: &Cause| KeptCause {
            record: it.record.to_string(),
            community: it.community.to_string(),
            era: it.era,
            index: it.index,
        };
        let kept = Kept {
            id: id.to_string(),
            transition: transition.clone(),
            kind: (*kind).to_owned(),
            case: case.to_string(),
            provisional: *provisional,
            at: at.0,
            deadline: deadline.map(|it| it.0),
            causes: causes.iter().map(cause).collect(),
        };
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    fn of(item: &v1::Item, region: RegionId, now: UnixMillis) -> Result<Self, Refusal> {
        let malformed = |what| Refusal::Malformed { what };
        if !item.region.is_empty() && item.region != region.to_string() {
            return Err(Refusal::OtherRegion(item.region.chars().take(80).collect()));
        }
        if MAX_ITEM_CAUSES < item.causes.len() {
            return Err(Refusal::TooManyCauses);
        }
        let is_step = |b: u8| b.is_ascii_lowercase() || b == b'.' || b == b'_';
        let sound = item.transition.len() <= MAX_STEP_BYTES && item.transition.bytes().all(is_step);
        if !sound || item.transition.is_empty() {
            return Err(malformed("step"));
        }
        let kind = KINDS.into_iter().find(|it| *it == item.kind).ok_or(malformed("kind"))?;
        let case: RecordId = item.case_id.parse().ok().ok_or(malformed("case"))?;
        let id: ItemId = item.id.parse().ok().ok_or(malformed("id"))?;
        let causes: Option<Vec<Cause>> = item.causes.iter().map(parse_cause).collect();
        let causes = causes.ok_or(malformed("causes"))?;
        let deadline = item.deadline.map(UnixMillis);
        // Records cause a step, or the clock does.
        if causes.is_empty() != deadline.is_some() {
            return Err(malformed("causes"));
        }
        let records: Vec<RecordId> = causes.iter().map(|it| it.record).collect();
        if civic::item_id(case, &item.transition, deadline, &records) != id {
            return Err(Refusal::OtherId);
        }
        if deadline.is_some_and(|it| now.plus_millis(MAX_AHEAD_MILLIS) < it) {
            return Err(Refusal::Future);
        }
        Ok(Self {
            id,
            transition: item.transition.clone(),
            kind,
            case,
            provisional: item.provisional,
            at: UnixMillis(item.at),
            deadline,
            causes,
        })
    }

    /// Whether the record that opens the case caused it.
    pub(super) fn is_opening(&self) -> bool {
        self.causes.iter().any(|it| it.record == self.case)
    }
}

/// The place in a feed that a text names: a cursor has 70 characters, and nothing else is kept as one.
pub(super) fn place(cursor: &str) -> Option<String> {
    cursor.parse::<Cursor>().ok().map(|it| it.to_string())
}

/// A claim as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    transition: String,
    kind: String,
    case: String,
    provisional: bool,
    at: u64,
    deadline: Option<u64>,
    causes: Vec<KeptCause>,
}

#[derive(Serialize, Deserialize)]
struct KeptCause {
    record: String,
    community: String,
    era: u32,
    index: u64,
}

impl From<Kept> for v1::Item {
    fn from(kept: Kept) -> Self {
        let Kept { id, transition, kind, case, provisional, at, deadline, causes } = kept;
        let cause = |KeptCause { record, community, era, index }| v1::Cause {
            record,
            community,
            era,
            index,
        };
        let causes = causes.into_iter().map(cause).collect();
        Self {
            id,
            transition,
            kind,
            case_id: case,
            provisional,
            at,
            deadline,
            causes,
            ..Self::default()
        }
    }
}

fn parse_cause(cause: &v1::Cause) -> Option<Cause> {
    let (record, community) = (cause.record.parse().ok()?, cause.community.parse().ok()?);
    Some(Cause { record, community, era: cause.era, index: cause.index })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn region() -> RegionId {
        RegionId::from_bytes([1; 32])
    }

    fn cursor() -> String {
        let coordinator = CommunityId::from_bytes([4; 32]);
        Cursor { coordinator, log_size: 7, instant: NOW }.to_string()
    }

    fn with_id(mut item: v1::Item) -> v1::Item {
        let records: Vec<RecordId> =
            item.causes.iter().map(|it| it.record.parse().unwrap()).collect();
        let (case, deadline) = (item.case_id.parse().unwrap(), item.deadline.map(UnixMillis));
        item.id = civic::item_id(case, &item.transition, deadline, &records).to_string();
        item
    }

    fn caused(n: usize) -> v1::Item {
        let cause = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            v1::Cause {
                record: RecordId::from_bytes(bytes).to_string(),
                community: CommunityId::from_bytes([2; 32]).to_string(),
                era: 0,
                index: 1,
            }
        };
        with_id(v1::Item {
            transition: "pool.pledged".into(),
            kind: "pool".into(),
            case_id: RecordId::from_bytes([9; 32]).to_string(),
            causes: (0..n).map(cause).collect(),
            region: region().to_string(),
            cursor: cursor(),
            ..v1::Item::default()
        })
    }

    fn due(deadline: u64) -> v1::Item {
        let deadline = Some(deadline);
        with_id(v1::Item { transition: "pool.expired".into(), deadline, ..caused(0) })
    }

    fn refusal(item: &v1::Item) -> Option<&'static str> {
        Claim::parse(item, region(), NOW).err().map(|it| it.label())
    }

    #[test]
    fn an_item_is_taken_only_under_the_id_of_what_it_says() {
        assert_eq!(refusal(&caused(1)), None);
        let other = v1::Item { transition: "pool.locked".into(), ..caused(1) };
        assert_eq!(refusal(&other), Some("other_id"));
        assert_eq!(refusal(&with_id(other)), None);
    }

    #[test]
    fn an_item_of_another_region_is_refused_and_one_that_names_none_is_that_regions() {
        let elsewhere = RegionId::from_bytes([3; 32]).to_string();
        assert_eq!(refusal(&v1::Item { region: elsewhere, ..caused(1) }), Some("other_region"));
        assert_eq!(refusal(&v1::Item { region: String::new(), ..caused(1) }), None);
    }

    #[test]
    fn a_step_has_records_or_a_deadline_and_not_both() {
        assert_eq!(refusal(&caused(0)), Some("malformed"));
        let both = with_id(v1::Item { deadline: Some(1), ..caused(1) });
        assert_eq!(refusal(&both), Some("malformed"));
    }

    #[test]
    fn a_deadline_may_lie_five_minutes_ahead_and_no_more() {
        assert_eq!(refusal(&due(NOW.0 + MAX_AHEAD_MILLIS)), None);
        assert_eq!(refusal(&due(NOW.0 + MAX_AHEAD_MILLIS + 1)), Some("future"));
    }

    #[test]
    fn an_item_has_1024_causes_at_most_and_a_step_64_bytes() {
        assert_eq!(refusal(&caused(MAX_ITEM_CAUSES)), None);
        assert_eq!(refusal(&caused(MAX_ITEM_CAUSES + 1)), Some("too_many_causes"));
        let named = |n: usize| with_id(v1::Item { transition: "a".repeat(n), ..caused(1) });
        assert_eq!(refusal(&named(MAX_STEP_BYTES)), None);
        assert_eq!(refusal(&named(MAX_STEP_BYTES + 1)), Some("malformed"));
        let strange = with_id(v1::Item { transition: "pool.<b>".into(), ..caused(1) });
        assert_eq!(refusal(&strange), Some("malformed"));
    }

    #[test]
    fn an_item_whose_cursor_is_none_is_refused_at_any_length() {
        let shorter = cursor().chars().take(69).collect::<String>();
        let longer = format!("{}A", cursor());
        let other = cursor().replacen("fmc1", "fmc2", 1);
        for wrong in [String::new(), shorter, longer, other, "x".repeat(100_000)] {
            assert_eq!(place(&wrong), None);
            assert_eq!(refusal(&v1::Item { cursor: wrong, ..caused(1) }), Some("malformed"));
        }
        assert_eq!(place(&cursor()), Some(cursor()));
    }

    #[test]
    fn a_claim_reads_back_as_it_is_kept_and_is_checked_again() {
        for item in [caused(1), caused(3), due(NOW.0 - 1)] {
            let claim = Claim::parse(&item, region(), NOW).unwrap();
            let kept = claim.to_kept();
            assert_eq!(Claim::parse_kept(&kept, region(), NOW), Ok(claim));
            let changed = kept.replacen("pool.", "poll.", 1);
            assert_eq!(Claim::parse_kept(&changed, region(), NOW), Err(Refusal::OtherId));
        }
        assert!(Claim::parse_kept("{}", region(), NOW).is_err());
    }

    #[test]
    fn what_is_no_item_at_all_is_malformed() {
        assert_eq!(refusal(&v1::Item::default()), Some("malformed"));
        assert_eq!(refusal(&v1::Item { kind: "vote".into(), ..caused(1) }), Some("malformed"));
        assert_eq!(refusal(&v1::Item { case_id: "x".into(), ..caused(1) }), Some("malformed"));
    }
}
