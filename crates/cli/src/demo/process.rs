//! Server processes: this program started anew, one for each community and one for the coordinator.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a server may take until it is ready: opening files takes well under a second, unless the disk is very busy.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to stop before it is ended.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Which program a process runs, as a hidden subcommand of this one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Program {
    Node,
    Coordinator,
}

impl Program {
    fn subcommand(self) -> &'static str {
        match self {
            Self::Node => crate::SERVER_NODE,
            Self::Coordinator => crate::SERVER_COORDINATOR,
        }
    }
}

/// What a server says when its ports are open.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ready {
    pub(super) grpc: String,
    pub(super) plain: Option<String>,
}

/// A running server. It ends when its standard input does.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    log: PathBuf,
    pub(super) ready: Ready,
}

impl Server {
    /// Starts a server and waits until it is ready. Its log goes to a file beside its data.
    pub(super) async fn start(program: Program, dir: &Path, args: &[OsString]) -> Result<Self> {
        let log = dir.with_extension("log");
        let log_file = File::options().create(true).append(true).open(&log);
        let log_file = log_file.with_context(|| format!("{} cannot be written.", log.display()))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(program.subcommand())
            .args(["run", "--ready-line", "--with-parent", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .context("A server process could not be started.")?;
        let stdout = child.stdout.take().context("The server has no standard output.")?;
        let mut line = String::new();
        let read = timeout(READY_WITHIN, BufReader::new(stdout).read_line(&mut line)).await;
        match read {
            Ok(Ok(n_bytes)) if 0 < n_bytes => {
                let ready =
                    serde_json::from_str(&line).context("A server's ready line is not one.")?;
                Ok(Self { child, log, ready })
            }
            Ok(_) => bail!("A server ended before it was ready.{}", last_lines(&log)),
            Err(_) => bail!("A server was not ready within a minute.{}", last_lines(&log)),
        }
    }

    /// Asks the server to stop by closing its standard input, and waits for it.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        if let Ok(ended) = timeout(STOP_WITHIN, self.child.wait()).await {
            let status = ended?;
            if !status.success() {
                bail!("A server ended with {status}.{}", last_lines(&self.log));
            }
            return Ok(());
        }
        self.child.kill().await?;
        bail!("A server did not stop in time and was ended.{}", last_lines(&self.log))
    }
}

/// The end of a server's log, for a person who wonders what happened.
fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!(" Its log says:\n{}", lines.join("\n"))
}

/// Runs a command line of a node or the coordinator to its end; answers its JSON.
pub(super) async fn command(program: Program, args: &[OsString]) -> Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .arg(program.subcommand())
        .args(args)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .await
        .context("A command could not be started.")?;
    let words: Vec<_> = args.iter().take(2).map(|it| it.to_string_lossy()).collect();
    let words = words.join(" ");
    let said = String::from_utf8_lossy(&output.stdout);
    let value: Option<Value> = serde_json::from_str(said.lines().last().unwrap_or_default()).ok();
    let noted = String::from_utf8_lossy(&output.stderr);
    match value {
        Some(value) if output.status.success() || did_its_work(&value) => Ok(value),
        value => bail!("The command `{words}` did not succeed: {}", why(value.as_ref(), &noted)),
    }
}

/// An import that left something out has done its work, though its code says that something was left out.
fn did_its_work(said: &Value) -> bool {
    said.get("files").is_some()
}

/// Why a command did not succeed: what it noted, or else the first ballot that it refused.
fn why(said: Option<&Value>, noted: &str) -> String {
    let refused = said.and_then(|it| it.pointer("/refused/0/detail")).and_then(Value::as_str);
    match (noted.trim(), refused) {
        ("", Some(refused)) => refused.to_owned(),
        (noted, _) => noted.to_owned(),
    }
}

/// Arguments of any kind as one list.
#[macro_export]
#[doc(hidden)]
macro_rules! demo_args {
    ($($arg:expr),* $(,)?) => { [$(::std::ffi::OsString::from($arg)),*] };
}
pub(super) use crate::demo_args as args;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_import_that_was_refused_is_no_import() {
        assert!(did_its_work(&json!({ "files": [] })));
        assert!(!did_its_work(&json!({ "error": { "reason": "import.not_json" } })));
    }

    #[test]
    fn a_failure_always_says_why() {
        let refused =
            json!({ "receipts": [], "refused": [{ "line": 1, "detail": "The poll is closed." }] });
        assert_eq!(why(Some(&refused), ""), "The poll is closed.");
        assert_eq!(why(Some(&refused), " No node is running.\n"), "No node is running.");
    }
}
