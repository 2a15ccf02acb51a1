//! Cases as OCDS releases: what was imported, published again, and opportunities that communities wrote themselves and
//! pools as contracting processes of our own.
//!
//! Our own processes have the prefix of the region's charter, so that every coordinator gives them the same ocid.

use std::collections::BTreeSet;

use formats::ocds::export::{
    ExportRelease, ImportedRelease, LocalRelease, PartyName, PoolExport, PoolStatus,
};
use peer::PeerError;
use record::{
    CommunityId, Money, Payload, RecordId, UnixMillis, money::Currency,
    payload::opportunity::Release,
};
use serde::Deserialize;
use store::{CaseRow, StoreError, WordsRow};

use crate::{feed::Feed, metrics};

/// What a pool's view says that an export needs.
#[derive(Debug, Deserialize)]
struct PoolView {
    lead: String,
    unit: String,
    pledges: Vec<PledgeView>,
    closes_at: u64,
    cpv: Option<u32>,
    unit_price: Option<MoneyView>,
}

#[derive(Debug, Deserialize)]
struct PledgeView {
    community: String,
    quantity: u64,
    firm: bool,
}

#[derive(Debug, Deserialize)]
struct MoneyView {
    minor: i64,
    currency: String,
}

/// The records of a case that do not count.
#[derive(Debug, Deserialize)]
struct RefusedView {
    refused: Vec<RefusedRecord>,
}

#[derive(Debug, Deserialize)]
struct RefusedRecord {
    record: String,
}

/// What an opportunity's view says that an export needs.
#[derive(Debug, Deserialize)]
struct OpportunityView {
    ocid: String,
    publisher: String,
}

/// The process that a notice names.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    ocid: String,
}

impl Named {
    /// The ocid in a notice; empty if it names none, `None` if it is no release.
    fn in_notice(notice_json: &[u8]) -> Option<String> {
        serde_json::from_slice::<Self>(notice_json).ok().map(|it| it.ocid)
    }
}

/// Turns cases into releases.
#[derive(Debug)]
pub(crate) struct Exporter {
    feed: Feed,
    /// The prefix of pools.
    prefix: Option<String>,
}

impl Exporter {
    /// Pools are exported under the charter's prefix; where it has none, under the operator's, and not at all without
    /// either.
    pub(crate) fn new(feed: Feed, operators: Option<String>) -> Self {
        let prefix = feed.peer().charter().ocid_prefix().map(ToString::to_string).or(operators);
        Self { feed, prefix }
    }

    /// Cases of a kind after a case number; none of a kind that is not exported.
    pub(crate) async fn cases(
        &self,
        kind: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        if kind == "pool" && self.prefix.is_none() {
            return Ok(Vec::new());
        }
        self.feed.peer().store().cases(kind, after, limit).await
    }

    /// The records of a case that each make a release: of an opportunity every one that counts, of a pool the newest.
    pub(crate) async fn records(&self, row: &CaseRow) -> Result<Vec<WordsRow>, StoreError> {
        let view: RefusedView = parse_view(row)?;
        let refused: BTreeSet<&str> = view.refused.iter().map(|it| it.record.as_str()).collect();
        let mut records = self.feed.peer().store().case_records(row.case_no).await?;
        records.retain(|it| !refused.contains(it.record.id().to_string().as_str()));
        if row.kind != "pool" {
            return Ok(records);
        }
        let mut newest: Option<(UnixMillis, RecordId, WordsRow)> = None;
        for row in records {
            let key = (row.record.header()?.time, row.record.id());
            if newest.as_ref().is_none_or(|(time, id, _)| (*time, *id) < key) {
                newest = Some((key.0, key.1, row));
            }
        }
        Ok(newest.into_iter().map(|(_, _, row)| row).collect())
    }

    /// The release that a record of a case makes. `None` if it makes none: its notice was erased, or it is no process
    /// that can be published here.
    pub(crate) async fn release(
        &self,
        row: &CaseRow,
        record: &WordsRow,
    ) -> Result<Option<ExportRelease>, PeerError> {
        if row.kind == "pool" {
            return Ok(self.pool(row, record).await?.map(ExportRelease::Pool));
        }
        let payload = record.record.payload();
        let Some(release) = payload.as_ref().and_then(Payload::release).cloned() else {
            return Ok(None);
        };
        Ok(if release.source.is_some() {
            self.republication(record, release).await?.map(ExportRelease::Imported)
        } else {
            self.local(row, record, release).await?.map(ExportRelease::Local)
        })
    }

