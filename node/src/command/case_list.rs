//! Cases as the node lists them: all of a kind, or one.

use proto::clerk::ListCasesRequest;
use serde_json::{Value, json};

use super::{
    CommandError,
    print::{Said, case_lines},
    reach::Client,
    status::json_of,
};
use crate::look;

/// Which cases to list.
#[derive(Debug, clap::Args)]
pub(super) struct Page {
    /// The last case of the page before (fmr1…).
    #[arg(long, value_name = "CASE")]
    after: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
}

/// A page of cases of one kind.
pub(super) async fn list(mut client: Client, kind: &str, page: Page) -> Result<Said, CommandError> {
    let request = ListCasesRequest {
        kind: kind.to_owned(),
        case_id: String::new(),
        after: page.after.unwrap_or_default(),
        limit: page.limit,
    };
    let answer = client.list_cases(request).await?.into_inner();
    let cases = answer.cases_json.iter().map(|it| json_of(it)).collect::<Result<Vec<_>, _>>()?;
    let mut text = case_lines(&cases, kind);
    if let (true, Some(last)) = (answer.more, cases.last()) {
        text.push_str(&format!("There are more: add --after {}\n", look::text(last, "/id")));
    }
    Ok(Said::new(json!({ "cases": cases, "more": answer.more }), text))
}

/// One case.
pub(super) async fn one(client: &mut Client, kind: &str, id: &str) -> Result<Value, CommandError> {
    let request = ListCasesRequest {
        kind: kind.to_owned(),
        case_id: id.to_owned(),
        after: String::new(),
        limit: 1,
    };
    let answer = client.list_cases(request).await?.into_inner();
    let missing = || CommandError::failed("case.unknown", "There is no such case here.");
    json_of(answer.cases_json.first().ok_or_else(missing)?)
}
