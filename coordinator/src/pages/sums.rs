//! `/sums.json`: what the cases of one or more regions add up to, over distinct records.
//!
//! ```text
//! register (own) ────────┐
//! neighbours' cases ─────┴─▶ figures of each case ─▶ civic::sums ─▶ amount, records, regions
//! ```
//!
//! Every figure is made of records that are held here and proved. A neighbour's coordinator can leave records out, and say
//! when they were received; it cannot add any. Every case is read, and what comes of it is kept as long as no case changes.

mod kept;

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use civic::sums::{CaseFigures, Figure, Total, sum};
use peer::pages::Problem;
use record::{RecordId, RegionId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Regions, StoreError};

use super::{Asked, Site, answer::answer_kept, bad_request};
use crate::{item::KINDS, metrics, service::parse_regions};

pub(super) use kept::KeptSums;

/// Cases read at one time.
const CHUNK_CASES: u32 = 20;
/// Units on the page: whoever opens a pool names one, and each takes 200 bytes at most.
const MAX_UNITS: usize = 1_000;
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

/// `{"regions": […], "figures": [{"figure", "unit", "amount", "records", "regions"}], "units_left_out"}`; `?region=` as in
/// feeds.
pub(super) async fn sums(
    State(site): State<Site>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("sums");
    let own = site.feed.here().region;
    let regions = parse_regions(&asked.all("region"), own);
    let regions = regions.map_err(|status| bad_request(status.message()))?;
    let mark = || site.feed.peer().store().register_mark();
    let page = site.sums.newest(mark, &regions, || made(&site, &regions)).await?;
    Ok(answer_kept(&headers, MEDIA_TYPE, (&page.tag, page.body), None, site.feed.now()))
}

/// The page of these regions.
async fn made(site: &Site, regions: &Regions) -> Result<String, Problem> {
    let (own, mut figures) = (site.feed.here().region, Vec::new());
    if regions.wants(None) {
        of_register(site, own, &mut figures).await?;
    }
    if *regions != Regions::Own {
        of_neighbours(site, regions, &mut figures).await?;
    }
    let mut named: BTreeMap<String, bool> = BTreeMap::new();
    named.extend(figures.iter().map(|it| (it.region.to_string(), it.region == own)));
    named.extend(regions.wants(None).then(|| (own.to_string(), true)));
    let named: Vec<Value> =
        named.into_iter().map(|(id, own)| json!({ "region": id, "own": own })).collect();
    let (figures, n_left_out) = shown(sum(figures));
    let figures: Vec<Value> = figures.iter().map(figure_json).collect();
    let page = json!({ "regions": named, "figures": figures, "units_left_out": n_left_out });
    Ok(page.to_string())
}

/// The figures without the units that the page has no room for, and how many those are: units of few records are left out
/// first.
fn shown(mut figures: BTreeMap<Figure, Total>) -> (BTreeMap<Figure, Total>, usize) {
    let is_of_unit = |figure: &Figure| matches!(figure, Figure::Pledged { .. });
    let of_units = figures.iter().filter(|(figure, _)| is_of_unit(figure));
    let mut units: Vec<(usize, Figure)> =
        of_units.map(|(figure, total)| (total.n_records, figure.clone())).collect();
    units.sort_by(|(n_one, one), (n_other, other)| n_other.cmp(n_one).then(one.cmp(other)));
    let left_out = units.split_off(units.len().min(MAX_UNITS));
    for (_, figure) in &left_out {
        figures.remove(figure);
    }
    (figures, left_out.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of_units(n_units: usize) -> BTreeMap<Figure, Total> {
        let pledged = |n: usize| {
            let total = Total { n_records: n % 3, ..Total::default() };
            (Figure::Pledged { unit: format!("{n:05}") }, total)
        };
        let other = (Figure::Polls, Total { n_records: 1, ..Total::default() });
        (0..n_units).map(pledged).chain([other]).collect()
    }

    #[test]
    fn a_thousand_units_are_shown_and_beyond_them_those_of_few_records_are_left_out() {
        let (figures, n_left_out) = shown(of_units(MAX_UNITS));
        assert_eq!((figures.len(), n_left_out), (MAX_UNITS + 1, 0));
        let (figures, n_left_out) = shown(of_units(MAX_UNITS + 2));
        assert_eq!((figures.len(), n_left_out), (MAX_UNITS + 1, 2));
        let has = |unit: &str| figures.contains_key(&Figure::Pledged { unit: unit.to_owned() });
        assert!(figures.contains_key(&Figure::Polls) && has("00000") && has("01001"));
        assert!(!has("00999") && !has("00996"), "the last two of those without a record");
    }
}
