//! `/sums.json`: what the cases of one or more regions add up to, over distinct records.
//!
//! ```text
//! register (own) ────────┐
//! neighbours' cases ─────┴─▶ figures of each case ─▶ civic::sums ─▶ amount, records, regions
//! ```
//!
//! Every figure is made of records that are held here and proved. A neighbour's coordinator can leave records out, and say
//! when they were received; it cannot add any.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use civic::sums::{CaseFigures, Figure, Total, sum};
use peer::pages::Problem;
use record::{RecordId, RegionId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Regions, StoreError};

use super::{Asked, Site, answer::answer, bad_request};
use crate::{item::KINDS, metrics, service::parse_regions};

/// Cases read at one time.
const CHUNK_CASES: u32 = 20;
const MEDIA_TYPE: &str = "application/json";

/// What is added up of a case as the register keeps it.
#[derive(Deserialize)]
struct View {
    state: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    pledges: Vec<Pledged>,
    #[serde(default)]
    tallies: Vec<Tallied>,
}

#[derive(Deserialize)]
struct Pledged {
    record: String,
    quantity: u64,
    firm: bool,
}

#[derive(Deserialize)]
struct Tallied {
    record: String,
    n_ballots: u64,
}

/// `{"regions": […], "figures": [{"figure", "unit", "amount", "records", "regions"}]}`; `?region=` as in feeds.
pub(super) async fn sums(
    State(site): State<Site>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("sums");
    let own = site.feed.here().region;
    let regions = parse_regions(&asked.all("region"), own);
    let regions = regions.map_err(|status| bad_request(status.message()))?;
    // They read every case, as a package does.
    let _turn = site.packages.try_acquire().ok().ok_or_else(|| {
        let detail = "Too many are asking for packages and sums. Ask again in a moment.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "page.too_many_packages", detail)
    })?;
    let (own_id, mut figures) = (own.to_string(), Vec::new());
    if regions.wants(None) {
        of_register(&site, own, &mut figures).await?;
    }
    if regions != Regions::Own {
        of_neighbours(&site, &regions, &mut figures).await?;
    }
    let mut named: BTreeMap<String, bool> = BTreeMap::new();
    named.extend(figures.iter().map(|it| (it.region.to_string(), it.region == own)));
    named.extend(regions.wants(None).then_some((own_id, true)));
    let named: Vec<Value> =
        named.into_iter().map(|(id, own)| json!({ "region": id, "own": own })).collect();
    let figures: Vec<Value> = sum(figures).iter().map(figure_json).collect();
    let body = json!({ "regions": named, "figures": figures }).to_string();
    Ok(answer(&headers, MEDIA_TYPE, body, None, site.feed.now()))
}

async fn of_register(
    site: &Site,
    own: RegionId,
    figures: &mut Vec<CaseFigures>,
) -> Result<(), StoreError> {
    for kind in KINDS {
        let mut after = 0;
        loop {
            let rows = site.feed.peer().store().cases(kind, after, CHUNK_CASES).await?;
            let Some(last) = rows.last() else { break };
            after = last.case_no;
            for row in &rows {
                figures.push(figures_of(own, row.id, kind, &row.view)?);
            }
        }
    }
    Ok(())
}

async fn of_neighbours(
    site: &Site,
    regions: &Regions,
    figures: &mut Vec<CaseFigures>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let rows = site.feed.peer().store().neighbour_cases(after, CHUNK_CASES).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.region, last.id));
        for row in rows.iter().filter(|it| regions.wants(Some(&it.region))) {
            figures.push(figures_of(row.region, row.id, &row.kind, &row.view)?);
        }
    }
}

/// What one case adds. One that was refused adds nothing.
fn figures_of(
    region: RegionId,
    case: RecordId,
    kind: &str,
    view: &str,
) -> Result<CaseFigures, StoreError> {
    let damaged = StoreError::Damaged { what: "a case of the register" };
    let read = |text: &str| text.parse::<RecordId>().ok();
    let view: View = serde_json::from_str(view).ok().ok_or(damaged.clone())?;
    let View { state, unit, pledges, tallies } = view;
    let stands = state != "refused";
    let opened = match kind {
        "covenant" => (state == "in force").then_some(Figure::CovenantsInForce),
        "opportunity" => stands.then_some(Figure::Opportunities),
        "pool" => stands.then_some(Figure::Pools),
        _ => stands.then_some(Figure::Polls),
    };
    let mut said = BTreeMap::new();
    said.extend(opened.map(|figure| ((figure, case), 1)));
    for Pledged { record, quantity, .. } in pledges.iter().filter(|it| stands && it.firm) {
        let record = read(record).ok_or(damaged.clone())?;
        said.insert((Figure::Pledged { unit: unit.clone() }, record), *quantity);
    }
    for Tallied { record, n_ballots } in tallies.iter().filter(|_| stands) {
        let record = read(record).ok_or(damaged.clone())?;
        said.insert((Figure::Ballots, record), *n_ballots);
    }
    Ok(CaseFigures { case, said, region })
}

fn figure_json((figure, total): (&Figure, &Total)) -> Value {
    let (name, unit) = match figure {
        Figure::CovenantsInForce => ("covenants_in_force", None),
        Figure::Opportunities => ("opportunities", None),
        Figure::Pools => ("pools", None),
        Figure::Pledged { unit } => ("pledged", Some(unit)),
        Figure::Polls => ("polls", None),
        Figure::Ballots => ("ballots", None),
    };
    let Total { amount, n_records, regions } = total;
    json!({
        "figure": name, "unit": unit, "amount": amount, "records": n_records, "regions": regions.len(),
    })
}
