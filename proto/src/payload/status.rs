//! `folkmoot.record.status.v1`, and how a coordinator's treatment of a log is told in a stream.

use record::{
    LogName, UnixMillis,
    payload::status::{Lift, Reason, Standing, Status},
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{community, same_names},
};
use crate::{kinds::status as wire, types, v1};

same_names!(
    parse_standing_name,
    render_standing_name,
    Standing,
    types::Standing,
    [Ok, Throttled, Withheld, Forked, Moved, Gone]
);
same_names!(
    parse_reason,
    render_reason,
    Reason,
    types::StandingReason,
    [RecordsPerMinute, BytesPerDay, Ordered, PersonalData, Abuse, TwoHistories, NextEra, Left]
);

/// The standing of this number.
pub(super) fn parse_standing(number: i32) -> Result<Standing, Fault> {
    parse_standing_name(number)
}

/// The number of a standing.
pub(super) fn render_standing(standing: Standing) -> i32 {
    render_standing_name(standing)
}

/// The status in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field; [`Fault::Contradicts`] if standing and reason do not go together,
/// or there is an end that time does not bring.
pub fn parse(payload: wire::Status) -> Result<Status, PayloadError> {
    let wire::Status { community: id, era, standing, reason, since, until } = payload;
    let log = LogName { community: community(&id).within("community")?, era };
    of_parts(log, (standing, reason), since, until)
}

/// The message of a status.
#[must_use]
pub fn render(status: &Status) -> wire::Status {
    let Status { log: LogName { community, era }, since, reason, until } = *status;
    wire::Status {
        community: community.as_bytes().to_vec(),
        era,
        standing: render_standing(status.standing()),
        reason: reason.map_or(0, render_reason),
        since: since.0,
        until: until.map(|it| it.0),
    }
}

/// The status in a frame of the replication stream.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_frame(frame: v1::LogStatus) -> Result<Status, PayloadError> {
    let v1::LogStatus { log, standing, reason, since, until } = frame;
    let v1::LogName { community: id, era } = log.ok_or(Fault::Missing).within("log")?;
    let log = LogName { community: community(&id).within("log.community")?, era };
    of_parts(log, (standing, reason), since, until)
}

/// The frame that tells a status.
#[must_use]
pub fn render_frame(status: &Status) -> v1::LogStatus {
    let wire::Status { community, era, standing, reason, since, until } = render(status);
    v1::LogStatus { log: Some(v1::LogName { community, era }), standing, reason, since, until }
}

fn of_parts(
    log: LogName,
    (standing, reason): (i32, i32),
    since: u64,
    until: Option<u64>,
) -> Result<Status, PayloadError> {
    let standing = parse_standing(standing).within("standing")?;
    let reason = match (standing, reason) {
        (Standing::Ok, 0) => None,
        (_, reason) => Some(parse_reason(reason).within("reason")?),
    };
    if reason.map_or(Standing::Ok, Reason::standing) != standing {
        return Err(Fault::Contradicts { other: "standing" }).within("reason");
    }
    if until.is_some() && reason.map(Reason::lift) != Some(Lift::Time) {
        return Err(Fault::Contradicts { other: "reason" }).within("until");
    }
    Ok(Status { log, since: UnixMillis(since), reason, until: until.map(UnixMillis) })
}
