//! A simulated region: hosts that are founded, started, killed, copied and restored.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use mesh::{NodeKey, seam};
use peer::{
    CharterFile, DataFolder, Machine, Peer, Role, host::lasting, neighbours::keep_neighbours,
};
use record::{CommunityId, LogName, Network, name::Name};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use store::Waits;
use tempfile::TempDir;
use tokio::{task::AbortHandle, time::Instant};

use crate::{
    chance::{Chance, Drawn, SkewedClock},
    courier::phone,
    doorbells,
    net::{Net, No, Up},
};

const NETWORK: &str = "sim.folkmoot.example";
/// Stands before every quantity that was forged.
pub(crate) const FORGED: &str = "\"quantity\":77";

/// One process, or the place of one.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) no: No,
    pub(crate) id: CommunityId,
    pub(crate) role: Role,
    /// Whether it is asked for anything in the end.
    pub(crate) is_honest: bool,
    /// Whether the region knows it: else nobody carries what it writes.
    pub(crate) is_of_region: bool,
    /// The charter that it was given, if it came later than the region.
    charter: Option<CharterFile>,
    /// Whether it signs without asking what others hold, as one who runs twice does.
    signs_unasked: bool,
    pub(crate) clock: Arc<SkewedClock>,
    folder: PathBuf,
    running: Option<Running>,
    /// Copies of the folder, the oldest first.
    pub(crate) backups: Vec<PathBuf>,
    randomness: Arc<Drawn>,
}

#[derive(Debug)]
struct Running {
    peer: Peer,
    tasks: Vec<AbortHandle>,
}

impl Host {
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.running.as_ref().map(|it| &it.peer)
    }

    pub(crate) const fn log(&self) -> LogName {
        LogName { community: self.id, era: 0 }
    }
}

/// A region.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) hosts: Vec<Host>,
    pub(crate) chance: Chance,
    /// What went wrong in a task that should last.
    pub(crate) failures: Arc<Mutex<Vec<String>>>,
    charter: Option<CharterFile>,
    root: TempDir,
    n_folders: usize,
    began: Instant,
}

