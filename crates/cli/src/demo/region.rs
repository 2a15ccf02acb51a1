//! The region's folders and processes.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};

use super::{
    Teller,
    process::{Processes, Program, Ready, args},
    state::State,
    summary::{CoordinatorSummary, Summary},
};

/// The network of demonstrations: `example` belongs to nobody.
pub(super) const NETWORK: &str = "demo.folkmoot.example";
/// The region's invented name.
const REGION: &str = "Tidewater";
/// Invented communities; further ones are numbered.
const NAMES: [&str; 12] = [
    "Harbour Baths Society",
    "The Old Plough, Millbrook",
    "Eastside Energy",
    "Cwm Isaf Land Trust",
    "Foundry Lane Co-operative",
    "Kiln Street Kitchen",
    "Saltmarsh Growers",
    "Beacon Hill Forum",
    "Weavers' Yard Workspace",
    "Riverside Housing Co-op",
    "Longmeadow Parish",
    "St Bride's Hall",
];

/// One community of the demonstration.
#[derive(Debug)]
pub(super) struct Community {
    pub(super) id: String,
    pub(super) dir: PathBuf,
}

/// The processes of the region, and what has been done in it.
#[derive(Debug)]
pub(crate) struct DemoRegion {
    folder: PathBuf,
    pub(super) communities: Vec<Community>,
    processes: Arc<Processes>,
    coordinator: Ready,
    pub(super) state: State,
}

impl DemoRegion {
    /// Founds what is not founded yet, and starts every process.
    pub(super) async fn start(
        folder: &Path,
        n_communities: u16,
        processes: &Arc<Processes>,
        teller: &Teller<'_>,
    ) -> Result<Self> {
        runtime::files::create_private_dir(folder)?;
        let mut state = State::load(folder)?;
        let n_communities = usize::from(n_communities);
        found(folder, n_communities, &mut state, processes).await?;
        let communities: Vec<Community> = (0..n_communities)
            .zip(&state.communities)
            .map(|(number, id)| Community { id: id.clone(), dir: dir_of(folder, number) })
            .collect();
        teller.say(&format!(
            "{n_communities} communities founded, each with its own folder and keys."
        ))?;
        let coordinator = start_coordinator(folder, &state, processes).await?;
        let charter = write_charter(folder, &state, Some(&coordinator.grpc))?;
        for community in &communities {
            let charter = args!["--charter", &charter, "--log-format", "json"];
            processes.start(Program::Node, &community.dir, &charter).await?;
        }
        teller.say(&format!(
            "{n_communities} nodes and a coordinator are up, each a process, talking gRPC over pinned TLS."
        ))?;
        let processes = Arc::clone(processes);
        Ok(Self { folder: folder.to_path_buf(), communities, processes, coordinator, state })
    }

    /// A region whose processes somebody else has started; its coordinator is the last of the state's communities.
    pub(super) fn around(
        (folder, state): (&Path, State),
        communities: Vec<Community>,
        coordinator: Ready,
        processes: &Arc<Processes>,
    ) -> Self {
        let processes = Arc::clone(processes);
        Self { folder: folder.to_path_buf(), communities, processes, coordinator, state }
    }

    /// The folder of the demonstration.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the coordinator serves HTTP and gRPC to this machine.
    pub(super) fn plain(&self) -> &str {
        self.coordinator.plain.as_deref().unwrap_or_default()
    }

    pub(super) fn coordinator_summary(&self) -> CoordinatorSummary {
        CoordinatorSummary {
            id: self.state.communities.last().cloned().unwrap_or_default(),
            grpc: self.coordinator.grpc.clone(),
            plain: self.plain().to_owned(),
        }
    }

    /// A command at one community's node.
    pub(super) async fn node(
        &self,
        number: usize,
        words: &[OsString],
    ) -> Result<serde_json::Value> {
        let community = self.communities.get(number).context("There is no such community.")?;
        let mut line = words.to_vec();
        line.extend(args!["--dir", &community.dir]);
        self.processes.command(Program::Node, &line).await
    }

    /// Where a person goes from here.
    pub(super) fn where_to_look(&self, summary: &Summary) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "folkmoot".to_owned());
        let (base, grpc) = (self.plain(), &self.coordinator.grpc);
        let first = summary.communities.first().map(|it| it.log_url.as_str()).unwrap_or_default();
        let mut text = String::from("\nWhere to look:\n");
        let _ = write!(
            text,
            "  http://{base}/                     the region\n\
             \x20 http://{base}/feed.json            the feed (also /feed.atom)\n\
             \x20 http://{base}/register/covenants   the register (also pools, polls, opportunities)\n\
             \x20 http://{base}/ocds/releases        notices and pools as OCDS\n\n\
             Commands to try:\n\
             \x20 {program} follow {grpc}\n\
             \x20 {program} verify {first}\n"
        );
        if let Some(community) = self.communities.first() {
            let dir = community.dir.display();
            let _ = writeln!(text, "  {program} {} status --dir {dir}", crate::SERVER_NODE);
        }
        let _ =
            write!(text, "\nData and logs: {}\nCtrl-C stops the region.", self.folder.display());
        text
    }
}

pub(super) fn name_of(number: usize) -> String {
    NAMES.get(number).map_or_else(|| format!("Community {}", number + 1), |name| (*name).to_owned())
}

