//! Sums that a coordinator shows, made again from the tallies themselves.
//!
//! ```text
//! /register/polls ─▶ figures shown ─┐
//! logs ─▶ tallies, declarations ────┴─▶ each figure signed by its community? do they add up? is it what was declared?
//! ```
//!
//! The page is not signed, so it proves nothing against the coordinator by itself; the tallies are, so whoever reads both
//! knows which to believe.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    CommunityId, Payload, RecordId, VerifiedRecord,
    payload::{
        ResultAction, TallyAction,
        poll::{Counts, Declaration},
    },
};
use serde_json::{Value, json};

use super::finding::Finding;
use crate::{
    Failure,
    verify::source::{Fetched, Source},
};

/// Polls asked for at one time, and the largest page of them: the server ends a page after 1 MiB and one more poll.
const POLLS_PER_PAGE: usize = 200;
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most pages: 20,000 polls at least, far more than a region holds in a generation.
const MAX_PAGES: usize = 1_000;

/// The polls that a coordinator shows; none where it has no such page.
pub(super) async fn shown(source: &Source) -> Result<Vec<Value>, Failure> {
    let mut polls: Vec<Value> = Vec::new();
    for _ in 0..MAX_PAGES {
        let after = polls.last().and_then(|it| it.get("id")).and_then(Value::as_str);
        let after = after.map(|it| format!("&after={it}")).unwrap_or_default();
        let path = format!("register/polls?limit={POLLS_PER_PAGE}{after}");
        let Fetched::Found(bytes) = source.site_page(&path, MAX_PAGE_BYTES).await? else { break };
        let unreadable = |error: serde_json::Error| {
            let detail = format!("The page `{path}` cannot be read: {error}.");
            Failure::does_not_hold("page.malformed", detail)
        };
        let page: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        let cases = page.get("cases").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_last = page.get("next").is_none_or(Value::is_null) || cases.is_empty();
        polls.extend(cases);
        if is_last {
            break;
        }
    }
    Ok(polls)
}

/// Tallies and declarations, as communities signed them.
#[derive(Debug, Default)]
pub(super) struct Signed {
    tallies: BTreeMap<RecordId, (CommunityId, Option<Counts>)>,
    declarations: BTreeMap<RecordId, Declaration>,
}

impl Signed {
    /// Takes a record of any log.
    pub(super) fn take(&mut self, record: &VerifiedRecord) {
        let kind = record.header().kind.known();
        let payload = kind.zip(record.content());
        let payload = payload.and_then(|(kind, it)| proto::payload::decode(kind, &it.payload).ok());
        let (id, community) = (record.id(), record.header().community);
        match payload {
            Some(Payload::Tally(TallyAction::Counts(counts))) => {
                self.tallies.insert(id, (community, Some(counts)));
            }
            Some(Payload::Tally(TallyAction::Withheld)) => {
                self.tallies.insert(id, (community, None));
            }
            Some(Payload::Result(ResultAction::Declare(declaration))) => {
                self.declarations.insert(id, declaration);
            }
            Some(_) | None => {}
        }
    }

    /// That the sums of a poll cannot be made again, because counts in it or its result are in a log that the coordinator
    /// withholds and says so.
    pub(super) fn unread(&self, poll: &Value, withheld: &BTreeSet<CommunityId>) -> Option<Finding> {
        let names_one = |it: &Value, at: &str| {
            text(it, at).parse().is_ok_and(|it: CommunityId| withheld.contains(&it))
        };
        let tallies = poll.get("tallies").and_then(Value::as_array).into_iter().flatten();
        let unread =
            tallies.filter(|it| names_one(it, "/community")).any(|it| self.signed(it).is_none());
        let result = poll.get("result").and_then(Value::as_str).and_then(|it| it.parse().ok());
        let undeclared = result.is_some_and(|id: RecordId| !self.declarations.contains_key(&id));
        (unread || (undeclared && names_one(poll, "/opener"))).then(|| {
            let id = text(poll, "/id");
            let detail = format!(
                "The sums of the poll {id} rest on a log that is withheld, and were not made again."
            );
            Finding::new("sum.withheld", None, 0, detail)
        })
    }

