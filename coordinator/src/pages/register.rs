//! `/register/…`: the state of all cases, as the records tell it.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use peer::pages::Problem;
use record::RecordId;
use serde_json::{Value, json};
use store::{CaseRow, StoreError};

use super::{Asked, Site, answer::answer};
use crate::{item::KINDS, item::register_of, metrics};

/// Cases on a page, if the reader does not say.
const DEFAULT_CASES: usize = 50;
/// The most cases on a page.
const MAX_CASES: usize = 200;
/// A page takes no further case once it has this many bytes; one case is at most a few hundred KiB more.
const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// Cases read at one time.
const CHUNK_CASES: u32 = 20;
const MEDIA_TYPE: &str = "application/json";

/// The kind whose register has this name.
fn kind_of(register: &str) -> Result<&'static str, Problem> {
    KINDS.into_iter().find(|kind| register_of(kind) == register).ok_or_else(Problem::not_found)
}

/// `{"kind", "cases": […], "next"}`, in the order in which the cases became known here.
pub(super) async fn cases(
    State(site): State<Site>,
    Path(register): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("register");
    let kind = kind_of(&register)?;
    let limit = asked.one("limit")?.unwrap_or(DEFAULT_CASES).clamp(1, MAX_CASES);
    let after = match asked.one::<RecordId>("after")? {
        None => 0,
        Some(id) => {
            let row = site.feed.peer().store().case(id).await?;
            row.filter(|it| it.kind == kind).ok_or_else(Problem::not_found)?.case_no
        }
    };
    let (shown, last) = page(&site, kind, after, limit).await?;
    let next =
        last.map(|id| format!("{}/register/{register}?after={id}&limit={limit}", asked.base));
    let body = json!({ "kind": kind, "cases": shown, "next": next }).to_string();
    Ok(answer(&headers, MEDIA_TYPE, body, None, site.feed.now()))
}

/// One case.
pub(super) async fn case(
    State(site): State<Site>,
    Path((register, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("case");
    let kind = kind_of(&register)?;
    let id: RecordId = id.parse().ok().ok_or_else(Problem::not_found)?;
    let row = site.feed.peer().store().case(id).await?;
    let row = row.filter(|it| it.kind == kind).ok_or_else(Problem::not_found)?;
    let body = view(&site, &row).await?.to_string();
    Ok(answer(&headers, MEDIA_TYPE, body, None, site.feed.now()))
}

/// The cases of a page, and the last of them if there are more.
async fn page(
    site: &Site,
    kind: &str,
    after: i64,
    limit: usize,
) -> Result<(Vec<Value>, Option<RecordId>), StoreError> {
    let (mut shown, mut n_bytes, mut after) = (Vec::new(), 0, after);
    let mut last = None;
    loop {
        let rows = site.feed.peer().store().cases(kind, after, CHUNK_CASES).await?;
        if rows.is_empty() {
            return Ok((shown, None));
        }
        for row in rows {
            if shown.len() == limit || MAX_PAGE_BYTES <= n_bytes {
                return Ok((shown, last));
            }
            n_bytes += row.view.len();
            shown.push(view(site, &row).await?);
            (last, after) = (Some(row.id), row.case_no);
        }
    }
}

/// The case as the register keeps it, with the title in the preferred language and in each.
async fn view(site: &Site, row: &CaseRow) -> Result<Value, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "a case of the register" };
    let mut view: Value = serde_json::from_str(&row.view).map_err(damaged)?;
    let words = site.feed.words().of_case(row.id).await?;
    if let Some(members) = view.as_object_mut() {
        members.insert("title".to_owned(), words.title().into());
        let titles = words.titles().map(|(language, title)| (language.to_owned(), title.into()));
        members.insert("titles".to_owned(), Value::Object(titles.collect()));
    }
    Ok(view)
}
