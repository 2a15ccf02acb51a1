//! The table and the line of JSON.

use serde_json::{Value, json};

/// What was measured, row by row.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Value>,
    scale: f64,
}

/// Which side of the limit is the good one.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// None: the figure is for information.
    None,
    /// The figure may be at most this.
    AtMost(f64),
    /// The figure must be at least this.
    AtLeast(f64),
}

impl Report {
    /// Nothing yet.
    pub fn new(scale: f64) -> Self {
        println!(
            "{:<58} {:>14}  {:<10} {:>14}",
            "what (scale ".to_owned() + &scale.to_string() + ")",
            "measured",
            "unit",
            "limit"
        );
        Self { rows: Vec::new(), scale }
    }

    /// Adds a row and shows it.
    pub fn add(&mut self, what: &str, measured: f64, unit: &str, limit: Limit) {
        let shown = |it: f64| if it < 100.0 { format!("{it:.2}") } else { format!("{it:.0}") };
        let (verdict, told) = match limit {
            Limit::None => ("", String::new()),
            Limit::AtMost(most) => (verdict(measured <= most), format!("≤ {}", shown(most))),
            Limit::AtLeast(least) => (verdict(least <= measured), format!("≥ {}", shown(least))),
        };
        println!("{what:<58} {:>14}  {unit:<10} {told:>14}  {verdict}", shown(measured));
        let limit = match limit {
            Limit::None => json!(null),
            Limit::AtMost(most) => json!({ "at_most": most }),
            Limit::AtLeast(least) => json!({ "at_least": least }),
        };
        let row = json!({ "what": what, "measured": measured, "unit": unit, "limit": limit, "verdict": verdict });
        self.rows.push(row);
    }

    /// The line of JSON.
    pub fn print(&self) {
        println!("{}", json!({ "scale": self.scale, "rows": self.rows }));
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "ok" } else { "MISSED" }
}