    /// What is wrong with a poll as it is shown.
    pub(super) fn check(&self, poll: &Value) -> Vec<Finding> {
        let id = text(poll, "/id");
        let finding = |reason, what: String| {
            Finding::new(reason, None, 0, format!("The poll {id} is shown with {what}."))
        };
        let mut findings = Vec::new();
        let tallies = poll.get("tallies").and_then(Value::as_array);
        let mut sum: Option<Counts> = None;
        for tally in tallies.into_iter().flatten() {
            match self.signed(tally) {
                Some(counts) => sum = added(sum, counts),
                None => {
                    let who = text(tally, "/community");
                    let what = format!("counts of {who} that are in no tally which it signed");
                    findings.push(finding("sum.tally", what));
                }
            }
        }
        let shown = poll.pointer("/sums/counts").cloned().unwrap_or_default();
        let is_right =
            sum.as_ref().map_or(shown.is_null() || is_nothing(&shown), |it| json!(it) == shown);
        if !is_right && findings.is_empty() {
            let sum = json!(sum);
            findings.push(finding(
                "sum.differs",
                format!("the sum {shown}, and its tallies add up to {sum}"),
            ));
        }
        findings.extend(self.check_declared(poll).map(|what| finding("sum.declared", what)));
        findings
    }

    /// The counts of a tally, if its community signed just these.
    fn signed(&self, tally: &Value) -> Option<Option<&Counts>> {
        let (community, counts) = self.tallies.get(&text(tally, "/record").parse().ok()?)?;
        let shown = tally.get("counts").cloned().unwrap_or_default();
        let is_same = community.to_string() == text(tally, "/community") && json!(counts) == shown;
        is_same.then_some(counts.as_ref())
    }

    /// What differs from the declaration that the poll names.
    fn check_declared(&self, poll: &Value) -> Option<String> {
        let result = poll.get("result").and_then(Value::as_str)?;
        let Some(declared) = result.parse().ok().and_then(|id| self.declarations.get(&id)) else {
            return Some("a result that nobody declared".to_owned());
        };
        let Declaration { tallies, counts, communities, outcome } = declared;
        let listed = poll.get("tallies").and_then(Value::as_array).cloned().unwrap_or_default();
        let listed: Vec<String> = listed.iter().map(|it| text(it, "/record")).collect();
        if let Some(left_out) = tallies.iter().find(|it| !listed.contains(&it.to_string())) {
            return Some(format!("no tally {left_out}, which the declared result lists"));
        }
        let figures = [
            ("/sums/counts", json!(counts)),
            ("/sums/communities", json!(communities)),
            ("/outcome", json!(outcome)),
        ];
        figures.into_iter().find_map(|(at, declared)| {
            let shown = poll.pointer(at).cloned().unwrap_or_default();
            let is_same = shown == declared || (shown.is_null() && is_nothing(&declared));
            (!is_same).then(|| format!("{at} {shown}, and {declared} was declared"))
        })
    }
}

fn text(value: &Value, at: &str) -> String {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether no figure in it is other than 0.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Array(values) => values.iter().all(is_nothing),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(_) | Value::String(_) => false,
    }
}

