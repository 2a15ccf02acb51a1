//! `join`: the region's certificate, fetched and kept; a seat comes with an epoch that the members file.

use std::path::PathBuf;

use clap::Args;
use peer::{DataFolder, join};
use record::RegionId;
use runtime::exit::Exit;
use serde_json::json;

use super::{CommandError, Said};

#[derive(Debug, Args)]
#[command(after_help = "Example: folkmoot-coordinator join harbour.example:7443 \
--dir /var/lib/folkmoot --region fmg1…")]
pub(super) struct Join {
    /// Who is asked: any node or coordinator of the region.
    #[arg(value_name = "HOST:PORT")]
    address: String,
    /// The data folder.
    #[arg(long)]
    dir: PathBuf,
    /// The region's id, from somebody you trust. With it, nobody can show you another region.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

pub(super) fn join(asked: Join) -> Result<Said, CommandError> {
    let Join { address, dir, region } = asked;
    let wrong = |error: record::ids::IdError| CommandError::usage(error.to_string());
    let expected: Option<RegionId> = region.map(|it| it.parse().map_err(wrong)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CommandError::caused_by(Exit::Failed, "coordinator.failed", &error))?;
    let refused = |error: join::JoinError| {
        let unreachable = matches!(error, join::JoinError::Dial(_));
        let exit = if unreachable { Exit::Unavailable } else { Exit::Failed };
        CommandError::caused_by(exit, error.reason(), &error)
    };
    let fetched = runtime.block_on(join::fetch_certificate(&address, expected)).map_err(refused)?;
    let community = join::keep_certificate(&DataFolder::at(&dir), &fetched).map_err(refused)?;
    let (_, region) = fetched;
    let newest = region.newest();
    let is_seated = newest.roster.is_coordinator(&community);
    let next = if is_seated {
        "It is seated.".to_owned()
    } else {
        format!(
            "It has no seat yet. More than half of the members file one:\n\n  \
             folkmoot-node region propose --seat {community}=HOST:PORT"
        )
    };
    let text = format!(
        "{name}, epoch {number}\n\n  {id}\n\nCompare this id with what the members have. {next}",
        name = region.charter.name().as_str(),
        number = newest.number,
        id = region.region,
    );
    let json = json!({
        "region": region.region,
        "name": region.charter.name().as_str(),
        "epoch": newest.number,
        "community": community,
        "seated": is_seated,
    });
    Ok(Said { json, text })
}
