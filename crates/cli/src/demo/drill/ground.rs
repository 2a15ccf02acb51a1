//! The ground of a drill: seats with folders and ports that outlive a restart, and the processes that take them.

use std::{
    ffi::OsString,
    fmt::Write as _,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::demo::{
    Teller,
    process::{Processes, Program, Ready, args},
    region::{Community, DemoRegion, NETWORK, name_of},
    state::State,
};

/// The invented name of the region.
const REGION: &str = "Tidewater";
/// Ports are taken from here: below those that systems give to outgoing connections.
const FIRST_PORT: u16 = 20_000;
const N_PORTS: u16 = 12_000;

/// A community or coordinator: its folder, its id, its ports.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) program: Program,
    pub(super) id: String,
    pub(super) dir: PathBuf,
    /// Where it serves gRPC and HTTP over TLS.
    pub(super) port: u16,
    /// Where it listens on the mesh, if it is part of it.
    pub(super) mesh_port: Option<u16>,
}

impl Seat {
    /// Where others reach it.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Where a drill takes place.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    folder: PathBuf,
    processes: Arc<Processes>,
    teller: &'a Teller<'a>,
}

impl<'a> Ground<'a> {
    /// Takes an empty folder, or a new one.
    pub(super) fn new(
        folder: &Path,
        processes: &Arc<Processes>,
        teller: &'a Teller<'a>,
    ) -> Result<Self> {
        runtime::files::create_private_dir(folder)?;
        if std::fs::read_dir(folder)?.next().is_some() {
            bail!(
                "{} is not empty. Nothing in it was changed. A drill wants a new or empty folder: choose another --dir.",
                folder.display()
            );
        }
        Ok(Self { folder: folder.to_path_buf(), processes: Arc::clone(processes), teller })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) const fn teller(&self) -> &'a Teller<'a> {
        self.teller
    }

