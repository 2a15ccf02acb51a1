//! `acks`: what coordinators acknowledged, in files for `folkmoot audit`.

use std::path::PathBuf;

use clap::Args;
use proto::clerk::ExportAcksRequest;
use serde_json::json;

use super::{CommandError, log::write_file, print::Said, reach::Client};

/// Write what coordinators acknowledged into a folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node acks --out acks && folkmoot audit https://coordinator.example:7443/log/fm1…/0 acks"
)]
pub(super) struct Acks {
    /// The folder; files of the same name are replaced.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) async fn run(mut client: Client, command: Acks) -> Result<Said, CommandError> {
    let Acks { out } = command;
    let mut files = client.export_acks(ExportAcksRequest {}).await?.into_inner();
    let mut n_files = 0_u64;
    while let Some(file) = files.message().await? {
        write_file(&out, &file.path, &file.content)?;
        n_files += 1;
    }
    let text = format!(
        "{n_files} acknowledgements are in {}. Each is a checkpoint with the cosignature of a coordinator that holds it.",
        out.display()
    );
    Ok(Said::new(json!({ "out": out, "files": n_files }), text))
}
