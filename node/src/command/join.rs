//! `join`: the region's certificate, fetched and kept.

use std::path::Path;

use clap::Args;
use peer::{DataFolder, join};
use record::RegionId;
use runtime::exit::Exit;
use serde_json::json;

use super::{CommandError, print::Said};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node join coordinator.example:7443 --region fmg1… --dir harbour"
)]
pub(super) struct Join {
    /// Who is asked: any node or coordinator of the region.
    #[arg(value_name = "HOST:PORT")]
    address: String,
    /// The region's id, from somebody you trust. With it, nobody can show you another region.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

pub(super) async fn join(dir: &Path, asked: Join) -> Result<Said, CommandError> {
    let Join { address, region } = asked;
    let expected: Option<RegionId> = region
        .map(|it| {
            it.parse().map_err(|error: record::ids::IdError| CommandError::usage(error.to_string()))
        })
        .transpose()?;
    let refused = |error: join::JoinError| {
        let exit = if matches!(error, join::JoinError::Dial(_)) {
            Exit::Unavailable
        } else {
            Exit::Failed
        };
        CommandError::caused_by(exit, error.reason(), &error)
    };
    let fetched = join::fetch_certificate(&address, expected).await.map_err(refused)?;
    let community = join::keep_certificate(&DataFolder::at(dir), &fetched).map_err(refused)?;
    let (_, region) = fetched;
    let newest = region.newest();
    let json = json!({
        "region": region.region,
        "name": region.charter.name().as_str(),
        "epoch": newest.number,
        "community": community,
        "has_place": newest.roster.everybody().any(|it| it == community),
    });
    Ok(Said::new(json, join::describe(community, &region)))
}
