//! The state of a region: which epoch holds, who may act when, and when a record counts as received.
//!
//! ```text
//! charter ─▶ epoch 0 ──more than half of its members filed one and the same──▶ epoch 1 ─▶ …
//! ```
//!
//! Like every case it is a fold of records and receipts: the same at every replica, in whatever order they came. An
//! epoch is in force from the instant at which more than half of the members before had filed it, as receipts tell; until
//! then, and while receipts are missing, it holds provisionally for what has no receipt either. Of a member only the
//! first filing for each number counts, so that no two epochs of one number can hold, unless a member's log forks.
//!
//! Not here: certificates, which show an epoch to those who hold no logs (`record::region`).

mod change;

use std::collections::{BTreeMap, BTreeSet};

use record::{
    CommunityId, RecordId, RegionId, UnixMillis,
    region::{Charter, EpochHash, EpochNumber, RegionAction, Roster},
};

pub use change::RegionChange;

/// What a member said about the region, with the first receipt of it by each coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its leaf hash.
    pub record: RecordId,
    /// Whose log it is in.
    pub community: CommunityId,
    /// Which era of that log.
    pub era: u32,
    /// The place in the log, from 0.
    pub index: u64,
    /// The coordinators that have received it, each with the earliest time.
    pub receipts: Vec<(CommunityId, UnixMillis)>,
    /// What it says.
    pub action: RegionAction,
}

/// An epoch that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochView {
    /// Its number; 0 for the charter.
    pub number: EpochNumber,
    /// What names it.
    pub hash: EpochHash,
    /// Who votes and is seated, and by which rules.
    pub roster: Roster,
    /// Since when it is in force; `None` while receipts of its filings are missing.
    pub since: Option<UnixMillis>,
    /// The filings that made it hold, in ascending order; none for the charter.
    pub filings: Vec<RecordId>,
}

/// What a fold knows of the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionView {
    region: RegionId,
    ocid_prefix: Option<String>,
    /// In order of their numbers, from 0.
    epochs: Vec<EpochView>,
    guests: BTreeSet<CommunityId>,
}

impl RegionView {
    /// A region in its first epoch.
    #[must_use]
    pub fn founded(charter: &Charter) -> Self {
        let prefix = charter.ocid_prefix().map(ToString::to_string);
        Self::new(charter.region_id(), prefix, charter.roster().clone())
    }

    /// A region in its first epoch, by its id, the OCDS prefix of its own processes and its first roster.
    #[must_use]
    pub fn new(region: RegionId, ocid_prefix: Option<String>, roster: Roster) -> Self {
        let (hash, since) = (EpochHash::of_charter(region), Some(UnixMillis(0)));
        let first = EpochView { number: 0, hash, roster, since, filings: Vec::new() };
        Self { region, ocid_prefix, epochs: vec![first], guests: BTreeSet::new() }
    }

    /// The same region after these statements, which come in any order. What it had learnt from others is forgotten.
    #[must_use]
    pub fn after(&self, statements: &[Statement]) -> Self {
        let first = self.epochs.first().into_iter().cloned().collect();
        let mut view = Self { epochs: first, guests: BTreeSet::new(), ..self.clone() };
        let filed = Filed::of(self.region, statements);
        while let Some(next) = filed.epoch_after(view.newest()) {
            view.epochs.push(next);
        }
        view.guests = guests(&view, statements);
        view
    }

    /// The region. A case that names another one is no case here.
    #[must_use]
    pub const fn region(&self) -> RegionId {
        self.region
    }

    /// The OCDS prefix of the region's own processes. With `None`, no ocid of a local process is refused.
    #[must_use]
    pub fn ocid_prefix(&self) -> Option<&str> {
        self.ocid_prefix.as_deref()
    }

    /// Every epoch, in order of their numbers, from 0.
    #[must_use]
    pub fn epochs(&self) -> &[EpochView] {
        &self.epochs
    }

