//! Polls: opened, closed, counted and declared as the register says that it is due, by the rules of a node's own task.
//! There is no ballot box: what one would hold is drawn.

use civic::{
    Case, CaseBody,
    poll::{PollView, declaration},
};
use peer::Peer;
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    payload::{
        PollAction, ResultAction, TallyAction,
        poll::{
            Constituency, Counts, DecidingSum, Declaration, Method, Mode, PollOpening,
            RollCommitment, Threshold, ThresholdBase,
        },
    },
};
use tokio::time::{Duration, sleep};

use crate::{
    chance::Chance,
    scenario::Run,
    world::World,
    writing::{Said, say},
};

/// Polls that a community opens only as long as it knows of fewer.
const MOST_POLLS: usize = 2;
/// People on every roll.
const N_ON_ROLL: u64 = 100;
/// The fewest votes that a cell may show, beside none.
const SMALLEST_CELL: u32 = 5;
/// How often it is looked in the end whether anything is due in a poll, a second apart.
const LOOKS: usize = 12;

/// The opening of a poll among some of the founders; `None` if there are enough.
pub(crate) async fn open(world: &mut World, peer: &Peer) -> Option<Payload> {
    let known = peer.store().cases("poll", 0, 10).await.unwrap();
    if MOST_POLLS <= known.len() {
        return None;
    }
    let mut voting: Vec<CommunityId> = world.charter().founders.iter().map(|it| it.id).collect();
    voting.retain(|it| *it == peer.community() || world.chance.percent(70));
    let roll = RollCommitment { n_on_roll: N_ON_ROLL, roll_root: [7; 32] };
    let electorate = voting.into_iter().map(|community| Constituency { community, roll });
    let opens_at = UnixMillis(world.now());
    let mut after = |at: UnixMillis, longest| at.plus_millis(world.chance.within(3_000, longest));
    let closes_at = after(opens_at, 12_000);
    let roots_before = after(closes_at, 90_000);
    let tallies_before = after(roots_before, 60_000);
    Some(Payload::Poll(PollAction::Open(PollOpening {
        region: world.charter().region,
        method: Method::YesNo,
        n_options: 2,
        mode: Mode::Secret,
        electorate: electorate.collect(),
        opens_at,
        closes_at,
        roots_before,
        tallies_before,
        threshold: Threshold { numerator: 1, denominator: 2, base: ThresholdBase::ForAndAgainst },
        quorum_permille: 0,
        deciding_sum: DecidingSum::Ballots,
        smallest_cell: SMALLEST_CELL,
        challenge_days: 14,
    })))
}

/// What is due from a community in some poll, or what a dishonest one says in place of it.
pub(crate) async fn due(chance: &mut Chance, peer: &Peer) -> Option<Said> {
    for row in peer.store().cases("poll", 0, 10).await.unwrap() {
        let Some(case) = peer.store().fold(row.id).await.unwrap() else { continue };
        if case.state == "refused" {
            continue;
        }
        if let Some((payload, is_forged)) = due_in(chance, peer, &case) {
            return Some(Said { is_forged, ..Said::new(payload, Some(row.id)) });
        }
    }
    None
}

fn due_in(chance: &mut Chance, peer: &Peer, case: &Case) -> Option<(Payload, bool)> {
    let CaseBody::Poll(poll) = &case.body else { return None };
    let (own, now) = (peer.community(), UnixMillis(peer.clock().now_millis()));
    if now < poll.closes_at {
        return None;
    }
    if poll.missing_roots.contains(&own) && now < poll.roots_before {
        let n_ballots = chance.within(0, N_ON_ROLL + 1);
        let root = TallyAction::Root { ballot_root: chance.bytes(), n_ballots };
        return Some((Payload::Tally(root), false));
    }
    let is_rooted = poll.missing_roots.is_empty() || poll.roots_before <= now;
    if is_rooted && poll.missing_tallies.contains(&own) && now < poll.tallies_before {
        return Some((Payload::Tally(count(chance, poll, own)?), false));
    }
    if poll.result.is_some() || poll.opener != own {
        return None;
    }
    let declared = declaration(case)?;
    let is_forged = chance.percent(30);
    let declared = if is_forged { forged(chance, declared) } else { declared };
    Some((Payload::Result(ResultAction::Declare(declared)), is_forged))
}

