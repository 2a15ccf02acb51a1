//! Founding a community, running its node, and checking a configuration.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ballotbox::BallotBox;
use clap::Args;
use peer::{
    Config, DataFolder, Host, Manner, Role, affiliation::MAX_ADVERTISED, check_seat,
    command::Options, host::read_charter,
};
use runtime::exit::Exit;
use serde_json::json;

use super::{CommandError, failure::not_run, print::Said};
use crate::{
    clerk::{Clerk, socket::ClerkSocket},
    polls::Duties,
};

/// The prefix of the environment variables of a node's configuration.
pub(super) const ENV_PREFIX: &str = "FOLKMOOT_NODE";

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node check-config --dir harbour --charter charter.toml --config node.toml"
)]
pub(super) struct Settings {
    /// The charter of the region.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// The configuration (TOML); the environment (FOLKMOOT_NODE__LISTEN) and these options stand above it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where others reach this node over TLS; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the same is served without TLS, for this machine only.
    #[arg(long, value_name = "ADDRESS")]
    plain: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_parser = ["human", "json"])]
    log_format: Option<String>,
    /// What is logged: `info`, or `warn,folkmoot_peer=debug`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node run --dir harbour --charter charter.toml --listen 0.0.0.0:7443\n\n\
A charter:\n  network = \"demo.folkmoot.example\"\n  name = \"Estuary\"\n  \
ocid_prefix = \"ocds-a1b2c3\"   # if OCDS registered one for the region\n\n  \
[[coordinators]]\n  id = \"fm1…\"\n  address = \"coordinator.example:7443\"\n\n  \
[[founders]]           # once for each, this community among them\n  id = \"fm1…\"\n\n\
Where others reach it (in the file of --config; said in the node's log when it changes, for ever and to everybody):\n  \
advertise = [\"node.example:7443\"]\n\n\
The mesh, by which nodes find each other with no coordinator (in the file of --config; off unless enabled):\n  \
[mesh]\n  enabled = true\n  listen = [\"/ip4/0.0.0.0/tcp/7444\", \"/ip4/0.0.0.0/udp/7444/quic-v1\"]   # if left out\n  \
external = [\"/dns/node.example/tcp/7444\"]   # where others reach it, if that differs\n  \
peers = [\"/dns/neighbour.example/tcp/7444\"] # where to look first\n  \
mdns = false                # look on the local network as well\n  \
relay = false               # relay for members of the region that nobody reaches\n  \
region_key_file = \"swarm.key\"   # a private region; TCP alone\n\n\
SIGTERM or Ctrl-C stops it once what is under way is finished; one more, a second or more later, ends it at once."
)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
    /// Print a JSON line on standard output once the ports are open.
    #[arg(long)]
    ready_line: bool,
    /// Stop when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

impl Settings {
    pub(super) fn load(self) -> Result<Config, CommandError> {
        let Self { charter, config, listen, plain, log_format, log } = self;
        let options = Options { charter, config, listen, plain, log_format, log };
        Ok(options.load(ENV_PREFIX)?)
    }
}

/// Reads configuration and charter, and starts nothing.
pub(super) fn check_config(dir: &Path, settings: Settings) -> Result<Said, CommandError> {
    check(dir, &settings.load()?)
}

/// Whether the node could run with this configuration.
pub(super) fn check(dir: &Path, config: &Config) -> Result<Said, CommandError> {
    let folder = DataFolder::at(dir);
    let charter = read_charter(&folder, config).map_err(not_run)?;
    let community = check_seat(&folder, &charter, Role::Node).map_err(not_run)?;
    runtime::telemetry::check_filter(&config.log.filter).map_err(not_run)?;
    config.mesh.region_key().map_err(not_run)?;
    let n_advertised = config.advertise.len();
    if MAX_ADVERTISED < n_advertised {
        let sentence =
            format!("`advertise` has {n_advertised} addresses; a record holds {MAX_ADVERTISED}.");
        return Err(CommandError::new(Exit::Config, "affiliation.too_many_addresses", sentence));
    }
    let text = format!(
        "The configuration is sound: region {}, {} communities, {} coordinators; to listen on {}.",
        charter.charter.name().as_str(),
        charter.founders.len(),
        charter.coordinators.len(),
        config.listen
    );
    let json = json!({
        "region": charter.region,
        "region_name": charter.charter.name().as_str(),
        "communities": charter.founders.len(),
        "coordinators": charter.coordinators.len(),
        "community": community,
        "config": config,
    });
    Ok(Said::new(json, text))
}

/// Runs the node until a signal, the end of the parent, or a fault.
pub(super) async fn run(dir: PathBuf, run: Run) -> Result<(), CommandError> {
    let Run { settings, ready_line, with_parent } = run;
    let config = settings.load()?;
    runtime::telemetry::init(config.log.format, &config.log.filter).map_err(not_run)?;
    let grace = Duration::from_secs(config.grace_secs / 2);
    let mut host = Host::open(DataFolder::at(&dir), config, Role::Node).await.map_err(not_run)?;
    let duties = Duties::new(host.peer.clone(), open_box(host.folder()).await?);
    let clerk = Clerk::new(host.peer.clone(), duties.clone(), host.folder().clone())
        .await
        .map_err(|error| CommandError::failed(error.reason(), error.detail()))?;
    let (socket, listener) = ClerkSocket::bind(host.folder()).map_err(|error| {
        let path = host.folder().clerk_socket();
        let sentence =
            format!("The clerk's socket {} could not be opened: {error}.", path.display());
        CommandError::failed("clerk.socket", sentence)
    })?;
    let stop = host.tasks.stop_signal();
    let limits = transport::Limits { grace, ..transport::Limits::default() };
    let served = transport::serve_unix(listener, clerk.routes(), limits, stop.stopped());
    host.tasks.spawn("clerk's socket", served);
    let keeping = duties.clone();
    host.tasks.spawn("polls and pools", async move {
        tokio::select! {
            () = stop.stopped() => Ok(()),
            kept = keeping.keep() => kept,
        }
    });
    let stop = host.tasks.stop_signal();
    let saying = host.peer.clone().keep_affiliated(host.config().advertise.clone());
    host.tasks.spawn("affiliation", async move {
        tokio::select! {
            () = stop.stopped() => Ok(()),
            said = saying => said,
        }
    });
    let manner = Manner { ready_line, with_parent, signs_unasked: false };
    let ended = Box::pin(host.serve(|_| &[], axum::Router::new(), manner)).await;
    drop(socket);
    if let Err(error) = duties.ballots().close().await {
        // No ballot is lost by that: the file is whole with its write-ahead log.
        tracing::warn!(%error, "the ballot box was not folded into one file");
    }
    ended.map_err(not_run)
}

async fn open_box(folder: &DataFolder) -> Result<BallotBox, CommandError> {
    BallotBox::open(&folder.ballots_file())
        .await
        .map_err(|error| CommandError::caused_by(Exit::Config, "ballotbox.unusable", &error))
}
