//! `folkmoot limits`: every limit with its reason and how it is answered.

use clap::Args;
use record::limits::{Limit, all};
use runtime::exit::Exit;
use serde_json::json;

use crate::{Console, Failure};

/// Options of `folkmoot limits`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  folkmoot limits\n  folkmoot limits --json | jq '.[] | select(.http == 413)'"
)]
pub struct Options {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the table.
///
/// # Errors
///
/// [`Failure`] if it cannot be written.
pub fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    if options.json {
        let rows: Vec<_> = all().map(as_json).collect();
        console.answer_json(&rows)?;
    } else {
        console.answer(&table())?;
    }
    Ok(Exit::Ok)
}

fn as_json(limit: &Limit) -> serde_json::Value {
    let Limit { reason, value, unit, because, grpc, http } = limit;
    json!({
        "reason": reason, "value": value, "unit": unit, "because": because, "grpc": grpc, "http": http,
    })
}

fn table() -> String {
    let head = format!(
        "{:<34} {:>12} {:<14} {:<18} {:>4}  why",
        "reason", "limit", "unit", "gRPC", "HTTP"
    );
    let row = |limit: &Limit| {
        let Limit { reason, value, unit, because, grpc, http } = limit;
        let http = if *http == 0 { "-".to_owned() } else { http.to_string() };
        format!("{reason:<34} {value:>12} {unit:<14} {grpc:<18} {http:>4}  {because}")
    };
    let rows = all().map(row);
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_line_with_its_reason_and_value() {
        let text = table();
        assert_eq!(text.lines().count(), 1 + all().count());
        assert!(text.contains("record.header_too_large"));
        let circuit = text.lines().find(|it| it.contains("mesh.too_many_circuits ")).unwrap();
        assert!(circuit.contains(" 32 ") && circuit.contains("   -  "), "{circuit}");
        assert!(
            text.lines().any(|it| it.contains("import.file_too_large") && it.contains("67108864"))
        );
    }

    #[test]
    fn as_json_it_is_one_array_of_objects() {
        let (console, captured) = Console::captured();
        assert_eq!(run(&Options { json: true }, &console), Ok(Exit::Ok));
        let rows: Vec<serde_json::Value> = serde_json::from_str(&captured.answers()).unwrap();
        assert_eq!(rows.len(), all().count());
        assert_eq!(rows[0]["reason"], "record.header_too_large");
        assert_eq!((&rows[0]["value"], &rows[0]["http"]), (&json!(8192), &json!(413)));
    }
}