fn dir_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("community-{:03}", number + 1))
}

fn coordinator_dir(folder: &Path) -> PathBuf {
    folder.join("coordinator")
}

/// Founds the communities and, last, the coordinator; a folder that has them is left as it is.
async fn found(
    folder: &Path,
    n_communities: usize,
    state: &mut State,
    processes: &Processes,
) -> Result<()> {
    let n_founded = state.communities.len();
    if n_founded == n_communities + 1 {
        return Ok(());
    }
    if n_founded != 0 {
        bail!(
            "{} holds a region of {n} communities. Run with --communities {n}, or choose another --dir.",
            folder.display(),
            n = n_founded - 1,
        );
    }
    own(folder, state)?;
    let mut founded = Vec::new();
    for number in 0..n_communities {
        let (dir, name) = (dir_of(folder, number), name_of(number));
        founded.push(init(processes, Program::Node, &dir, &name).await?);
    }
    let (dir, name) = (coordinator_dir(folder), "Tidewater coordinator");
    founded.push(init(processes, Program::Coordinator, &dir, name).await?);
    state.communities = founded;
    state.save()
}

/// Makes the folder a demonstration's. Founding empties folders in it, so a folder of anything else is refused.
fn own(folder: &Path, state: &State) -> Result<()> {
    let unread = || format!("{} cannot be read.", folder.display());
    let is_empty = std::fs::read_dir(folder).with_context(unread)?.next().is_none();
    if !is_empty && !state.is_kept() {
        bail!(
            "{} holds something other than a demonstration. Nothing in it was changed. Choose an empty folder with --dir.",
            folder.display()
        );
    }
    state.save()
}

async fn init(processes: &Processes, program: Program, dir: &Path, name: &str) -> Result<String> {
    if dir.exists() {
        // Left by a run that was cut off before it noted anything.
        std::fs::remove_dir_all(dir)
            .with_context(|| format!("{} cannot be emptied.", dir.display()))?;
    }
    let line = args!["init", "--dir", dir, "--network", NETWORK, "--name", name];
    let made = processes.command(program, &line).await?;
    let id = made.get("community").and_then(serde_json::Value::as_str);
    Ok(id.context("`init` did not say which community it founded.")?.to_owned())
}

async fn start_coordinator(folder: &Path, state: &State, processes: &Processes) -> Result<Ready> {
    let charter = write_charter(folder, state, None)?;
    let config = folder.join("coordinator.toml");
    let n_allowed = 2 * state.communities.len() + 64;
    let text = format!("plain = \"127.0.0.1:0\"\nmax_connections_per_address = {n_allowed}\n");
    runtime::files::write_private_file(&config, text.as_bytes())?;
    let line = args!["--charter", &charter, "--config", &config, "--log-format", "json"];
    processes.start(Program::Coordinator, &coordinator_dir(folder), &line).await
}

/// The region's invented OCDS prefix; nobody registered it.
const OCID_PREFIX: &str = "ocds-0demo0";

/// Writes the charter, with the coordinator's address once it is known.
fn write_charter(folder: &Path, state: &State, address: Option<&str>) -> Result<PathBuf> {
    let path = folder.join("charter.toml");
    let (coordinator, founders) = state.communities.split_last().context("Nothing is founded.")?;
    let mut text =
        format!("network = \"{NETWORK}\"\nname = \"{REGION}\"\nocid_prefix = \"{OCID_PREFIX}\"\n");
    let _ = write!(text, "\n[[coordinators]]\nid = \"{coordinator}\"\n");
    if let Some(address) = address {
        let _ = writeln!(text, "address = \"{address}\"");
    }
    for founder in founders {
        let _ = write!(text, "\n[[founders]]\nid = \"{founder}\"\n");
    }
    runtime::files::write_private_file(&path, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_never_taken_over() {
        let kept = tempfile::tempdir().expect("a folder");
        let precious = kept.path().join("coordinator");
        std::fs::create_dir(&precious).expect("a folder");
        let state = State::load(kept.path()).expect("no state");
        let refused = own(kept.path(), &state).expect_err("it is not a demonstration's");
        assert!(refused.to_string().contains("Nothing in it was changed"), "{refused}");
        assert!(precious.is_dir() && !state.is_kept());
    }

    #[test]
    fn an_empty_folder_is_taken_and_a_run_that_was_cut_off_goes_on() {
        let kept = tempfile::tempdir().expect("a folder");
        let state = State::load(kept.path()).expect("no state");
        own(kept.path(), &state).expect("empty");
        std::fs::create_dir(kept.path().join("community-001")).expect("half founded");
        own(kept.path(), &state).expect("its own");
    }

    #[tokio::test]
    async fn another_number_of_communities_is_refused_with_the_right_one() {
        let kept = tempfile::tempdir().expect("a folder");
        let mut state = State::load(kept.path()).expect("no state");
        state.communities = vec![String::from("fm1"); 6];
        let refused = found(kept.path(), 8, &mut state, &Processes::default()).await;
        let refused = refused.expect_err("five are here");
        let expected = format!("{} holds a region of 5 communities.", kept.path().display());
        assert!(refused.to_string().starts_with(&expected), "{refused}");
    }
}