/// A folder in memory, where the system has such a place.
fn root() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl World {
    /// Founds a region; nobody runs yet.
    pub(crate) fn found(seed: u64, n_nodes: usize, n_coordinators: usize) -> Self {
        let mut chance = Chance::of(seed);
        let net = Net::new(chance.fork());
        let mut world = Self {
            net,
            hosts: Vec::new(),
            chance,
            failures: Arc::default(),
            charter: None,
            root: root(),
            n_folders: 0,
            began: Instant::now(),
        };
        for _ in 0..n_coordinators {
            world.found_host(Role::Coordinator);
        }
        for _ in 0..n_nodes {
            world.found_host(Role::Node);
        }
        world.write_charter();
        world
    }

    fn new_folder(&mut self) -> PathBuf {
        self.n_folders += 1;
        self.root.path().join(format!("{}", self.n_folders))
    }

    fn found_host(&mut self, role: Role) {
        let folder = self.new_folder();
        let randomness = Drawn::of(self.chance.fork());
        let (network, name) = (network(), format!("Host {}", self.hosts.len()));
        let data = DataFolder::at(&folder);
        let name = Name::parse(&name).unwrap();
        let id = data.found_of(&network, &name, &*randomness).unwrap();
        let key = NodeKey(data.keys().unwrap().transport.public().0);
        let no = self.net.add(key, address(id), 0);
        let clock = SkewedClock::new(self.began, 0);
        let (running, backups) = (None, Vec::new());
        self.hosts.push(Host {
            no,
            id,
            role,
            is_honest: true,
            is_of_region: true,
            charter: None,
            signs_unasked: false,
            clock,
            folder,
            running,
            backups,
            randomness,
        });
    }

    /// Founds a host that the region does not know yet, with the region's certificate; its number.
    pub(crate) fn found_later(&mut self, role: Role, charter: CharterFile) -> No {
        self.found_host(role);
        let no = self.hosts.len() - 1;
        self.hosts[no].is_of_region = false;
        self.hosts[no].charter = Some(charter);
        no
    }

    fn write_charter(&mut self) {
        let mut text = format!("network = \"{NETWORK}\"\nname = \"Estuary\"\n");
        for host in &self.hosts {
            let id = host.id;
            let entry = match host.role {
                Role::Coordinator => {
                    format!("[[coordinators]]\nid = \"{id}\"\naddress = \"{}\"\n", address(id))
                }
                Role::Node => format!("[[founders]]\nid = \"{id}\"\n"),
            };
            text.push_str(&entry);
        }
        let path = self.root.path().join("charter.toml");
        std::fs::write(&path, text).unwrap();
        self.charter = Some(CharterFile::read(&path).unwrap());
    }

    pub(crate) fn charter(&self) -> &CharterFile {
        self.charter.as_ref().unwrap()
    }

    pub(crate) fn peer(&self, no: No) -> Option<&Peer> {
        self.hosts[no].peer()
    }

    /// What a right clock shows.
    pub(crate) fn now(&self) -> u64 {
        self.hosts[0].clock.right_millis()
    }

    /// Every host of the region that is honest, by number.
    pub(crate) fn honest(&self) -> Vec<No> {
        let honest = self.hosts.iter().filter(|it| it.is_honest && it.is_of_region);
        honest.map(|it| it.no).collect()
    }

    /// Starts a process over its folder.
    pub(crate) async fn start(&mut self, no: No) {
        let charter = self.hosts[no].charter.clone().unwrap_or_else(|| self.charter().clone());
        let (folder, machine) = self.at_rest(no);
        let host = &mut self.hosts[no];
        host.clock.begin();
        let opened = Peer::open_on(&folder, charter, host.role, machine).await;
        let peer = opened.unwrap_or_else(|error| panic!("host {no} does not start: {error}"));
        if host.signs_unasked {
            peer.store().settle().await.unwrap();
        }
        let (mesh, events, far) = seam();
        let post = doorbells::serve(self.net.clone(), no, far);
        let mut tasks = Vec::new();
        for (name, work) in lasting(&peer) {
            tasks.push(spawn(&self.failures, format!("{name} of host {no}"), work));
        }
        let kept = keep_neighbours(peer.clone(), mesh, events);
        tasks.push(spawn(&self.failures, format!("mesh of host {no}"), kept));
        self.net.note(&format!("host {no} starts"));
        self.net.rise(no, Up { peer: peer.clone(), post });
        host.running = Some(Running { peer, tasks });
    }

    /// The folder of a host and the machine that it stands on.
    pub(crate) fn at_rest(&self, no: No) -> (DataFolder, Machine) {
        let host = &self.hosts[no];
        let machine = Machine {
            clock: Arc::clone(&host.clock) as _,
            randomness: Arc::clone(&host.randomness) as _,
            caller: phone(&self.net, no),
            waits: Waits::InTurn,
        };
        (DataFolder::at(&host.folder), machine)
    }

    /// Ends a process in order: everything is in its folder.
    pub(crate) async fn stop(&mut self, no: No) {
        self.net.note(&format!("host {no} is stopped"));
        self.net.fall(no);
        if let Some(Running { peer, tasks }) = self.hosts[no].running.take() {
            peer.end_streams();
            tasks.iter().for_each(AbortHandle::abort);
            peer.store().close().await.unwrap();
        }
    }

    pub(crate) async fn start_all(&mut self) {
        for no in 0..self.hosts.len() {
            if self.hosts[no].running.is_none() {
                self.start(no).await;
            }
        }
    }

    /// Ends a process as `kill -9` does: what is on its disk at this instant is all that is left of it.
    pub(crate) fn kill(&mut self, no: No) {
        self.net.note(&format!("host {no} is killed"));
        self.net.fall(no);
        let left = self.copy(no);
        let host = &mut self.hosts[no];
        // What still ends, ends in a folder that nobody opens again.
        host.folder = left;
        if let Some(Running { peer, tasks }) = host.running.take() {
            peer.end_streams();
            tasks.iter().for_each(AbortHandle::abort);
        }
    }

    /// A copy of a folder as it is at this instant.
    fn copy(&mut self, no: No) -> PathBuf {
        let to = self.new_folder();
        copy_folder(&self.hosts[no].folder, &to);
        to
    }

    /// What the log files of a host hold, as text.
    pub(crate) fn files(&self, no: No) -> Vec<String> {
        let files = ["log.sqlite", "log.sqlite-wal"];
        let read = files.iter().filter_map(|it| std::fs::read(self.hosts[no].folder.join(it)).ok());
        read.map(|it| String::from_utf8_lossy(&it).into_owned()).collect()
    }

    /// Keeps a backup of a host.
    pub(crate) fn back_up(&mut self, no: No) {
        let copy = self.copy(no);
        self.hosts[no].backups.push(copy);
        self.net.note(&format!("host {no} is backed up"));
    }

    /// Puts an old backup in the place of what a killed host has on its disk.
    pub(crate) fn restore(&mut self, no: No, backup: usize) {
        let (from, to) = (self.hosts[no].backups[backup].clone(), self.new_folder());
        copy_folder(&from, &to);
        self.hosts[no].folder = to;
        self.net.note(&format!("host {no} is restored from its backup {backup}"));
    }

    /// Makes a host a liar: it runs twice with the same keys from now on. The number of its other face.
    pub(crate) async fn split(&mut self, no: No) -> No {
        self.kill(no);
        let folder = self.copy(no);
        let (key, randomness) = (self.net.lock().stations[no].key, self.chance.fork());
        let host = &mut self.hosts[no];
        host.is_honest = false;
        host.signs_unasked = true;
        let (id, role, clock) = (host.id, host.role, Arc::clone(&host.clock));
        let other = self.net.add(key, address(id), 1);
        let host = Host {
            no: other,
            id,
            role,
            is_honest: false,
            is_of_region: true,
            charter: None,
            signs_unasked: true,
            clock,
            folder,
            running: None,
            backups: Vec::new(),
            randomness: Drawn::of(randomness),
        };
        self.hosts.push(host);
        self.start(no).await;
        self.start(other).await;
        other
    }

    /// Changes the sums of pools in the file of a host that is not running.
    pub(crate) fn forge_sums(&mut self, no: No) {
        let file = self.hosts[no].folder.join("log.sqlite");
        let forging = async move {
            let options = SqliteConnectOptions::new().filename(file);
            let mut db = SqliteConnection::connect_with(&options).await.unwrap();
            let sql = "UPDATE cases SET view = replace(view, '\"quantity\":', $1)";
            sqlx::query(sql).bind(FORGED).execute(&mut db).await.unwrap();
            db.close().await.unwrap();
        };
        // Apart from simulated time, which would go on while this waits.
        let apart = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(forging);
        });
        apart.join().unwrap();
        self.net.note(&format!("host {no} forges sums"));
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn network() -> Network {
    NETWORK.parse().unwrap()
}

pub(crate) fn address(id: CommunityId) -> String {
    format!("{id}.example:7443")
}

fn copy_folder(from: &Path, to: &Path) {
    runtime::files::create_private_dir(to).unwrap();
    let names: BTreeMap<_, _> = std::fs::read_dir(from)
        .unwrap()
        .map(|it| it.unwrap())
        .map(|it| (it.file_name(), it.path()))
        .collect();
    for (name, path) in names {
        // The memory that connections share is made anew by whoever opens the file.
        if !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(path, to.join(name)).unwrap();
        }
    }
}

fn spawn<E: std::fmt::Display>(
    failures: &Arc<Mutex<Vec<String>>>,
    name: String,
    work: impl Future<Output = Result<(), E>> + Send + 'static,
) -> AbortHandle {
    let failures = Arc::clone(failures);
    let task = tokio::spawn(async move {
        if let Err(error) = work.await {
            let told = format!("{name}: {error}");
            failures.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }
    });
    task.abort_handle()
}