    /// Tells the person what happens.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        Ok(self.teller.say(text)?)
    }

    /// Founds communities; with `officers`, each has three officers, of whom two act, with their keys off the machine.
    pub(super) async fn found_nodes(
        &self,
        n_nodes: usize,
        has_officers: bool,
    ) -> Result<Vec<Seat>> {
        let mut seats = Vec::new();
        for number in 0..n_nodes {
            let dir = self.folder.join(format!("community-{}", number + 1));
            let mut seat = self.found(Program::Node, &dir, &name_of(number), has_officers).await?;
            seat.mesh_port = Some(free_port()?);
            seats.push(seat);
        }
        Ok(seats)
    }

    /// Founds a coordinator.
    pub(super) async fn found_coordinator(&self, name: &str) -> Result<Seat> {
        let dir = self.folder.join(name);
        let title = format!("Tidewater {name}");
        self.found(Program::Coordinator, &dir, &title, false).await
    }

    async fn found(
        &self,
        program: Program,
        dir: &Path,
        name: &str,
        has_officers: bool,
    ) -> Result<Seat> {
        let mut line = args!["init", "--dir", dir, "--network", NETWORK, "--name", name].to_vec();
        if has_officers {
            line.extend(args!["--officers", "3"]);
        }
        let made = self.processes.command(program, &line).await?;
        if has_officers {
            std::fs::rename(dir.join("officers"), self.officers_of(dir))?;
        }
        let id = made.get("community").and_then(Value::as_str);
        let id = id.context("`init` did not say which community it founded.")?.to_owned();
        Ok(Seat { program, id, dir: dir.to_path_buf(), port: free_port()?, mesh_port: None })
    }

    /// The seat of whoever runs a copy of a folder at another place. The copy is not made here.
    pub(super) fn elsewhere(&self, seat: &Seat, folder: &str) -> Result<Seat> {
        let dir = self.folder.join(folder);
        Ok(Seat { dir, port: free_port()?, mesh_port: None, ..seat.clone() })
    }

    /// Where the keys of a community's officers are, as if on their desks.
    pub(super) fn officers_of(&self, dir: &Path) -> PathBuf {
        dir.with_extension("officers")
    }

    /// Writes the charter of a region, with everybody's address, and what each process is told.
    pub(super) fn write_charter(&self, nodes: &[Seat], coordinators: &[Seat]) -> Result<()> {
        write_charter(&self.charter(), nodes, coordinators, true)?;
        write_charter(&self.bare_charter(), nodes, coordinators, false)?;
        for node in nodes {
            runtime::files::write_private_file(
                &config_of(node),
                mesh_section(node, nodes).as_bytes(),
            )?;
        }
        Ok(())
    }

    pub(super) fn charter(&self) -> PathBuf {
        self.folder.join("charter.toml")
    }

    /// The same without anybody's address: it is the same region.
    fn bare_charter(&self) -> PathBuf {
        self.folder.join("charter-without-addresses.toml")
    }

    /// Writes the charter with other addresses of coordinators, for those who are to be linked elsewhere.
    pub(super) fn write_other_charter(&self, nodes: &[Seat], coordinators: &[Seat]) -> Result<()> {
        write_charter(&self.other_charter(), nodes, coordinators, true)
    }

    fn other_charter(&self) -> PathBuf {
        self.folder.join("charter-with-other-addresses.toml")
    }

    /// As [`Ground::start`], by the charter with other addresses.
    pub(super) async fn start_under_other(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &args!["--charter", self.other_charter()]).await
    }

    /// As [`Ground::start`], for a coordinator that knows nobody's address, calls nobody, and lies.
    pub(super) async fn start_lying_alone(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &args!["--charter", self.bare_charter(), "--sign-unasked"]).await
    }

    /// As [`Ground::start`], for a coordinator that lies: it signs without asking what others hold of its log.
    pub(super) async fn start_lying(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &args!["--charter", self.charter(), "--sign-unasked"]).await
    }

    /// As [`Ground::start_lying`], by the charter with other addresses.
    pub(super) async fn start_lying_under_other(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &args!["--charter", self.other_charter(), "--sign-unasked"]).await
    }

    /// Starts the process of a seat and waits until it is ready.
    pub(super) async fn start(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &args!["--charter", self.charter()]).await
    }

    /// As [`Ground::start`], by the certificate that is kept in its folder.
    pub(super) async fn start_by_certificate(&self, seat: &Seat) -> Result<Ready> {
        self.start_with(seat, &[]).await
    }

    async fn start_with(&self, seat: &Seat, options: &[OsString]) -> Result<Ready> {
        let mut line = args!["--plain", "127.0.0.1:0", "--log-format", "json"].to_vec();
        line.extend_from_slice(options);
        let config = config_of(seat);
        if config.exists() {
            line.extend(args!["--config", config]);
        }
        self.processes.start_at(&seat.address(), seat.program, &seat.dir, &line).await
    }

    /// Ends the process of a seat as a power cut would.
    pub(super) async fn kill(&self, seat: &Seat) -> Result<()> {
        self.processes.kill(&seat.dir).await
    }

    /// Stops the process of a seat in order.
    pub(super) async fn stop(&self, seat: &Seat) -> Result<()> {
        self.processes.stop_one(&seat.dir).await
    }

    /// Runs a command of a seat's program on its folder.
    pub(super) async fn command(&self, seat: &Seat, words: &[OsString]) -> Result<Value> {
        let line = [words, &args!["--dir", &seat.dir]].concat();
        self.processes.command(seat.program, &line).await
    }

    /// The region as the demonstration's story wants it.
    pub(super) fn as_demo(
        &self,
        nodes: &[Seat],
        coordinator: &Seat,
        ready: &Ready,
    ) -> Result<DemoRegion> {
        let mut state = State::load(&self.folder)?;
        state.communities = nodes.iter().chain([coordinator]).map(|it| it.id.clone()).collect();
        let community = |it: &Seat| Community { id: it.id.clone(), dir: it.dir.clone() };
        let communities = nodes.iter().map(community).collect();
        let kept = (self.folder.as_path(), state);
        Ok(DemoRegion::around(kept, communities, ready.clone(), &self.processes))
    }
}

fn write_charter(
    path: &Path,
    nodes: &[Seat],
    coordinators: &[Seat],
    has_addresses: bool,
) -> Result<()> {
    let mut text = format!("network = \"{NETWORK}\"\nname = \"{REGION}\"\n");
    for (part, seats) in [("coordinators", coordinators), ("founders", nodes)] {
        for seat in seats {
            let _ = write!(text, "\n[[{part}]]\nid = \"{}\"\n", seat.id);
            if has_addresses {
                let _ = writeln!(text, "address = \"{}\"", seat.address());
            }
        }
    }
    Ok(runtime::files::write_private_file(path, text.as_bytes())?)
}

fn config_of(seat: &Seat) -> PathBuf {
    seat.dir.with_extension("toml")
}

/// The section of the mesh: where the node listens, and where the others are.
fn mesh_section(node: &Seat, all: &[Seat]) -> String {
    let place = |port: u16| format!("\"/ip4/127.0.0.1/tcp/{port}\"");
    let others = all.iter().filter(|it| it.id != node.id);
    let peers: Vec<String> = others.filter_map(|it| it.mesh_port.map(place)).collect();
    let listen: Vec<String> = node.mesh_port.map(place).into_iter().collect();
    format!(
        "[mesh]\nenabled = true\nlisten = [{}]\npeers = [{}]\n",
        listen.join(", "),
        peers.join(", ")
    )
}

/// A port that nobody listens on, for a process that is started in a moment, and again at the same place later.
fn free_port() -> Result<u16> {
    let drawn = RandomState::new().build_hasher().finish() % u64::from(N_PORTS);
    let drawn = u16::try_from(drawn)?;
    let ports = (drawn..N_PORTS).chain(0..drawn).map(|it| FIRST_PORT + it);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().context("No port is free on this machine.")
}
