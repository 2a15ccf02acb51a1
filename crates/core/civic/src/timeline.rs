//! The steps of a case, each with an id that is equal at every coordinator.

use record::{ItemId, RecordId, UnixMillis, ids::tagged_hash, place::Place};

use crate::case::{CaseRecord, Transition};

/// The id of a feed item: SHA-256("folkmoot/item/v1\0" ‖ case ‖ what ‖ 0x00 ‖ deadline ‖ causes), ARCHITECTURE §7.
///
/// The deadline is eight bytes, big-endian, in milliseconds, 0 where there is none. The causes are taken in ascending
/// order, whatever the order they are given in.
#[must_use]
pub fn item_id(
    case: RecordId,
    what: &str,
    deadline: Option<UnixMillis>,
    causes: &[RecordId],
) -> ItemId {
    let deadline = deadline.unwrap_or_default().0.to_be_bytes();
    let mut ascending: Vec<&RecordId> = causes.iter().collect();
    ascending.sort_unstable();
    let mut parts: Vec<&[u8]> = vec![case.as_bytes(), what.as_bytes(), &[0], &deadline];
    parts.extend(ascending.into_iter().map(|id| id.as_bytes().as_slice()));
    ItemId::from_bytes(tagged_hash("folkmoot/item/v1", &parts))
}

/// Collects the steps of one case.
#[derive(Debug)]
pub(crate) struct Timeline {
    case: RecordId,
    now: UnixMillis,
    places: Vec<Place>,
    transitions: Vec<Transition>,
}

impl Timeline {
    pub(crate) const fn new(case: RecordId, now: UnixMillis, places: Vec<Place>) -> Self {
        Self { case, now, places, transitions: Vec::new() }
    }

    /// A step that these records caused together.
    pub(crate) fn caused(&mut self, what: &'static str, causes: &[&CaseRecord], summary: String) {
        let mut ids: Vec<RecordId> = causes.iter().map(|record| record.id).collect();
        ids.sort_unstable();
        let mut authors = causes.iter().map(|record| record.community);
        let first = authors.next();
        let community = first.filter(|first| authors.all(|it| it == *first));
        let at = causes.iter().map(|record| record.shown_at()).max().unwrap_or_default();
        self.transitions.push(Transition {
            item: item_id(self.case, what, None, &ids),
            what,
            causes: ids,
            deadline: None,
            community,
            places: self.places.clone(),
            at,
            summary,
        });
    }

    /// A step that the clock causes once this deadline is past.
    pub(crate) fn due(&mut self, what: &'static str, deadline: UnixMillis, summary: &str) {
        if self.now < deadline {
            return;
        }
        self.transitions.push(Transition {
            item: item_id(self.case, what, Some(deadline), &[]),
            what,
            causes: Vec::new(),
            deadline: Some(deadline),
            community: None,
            places: self.places.clone(),
            at: deadline,
            summary: summary.to_owned(),
        });
    }

    /// The steps in order of time; at one instant, in the order in which they were told.
    pub(crate) fn finish(mut self) -> Vec<Transition> {
        self.transitions.sort_by_key(|transition| transition.at);
        self.transitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record_id;

    #[test]
    fn an_item_has_one_id_whatever_the_order_of_its_causes() {
        let (one, two) = (record_id(1), record_id(2));
        let id = |causes: &[RecordId]| item_id(record_id(9), "covenant.in_force", None, causes);
        assert_eq!(id(&[one, two]), id(&[two, one]));
        assert_ne!(id(&[one]), id(&[two]));
    }

    #[test]
    fn the_item_id_is_the_hash_of_case_name_deadline_and_causes() {
        let whole = [&[9; 32][..], b"poll.closed", &[0], &[0, 0, 0, 0, 0, 0, 1, 0]].concat();
        let expected = ItemId::from_bytes(tagged_hash("folkmoot/item/v1", &[&whole]));
        let case = RecordId::from_bytes([9; 32]);
        assert_eq!(item_id(case, "poll.closed", Some(UnixMillis(256)), &[]), expected);
    }

    #[test]
    fn a_step_of_the_clock_is_told_from_its_deadline_on() {
        let told = |now| {
            let mut timeline = Timeline::new(record_id(1), UnixMillis(now), Vec::new());
            timeline.due("poll.closed", UnixMillis(5), "Voting ended.");
            timeline.finish().len()
        };
        assert_eq!((told(4), told(5)), (0, 1));
    }
}
