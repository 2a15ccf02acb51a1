//! `backup`: a copy of everything in the data folder, of a running or a stopped node.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use peer::{Config, DataFolder, command::Options};
use record::UnixMillis;
use runtime::exit::Exit;
use serde_json::json;

use super::{CommandError, now_millis, print::Said, start::ENV_PREFIX};
use crate::backup::{self, BackupError, Made, Order};

/// Copy everything that the node has into a new folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node backup --dir harbour --out /mnt/backups/harbour-2027-03-03\n\nExample: every night, with what stands outside of the data folder\n  folkmoot-node backup --dir harbour --config node.toml --out /mnt/backups/harbour-$(date +%F)\n\nTo put a backup back: stop the node, move its folder away, copy the backup to its place (cp -a), and run the node. It meets its peers first, fetches what it lacks, erases again what was erased since, and forks nothing.\n\nA backup holds the secret keys, the members and the ballots: keep it as carefully as the machine. While a secret poll is open, its ballots can be told apart by voter in a backup, as on the machine; delete such backups once the poll is closed and a later one is made."
)]
pub(super) struct Backup {
    /// The backup: a folder that is not there yet, best on another disk.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The charter that the node runs with; copied as well if it stands outside of the data folder.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// The configuration that it runs with; so are this, the charter and the keys and certificates that it names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(dir: &Path, backup: Backup) -> Result<Said, CommandError> {
    let Backup { out, charter, config } = backup;
    let options = Options { charter, config: config.clone(), ..Options::default() };
    let outside = outside(options.load(ENV_PREFIX)?, config);
    let folder = DataFolder::at(dir);
    let now = UnixMillis(now_millis());
    let order = Order { folder: &folder, out: &out, outside, now };
    let made = backup::make(order, tell).await.map_err(|error| failed(&error))?;
    let Made { note, n_files, n_bytes, was_running, n_open_secret_polls, left_out } = made;
    let mut text = format!(
        "{} holds a copy of {}: {} records, {n_files} files, {} MiB.\nIt holds secret keys, members and ballots: keep it as carefully as the machine.",
        out.display(),
        dir.display(),
        note.records,
        mebibytes(n_bytes),
    );
    // Writing to a string cannot fail.
    if 0 < n_open_secret_polls {
        let _ = write!(
            text,
            "\n{n_open_secret_polls} secret polls are not closed: of those the copy tells who voted how. Delete it once they are closed and a later backup is made."
        );
    }
    for path in &left_out {
        let _ = write!(text, "\n{} is no file, and is not in it.", path.display());
    }
    let json = json!({
        "out": out,
        "made_at": note.made_at,
        "records": note.records,
        "files": n_files,
        "bytes": n_bytes,
        "running": was_running,
        "open_secret_polls": n_open_secret_polls,
        "left_out": left_out,
    });
    Ok(Said::new(json, text))
}

/// The files that a node reads beside its folder, with their names in a backup.
fn outside(config: Config, file: Option<PathBuf>) -> Vec<(&'static str, PathBuf)> {
    let web = config.web.map(|it| [("web-chain.pem", it.chain), ("web-key.pem", it.key)]);
    let named = [
        ("charter.toml", config.charter),
        ("node.toml", file),
        ("swarm.key", config.mesh.region_key_file),
    ];
    let named = named.into_iter().filter_map(|(name, path)| Some((name, path?)));
    named.chain(web.into_iter().flatten()).collect()
}

/// Tells on standard error how far a long copy is.
fn tell(name: &str, n_bytes: u64, n_total: u64) {
    let (done, total) = (mebibytes(n_bytes), mebibytes(n_total));
    // Where it is closed, nobody reads along.
    let _ = writeln!(io::stderr(), "{name}: {done} of about {total} MiB");
}

/// Rounded up, so that what is there is not nothing.
const fn mebibytes(n_bytes: u64) -> u64 {
    n_bytes.div_ceil(1024 * 1024)
}

fn failed(error: &BackupError) -> CommandError {
    let exit = match error {
        BackupError::Folder(error) => error.ending().0,
        BackupError::Busy { .. } => Exit::Unavailable,
        BackupError::There { .. }
        | BackupError::NoPlace { .. }
        | BackupError::Inside { .. }
        | BackupError::NoRoom { .. }
        | BackupError::TooMany { .. }
        | BackupError::Log(_)
        | BackupError::Ballots(_)
        | BackupError::File { .. } => Exit::Failed,
    };
    CommandError::caused_by(exit, error.reason(), error)
}
