//! One step in one case: what is missing in the register and due from this community.

use ballotbox::{BallotBox, PollTerms};
use civic::{Case, CaseBody, poll::PollView};
use peer::Peer;
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    payload::{
        ResultAction, TallyAction,
        poll::{Constituency, PollOpening},
    },
};

use super::{Step, memory::Memory};
use crate::clerk::{pool, refusal::Refusal, write::say_in};

/// Root, counts, result: no step writes more.
const MAX_RECORDS: usize = 3;

/// What comes next in a poll.
enum Next {
    /// Write this.
    Say(&'static str, Box<Payload>),
    /// Wait for this, until then.
    Await(String, Option<UnixMillis>),
}

impl Next {
    fn nothing() -> Self {
        Self::Await(String::new(), None)
    }
}

/// Does what is due in a poll.
pub(super) async fn poll(
    peer: &Peer,
    ballots: &BallotBox,
    memory: &mut Memory,
    id: RecordId,
) -> Result<Step, Refusal> {
    let mut step = Step::default();
    loop {
        let now = UnixMillis(peer.clock().now_millis());
        let case = folded_poll(peer, id).await?;
        match next_in_poll(peer, ballots, memory, (&case, now)).await? {
            Next::Say(what, payload) => {
                let waits = memory.not_before(id, what, now);
                if waits.is_some() || step.written.len() == MAX_RECORDS {
                    step.awaiting = "The record will be written again in a moment.".to_owned();
                    step.next = waits.or(Some(now.plus_millis(1_000)));
                    return Ok(step);
                }
                memory.tried(id, what, now);
                step.written.push(say_in(peer, id, &payload).await?);
                tracing::info!(poll = %id, what, "a record of a poll was filed");
            }
            Next::Await(awaiting, next) => {
                (step.awaiting, step.next) = (awaiting, next);
                return Ok(step);
            }
        }
    }
}

async fn folded_poll(peer: &Peer, id: RecordId) -> Result<Case, Refusal> {
    let case = peer.store().fold(id).await?;
    case.filter(|it| it.kind == civic::CaseKind::Poll).ok_or_else(|| {
        let detail = format!("There is no poll {id} here. If it is new, try again in a moment.");
        Refusal::not_found("case.unknown", detail)
    })
}

async fn next_in_poll(
    peer: &Peer,
    ballots: &BallotBox,
    memory: &mut Memory,
    (case, now): (&Case, UnixMillis),
) -> Result<Next, Refusal> {
    let CaseBody::Poll(view) = &case.body else { return Ok(Next::nothing()) };
    if case.state == "refused" {
        return Ok(Next::Await("This poll was refused, so nothing in it counts.".to_owned(), None));
    }
    let own = peer.community();
    if let Some(constituency) = view.electorate.iter().find(|it| it.community == own) {
        hold(ballots, memory, case.id, &terms(view, constituency)).await?;
        if now < view.closes_at {
            return Ok(voting(view));
        }
        if let Some(next) = next_in_count(ballots, case.id, view, (own, now)).await? {
            return Ok(next);
        }
    } else if now < view.closes_at {
        return Ok(voting(view));
    }
    Ok(next_in_result(case, view, (own, now)))
}

fn voting(view: &PollView) -> Next {
    Next::Await("Voting has not ended.".to_owned(), Some(view.closes_at))
}

/// Puts the poll into the ballot box, once.
async fn hold(
    ballots: &BallotBox,
    memory: &mut Memory,
    id: RecordId,
    terms: &PollTerms,
) -> Result<(), Refusal> {
    if !memory.in_box.contains(&id) {
        ballots.open_poll(id, *terms).await?;
        memory.in_box.insert(id);
    }
    Ok(())
}

fn terms(view: &PollView, own: &Constituency) -> PollTerms {
    PollTerms {
        method: view.method,
        mode: view.mode,
        n_options: view.options,
        opens_at: view.opens_at,
        closes_at: view.closes_at,
        roll_root: own.roll.roll_root,
    }
}

/// This community's root, then its counts; `None` once both are in, or can no longer come.
async fn next_in_count(
    ballots: &BallotBox,
    id: RecordId,
    view: &PollView,
    (own, now): (CommunityId, UnixMillis),
) -> Result<Option<Next>, Refusal> {
    if view.missing_roots.contains(&own) {
        if view.roots_before <= now {
            return Ok(None);
        }
        let root = ballots.close_poll(&id, now).await?;
        let action = TallyAction::Root { ballot_root: root.ballot_root, n_ballots: root.n_ballots };
        return Ok(Some(Next::Say("root", Box::new(Payload::Tally(action)))));
    }
    if !view.missing_tallies.contains(&own) || view.tallies_before <= now {
        return Ok(None);
    }
    let n_missing = view.missing_roots.len();
    if 0 < n_missing && now < view.roots_before {
        let awaiting = format!("The boxes of {n_missing} other communities are not closed yet.");
        return Ok(Some(Next::Await(awaiting, Some(view.roots_before))));
    }
    let counts = ballots.count(&id).await?;
    let action = match civic::count::may_publish(&opening(view), &counts) {
        Ok(()) => TallyAction::Counts(counts),
        Err(_) => TallyAction::Withheld,
    };
    Ok(Some(Next::Say("counts", Box::new(Payload::Tally(action)))))
}

/// The opener declares the result once every tally that can come is in.
fn next_in_result(case: &Case, view: &PollView, (own, now): (CommunityId, UnixMillis)) -> Next {
    if view.result.is_some() || view.opener != own {
        return Next::nothing();
    }
    match civic::poll::declaration(case) {
        Some(declaration) => {
            let declared = Payload::Result(ResultAction::Declare(declaration));
            Next::Say("result", Box::new(declared))
        }
        None => {
            let n_missing = view.missing_tallies.len();
            let awaiting = format!("The tallies of {n_missing} communities are not in yet.");
            let deadlines = [view.roots_before, view.tallies_before];
            Next::Await(awaiting, deadlines.into_iter().find(|at| now < *at))
        }
    }
}

/// The opening that the view was made from.
fn opening(view: &PollView) -> PollOpening {
    PollOpening {
        region: view.region,
        method: view.method,
        n_options: view.options,
        mode: view.mode,
        electorate: view.electorate.clone(),
        opens_at: view.opens_at,
        closes_at: view.closes_at,
        roots_before: view.roots_before,
        tallies_before: view.tallies_before,
        threshold: view.threshold,
        quorum_permille: view.quorum_permille,
        deciding_sum: view.deciding_sum,
        smallest_cell: view.smallest_cell,
        challenge_days: view.challenge_days,
    }
}

/// Closes a pool that this community leads, once it takes no more pledges.
pub(super) async fn pool(peer: &Peer, memory: &mut Memory, id: RecordId) -> Result<Step, Refusal> {
    let now = UnixMillis(peer.clock().now_millis());
    let case = pool::folded_pool(peer, id).await?;
    let CaseBody::Pool(view) = &case.body else { return Ok(Step::default()) };
    let is_ours = view.lead == peer.community() && view.closing.is_none();
    if !is_ours || case.state == "refused" {
        return Ok(Step::default());
    }
    let mut step = Step::default();
    let waits = memory.not_before(id, "closing", now);
    if now < view.closes_at || waits.is_some() {
        step.next = waits.or(Some(view.closes_at));
        return Ok(step);
    }
    memory.tried(id, "closing", now);
    step.written.push(pool::close(peer, id).await?);
    tracing::info!(pool = %id, "a pool was closed");
    Ok(step)
}
