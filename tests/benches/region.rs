//! Speed and memory of a region, as a table and one line of JSON.
//!
//! ```text
//! ingest ──▶ yardstick (a bare loop over the same rows) ──▶ pledges ──▶ rebuild ──▶ many ──▶ propagation ──▶ idle ──▶ mesh
//! ```
//!
//! A disk's rate of fsyncs swings by an order of magnitude within an hour, so every limit is a ratio to a yardstick of
//! the same run, or processor time. Nothing here fails for being slow: a row says `ok` or `MISSED`.
//!
//! `FOLKMOOT_BENCH_SCALE=0.05` for a smoke run; `FOLKMOOT_BENCH_ONLY=ingest,idle` for some of the parts.
#![allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark: a panic is the failure report, and its figures are approximate"
)]

#[path = "region/author.rs"]
mod author;
#[path = "region/bare.rs"]
mod bare;
#[path = "region/idle.rs"]
mod idle;
#[path = "region/ingest.rs"]
mod ingest;
#[path = "region/many.rs"]
mod many;
#[path = "region/mesh.rs"]
mod mesh;
#[path = "region/meter.rs"]
mod meter;
#[path = "region/propagation.rs"]
mod propagation;
#[path = "region/pusher.rs"]
mod pusher;
#[path = "region/rebuild.rs"]
mod rebuild;
#[path = "region/report.rs"]
mod report;
#[path = "region/site.rs"]
mod site;

use report::Report;

/// The programs use it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much of the full load is put on.
#[derive(Debug, Clone, Copy)]
struct Scale(f64);

impl Scale {
    fn from_environment() -> Self {
        let asked = std::env::var("FOLKMOOT_BENCH_SCALE").ok().and_then(|it| it.parse().ok());
        Self(asked.filter(|it| 0.0 < *it).unwrap_or(1.0))
    }

    /// So many at full load; never fewer than `least`.
    fn of(self, full: usize, least: usize) -> usize {
        ((full as f64 * self.0) as usize).max(least)
    }
}

fn is_asked_for(part: &str) -> bool {
    std::env::var("FOLKMOOT_BENCH_ONLY").map_or(true, |parts| parts.split(',').any(|it| it == part))
}

fn main() -> anyhow::Result<()> {
    let scale = Scale::from_environment();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::new(scale.0);
    runtime.block_on(async {
        if is_asked_for("ingest") {
            ingest::unknown_kind(scale, &mut report).await?;
        }
        if is_asked_for("pledges") {
            ingest::pledges(scale, &mut report).await?;
        }
        if is_asked_for("rebuild") {
            rebuild::measure(scale, &mut report).await?;
        }
        if is_asked_for("many") {
            many::measure(scale, &mut report).await?;
        }
        if is_asked_for("propagation") {
            propagation::measure(scale, &mut report).await?;
        }
        if is_asked_for("idle") {
            idle::measure(&mut report).await?;
        }
        if is_asked_for("mesh") {
            mesh::measure(&mut report).await?;
        }
        anyhow::Ok(())
    })?;
    report.print();
    Ok(())
}
