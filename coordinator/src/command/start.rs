//! Founding a coordinator, running it, and checking its configuration.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use peer::{CharterFile, Config, DataFolder, Host, HostError, Manner, Role, command::Options};
use proto::v1::feed_service_server::FeedServiceServer;
use record::{Network, limits::MAX_GRPC_MESSAGE_BYTES, name::Name};
use runtime::{exit::Exit, telemetry};
use serde_json::{Value, json};
use tonic::{server::NamedService, service::RoutesBuilder};

use super::{CommandError, ENV_PREFIX, Said};
use crate::{
    feed::{Feed, MAX_SUBSCRIBERS},
    neighbours::{self, Bounds, Neighbour},
    orders, pages,
};

#[derive(Debug, Args)]
#[command(after_help = "Example: folkmoot-coordinator init --dir /var/lib/folkmoot \
--network demo.folkmoot.example --name \"Estuary coordinator\" --json\n\n\
Several officers, new keys, recovery and the sheet: `folkmoot-node init`, `keys`, `officers`, `recover` and `sheet` work on a \
coordinator's folder as on a node's.")]
pub(super) struct Init {
    /// The data folder; made if it is not there.
    #[arg(long)]
    dir: PathBuf,
    /// The network, such as demo.folkmoot.example.
    #[arg(long)]
    network: String,
    /// The name that people read.
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: folkmoot-coordinator check-config --config /etc/folkmoot/coordinator.toml"
)]
pub(super) struct Settings {
    /// The charter file of the region.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// The configuration (TOML); the environment (FOLKMOOT_COORDINATOR__LISTEN) and these options stand above it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where gRPC and HTTP are served over TLS: host:port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the same is served without TLS, to this machine only.
    #[arg(long, value_name = "ADDRESS")]
    plain: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_parser = ["human", "json"])]
    log_format: Option<String>,
    /// What is logged, such as `info` or `warn,coordinator=debug`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: folkmoot-coordinator run --dir /var/lib/folkmoot \
--charter /etc/folkmoot/charter.toml --listen 0.0.0.0:7443 --plain 127.0.0.1:8080\n\n\
The mesh (in the file of --config; off unless enabled): [mesh] enabled = true, listen = [\"/ip4/0.0.0.0/tcp/7444\", \
\"/ip4/0.0.0.0/udp/7444/quic-v1\"] if left out, external, peers = [\"/dns/node.example/tcp/7444\"], mdns = false, \
relay = false, region_key_file for a private region.\n\n\
Neighbouring regions (in the same file, once for each; their feeds are read, checked and served beside our own):\n  \
[[neighbours]]\n  region = \"fmg1…\"\n  name = \"The Moors\"\n  \
addresses = [\"moors.example:7443\"]   # anybody there who serves the certificate\n\n\
SIGTERM or Ctrl-C stops it once what is under way is finished; one more, a second or more later, ends it at once.")]
pub(super) struct Run {
    /// The data folder.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print a JSON line on standard output once the ports are open.
    #[arg(long)]
    ready_line: bool,
    /// Stop when standard input ends, as it does when the parent process is gone.
    #[arg(long)]
    with_parent: bool,
    /// Sign without asking others how much of this log they hold: what a liar does, for drills.
    #[arg(long, hide = true)]
    sign_unasked: bool,
}

/// Founds a coordinator.
pub(super) fn init(init: &Init) -> Result<Said, CommandError> {
    let network: Network = init.network.parse().map_err(|error: record::ids::NetworkError| {
        CommandError::usage(format!("The network is wrong: {error}. Nothing was founded."))
    })?;
    let name = Name::parse(&init.name).map_err(|error| {
        CommandError::usage(format!("The name is wrong: {error}. Nothing was founded."))
    })?;
    let community = DataFolder::at(&init.dir).found(&network, &name)?;
    let json = json!({
        "community": community, "network": network.as_str(), "name": name.as_str(), "dir": init.dir,
    });
    let text = format!(
        "Founded {name} in {}.\nIts id, for the charter: {community}\n\
         Move spare.toml off this machine; it is needed only to change officers.",
        init.dir.display()
    );
    Ok(Said { json, text })
}

impl Settings {
    fn load(self) -> Result<Config, CommandError> {
        let Self { charter, config, listen, plain, log_format, log } = self;
        let options = Options { charter, config, listen, plain, log_format, log };
        let config = options.load(ENV_PREFIX)?;
        check(&config)?;
        Ok(config)
    }
}

/// What a coordinator asks of its configuration beyond the form of each value.
fn check(config: &Config) -> Result<(), CommandError> {
    let wrong = |key: &str, problem: &str| {
        let sentence = format!("`{key}` is wrong: {problem}");
        CommandError::new(Exit::Config, "config.wrong", sentence)
    };
    if config.ocds_prefix.as_deref().is_some_and(|prefix| !is_ocds_prefix(prefix)) {
        return Err(wrong(
            "ocds_prefix",
            "it is `ocds-` and six lower-case letters or digits, as OCDS gave them to you.",
        ));
    }
    if config.public_url.as_deref().is_some_and(|url| !is_public_url(url)) {
        return Err(wrong(
            "public_url",
            "it is an address such as https://coordinator.example, without a slash at its end.",
        ));
    }
    Neighbour::parse_all(&config.neighbours).map_err(|what| wrong("neighbours", &what))?;
    Ok(())
}

