//! Processes: this program started anew, one for each community, one for the coordinator, and one for each command.

use std::{
    ffi::OsString,
    fs::File,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// How long a server may take until it is ready: opening files takes well under a second, unless the disk is very busy.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to stop before it is ended.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Which program a process runs, as a hidden subcommand of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The processes that were started and not yet seen to end. The story may be dropped at any point, and they are still
/// here to be stopped.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// In the order of their start.
    servers: Mutex<Vec<Server>>,
    /// The command under way, or the last one.
    command: Mutex<Option<JoinHandle<()>>>,
}

/// The number of the signal that Ctrl-C gives.
const SIGINT: i32 = 2;

/// A running server. It ends when its standard input does.
#[derive(Debug)]
struct Server {
    program: Program,
    dir: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Processes {
    /// Starts a server on free ports and waits until it is ready. Its log goes to a file beside its data.
    pub(super) async fn start(
        &self,
        program: Program,
        dir: &Path,
        args: &[OsString],
    ) -> Result<Ready> {
        self.start_at("127.0.0.1:0", program, dir, args).await
    }

    /// As [`Processes::start`], at an address.
    pub(super) async fn start_at(
        &self,
        listen: &str,
        program: Program,
        dir: &Path,
        args: &[OsString],
    ) -> Result<Ready> {
        let log = dir.with_extension("log");
        let log_file = File::options().create(true).append(true).open(&log);
        let log_file = log_file.with_context(|| format!("{} cannot be written.", log.display()))?;
        let mut child = this_program(program)?
            .args(["run", "--ready-line", "--with-parent", "--listen", listen, "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .context("A server process could not be started.")?;
        let stdout = child.stdout.take();
        let (dir, kept_log) = (dir.to_path_buf(), log.clone());
        locked(&self.servers).push(Server { program, dir, child, log: kept_log });
        let stdout = stdout.context("The server has no standard output.")?;
        let (tell, told) = oneshot::channel();
        // A task of its own, so that the server can still say that it is ready when nobody waits for it any more.
        tokio::spawn(async move {
            let mut line = String::new();
            if BufReader::new(stdout).read_line(&mut line).await.is_ok() {
                let _ = tell.send(line);
            }
        });
        match timeout(READY_WITHIN, told).await {
            Ok(Ok(line)) if !line.is_empty() => {
                serde_json::from_str(&line).context("A server's ready line is not one.")
            }
            Ok(_) => bail!("A server ended before it was ready.{}", last_lines(&log)),
            Err(_) => bail!("A server was not ready within a minute.{}", last_lines(&log)),
        }
    }

    /// Runs a command line of a node or the coordinator to its end; answers its JSON.
    pub(super) async fn command(&self, program: Program, args: &[OsString]) -> Result<Value> {
        let mut command = this_program(program)?;
        command.args(args).arg("--json").stdin(Stdio::null());
        let (tell, told) = oneshot::channel();
        // A task of its own, which goes on to the command's end when nobody waits for the answer any more.
        let running = tokio::spawn(async move {
            let _ = tell.send(command.output().await);
        });
        *locked(&self.command) = Some(running);
        let output = told.await?.context("A command could not be started.")?;
        let words: Vec<_> = args.iter().take(2).map(|it| it.to_string_lossy()).collect();
        let words = words.join(" ");
        let said = String::from_utf8_lossy(&output.stdout);
        let value: Option<Value> =
            serde_json::from_str(said.lines().last().unwrap_or_default()).ok();
        let noted = String::from_utf8_lossy(&output.stderr);
        match value {
            Some(value) if output.status.success() || did_its_work(&value) => Ok(value),
            value => {
                bail!("The command `{words}` did not succeed: {}", why(value.as_ref(), &noted))
            }
        }
    }

    /// Ends the server of a folder as a power cut would: SIGKILL, and nothing is asked.
    pub(super) async fn kill(&self, dir: &Path) -> Result<()> {
        Ok(self.take(dir)?.child.kill().await?)
    }

    /// Asks the server of a folder to stop, and waits for it.
    pub(super) async fn stop_one(&self, dir: &Path) -> Result<()> {
        self.take(dir)?.stop().await
    }

    fn take(&self, dir: &Path) -> Result<Server> {
        let mut servers = locked(&self.servers);
        let place = servers.iter().position(|it| it.dir == dir);
        let place = place.with_context(|| format!("No server runs on {}.", dir.display()))?;
        Ok(servers.remove(place))
    }

    /// Asks every server to stop by closing its standard input, and waits for all of them and for the command under
    /// way. Nodes stop first, so that coordinators hear everything.
    pub(super) async fn stop(&self) -> Result<()> {
        let servers = std::mem::take(&mut *locked(&self.servers));
        let (mut nodes, coordinators): (Vec<Server>, Vec<Server>) =
            servers.into_iter().partition(|it| it.program == Program::Node);
        for node in &mut nodes {
            drop(node.child.stdin.take());
        }
        let mut stopped = Ok(());
        for server in nodes.into_iter().chain(coordinators) {
            stopped = stopped.and(server.stop().await);
        }
        let command = locked(&self.command).take();
        if let Some(mut command) = command
            && timeout(STOP_WITHIN, &mut command).await.is_err()
        {
            command.abort();
        }
        stopped
    }
}

impl Server {
    async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        if let Ok(ended) = timeout(STOP_WITHIN, self.child.wait()).await {
            let status = ended?;
            // Ctrl-C reached it before it stood in a process group of its own: it had not begun.
            let had_not_begun = status.signal() == Some(SIGINT);
            if !status.success() && !had_not_begun {
                bail!("A server ended with {status}.{}", last_lines(&self.log));
            }
            return Ok(());
        }
        self.child.kill().await?;
        bail!("A server did not stop in time and was ended.{}", last_lines(&self.log))
    }
}

/// This program as another one. Ctrl-C at a terminal goes to a whole process group, so it is put into one of its own:
/// only the demonstration hears it, and stops the others in order.
fn this_program(program: Program) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(program.subcommand()).process_group(0).kill_on_drop(true);
    Ok(command)
}

/// What a panic elsewhere left behind is still the list of processes.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a server's log, for a person who wonders what happened.
fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!(" Its log says:\n{}", lines.join("\n"))
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
