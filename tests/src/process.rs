//! Real processes: started, killed, started again.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Long enough for the slowest machine; nothing here waits this long on a sound one.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program `folkmoot` of this build, built if it is not there.
///
/// # Errors
///
/// If it cannot be built.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<bool> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let mut build = std::process::Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "-p", "folkmoot"]).current_dir(crate::root());
        build.status().is_ok_and(|status| status.success())
    });
    if !built {
        bail!("the program could not be built");
    }
    // A test runs from target/<profile>/deps.
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(3).context("a test runs from the target folder")?;
    Ok(target.join("debug").join("folkmoot"))
}

/// A server process. It is ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it serves HTTP and gRPC without TLS.
    pub plain: String,
    /// Where it listens on the mesh; nowhere if it takes no part in it.
    pub mesh: Vec<String>,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it ends or says nothing.
    pub async fn start(kind: &str, dir: &Path, args: &[OsString]) -> Result<Self> {
        let log =
            std::fs::File::options().create(true).append(true).open(dir.with_extension("log"))?;
        let mut child = Command::new(program()?)
            .arg(kind)
            .args(["run", "--ready-line", "--with-parent", "--plain", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("a child has standard output")?;
        let mut line = String::new();
        timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await??;
        let ready: Value = serde_json::from_str(&line).with_context(|| {
            let log = std::fs::read_to_string(dir.with_extension("log")).unwrap_or_default();
            format!("{} did not become ready:\n{log}", dir.display())
        })?;
        let plain = ready.get("plain").and_then(Value::as_str).context("a plain port")?.to_owned();
        let mesh = ready.get("mesh").and_then(Value::as_str).unwrap_or_default();
        let mesh = mesh.split_terminator(',').map(str::to_owned).collect();
        Ok(Self { child, plain, mesh })
    }

    /// Ends it as a power cut would: SIGKILL, and nothing is asked.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to stop by SIGTERM, as a service manager does; answers whether it ended well.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub async fn terminate(mut self) -> Result<bool> {
        let id = self.child.id().context("it ended by itself")?.to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await?;
        Ok(asked.success() && timeout(PATIENCE, self.child.wait()).await??.success())
    }

    /// Asks it to stop by closing its standard input; answers whether it ended well.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub async fn stop(mut self) -> Result<bool> {
        drop(self.child.stdin.take());
        Ok(timeout(PATIENCE, self.child.wait()).await??.success())
    }
}

/// Runs a command line of the program to its end; answers its JSON.
///
/// # Errors
///
/// If it fails or prints none.
pub async fn run_json(args: &[OsString]) -> Result<Value> {
    let output = Command::new(program()?).args(args).arg("--json").output().await?;
    if !output.status.success() {
        bail!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A free port of this machine. It is free when asked; nobody else asks for it here.
///
/// # Errors
///
/// If the system has none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Arguments of any kind as one list.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(::std::ffi::OsString::from($arg)),*] };
}
