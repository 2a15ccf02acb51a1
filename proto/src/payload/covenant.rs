//! `folkmoot.record.covenant.v1`.

use record::{
    UnixMillis,
    payload::covenant::{
        Commitment, CovenantAction, CovenantType, Domain, Level, Minute, Party, PartyRole, Power,
        Proposal, Signature,
    },
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{
        ENTRIES, PARTIES, ascending, community, date, list, no_longer_than, optional_record_id,
        parse_money, parse_place, record_id, region, render_money, render_place, render_text_hash,
        same_names, text_hashes,
    },
};
use crate::kinds::covenant as wire;

/// The longest number of a minute, in bytes: see [`Minute::reference`].
pub const MAX_MINUTE_REFERENCE_BYTES: usize = 64;

same_names!(
    parse_type,
    render_type,
    CovenantType,
    wire::CovenantType,
    [CommunityCovenant, ImprovementDistrict, ServiceAgreement, CharterRatification]
);
same_names!(
    parse_role,
    render_role,
    PartyRole,
    wire::PartyRole,
    [Community, Parish, Forum, AnchorBody, LocalAuthority, PublicBody, Regional]
);
same_names!(
    parse_domain,
    render_domain,
    Domain,
    wire::Domain,
    [Economy, Services, Assets, PlanningAndHousing, Spending]
);
same_names!(
    parse_level,
    render_level,
    Level,
    wire::Level,
    [Informed, Consulted, CoDecide, Delegated, CommunityHeld]
);

/// The action in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse(payload: wire::Covenant) -> Result<CovenantAction, PayloadError> {
    let wire::Covenant { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        wire::covenant::Action::Propose(proposal) => {
            parse_proposal(proposal).map(CovenantAction::Propose).within("propose")
        }
        wire::covenant::Action::Sign(signature) => {
            parse_signature(signature).map(CovenantAction::Sign).within("sign")
        }
        wire::covenant::Action::Decline(wire::Refusal { proposal }) => {
            let proposal = record_id(&proposal).within("decline.proposal")?;
            Ok(CovenantAction::Decline { proposal })
        }
    }
}

/// The message of an action.
#[must_use]
pub fn render(action: &CovenantAction) -> wire::Covenant {
    use wire::covenant::Action;
    let action = match action {
        CovenantAction::Propose(proposal) => Action::Propose(render_proposal(proposal)),
        CovenantAction::Sign(signature) => Action::Sign(render_signature(signature)),
        CovenantAction::Decline { proposal } => {
            Action::Decline(wire::Refusal { proposal: proposal.as_bytes().to_vec() })
        }
    };
    wire::Covenant { action: Some(action) }
}

/// The proposal in a message: at most 64 parties in ascending order, each once; texts likewise by language.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_proposal(proposal: wire::Proposal) -> Result<Proposal, PayloadError> {
    let wire::Proposal {
        region: region_id,
        covenant_type,
        parties,
        area,
        powers,
        commitments,
        sign_before,
        review_months,
        term_months,
        texts,
    } = proposal;
    Ok(Proposal {
        region: region(&region_id).within("region")?,
        covenant_type: parse_type(covenant_type).within("covenant_type")?,
        parties: parse_parties(parties).within("parties")?,
        area: list(area, ENTRIES, parse_place).within("area")?,
        powers: list(powers, ENTRIES, parse_power).within("powers")?,
        commitments: list(commitments, ENTRIES, parse_commitment).within("commitments")?,
        sign_before: UnixMillis(sign_before),
        review_months,
        term_months,
        texts: text_hashes(texts).within("texts")?,
    })
}

/// The message of a proposal.
#[must_use]
pub fn render_proposal(proposal: &Proposal) -> wire::Proposal {
    let Proposal {
        region,
        covenant_type,
        parties,
        area,
        powers,
        commitments,
        sign_before,
        review_months,
        term_months,
        texts,
    } = proposal;
    wire::Proposal {
        region: region.as_bytes().to_vec(),
        covenant_type: render_type(*covenant_type),
        parties: parties.iter().map(render_party).collect(),
        area: area.iter().map(render_place).collect(),
        powers: powers.iter().map(render_power).collect(),
        commitments: commitments.iter().map(render_commitment).collect(),
        sign_before: sign_before.0,
        review_months: *review_months,
        term_months: *term_months,
        texts: texts.iter().map(render_text_hash).collect(),
    }
}

