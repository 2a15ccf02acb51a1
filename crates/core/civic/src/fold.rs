//! From records to a case: the one entry to the rules.

use record::{
    Payload, UnixMillis,
    limits::MAX_CASE_RECORDS,
    payload::{CovenantAction, OpportunityAction, PollAction, PoolAction},
    region::Roster,
};

use crate::{
    case::{Case, CaseBody, CaseKind, CaseRecord, Judgement, Verdict},
    clock::Clock,
    covenant::Covenant,
    opportunity::Opportunity,
    order,
    poll::Poll,
    pool::Pool,
    refusal::Refusal,
    region::RegionView,
    room,
    timeline::Timeline,
};

/// What every kind's machine does for [`fold`].
pub(crate) trait Life<'a> {
    /// Whether the opening record keeps the rules, with the region's roster as it was when the record was received.
    fn verify_opening(&self, roster: &Roster) -> Result<(), Refusal>;
    /// Takes the other records, in canonical order, and answers for each in the same order.
    fn judge(&mut self, records: &[&'a CaseRecord]) -> Vec<Verdict>;
    /// The state word.
    fn state(&self) -> &'static str;
    /// Deadlines ahead, and whether the state is provisional.
    fn clock(&self) -> Clock;
    /// An empty timeline with the case's places.
    fn timeline(&self) -> Timeline;
    /// Tells the steps so far.
    fn tell(&self, timeline: &mut Timeline);
    /// The public content.
    fn body(&self) -> CaseBody;
}

/// The case that these records tell, at `now`.
///
/// The records come in any order and may repeat; the result depends on neither. `None` while the opening record is
/// not among them, or if it names another region. Records that belong to no case are passed over. Of one log the first
/// [`MAX_CASE_RECORDS`] of the case can count; the case is the same whether those beyond, see [`crate::too_many`], are
/// among the records or not, save that only then it tells that they are refused.
#[must_use]
pub fn fold(records: &[CaseRecord], region: &RegionView, now: UnixMillis) -> Option<Case> {
    fold_within(MAX_CASE_RECORDS, records, region, now)
}

/// [`fold`] with room for so many records of one log.
pub(crate) fn fold_within(
    most: usize,
    records: &[CaseRecord],
    region: &RegionView,
    now: UnixMillis,
) -> Option<Case> {
    let mut ordered = order::canonical(records);
    let opening = ordered.iter().copied().find(|record| record.payload.opens_case())?;
    let without_room = room::take_out(&mut ordered, opening.id, most);
    if !without_room.is_empty() {
        // They order nothing either: what refers to one of them waits for nothing.
        ordered = order::canonical(ordered);
    }
    let mut case = judged(opening, ordered, region, now)?;
    case.judgements.extend(
        without_room
            .into_iter()
            .map(|(record, refusal)| Judgement { record, verdict: Verdict::Refused(refusal) }),
    );
    Some(case)
}

fn judged(
    opening: &CaseRecord,
    ordered: Vec<&CaseRecord>,
    region: &RegionView,
    now: UnixMillis,
) -> Option<Case> {
    let others: Vec<&CaseRecord> = ordered
        .into_iter()
        .filter(|record| record.id != opening.id && record.payload.is_of_a_case())
        .collect();
    if opening.payload.region() != Some(region.region()) {
        return None;
    }
    let (kind, mut life) = open(opening, region, now)?;
    let roster = &region.in_force_at(opening.received_at).roster;
    let verdict = if opening.frozen {
        Err(Refusal::Frozen { log: opening.log() })
    } else if roster.is_member(&opening.community) {
        life.verify_opening(roster)
    } else {
        Err(Refusal::NotAMember { community: opening.community })
    };
    Some(match verdict {
        Ok(()) => live(opening, kind, &mut *life, &sort_out(opening, &others, region)),
        Err(refusal) => refused(opening, kind, &*life, (refusal, &others)),
    })
}

fn open<'a>(
    opening: &'a CaseRecord,
    region: &RegionView,
    now: UnixMillis,
) -> Option<(CaseKind, Box<dyn Life<'a> + 'a>)> {
    Some(match &opening.payload {
        Payload::Covenant(CovenantAction::Propose(it)) => {
            (CaseKind::Covenant, Box::new(Covenant::new(opening, it, now)))
        }
        Payload::Opportunity(OpportunityAction::Publish(it)) => {
            let prefix = region.ocid_prefix().map(str::to_owned);
            (CaseKind::Opportunity, Box::new(Opportunity::new(opening, it, prefix, now)))
        }
        Payload::Pool(PoolAction::Open(it)) => {
            (CaseKind::Pool, Box::new(Pool::new(opening, it, now)))
        }
        Payload::Poll(PollAction::Open(it)) => {
            (CaseKind::Poll, Box::new(Poll::new(opening, it, now)))
        }
        Payload::Covenant(CovenantAction::Sign(_) | CovenantAction::Decline { .. })
        | Payload::Opportunity(OpportunityAction::Update(_))
        | Payload::Pool(PoolAction::Close { .. })
        | Payload::Text(_)
        | Payload::Notice(_)
        | Payload::Pledge(_)
        | Payload::Roll(_)
        | Payload::Tally(_)
        | Payload::Result(_)
        | Payload::Receipt(_)
        | Payload::Cosignatures(_)
        | Payload::Evidence(_)
        | Payload::RegionEpoch(_)
        | Payload::Affiliation(_)
        | Payload::Erase(_)
        | Payload::Erased(_)
        | Payload::Index(_)
        | Payload::Status(_) => return None,
    })
}

