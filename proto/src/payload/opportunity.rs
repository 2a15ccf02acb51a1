//! `folkmoot.record.opportunity.v1`.

use record::{
    UnixMillis,
    payload::opportunity::{OpportunityAction, Publication, Release, Source, Stage},
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{
        ENTRIES, array, cpv, list, no_longer_than, parse_money, parse_organisation, parse_place,
        region, render_money, render_organisation, render_place, same_names,
    },
};
use crate::kinds::opportunity as wire;

/// The longest ocid and the longest release id, in bytes: the longest in national portals are under 100.
pub const MAX_OCDS_ID_BYTES: usize = 256;
pub use record::limits::MAX_SOURCE_URL_BYTES;

same_names!(
    parse_stage,
    render_stage,
    Stage,
    wire::Stage,
    [Planned, Open, Closed, Awarded, Unsuccessful, Cancelled, Contracted, Implemented, Terminated]
);

/// Where a process stands.
///
/// # Errors
///
/// [`PayloadError::Field`] for a number that is no stage.
pub fn stage(number: i32) -> Result<Stage, PayloadError> {
    parse_stage(number).within("stage")
}

/// An amount.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn value(money: crate::types::Money) -> Result<record::Money, PayloadError> {
    parse_money(money).within("value")
}

/// The action in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse(payload: wire::Opportunity) -> Result<OpportunityAction, PayloadError> {
    let wire::Opportunity { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        wire::opportunity::Action::Publish(publication) => {
            parse_publication(publication).map(OpportunityAction::Publish).within("publish")
        }
        wire::opportunity::Action::Update(release) => {
            parse_release(release).map(OpportunityAction::Update).within("update")
        }
    }
}

/// The message of an action.
#[must_use]
pub fn render(action: &OpportunityAction) -> wire::Opportunity {
    use wire::opportunity::Action;
    let action = match action {
        OpportunityAction::Publish(Publication { region, release }) => {
            let (region, release) = (region.as_bytes().to_vec(), Some(render_release(release)));
            Action::Publish(wire::Publication { region, release })
        }
        OpportunityAction::Update(release) => Action::Update(render_release(release)),
    };
    wire::Opportunity { action: Some(action) }
}

fn parse_publication(publication: wire::Publication) -> Result<Publication, PayloadError> {
    let wire::Publication { region: id, release } = publication;
    let release = release.ok_or(Fault::Missing).within("release")?;
    Ok(Publication {
        region: region(&id).within("region")?,
        release: parse_release(release).within("release")?,
    })
}

/// A release.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_release(release: wire::Release) -> Result<Release, PayloadError> {
    let wire::Release {
        ocid,
        release_id,
        released_at,
        stage,
        buyer,
        cpv: codes,
        value,
        tender_ends,
        places,
        n_lots,
        suits_vcse,
        source,
    } = release;
    Ok(Release {
        ocid: parse_ocid(ocid, source.is_some()).within("ocid")?,
        release_id: printable(release_id, MAX_OCDS_ID_BYTES).within("release_id")?,
        released_at: UnixMillis(released_at),
        stage: parse_stage(stage).within("stage")?,
        buyer: buyer.map(parse_organisation).transpose().within("buyer")?,
        cpv: list(codes, ENTRIES, |code| Ok(cpv(code)?)).within("cpv")?,
        value: value.map(parse_money).transpose().within("value")?,
        tender_ends: tender_ends.map(UnixMillis),
        places: list(places, ENTRIES, parse_place).within("places")?,
        n_lots,
        suits_vcse,
        source: source.map(parse_source).transpose().within("source")?,
    })
}

fn render_release(release: &Release) -> wire::Release {
    let Release {
        ocid,
        release_id,
        released_at,
        stage,
        buyer,
        cpv,
        value,
        tender_ends,
        places,
        n_lots,
        suits_vcse,
        source,
    } = release;
    wire::Release {
        ocid: ocid.clone(),
        release_id: release_id.clone(),
        released_at: released_at.0,
        stage: render_stage(*stage),
        buyer: buyer.as_ref().map(render_organisation),
        cpv: cpv.clone(),
        value: value.as_ref().map(render_money),
        tender_ends: tender_ends.map(|at| at.0),
        places: places.iter().map(render_place).collect(),
        n_lots: *n_lots,
        suits_vcse: *suits_vcse,
        source: source.as_ref().map(render_source),
    }
}

fn parse_source(source: wire::Source) -> Result<Source, PayloadError> {
    let wire::Source { url, sha256 } = source;
    Ok(Source {
        url: printable(url, MAX_SOURCE_URL_BYTES).within("url")?,
        sha256: array(&sha256).within("sha256")?,
    })
}

fn render_source(source: &Source) -> wire::Source {
    let Source { url, sha256 } = source;
    wire::Source { url: url.clone(), sha256: sha256.to_vec() }
}

/// What was imported keeps the ocid of its publisher; a process of our own may leave it empty, and has the region's prefix
/// and the id of its opening record then.
fn parse_ocid(text: String, is_imported: bool) -> Result<String, Fault> {
    if is_imported && text.is_empty() {
        return Err(Fault::Missing);
    }
    printable(text, MAX_OCDS_ID_BYTES)
}

/// Text of one line: no control characters.
fn printable(text: String, most: usize) -> Result<String, Fault> {
    let text = no_longer_than(text, most)?;
    let formed = !text.chars().any(char::is_control);
    formed.then_some(text).ok_or(Fault::Form { expected: "one line without control characters" })
}
