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
pub(crate) const NEIGHBOUR: &str = "fm1aiaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";
pub(crate) const FORUM: &str = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A founded community, and the charter of its region, which has no coordinator.
pub(crate) struct Community {
    pub(crate) folder: TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) charter: PathBuf,
    pub(crate) id: String,
}

impl Community {
    pub(crate) fn found() -> Self {
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
    pub(crate) fn run(self) -> Node {
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
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let mut command = program(&self.dir, &["run", "--ready-line", "--with-parent"]);
        command.arg("--charter").arg(&self.charter).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) community: Community,
    pub(crate) child: Child,
    pub(crate) ready: Value,
}

impl Node {
    /// Asks with `--json`; the answer must be a success.
    pub(crate) fn ask(&self, args: &[&str]) -> Value {
        let told = clerk(&self.community.dir, args);
        assert_eq!(told.code, 0, "{args:?}: {}", told.sentence);
        told.json
    }

    /// Asks for what must be refused.
    pub(crate) fn refused(&self, args: &[&str]) -> Told {
        let told = clerk(&self.community.dir, args);
        assert_ne!(told.code, 0, "{args:?}: {}", told.json);
        told
    }

    /// The id of the record that a command wrote.
    pub(crate) fn written(&self, args: &[&str]) -> String {
        self.ask(args)["record"].as_str().unwrap().to_owned()
    }

    /// Asks again and again until the answer is as it must be.
    pub(crate) fn wait_for(&self, args: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
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
    pub(crate) fn enrol(&self, n_members: usize) {
        let names: Vec<String> = (1..=n_members).map(|n| format!("Invented Person {n}")).collect();
        let mut args = vec!["member", "add"];
        args.extend(names.iter().map(String::as_str));
        self.ask(&args);
        self.ask(&["roll", "publish"]);
    }

    /// The community, once the node has ended.
    pub(crate) fn ended(mut self) -> Community {
        self.child.wait().unwrap();
        let dir = self.community.dir.clone();
        let folder = std::mem::replace(&mut self.community.folder, tempfile::tempdir().unwrap());
        let (charter, id) = (self.community.charter.clone(), self.community.id.clone());
        Community { folder, dir, charter, id }
    }

    /// Sends SIGTERM, and answers with the community once the node has stopped.
    pub(crate) fn stopped(self) -> Community {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended()
    }

    /// Sends SIGTERM, and answers the exit code and what the node logged.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
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
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) sentence: String,
}

/// Gives a command with `--json`.
pub(crate) fn clerk(dir: &Path, args: &[&str]) -> Told {
    let Output { status, stdout, stderr } = program(dir, args).arg("--json").output().unwrap();
    Told {
        code: status.code().unwrap_or(-1),
        json: serde_json::from_slice(&stdout).unwrap_or(Value::Null),
        sentence: String::from_utf8(stderr).unwrap(),
    }
}

/// The program over this folder, with nothing of the tester's environment that it would heed.
pub(crate) fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot-node"));
    command.env_remove("FOLKMOOT_DIR").args(args).arg("--dir").arg(dir);
    command
}