fn parse_parties(all: Vec<wire::Party>) -> Result<Vec<Party>, PayloadError> {
    ascending(list(all, PARTIES, parse_party)?, |party| party.community)
}

fn parse_party(party: wire::Party) -> Result<Party, PayloadError> {
    let wire::Party { community: id, role } = party;
    Ok(Party {
        community: community(&id).within("community")?,
        role: parse_role(role).within("role")?,
    })
}

fn render_party(party: &Party) -> wire::Party {
    let Party { community, role } = *party;
    wire::Party { community: community.as_bytes().to_vec(), role: render_role(role) }
}

fn parse_power(power: wire::Power) -> Result<Power, PayloadError> {
    let wire::Power { domain, level, budget } = power;
    Ok(Power {
        domain: parse_domain(domain).within("domain")?,
        level: parse_level(level).within("level")?,
        budget: budget.map(parse_money).transpose().within("budget")?,
    })
}

fn render_power(power: &Power) -> wire::Power {
    let Power { domain, level, budget } = power;
    wire::Power {
        domain: render_domain(*domain),
        level: render_level(*level),
        budget: budget.as_ref().map(render_money),
    }
}

fn parse_commitment(commitment: wire::Commitment) -> Result<Commitment, PayloadError> {
    let wire::Commitment { party, money, staff_hours, due } = commitment;
    Ok(Commitment {
        party: community(&party).within("party")?,
        money: money.map(parse_money).transpose().within("money")?,
        staff_hours,
        due: due.map(date).transpose().within("due")?,
    })
}

fn render_commitment(commitment: &Commitment) -> wire::Commitment {
    let Commitment { party, money, staff_hours, due } = commitment;
    wire::Commitment {
        party: party.as_bytes().to_vec(),
        money: money.as_ref().map(render_money),
        staff_hours: *staff_hours,
        due: due.map(|date| date.as_number()),
    }
}

/// The minute in a message.
///
/// # Errors
///
/// [`PayloadError::Field`] if the reference is empty, longer than [`MAX_MINUTE_REFERENCE_BYTES`] or holds other
/// characters than [`Minute::reference`] allows, or if there is no such date.
pub fn parse_minute(minute: wire::Minute) -> Result<Minute, PayloadError> {
    let wire::Minute { reference, meeting } = minute;
    Ok(Minute {
        reference: minute_reference(reference).within("reference")?,
        meeting: date(meeting).within("meeting")?,
    })
}

/// The message of a minute.
#[must_use]
pub fn render_minute(minute: &Minute) -> wire::Minute {
    let Minute { reference, meeting } = minute;
    wire::Minute { reference: reference.clone(), meeting: meeting.as_number() }
}

fn minute_reference(text: String) -> Result<String, Fault> {
    let text = no_longer_than(text, MAX_MINUTE_REFERENCE_BYTES)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ./-()".contains(c);
    let formed = !text.is_empty() && text.chars().all(allowed);
    let expected = "the number of a minute: letters, digits, spaces and ./-()";
    formed.then_some(text).ok_or(Fault::Form { expected })
}

fn parse_signature(signature: wire::Signature) -> Result<Signature, PayloadError> {
    let wire::Signature { proposal, texts, minute, poll_result } = signature;
    Ok(Signature {
        proposal: record_id(&proposal).within("proposal")?,
        texts: text_hashes(texts).within("texts")?,
        minute: minute.map(parse_minute).transpose().within("minute")?,
        poll_result: optional_record_id(poll_result).within("poll_result")?,
    })
}

fn render_signature(signature: &Signature) -> wire::Signature {
    let Signature { proposal, texts, minute, poll_result } = signature;
    wire::Signature {
        proposal: proposal.as_bytes().to_vec(),
        texts: texts.iter().map(render_text_hash).collect(),
        minute: minute.as_ref().map(render_minute),
        poll_result: poll_result.map(|id| id.as_bytes().to_vec()),
    }
}