    /// What a community wrote itself, if its ocid is the region's.
    async fn local(
        &self,
        row: &CaseRow,
        record: &WordsRow,
        release: Release,
    ) -> Result<Option<LocalRelease>, PeerError> {
        let view: OpportunityView = parse_view(row)?;
        let prefix = self.feed.peer().charter().ocid_prefix();
        let rest = prefix.and_then(|it| view.ocid.strip_prefix(it.as_str())?.strip_prefix('-'));
        let notice_json = self.notice(record).await?;
        let named = notice_json.as_deref().and_then(Named::in_notice).unwrap_or_default();
        let is_of_another = !named.is_empty() && named != view.ocid;
        if rest.is_none_or(str::is_empty) || is_of_another {
            metrics::release_left_out();
            return Ok(None);
        }
        let mut words =
            self.feed.words().of_references(&record.record.header()?.references).await?;
        if words.title().is_empty() {
            words = self.feed.words().of_case(row.id).await?;
        }
        let title = Some(words.title()).filter(|it| !it.is_empty()).unwrap_or(&view.ocid);
        Ok(Some(LocalRelease {
            record: record.record.id(),
            publisher: PartyName {
                organisation: release.buyer.clone(),
                ..self.party(&view.publisher).await?
            },
            title: title.to_owned(),
            description: words.preferred().map(|it| it.text.clone()).unwrap_or_default(),
            ocid: view.ocid,
            release,
            notice_json,
        }))
    }

    async fn republication(
        &self,
        row: &WordsRow,
        release: Release,
    ) -> Result<Option<ImportedRelease>, StoreError> {
        let Release { ocid, release_id, released_at, source: Some(source), .. } = release else {
            return Ok(None);
        };
        let Some(notice_json) = self.notice(row).await? else { return Ok(None) };
        // The notice is words; what the record says decides.
        if Named::in_notice(&notice_json).is_none_or(|named| named != ocid) {
            metrics::release_left_out();
            return Ok(None);
        }
        Ok(Some(ImportedRelease {
            notice_json,
            record: row.record.id(),
            source_url: source.url,
            original_id: release_id,
            sha256: source.sha256,
            released_at,
        }))
    }

    async fn notice(&self, row: &WordsRow) -> Result<Option<Vec<u8>>, StoreError> {
        for id in row.record.header()?.references {
            let Some(words) = self.feed.peer().store().words(id).await? else { continue };
            if let Some(Payload::Notice(notice)) = words.record.payload() {
                return Ok(Some(notice.release_json));
            }
        }
        Ok(None)
    }

    async fn pool(
        &self,
        row: &CaseRow,
        newest: &WordsRow,
    ) -> Result<Option<PoolExport>, PeerError> {
        let (Some(prefix), Some(status)) = (&self.prefix, status_of(&row.state)) else {
            return Ok(None);
        };
        let view: PoolView = parse_view(row)?;
        let words = self.feed.words().of_case(row.id).await?;
        let title = match words.title() {
            "" => format!("Pooled purchase ({})", view.unit),
            title => title.to_owned(),
        };
        let mut members = Vec::with_capacity(view.pledges.len());
        for pledge in view.pledges.iter().filter(|it| it.firm) {
            members.push((self.party(&pledge.community).await?, pledge.quantity));
        }
        let closes_at = UnixMillis(view.closes_at);
        let expired = status == PoolStatus::Expired;
        let acted_at = newest.record.header()?.time;
        let changed_at = if expired { acted_at.max(closes_at) } else { acted_at };
        Ok(Some(PoolExport {
            ocid: format!("{prefix}-{}", row.id),
            // The clock alone may change the state, so it is part of the id.
            id: format!("{}-{}", newest.record.id(), row.state.replace(' ', "-")),
            // An author's clock may be ahead.
            date: changed_at.min(self.feed.now()),
            lead: self.party(&view.lead).await?,
            members,
            unit: view.unit,
            unit_price: view.unit_price.map(money).transpose()?,
            cpv: view.cpv,
            title,
            description: words.preferred().map(|it| it.text.clone()).unwrap_or_default(),
            closes_at,
            status,
        }))
    }

    async fn party(&self, community: &str) -> Result<PartyName, PeerError> {
        let id: CommunityId =
            community.parse().ok().ok_or(StoreError::Damaged { what: "a community of a case" })?;
        Ok(PartyName { id, name: self.feed.name_of(id).await?, organisation: None })
    }
}

fn parse_view<'r, T: Deserialize<'r>>(row: &'r CaseRow) -> Result<T, StoreError> {
    serde_json::from_str(&row.view)
        .ok()
        .ok_or(StoreError::Damaged { what: "a case of the register" })
}

fn money(view: MoneyView) -> Result<Money, StoreError> {
    let damaged = StoreError::Damaged { what: "an amount of a pool" };
    let currency = Currency::parse(&view.currency).ok_or(damaged)?;
    Ok(Money { minor: view.minor, currency })
}

/// The status of a pool in this state; `None` for one that was refused.
fn status_of(state: &str) -> Option<PoolStatus> {
    Some(match state {
        "forming" => PoolStatus::Forming,
        "threshold met" => PoolStatus::ThresholdMet,
        "locked" => PoolStatus::Locked,
        "ordered" => PoolStatus::Ordered,
        "delivered" => PoolStatus::Delivered,
        "settled" => PoolStatus::Settled,
        "expired" => PoolStatus::Expired,
        _ => return None,
    })
}