/// The other records, each with the refusal that holds whatever the kind of the case, if any.
type Sorted<'a> = Vec<(&'a CaseRecord, Option<Refusal>)>;

fn sort_out<'a>(
    opening: &CaseRecord,
    others: &[&'a CaseRecord],
    region: &RegionView,
) -> Sorted<'a> {
    let refusal = |record: &CaseRecord| {
        if record.payload.opens_case() || record.references.first() != Some(&opening.id) {
            Some(Refusal::OtherCase { case: opening.id })
        } else if record.frozen {
            Some(Refusal::Frozen { log: record.log() })
        } else if !region.is_member(&record.community, record.received_at) {
            Some(Refusal::NotAMember { community: record.community })
        } else {
            None
        }
    };
    others.iter().map(|record| (*record, refusal(record))).collect()
}

fn live<'a>(
    opening: &CaseRecord,
    kind: CaseKind,
    life: &mut (dyn Life<'a> + 'a),
    others: &Sorted<'a>,
) -> Case {
    let admitted: Vec<&CaseRecord> =
        others.iter().filter(|(_, refusal)| refusal.is_none()).map(|(record, _)| *record).collect();
    let mut verdicts = life.judge(&admitted).into_iter();
    let mut judgements = vec![Judgement { record: opening.id, verdict: Verdict::Counts }];
    judgements.extend(others.iter().map(|(record, refusal)| Judgement {
        record: record.id,
        verdict: match refusal {
            Some(refusal) => Verdict::Refused(refusal.clone()),
            None => verdicts.next().unwrap_or_else(|| other_kind(record)),
        },
    }));
    let mut timeline = life.timeline();
    life.tell(&mut timeline);
    let clock = life.clock();
    Case {
        id: opening.id,
        kind,
        state: life.state(),
        provisional: clock.is_provisional(),
        body: life.body(),
        judgements,
        transitions: timeline.finish(),
        next_deadline: clock.next_deadline(),
    }
}

fn refused<'a>(
    opening: &CaseRecord,
    kind: CaseKind,
    life: &(dyn Life<'a> + 'a),
    (refusal, others): (Refusal, &[&CaseRecord]),
) -> Case {
    let mut judgements = vec![Judgement { record: opening.id, verdict: Verdict::Refused(refusal) }];
    judgements.extend(others.iter().map(|record| Judgement {
        record: record.id,
        verdict: Verdict::Refused(Refusal::CaseRefused),
    }));
    Case {
        id: opening.id,
        kind,
        state: "refused",
        provisional: opening.received_at.is_none(),
        body: life.body(),
        judgements,
        transitions: Vec::new(),
        next_deadline: None,
    }
}

/// The refusal of a record whose kind has no meaning in the case.
pub(crate) fn other_kind(record: &CaseRecord) -> Verdict {
    Verdict::Refused(Refusal::OtherKind { kind: record.payload.kind().package() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pool as pools,
        samples::{follow, opening, pool, region, verdict},
    };

    fn pledged(frozen: [bool; 2]) -> Case {
        let terms = pool::terms(record::payload::pool::LockRule::AtClose);
        let mut records = vec![opening(1, pool::open(terms)), follow(2, 2, 2, pool::firm(5))];
        for (record, frozen) in records.iter_mut().zip(frozen) {
            record.frozen = frozen;
        }
        fold(&records, &region(), UnixMillis(3)).unwrap()
    }

    fn quantity(case: &Case) -> u64 {
        let CaseBody::Pool(pools::PoolView { quantity, .. }) = &case.body else { panic!("a pool") };
        *quantity
    }

    #[test]
    fn a_record_behind_the_head_at_which_its_log_is_frozen_does_not_count() {
        assert_eq!(quantity(&pledged([false, false])), 5);
        let case = pledged([false, true]);
        assert_eq!(quantity(&case), 0);
        assert_eq!(verdict(&case, 2), "log.frozen");
    }

    #[test]
    fn a_case_whose_opening_is_frozen_is_refused_with_all_that_follows() {
        let case = pledged([true, false]);
        assert_eq!(case.state, "refused");
        assert_eq!(verdict(&case, 2), "record.case_refused");
    }
}