fn is_ocds_prefix(text: &str) -> bool {
    let is_part = |it: &str| {
        it.len() == 6 && it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.strip_prefix("ocds-").is_some_and(is_part)
}

fn is_public_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|it| {
        !it.is_empty() && !it.ends_with('/') && it.bytes().all(|b| b.is_ascii_graphic())
    })
}

/// Runs the coordinator until a signal, the end of the parent, or a fault.
pub(super) fn run(run: Run) -> Result<(), CommandError> {
    let Run { dir, settings, ready_line, with_parent, sign_unasked } = run;
    let config = settings.load()?;
    let manner = Manner { ready_line, with_parent, signs_unasked: sign_unasked };
    let ended = start(DataFolder::at(&dir), config, manner);
    ended.map_err(not_run)
}

fn start(folder: DataFolder, config: Config, manner: Manner) -> Result<(), HostError> {
    telemetry::init(config.log.format, &config.log.filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(serve(folder, config, manner)))
}

async fn serve(folder: DataFolder, config: Config, manner: Manner) -> Result<(), HostError> {
    let settings = pages::Settings::of(&config);
    // They were looked at with the rest of the configuration.
    let neighbours = Neighbour::parse_all(&config.neighbours).unwrap_or_default();
    let mut host = Host::open(folder, config, Role::Coordinator).await?;
    // Before anybody is served.
    orders::take_up(host.folder(), &host.peer)?;
    let (stop, followed) =
        (host.tasks.stop_signal(), orders::follow(host.folder().clone(), host.peer.clone()));
    host.tasks.spawn("orders about logs", async move {
        tokio::select! {
            () = stop.stopped() => Ok(()),
            done = followed => done,
        }
    });
    let feed = Feed::new(host.peer.clone(), MAX_SUBSCRIBERS, host.tasks.stop_signal());
    let told = (feed.readings().clone(), Bounds::default());
    let (peer, stop) = (host.peer.clone(), host.tasks.stop_signal());
    let reading = neighbours::keep_reading(peer, neighbours, told, stop);
    host.tasks.spawn("neighbouring regions", reading);
    host.tasks.spawn("feed", feed.clone().run());
    let pages = pages::pages(feed.clone(), settings);
    let service = FeedServiceServer::new(feed)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let add = |routes: &mut RoutesBuilder| -> &'static [&'static str] {
        routes.add_service(service);
        &[<FeedServiceServer<Feed> as NamedService>::NAME]
    };
    host.serve(add, pages, manner).await
}

fn not_run(error: impl Into<HostError>) -> CommandError {
    CommandError::of_host(error, Role::Coordinator)
}

/// Reads the configuration, and starts nothing.
pub(super) fn check_config(settings: Settings) -> Result<Said, CommandError> {
    let config = settings.load()?;
    telemetry::check_filter(&config.log.filter).map_err(not_run)?;
    config.mesh.region_key().map_err(not_run)?;
    if let Some(charter) = &config.charter {
        CharterFile::read(charter).map_err(not_run)?;
    }
    let json = serde_json::to_value(&config)
        .map_err(|error| CommandError::caused_by(Exit::Config, "config.wrong", &error))?;
    let mut text = String::new();
    write_lines("", &json, &mut text);
    Ok(Said { json, text })
}

/// `key = value` for every setting, those of tables under dotted keys, in alphabetical order.
fn write_lines(key: &str, value: &Value, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Object(members) => {
            let dot = if key.is_empty() { "" } else { "." };
            for (name, value) in members {
                write_lines(&format!("{key}{dot}{name}"), value, text);
            }
            Ok(())
        }
        Value::Null => writeln!(text, "# {key} is not set"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            writeln!(text, "{key} = {value}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_founds_once_and_refuses_a_name_of_two_lines() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("c");
        let found = |name: &str| {
            init(&Init {
                dir: dir.clone(),
                network: "test.folkmoot.example".to_owned(),
                name: name.to_owned(),
            })
        };
        assert_eq!(found("a\nb").unwrap_err().exit, Exit::Usage);
        assert!(found("Estuary").is_ok());
        let again = found("Estuary").unwrap_err();
        assert_eq!((again.exit, again.reason), (Exit::Failed, "folder.occupied"));
    }

    #[test]
    fn the_configuration_is_checked_beyond_its_form() {
        let with = |prefix: &str, url: &str| {
            check(&Config {
                ocds_prefix: Some(prefix.to_owned()),
                public_url: Some(url.to_owned()),
                ..Config::default()
            })
        };
        assert!(with("ocds-213czf", "https://c.example").is_ok());
        for (prefix, url) in [
            ("213czf", "https://c.example"),
            ("ocds-213cz", "https://c.example"),
            ("ocds-213CZF", "https://c.example"),
            ("ocds-213czf", "https://c.example/"),
            ("ocds-213czf", "c.example"),
        ] {
            assert_eq!(with(prefix, url).unwrap_err().exit, Exit::Config, "{prefix} {url}");
        }
    }

    #[test]
    fn settings_are_shown_under_dotted_keys() {
        let shown = serde_json::to_value(Config::default()).unwrap();
        let mut text = String::new();
        write_lines("", &shown, &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"log.filter = \"info\""), "{lines:?}");
        assert!(lines.contains(&"listen = \"0.0.0.0:7443\""), "{lines:?}");
        assert!(lines.contains(&"# ocds_prefix is not set"), "{lines:?}");
    }
}