    /// The newest epoch, in force or provisional.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the first epoch is never taken away"
    )]
    pub fn newest(&self) -> &EpochView {
        self.epochs.last().expect("a region has its first epoch")
    }

    /// The epoch in force at this instant; without one, the newest.
    #[must_use]
    pub fn in_force_at(&self, at: Option<UnixMillis>) -> &EpochView {
        let Some(at) = at else { return self.newest() };
        let began = |epoch: &&EpochView| epoch.since.is_some_and(|since| since <= at);
        self.epochs.iter().rev().find(began).unwrap_or(self.newest())
    }

    /// Whether this community was a member when its record was received; without a receipt, whether it is one now.
    #[must_use]
    pub fn is_member(&self, community: &CommunityId, received_at: Option<UnixMillis>) -> bool {
        self.in_force_at(received_at).roster.is_member(community)
    }

    /// Communities that enough members of the newest epoch vouch for and that are nothing else yet: their logs are
    /// carried, and nothing in them counts.
    #[must_use]
    pub const fn guests(&self) -> &BTreeSet<CommunityId> {
        &self.guests
    }

    /// Everybody whose log belongs here: members and seats of every epoch, and guests. Who has left stays: what was
    /// agreed with them cannot vanish.
    #[must_use]
    pub fn everybody(&self) -> BTreeSet<CommunityId> {
        let epochs = self.epochs.iter().flat_map(|epoch| epoch.roster.everybody());
        epochs.chain(self.guests.iter().copied()).collect()
    }

    /// Everybody who was ever seated as a coordinator.
    #[must_use]
    pub fn coordinators(&self) -> BTreeSet<CommunityId> {
        self.epochs.iter().flat_map(|epoch| epoch.roster.coordinators()).copied().collect()
    }

    /// Whose statements decide what of a forked log counts: the coordinators and witnesses of the newest epoch.
    #[must_use]
    pub fn quorum(&self) -> BTreeSet<CommunityId> {
        let roster = &self.newest().roster;
        roster.coordinators().iter().chain(roster.witnesses()).copied().collect()
    }

    /// When a record was received, given the earliest receipt of it by each coordinator: the first instant at which as
    /// many seated coordinators held it as the epoch then in force asks for (ARCHITECTURE §6).
    ///
    /// A coordinator that held the record before it was seated counts from the instant it was; a receipt made after it
    /// had left its seat counts for nothing.
    #[must_use]
    pub fn received_at(
        &self,
        receipts: impl IntoIterator<Item = (CommunityId, UnixMillis)>,
    ) -> Option<UnixMillis> {
        let counted = |(coordinator, at)| self.counts_from(coordinator, at);
        let mut instants: Vec<UnixMillis> = receipts.into_iter().filter_map(counted).collect();
        instants.sort_unstable();
        let needed = |at| usize::try_from(self.in_force_at(Some(at)).roster.receipts_needed());
        let is_enough =
            |(n_before, at): &(usize, UnixMillis)| needed(*at).is_ok_and(|n| n <= n_before + 1);
        instants.into_iter().enumerate().find(is_enough).map(|(_, at)| at)
    }

    /// From when a receipt of this instant counts; `None` if never.
    fn counts_from(&self, coordinator: CommunityId, at: UnixMillis) -> Option<UnixMillis> {
        let ends = self.epochs.iter().skip(1).map(|it| it.since).chain([None]);
        let seated = self
            .epochs
            .iter()
            .zip(ends)
            .filter(|(epoch, _)| epoch.roster.is_coordinator(&coordinator));
        let mut spans = seated.filter_map(|(epoch, end)| Some((epoch.since?, end)));
        spans.find(|(_, end)| end.is_none_or(|end| at < end)).map(|(since, _)| since.max(at))
    }
}

/// The first filing of each community for each number.
struct Filed<'a>(BTreeMap<EpochNumber, BTreeMap<CommunityId, &'a Statement>>);

