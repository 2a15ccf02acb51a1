//! `folkmoot.record.pool.v1` and `folkmoot.record.pledge.v1`.

use record::{
    UnixMillis,
    payload::pool::{LockRule, MAX_UNIT_BYTES, PledgeAction, PoolAction, PoolOpening},
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{
        cpv, no_longer_than, optional_record_id, parse_money, record_id, record_ids, region,
        render_money, same_names,
    },
};
use crate::kinds::{pledge as pledge_wire, pool as wire};

same_names!(parse_lock_rule, render_lock_rule, LockRule, wire::LockRule, [AtClose, OnThreshold]);

/// The action in a pool's payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_pool(payload: wire::Pool) -> Result<PoolAction, PayloadError> {
    let wire::Pool { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        wire::pool::Action::Open(opening) => {
            parse_opening(opening).map(PoolAction::Open).within("open")
        }
        wire::pool::Action::Close(wire::Closing { pledges }) => {
            let pledges = record_ids(pledges).within("close.pledges")?;
            Ok(PoolAction::Close { pledges })
        }
    }
}

/// The message of a pool's action.
#[must_use]
pub fn render_pool(action: &PoolAction) -> wire::Pool {
    use wire::pool::Action;
    let action = match action {
        PoolAction::Open(opening) => Action::Open(render_opening(opening)),
        PoolAction::Close { pledges } => {
            let pledges = pledges.iter().map(|id| id.as_bytes().to_vec()).collect();
            Action::Close(wire::Closing { pledges })
        }
    };
    wire::Pool { action: Some(action) }
}

/// The opening in a message.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_opening(opening: wire::Opening) -> Result<PoolOpening, PayloadError> {
    let wire::Opening {
        region: region_id,
        unit,
        threshold,
        opportunity,
        cpv: code,
        unit_price,
        closes_at,
        grace_millis,
        lock_rule,
    } = opening;
    Ok(PoolOpening {
        region: region(&region_id).within("region")?,
        unit: parse_unit(unit).within("unit")?,
        threshold,
        opportunity: optional_record_id(opportunity).within("opportunity")?,
        cpv: code.map(cpv).transpose().within("cpv")?,
        unit_price: unit_price.map(parse_money).transpose().within("unit_price")?,
        closes_at: UnixMillis(closes_at),
        grace_millis,
        lock_rule: parse_lock_rule(lock_rule).within("lock_rule")?,
    })
}

/// The message of an opening.
#[must_use]
pub fn render_opening(opening: &PoolOpening) -> wire::Opening {
    let PoolOpening {
        region,
        unit,
        threshold,
        opportunity,
        cpv,
        unit_price,
        closes_at,
        grace_millis,
        lock_rule,
    } = opening;
    wire::Opening {
        region: region.as_bytes().to_vec(),
        unit: unit.clone(),
        threshold: *threshold,
        opportunity: opportunity.map(|id| id.as_bytes().to_vec()),
        cpv: *cpv,
        unit_price: unit_price.as_ref().map(render_money),
        closes_at: closes_at.0,
        grace_millis: *grace_millis,
        lock_rule: render_lock_rule(*lock_rule),
    }
}

fn parse_unit(text: String) -> Result<String, Fault> {
    let text = no_longer_than(text, MAX_UNIT_BYTES)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    let trimmed = text.trim() == text && !text.is_empty();
    let expected =
        "a unit of ASCII letters, digits and single inner spaces, such as `each` or `kWh`";
    let formed = trimmed && text.chars().all(allowed) && !text.contains("  ");
    formed.then_some(text).ok_or(Fault::Form { expected })
}

/// The action in a pledge's payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_pledge(payload: pledge_wire::Pledge) -> Result<PledgeAction, PayloadError> {
    let pledge_wire::Pledge { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        pledge_wire::pledge::Action::Make(pledge_wire::Making { quantity, firm }) => {
            Ok(PledgeAction::Make { quantity, firm })
        }
        pledge_wire::pledge::Action::Withdraw(pledge_wire::Withdrawal { pledge }) => {
            let pledge = record_id(&pledge).within("withdraw.pledge")?;
            Ok(PledgeAction::Withdraw { pledge })
        }
    }
}

/// The message of a pledge's action.
#[must_use]
pub fn render_pledge(action: &PledgeAction) -> pledge_wire::Pledge {
    use pledge_wire::pledge::Action;
    let action = match action {
        PledgeAction::Make { quantity, firm } => {
            Action::Make(pledge_wire::Making { quantity: *quantity, firm: *firm })
        }
        PledgeAction::Withdraw { pledge } => {
            Action::Withdraw(pledge_wire::Withdrawal { pledge: pledge.as_bytes().to_vec() })
        }
    };
    pledge_wire::Pledge { action: Some(action) }
}
