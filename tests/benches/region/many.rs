//! An empty coordinator catches up from a thousand small communities, as one does that takes a dead one's place.

use std::sync::Arc;

use anyhow::Result;

use crate::{
    Scale, bare, ingest,
    report::{Limit, Report},
};

/// Communities.
const N_NODES: usize = 1_000;
/// Records of each at full load.
const N_RECORDS_EACH: usize = 1_000;
/// Of the yardstick's rate.
const LEAST_RATE: f64 = 0.5;

/// From the first connection until every root is equal.
pub async fn measure(scale: Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let each = scale.of(N_RECORDS_EACH, 64);
    let write = |author: &mut crate::author::Author| author.write_unknown(each);
    let authors = Arc::new(ingest::found(folder.path(), N_NODES, write)?);
    let site = ingest::site_of(folder.path(), &authors).await?;
    let pushed = ingest::push_all(site, &authors).await?;
    let manner = bare::Manner { group: 8_192, rows_per_insert: 1 };
    // As many logs beside each other as are pushed at one time.
    let beside = &authors[..ingest::MAX_STREAMS];
    let (n, plain) = bare::write(folder.path(), beside, pushed.n_records, manner).await?;
    let rate = pushed.spent.per_second(pushed.n_records);
    let records = pushed.n_records as f64;
    report.add("rebuild: records of 1,000 communities", records, "records", Limit::None);
    report.add("rebuild of 1,000: rate", rate, "records/s", Limit::None);
    report.add("yardstick beside it: rate", plain.per_second(n), "records/s", Limit::None);
    report.add(
        "rebuild of 1,000: rate, of the yardstick's",
        rate / plain.per_second(n),
        "×",
        Limit::AtLeast(LEAST_RATE),
    );
    report.add(
        "rebuild of 1,000: CPU of both sides",
        pushed.spent.cpu_micros_each(pushed.n_records),
        "µs/record",
        Limit::None,
    );
    Ok(())
}
