//! `log`: reading and exporting logs.

use std::{
    fmt::Write as _,
    fs,
    path::{Component, Path, PathBuf},
};

use clap::Subcommand;
use proto::clerk::{ExportLogRequest, ShowLogRequest};
use runtime::exit::Exit;
use serde_json::json;

use super::{
    CommandError,
    print::{Said, instant},
    reach::Client,
    status::json_of,
};
use crate::look;

#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// Show records of a log.
    #[command(
        after_help = "Example:\n  folkmoot-node log show --start 0 --limit 20\n  folkmoot-node log show --community fm1…"
    )]
    Show {
        /// Whose log (fm1…); this node's own if not given.
        #[arg(long, value_name = "COMMUNITY")]
        community: Option<String>,
        /// The first index.
        #[arg(long, default_value_t = 0, value_name = "INDEX")]
        start: u64,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: u32,
    },
    /// Write a whole log into a folder, so that anybody's tools can check it.
    #[command(
        after_help = "Example:\n  folkmoot-node log export --out harbour-log && folkmoot verify harbour-log"
    )]
    Export {
        /// Whose log (fm1…); this node's own if not given.
        #[arg(long, value_name = "COMMUNITY")]
        community: Option<String>,
        /// The folder; it must be empty or new.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(super) async fn run(client: Client, command: Log) -> Result<Said, CommandError> {
    match command {
        Log::Show { community, start, limit } => {
            let community = community.unwrap_or_default();
            show(client, ShowLogRequest { community, start, limit }).await
        }
        Log::Export { community, out } => export(client, community.unwrap_or_default(), &out).await,
    }
}

async fn show(mut client: Client, request: ShowLogRequest) -> Result<Said, CommandError> {
    let answer = client.show_log(request).await?.into_inner();
    let records =
        answer.records_json.iter().map(|it| json_of(it)).collect::<Result<Vec<_>, _>>()?;
    let mut text = String::new();
    for record in &records {
        let kind = look::text(record, "/kind");
        let said = look::at(record, "/payload").as_str().unwrap_or(kind);
        let said = if look::at(record, "/erased") == true { "(erased)" } else { said };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>6}  {}  {said}",
            look::at(record, "/index"),
            instant(look::at(record, "/time"))
        );
        if let Some(detail) = look::at(record, "/refused/detail").as_str() {
            let _ = writeln!(text, "        does not count: {detail}");
        }
    }
    let _ = writeln!(text, "The log has {} records.", answer.size);
    Ok(Said::new(json!({ "records": records, "size": answer.size }), text))
}

async fn export(mut client: Client, community: String, out: &Path) -> Result<Said, CommandError> {
    let is_empty = fs::read_dir(out).map(|mut it| it.next().is_none()).unwrap_or(true);
    if !is_empty {
        let sentence =
            format!("{} is not empty. Nothing was written; choose a new folder.", out.display());
        return Err(CommandError::failed("export.not_empty", sentence));
    }
    let mut files = client.export_log(ExportLogRequest { community }).await?.into_inner();
    let (mut n_files, mut n_bytes) = (0_u64, 0_u64);
    while let Some(file) = files.message().await? {
        write_file(out, &file.path, &file.content)?;
        n_files += 1;
        n_bytes += u64::try_from(file.content.len()).unwrap_or(u64::MAX);
    }
    let text = format!("{n_files} files ({n_bytes} bytes) are in {}.", out.display());
    Ok(Said::new(json!({ "out": out, "files": n_files, "bytes": n_bytes }), text))
}

/// Writes a file below a folder, wherever the node says that it belongs, and nowhere else.
pub(super) fn write_file(out: &Path, path: &str, content: &[u8]) -> Result<(), CommandError> {
    let inside = Path::new(path);
    if !inside.components().all(|it| matches!(it, Component::Normal(_))) {
        let sentence = "The node named a file outside the folder. The export was stopped.";
        return Err(CommandError::new(Exit::Verification, "export.path", sentence));
    }
    let path = out.join(inside);
    let written =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
    written.map_err(|error| {
        let sentence = format!("{} could not be written: {error}.", path.display());
        CommandError::failed("export.failed", sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_stays_inside_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        assert!(write_file(&out, "tile/0/000", b"x").is_ok());
        assert_eq!(fs::read(out.join("tile/0/000")).unwrap(), b"x");
        for outside in ["../x", "/x", "tile/../../x"] {
            assert!(write_file(&out, outside, b"x").is_err(), "{outside}");
        }
        assert!(!folder.path().join("x").exists());
    }
}
