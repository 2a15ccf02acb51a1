//! A community with a running node, and the commands that its clerk gives.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Two communities that the charter names, and that run no node.
pub const NEIGHBOUR: &str = "fm1aiaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";
pub const FORUM: &str = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A founded community, and the charter of its region, which has no coordinator.
pub struct Community {
    pub folder: TempDir,
    pub dir: PathBuf,
    pub charter: PathBuf,
    pub id: String,
}

impl Community {
    pub fn found() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("harbour");
        let told = clerk(
            &dir,
            &["init", "--network", "test.folkmoot.example", "--name", "Harbour Baths Society"],
        );
        let id = told.json["community"].as_str().unwrap().to_owned();
        let charter = folder.path().join("charter.toml");
        let founders = [&id, NEIGHBOUR, FORUM].map(|id| format!("[[founders]]\nid = \"{id}\"\n"));
        let text = format!(
            "network = \"test.folkmoot.example\"\nname = \"Estuary\"\n{}",
            founders.concat()
        );
        fs::write(&charter, text).unwrap();
        Self { folder, dir, charter, id }
    }

    /// Runs the node until the value is dropped.
    pub fn run(self) -> Node {
        let mut child = self.command(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("the node did not become ready: {told}")
        });
        Node { community: self, child, ready }
    }

    /// The command that runs the node, with further options.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = program(&self.dir, &["run", "--ready-line", "--with-parent"]);
        command.arg("--charter").arg(&self.charter).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A running node.
pub struct Node {
    pub community: Community,
    pub child: Child,
    pub ready: Value,
}

impl Node {
    /// Asks with `--json`; the answer must be a success.
    pub fn ask(&self, args: &[&str]) -> Value {
        let told = clerk(&self.community.dir, args);
        assert_eq!(told.code, 0, "{args:?}: {}", told.sentence);
        told.json
    }

    /// Asks for what must be refused.
    pub fn refused(&self, args: &[&str]) -> Told {
        let told = clerk(&self.community.dir, args);
        assert_ne!(told.code, 0, "{args:?}: {}", told.json);
        told
    }

    /// The id of the record that a command wrote.
    pub fn written(&self, args: &[&str]) -> String {
        self.ask(args)["record"].as_str().unwrap().to_owned()
    }

    /// Asks again and again until the answer is as it must be.
    pub fn wait_for(&self, args: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.ask(args);
            if is_so(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{args:?} stays {answer}");
        }
    }

    /// Members, with a published roll.
    pub fn enrol(&self, n_members: usize) {
        let names: Vec<String> = (1..=n_members).map(|n| format!("Invented Person {n}")).collect();
        let mut args = vec!["member", "add"];
        args.extend(names.iter().map(String::as_str));
        self.ask(&args);
        self.ask(&["roll", "publish"]);
    }

    /// Sends SIGTERM, and answers the exit code and what the node logged.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The node stops by itself when its parent's pipe closes; this only makes sure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command said.
pub struct Told {
    pub code: i32,
    pub json: Value,
    pub sentence: String,
}

/// Gives a command with `--json`.
pub fn clerk(dir: &Path, args: &[&str]) -> Told {
    let Output { status, stdout, stderr } = program(dir, args).arg("--json").output().unwrap();
    Told {
        code: status.code().unwrap_or(-1),
        json: serde_json::from_slice(&stdout).unwrap_or(Value::Null),
        sentence: String::from_utf8(stderr).unwrap(),
    }
}

/// The program over this folder, with nothing of the tester's environment that it would heed.
pub fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot-node"));
    command.env_remove("FOLKMOOT_DIR").args(args).arg("--dir").arg(dir);
    command
}