/// The counts of the ballots in a closed box.
fn count(chance: &mut Chance, poll: &PollView, own: CommunityId) -> Option<TallyAction> {
    let n_ballots = poll.roots.iter().find(|it| it.community == own)?.n_ballots;
    let smallest = u64::from(SMALLEST_CELL);
    if n_ballots < 2 * smallest {
        return Some(TallyAction::Withheld);
    }
    let n_yes = chance.within(smallest, n_ballots - smallest + 1);
    let by_option = vec![n_yes, n_ballots - n_yes];
    Some(TallyAction::Counts(Counts { n_ballots, n_blank: 0, n_spoiled: 0, by_option }))
}

/// Another result than the tallies make.
fn forged(chance: &mut Chance, mut declared: Declaration) -> Declaration {
    match chance.within(0, 3) {
        0 if !declared.tallies.is_empty() => {
            declared.tallies.pop();
        }
        1 => declared.counts.n_ballots += 1,
        _ => declared.counts.by_option[0] += 1,
    }
    declared
}

impl Run {
    /// Every node does what is still due in a poll, until nothing is.
    pub(crate) async fn count_out(&mut self) {
        for _ in 0..LOOKS {
            let mut is_done = true;
            for no in self.world.honest() {
                let Some(peer) = self.world.peer(no).cloned() else { continue };
                if let Some(said) = due(&mut self.world.chance, &peer).await {
                    is_done = false;
                    say(&mut self.world, &mut self.ledger, no, Some(said)).await;
                }
            }
            sleep(Duration::from_secs(1)).await;
            if is_done {
                return;
            }
        }
    }
}

/// A result that counts is the sum of what communities counted, and a forged one counts nowhere.
pub(crate) async fn results_are_sums(run: &mut Run) {
    for no in run.world.honest() {
        let Some(peer) = run.world.peer(no).cloned() else { continue };
        for row in peer.store().cases("poll", 0, 10).await.unwrap() {
            let case = peer.store().fold(row.id).await.unwrap().unwrap();
            let CaseBody::Poll(poll) = &case.body else { continue };
            let Some(result) = poll.result else { continue };
            run.met.insert("declared poll");
            if 1 < poll.tallies.iter().filter(|it| it.counts.is_some()).count() {
                run.met.insert("sum of tallies");
            }
            if run.ledger.forged.contains(&result) {
                run.broken.push(format!("host {no} takes the forged result {result}"));
            }
            let judged = case.judgements.iter().map(|it| it.record);
            if judged.into_iter().any(|it| run.ledger.forged.contains(&it)) {
                run.met.insert("forged result");
            }
            if declared(&peer, row.case_no, result).await != Some(added_up(poll)) {
                run.broken.push(format!("host {no} takes a result that is no sum: {result}"));
            }
        }
    }
}

/// What a result says that the votes are, option by option.
async fn declared(peer: &Peer, case_no: i64, result: RecordId) -> Option<Vec<u64>> {
    let records = peer.store().case_records(case_no).await.unwrap();
    let record = records.into_iter().find(|it| it.record.id() == result)?;
    let Payload::Result(ResultAction::Declare(declared)) = record.record.payload()? else {
        return None;
    };
    Some(declared.counts.by_option)
}

/// The votes in all tallies, option by option.
fn added_up(poll: &PollView) -> Vec<u64> {
    let mut sums = vec![0; usize::try_from(poll.options).unwrap()];
    for counts in poll.tallies.iter().filter_map(|it| it.counts.as_ref()) {
        for (sum, n) in sums.iter_mut().zip(&counts.by_option) {
            *sum += n;
        }
    }
    sums
}