impl<'a> Filed<'a> {
    fn of(region: RegionId, statements: &'a [Statement]) -> Self {
        let mut filed: BTreeMap<EpochNumber, BTreeMap<CommunityId, &Statement>> = BTreeMap::new();
        for statement in statements {
            let RegionAction::File { epoch, addresses: _ } = &statement.action else { continue };
            if epoch.region != region {
                continue;
            }
            let of_number = filed.entry(epoch.number).or_default();
            let first = of_number.entry(statement.community).or_insert(statement);
            if place(statement) < place(first) {
                *first = statement;
            }
        }
        Self(filed)
    }

    /// The epoch that more than half of the members of this one have filed as the next.
    fn epoch_after(&self, before: &EpochView) -> Option<EpochView> {
        let number = before.number.checked_add(1)?;
        let mut same: BTreeMap<EpochHash, (&Roster, Vec<&Statement>)> = BTreeMap::new();
        for statement in self.0.get(&number)?.values() {
            let RegionAction::File { epoch, addresses: _ } = &statement.action else { continue };
            let follows = epoch.previous == before.hash;
            if follows && before.roster.is_member(&statement.community) {
                same.entry(epoch.hash()).or_insert((&epoch.roster, Vec::new())).1.push(statement);
            }
        }
        let needed = before.roster.majority();
        let (hash, (roster, filings)) = same.into_iter().find(|(_, it)| needed <= it.1.len())?;
        let since = in_force_since(before, roster, &filings);
        let mut filings: Vec<RecordId> = filings.into_iter().map(|it| it.record).collect();
        filings.sort_unstable();
        Some(EpochView { number, hash, roster: roster.clone(), since, filings })
    }
}

/// The instant at which more than half of the members before had filed the epoch; never before that one was in force.
///
/// A filing is received once as many coordinators hold it as the new epoch asks for, of those seated before or after: an
/// epoch that replaces a coordinator which is gone must be able to begin.
fn in_force_since(
    before: &EpochView,
    roster: &Roster,
    filings: &[&Statement],
) -> Option<UnixMillis> {
    let is_seated =
        |it: &CommunityId| before.roster.is_coordinator(it) || roster.is_coordinator(it);
    let kth = usize::try_from(roster.receipts_needed()).ok()?.checked_sub(1)?;
    let received = |filing: &&Statement| {
        let receipts = filing.receipts.iter().filter(|(coordinator, _)| is_seated(coordinator));
        let mut instants: Vec<UnixMillis> = receipts.map(|(_, at)| *at).collect();
        instants.sort_unstable();
        instants.get(kth).copied()
    };
    let mut instants: Vec<UnixMillis> = filings.iter().filter_map(received).collect();
    instants.sort_unstable();
    let majority = instants.get(before.roster.majority().checked_sub(1)?)?;
    Some((*majority).max(before.since?))
}

/// Communities with enough vouchers among the members of the newest epoch, and not in its roster.
fn guests(view: &RegionView, statements: &[Statement]) -> BTreeSet<CommunityId> {
    let roster = &view.newest().roster;
    let mut newest: BTreeMap<(CommunityId, CommunityId), (&Statement, bool)> = BTreeMap::new();
    for statement in statements {
        let RegionAction::Vouch { region, community, withdrawn } = statement.action else {
            continue;
        };
        if region != view.region || !roster.is_member(&statement.community) {
            continue;
        }
        let said = newest.entry((community, statement.community)).or_insert((statement, withdrawn));
        if place(said.0) < place(statement) {
            *said = (statement, withdrawn);
        }
    }
    let mut n_vouchers: BTreeMap<CommunityId, u32> = BTreeMap::new();
    for ((community, _), (_, withdrawn)) in newest {
        *n_vouchers.entry(community).or_default() += u32::from(!withdrawn);
    }
    let needed = roster.rules().vouches_needed;
    let is_elsewhere: BTreeSet<CommunityId> = roster.everybody().collect();
    let enough =
        n_vouchers.into_iter().filter(|(_, n)| needed <= *n).map(|(community, _)| community);
    enough.filter(|it| !is_elsewhere.contains(it)).collect()
}

/// Where a statement stands in its author's logs.
const fn place(statement: &Statement) -> (u32, u64) {
    (statement.era, statement.index)
}

#[cfg(test)]
mod tests;
