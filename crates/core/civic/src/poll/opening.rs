//! The rules of a poll's opening record.

use record::{
    UnixMillis,
    limits::MAX_POLL_OPTIONS,
    payload::poll::{Method, PollOpening},
    region::Roster,
};

use super::Refusal;

/// Checks an opening that was received at `opened_at`.
pub(super) fn verify(
    poll: &PollOpening,
    opened_at: UnixMillis,
    roster: &Roster,
) -> Result<(), Refusal> {
    verify_options(poll)?;
    verify_electorate(poll, roster)?;
    verify_times(poll, opened_at)?;
    verify_numbers(poll)
}

fn verify_options(poll: &PollOpening) -> Result<(), Refusal> {
    let n_options = poll.n_options;
    let most = u32::try_from(MAX_POLL_OPTIONS).unwrap_or(u32::MAX);
    let allowed = match poll.method {
        Method::YesNo => n_options == 2,
        Method::Plurality | Method::Approval => (2..=most).contains(&n_options),
    };
    if allowed { Ok(()) } else { Err(Refusal::NOptions { n_options }) }
}

fn verify_electorate(poll: &PollOpening, roster: &Roster) -> Result<(), Refusal> {
    let electorate = &poll.electorate;
    if electorate.is_empty() || !electorate.is_sorted_by(|one, next| one.community < next.community)
    {
        return Err(Refusal::ElectorateUnordered);
    }
    if let Some(stranger) = electorate.iter().find(|it| !roster.is_member(&it.community)) {
        return Err(Refusal::ElectorateNotMembers { community: stranger.community });
    }
    if let Some(empty) = electorate.iter().find(|it| it.roll.n_on_roll == 0) {
        return Err(Refusal::RollEmpty { community: empty.community });
    }
    let mut rolls = electorate.iter().map(|it| it.roll.n_on_roll);
    rolls.try_fold(0u64, u64::checked_add).map(|_| ()).ok_or(Refusal::RollsOverflow)
}

fn verify_times(poll: &PollOpening, opened_at: UnixMillis) -> Result<(), Refusal> {
    let PollOpening { opens_at, closes_at, roots_before, tallies_before, .. } = *poll;
    let in_order =
        opens_at < closes_at && closes_at < roots_before && roots_before <= tallies_before;
    if !in_order {
        return Err(Refusal::TimesUnordered);
    }
    if closes_at <= opened_at {
        return Err(Refusal::NoTimeToVote { closes_at });
    }
    Ok(())
}

fn verify_numbers(poll: &PollOpening) -> Result<(), Refusal> {
    let threshold = poll.threshold;
    if threshold.numerator == 0 || threshold.denominator <= threshold.numerator {
        return Err(Refusal::Threshold);
    }
    if 1000 < poll.quorum_permille {
        return Err(Refusal::Quorum { quorum_permille: poll.quorum_permille });
    }
    if poll.smallest_cell == 0 {
        return Err(Refusal::SmallestCell);
    }
    Ok(())
}