/// The sum with one more tally; a withheld one adds nothing.
fn added(sum: Option<Counts>, counts: Option<&Counts>) -> Option<Counts> {
    let (Some(before), Some(counts)) = (&sum, counts) else {
        return sum.or_else(|| counts.cloned());
    };
    let pairs = before.by_option.iter().zip(&counts.by_option);
    Some(Counts {
        n_ballots: before.n_ballots.saturating_add(counts.n_ballots),
        n_blank: before.n_blank.saturating_add(counts.n_blank),
        n_spoiled: before.n_spoiled.saturating_add(counts.n_spoiled),
        by_option: pairs.map(|(one, other)| one.saturating_add(*other)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use record::payload::poll::{CommunitySum, Outcome};

    use super::*;

    fn counts(yes: u64, no: u64) -> Counts {
        Counts { n_ballots: yes + no, n_blank: 0, n_spoiled: 0, by_option: vec![yes, no] }
    }

    fn id(n: u8) -> RecordId {
        RecordId::from_leaf(tlog::leaf_hash(&[n]))
    }

    /// Two communities with counts and one that withheld them, declared by record 9.
    fn signed() -> Signed {
        let mut signed = Signed::default();
        let all = [Some(counts(20, 10)), Some(counts(5, 15)), None];
        for (n, counts) in (1..).zip(all) {
            signed.tallies.insert(id(n), (CommunityId::from_bytes([n; 32]), counts));
        }
        let mut tallies = vec![id(1), id(2), id(3)];
        tallies.sort();
        let communities = CommunitySum { carried: 1, not_carried: 1, undecided: 1 };
        let outcome = Outcome::NotCarried;
        let declaration = Declaration { tallies, counts: counts(25, 25), communities, outcome };
        signed.declarations.insert(id(9), declaration);
        signed
    }

    fn poll() -> Value {
        let tally = |n: u8, counts: Option<Counts>| json!({ "record": id(n), "community": CommunityId::from_bytes([n; 32]), "counts": counts });
        json!({
            "id": "fmr1a",
            "tallies": [tally(1, Some(counts(20, 10))), tally(2, Some(counts(5, 15))), tally(3, None)],
            "sums": {
                "counts": counts(25, 25),
                "communities": { "carried": 1, "not_carried": 1, "undecided": 1 },
            },
            "outcome": Outcome::NotCarried,
            "result": id(9),
        })
    }

    /// The reasons of what is found once this is put in its place.
    fn found(at: &str, value: Value) -> Vec<&'static str> {
        let mut poll = poll();
        *poll.pointer_mut(at).unwrap() = value;
        signed().check(&poll).iter().map(|it| it.reason).collect()
    }

    #[test]
    fn a_sum_that_its_tallies_make_is_right_and_so_is_a_poll_without_any() {
        assert_eq!(signed().check(&poll()), []);
        let announced =
            json!({ "id": "fmr1a", "tallies": [], "sums": null, "outcome": null, "result": null });
        assert_eq!(signed().check(&announced), []);
    }

    #[test]
    fn a_sum_that_rests_on_a_log_withheld_in_public_is_told_apart() {
        let withheld = |n: u8| BTreeSet::from([CommunityId::from_bytes([n; 32])]);
        let mut signed = signed();
        assert_eq!(signed.unread(&poll(), &withheld(1)), None, "it could be read all the same");
        signed.tallies.remove(&id(1));
        let told = signed.unread(&poll(), &withheld(1)).unwrap();
        assert_eq!(told.reason, "sum.withheld");
        assert_eq!(signed.unread(&poll(), &withheld(2)), None, "that is no excuse for another's");
        let mut signed = self::signed();
        signed.declarations.clear();
        let mut opened = poll();
        opened["opener"] = json!(CommunityId::from_bytes([4; 32]));
        assert!(signed.unread(&opened, &withheld(4)).is_some());
        assert_eq!(signed.unread(&opened, &withheld(5)), None);
    }

    #[test]
    fn each_changed_figure_is_found() {
        assert_eq!(found("/sums/counts/by_option/0", json!(26)), ["sum.differs", "sum.declared"]);
        assert_eq!(found("/tallies/0/counts/by_option/0", json!(21)), ["sum.tally",]);
        assert_eq!(found("/tallies/2/counts", json!(counts(1, 0))), ["sum.tally"]);
        assert_eq!(found("/sums/communities/carried", json!(2)), ["sum.declared"]);
        assert_eq!(found("/outcome", json!("carried")), ["sum.declared"]);
        assert_eq!(found("/result", json!(id(8))), ["sum.declared"]);
    }

    #[test]
    fn a_tally_of_another_or_left_out_or_told_twice_is_found() {
        let other = json!(CommunityId::from_bytes([2; 32]));
        assert_eq!(found("/tallies/0/community", other), ["sum.tally"]);
        let mut poll = poll();
        let tallies = poll.pointer_mut("/tallies").unwrap().as_array_mut().unwrap();
        let twice = tallies[0].clone();
        tallies.push(twice);
        let reasons: Vec<_> = signed().check(&poll).iter().map(|it| it.reason).collect();
        assert_eq!(reasons, ["sum.differs"]);
        poll.pointer_mut("/tallies").unwrap().as_array_mut().unwrap().remove(0);
        assert_eq!(signed().check(&poll), []);
        poll.pointer_mut("/tallies").unwrap().as_array_mut().unwrap().remove(1);
        let reasons: Vec<_> = signed().check(&poll).iter().map(|it| it.reason).collect();
        assert_eq!(reasons, ["sum.declared"]);
    }
}
