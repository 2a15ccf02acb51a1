//! Clocks: a little fast or slow in every region, and in some regions one that is years away.
//!
//! A coordinator's clock is a region's time: its receipts say when records came. So of a node that is years away nothing
//! is asked but what is asked of every other; of a coordinator, that all come to the same register, whatever its receipts
//! say.

use std::collections::BTreeMap;

use civic::{CaseBody, Judgement, Verdict};
use peer::{Peer, Role};
use record::{CommunityId, LogName, Payload, UnixMillis, payload::PledgeAction, time::DAY_MILLIS};

use crate::{chance::Chance, scenario::Run};

/// How far clocks are apart that nobody need look at, in milliseconds to either side.
const MOST_SKEW_MILLIS: i64 = 30_000;

/// By how many years one clock is wrong, if one is.
pub(crate) fn draw_years(chance: &mut Chance) -> i64 {
    let years = i64::try_from(chance.within(1, 11)).unwrap();
    match chance.within(0, 10) {
        0 => years,
        1 => -years,
        _ => 0,
    }
}

impl Run {
    /// The clock of some host goes wrong by a little.
    pub(crate) fn skew(&mut self) {
        let no = self.any_host();
        let skew = i64::try_from(self.world.chance.within(0, 60_000)).unwrap() - MOST_SKEW_MILLIS;
        if self.far != Some(no) {
            self.world.net.note(&format!("skew {no} {skew}"));
            self.world.hosts[no].clock.set_skew(skew);
        }
    }

    /// The clock of some host goes wrong by years, if that was drawn; once.
    pub(crate) fn lose_the_time(&mut self) {
        if self.plan.years_fast == 0 || self.far.is_some() {
            return;
        }
        let no = self.any_host();
        self.far = Some(no);
        self.met.insert(if self.plan.years_fast < 0 { "years slow" } else { "years fast" });
        let skew = self.far_millis();
        self.world.net.note(&format!("host {no} is {} years fast", self.plan.years_fast));
        self.world.hosts[no].clock.set_skew(skew);
    }

    fn far_millis(&self) -> i64 {
        self.plan.years_fast * 365 * i64::try_from(DAY_MILLIS).unwrap()
    }

    /// All clocks show what the fastest does, so that registers may be compared.
    pub(crate) fn set_clocks(&mut self) {
        let fastest = MOST_SKEW_MILLIS.max(self.far.map_or(0, |_| self.far_millis()));
        self.world.hosts.iter().for_each(|it| it.clock.set_skew(fastest));
    }

    /// Whether the coordinators agree on the time, but for what nobody need look at.
    fn has_right_receipts(&self) -> bool {
        self.far.is_none_or(|no| self.world.hosts[no].role == Role::Node)
    }
}

/// Whether a pledge is in time follows from receipts alone, and those of coordinators whose clock is right are of the
/// time in which it was written: what its author's clock showed changes nothing.
pub(crate) async fn verdicts_rest_on_receipts(run: &mut Run) {
    if !run.all_receipts_count() {
        return;
    }
    let Some(peer) = run.world.honest().first().and_then(|no| run.world.peer(*no)).cloned() else {
        return;
    };
    // Which receipts count when others are seated is for the register to say.
    if 0 < peer.region().newest().number {
        return;
    }
    let receipts = Receipts::of(&peer).await;
    for case in peer.store().cases("pool", 0, 1_000).await.unwrap() {
        let folded = peer.store().fold(case.id).await.unwrap().unwrap();
        let CaseBody::Pool(pool) = &folded.body else { continue };
        for held in peer.store().case_records(case.case_no).await.unwrap() {
            let Some(Payload::Pledge(PledgeAction::Make { .. })) = held.record.payload() else {
                continue;
            };
            let id = held.record.id();
            let Some(received_at) = receipts.first(held.log, held.record.index) else { continue };
            let found = folded.judgements.iter().find(|it| it.record == id).map(timing);
            let is_late = pool.closes_at <= received_at;
            run.met.extend(is_late.then_some("late pledge"));
            if found.is_some_and(|it| it.contradicts(is_late)) {
                run.broken.push(format!("pledge {id} received at {received_at:?}: {found:?}"));
            }
            let written_at = run.ledger.times.get(&id).filter(|_| run.has_right_receipts());
            let earliest = written_at.map(|at| at.saturating_add_signed(-MOST_SKEW_MILLIS));
            if earliest.is_some_and(|it| received_at.0 < it) {
                run.broken.push(format!("pledge {id} was received before it was written"));
            }
        }
    }
}

/// What was said of when a pledge came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    InTime,
    Late,
    NotSaid,
}

impl Timing {
    fn contradicts(self, is_late: bool) -> bool {
        match self {
            Self::InTime => is_late,
            Self::Late => !is_late,
            Self::NotSaid => false,
        }
    }
}

fn timing(judgement: &Judgement) -> Timing {
    match &judgement.verdict {
        Verdict::Counts | Verdict::Repeat => Timing::InTime,
        Verdict::Refused(refusal) if refusal.reason() == "pool.closed" => Timing::Late,
        Verdict::Refused(_) => Timing::NotSaid,
    }
}

/// Every receipt that somebody holds: how much of a log was received when.
struct Receipts(BTreeMap<LogName, Vec<(u64, UnixMillis)>>);

impl Receipts {
    async fn of(peer: &Peer) -> Self {
        let seats: Vec<CommunityId> = peer.region().newest().roster.coordinators().to_vec();
        let mut receipts: BTreeMap<LogName, Vec<_>> = BTreeMap::new();
        for community in seats {
            let log = LogName { community, era: 0 };
            for record in peer.store().records(log, 0, u64::MAX).await.unwrap_or_default() {
                let Some(Payload::Receipt(receipt)) = record.payload() else { continue };
                for head in &receipt.heads {
                    let log = LogName { community: head.community, era: head.era };
                    receipts.entry(log).or_default().push((head.size, receipt.received_at));
                }
            }
        }
        Self(receipts)
    }

    /// When the first of them covered this place in a log.
    fn first(&self, log: LogName, index: u64) -> Option<UnixMillis> {
        let receipts = self.0.get(&log).into_iter().flatten();
        receipts.filter(|(size, _)| index < *size).map(|(_, at)| *at).min()
    }
}
