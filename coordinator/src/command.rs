//! The command line: found a coordinator, run it, look at its configuration.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};
use peer::{Config, DataFolder, Host, HostError, Manner, Role, folder::FolderError};
use proto::v1::feed_service_server::FeedServiceServer;
use record::{Network, limits::MAX_GRPC_MESSAGE_BYTES, name::Name};
use runtime::{
    config::{self, ConfigError},
    exit::{self, Exit},
    telemetry::{self, LogFormat, TelemetryError},
};

use crate::{
    feed::{Feed, MAX_SUBSCRIBERS},
    output, pages,
};

/// What every environment variable of a coordinator begins with.
pub const ENV_PREFIX: &str = "FOLKMOOT_COORDINATOR";

/// Mirrors the logs of a region, checks them, adds up tallies and serves feeds.
#[derive(Debug, Parser)]
#[command(name = "folkmoot-coordinator", version)]
#[command(
    after_help = "Example: folkmoot-coordinator init --dir /var/lib/folkmoot --network demo.folkmoot.example \
    --name \"Estuary coordinator\""
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the keys and the identity of a coordinator, once.
    #[command(after_help = "Example: folkmoot-coordinator init --dir /var/lib/folkmoot \
        --network demo.folkmoot.example --name \"Estuary coordinator\" --json")]
    Init(Init),
    /// Serves until it is told to stop.
    #[command(after_help = "Example: folkmoot-coordinator run --dir /var/lib/folkmoot \
        --charter /etc/folkmoot/charter.toml --listen 0.0.0.0:7443 --plain 127.0.0.1:8080")]
    Run(Run),
    /// Shows the configuration that `run` would use, or what is wrong with it.
    #[command(
        after_help = "Example: folkmoot-coordinator check-config --config /etc/folkmoot/coordinator.toml"
    )]
    CheckConfig(CheckConfig),
    /// Writes a completion script for a shell.
    #[command(
        after_help = "Example: folkmoot-coordinator completion bash > /etc/bash_completion.d/folkmoot-coordinator"
    )]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
struct Init {
    /// The data folder; made if it is not there.
    #[arg(long)]
    dir: PathBuf,
    /// The network, such as demo.folkmoot.example.
    #[arg(long)]
    network: String,
    /// The name that people read.
    #[arg(long)]
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The data folder.
    #[arg(long)]
    dir: PathBuf,
    /// The charter file of the region.
    #[arg(long)]
    charter: Option<PathBuf>,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where gRPC and HTTP are served over TLS: host:port; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// Where the same is served without TLS, to this machine only.
    #[arg(long)]
    plain: Option<String>,
    /// Print a JSON line on standard output once the ports are open.
    #[arg(long)]
    ready_line: bool,
    /// Stop when standard input ends, as it does when the parent process is gone.
    #[arg(long)]
    with_parent: bool,
    /// How log lines look.
    #[arg(long, value_enum)]
    log_format: Option<LogLines>,
    /// What is logged, such as `info` or `warn,coordinator=debug`.
    #[arg(long)]
    log: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CheckConfig {
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLines {
    Human,
    Json,
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("`{key}` is wrong: {problem}")]
    Setting { key: &'static str, problem: String },
    #[error("The {what} is wrong: {problem}")]
    Argument { what: &'static str, problem: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("The system refused something that is needed to run.")]
    System(#[from] io::Error),
}

impl CommandError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Argument { .. } => Exit::Usage,
            Self::Config(_)
            | Self::Setting { .. }
            | Self::Telemetry(TelemetryError::BadFilter { .. })
            | Self::Host(HostError::NoCharter | HostError::Charter(_) | HostError::Tls(_)) => {
                Exit::Config
            }
            Self::Folder(_) | Self::Telemetry(_) | Self::Host(_) | Self::System(_) => Exit::Failed,
        }
    }
}

/// Runs the program with these arguments, the first being its own name, and tells a person on standard error what went
/// wrong.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => return answer_usage(&answer),
    };
    let done = match cli.command {
        Command::Init(init) => init.carry_out(),
        Command::Run(run) => run.carry_out(),
        Command::CheckConfig(check) => check.carry_out(),
        Command::Completion { shell } => {
            let name = Cli::command().get_name().to_owned();
            clap_complete::generate(shell, &mut Cli::command(), name, &mut io::stdout());
            Ok(())
        }
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(error) => {
            exit::report(&error);
            error.exit()
        }
    }
}

/// Help and version are answers; everything else is a mistake on the command line.
fn answer_usage(answer: &clap::Error) -> Exit {
    // Where the stream is closed, nobody is left to tell.
    let _ = answer.print();
    let is_answer = matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_answer { Exit::Ok } else { Exit::Usage }
}

impl Init {
    fn carry_out(self) -> Result<(), CommandError> {
        let wrong = |what, problem: String| CommandError::Argument { what, problem };
        let network: Network = self
            .network
            .parse()
            .map_err(|error: record::ids::NetworkError| wrong("network", error.to_string()))?;
        let name = Name::parse(&self.name).map_err(|error| wrong("name", error.to_string()))?;
        let community = DataFolder::at(&self.dir).found(&network, &name)?;
        if self.json {
            let answer = serde_json::json!({
                "community": community, "network": network.as_str(), "name": name.as_str(), "dir": self.dir,
            });
            output::line(answer);
        } else {
            output::line(format_args!("Founded {name} in {}.", self.dir.display()));
            output::line(format_args!("Its id, for the charter: {community}"));
            output::line("Move spare.toml off this machine; it is needed only to change officers.");
        }
        Ok(())
    }
}

fn load(file: Option<&Path>) -> Result<Config, CommandError> {
    Ok(config::load(file, ENV_PREFIX, config::environment())?)
}

/// What a coordinator asks of its configuration beyond the form of each value.
fn check(config: &Config) -> Result<(), CommandError> {
    let wrong = |key, problem: &str| CommandError::Setting { key, problem: problem.to_owned() };
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

impl Run {
    fn config(&self) -> Result<Config, CommandError> {
        let mut config = load(self.config.as_deref())?;
        if let Some(charter) = &self.charter {
            config.charter = Some(charter.clone());
        }
        if let Some(listen) = &self.listen {
            config.listen.clone_from(listen);
        }
        if let Some(plain) = &self.plain {
            config.plain = Some(plain.clone());
        }
        if let Some(lines) = self.log_format {
            config.log.format = match lines {
                LogLines::Human => LogFormat::Human,
                LogLines::Json => LogFormat::Json,
            };
        }
        if let Some(filter) = &self.log {
            config.log.filter.clone_from(filter);
        }
        check(&config)?;
        Ok(config)
    }

    fn carry_out(self) -> Result<(), CommandError> {
        let config = self.config()?;
        telemetry::init(config.log.format, &config.log.filter)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let manner = Manner { ready_line: self.ready_line, with_parent: self.with_parent };
        Ok(runtime.block_on(Box::pin(serve(DataFolder::at(&self.dir), config, manner)))?)
    }
}

async fn serve(folder: DataFolder, config: Config, manner: Manner) -> Result<(), HostError> {
    let settings = pages::Settings::of(&config);
    let mut host = Host::open(folder, config, Role::Coordinator).await?;
    let feed = Feed::new(host.peer.clone(), MAX_SUBSCRIBERS, host.tasks.stop_signal());
    host.tasks.spawn("feed", feed.clone().run());
    let pages = pages::pages(feed.clone(), settings);
    let service = FeedServiceServer::new(feed)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let add = |routes: &mut tonic::service::RoutesBuilder| {
        routes.add_service(service);
    };
    host.serve(add, pages, manner).await
}

impl CheckConfig {
    fn carry_out(self) -> Result<(), CommandError> {
        let config = load(self.config.as_deref())?;
        check(&config)?;
        let shown = serde_json::to_value(&config).map_err(|error| CommandError::Argument {
            what: "configuration",
            problem: error.to_string(),
        })?;
        if self.json {
            output::line(shown);
        } else {
            for line in lines_of("", &shown) {
                output::line(line);
            }
        }
        Ok(())
    }
}

/// `key = value` for every setting, those of tables under dotted keys, in alphabetical order.
fn lines_of(key: &str, value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                let dot = if key.is_empty() { "" } else { "." };
                lines_of(&format!("{key}{dot}{name}"), value)
            })
            .collect(),
        serde_json::Value::Null => vec![format!("# {key} is not set")],
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_) => vec![format!("{key} = {value}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(args: &[&str]) -> Exit {
        main(args.iter().map(OsString::from))
    }

    #[test]
    fn help_is_an_answer_and_a_mistake_is_usage() {
        assert_eq!(asked(&["folkmoot-coordinator", "run", "--help"]), Exit::Ok);
        assert_eq!(asked(&["folkmoot-coordinator", "walk"]), Exit::Usage);
        assert_eq!(asked(&["folkmoot-coordinator", "init", "--dir", "x"]), Exit::Usage);
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example: folkmoot-coordinator "), "{}", command.get_name());
        }
    }

    #[test]
    fn init_founds_once_and_refuses_a_name_of_two_lines() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("c");
        let init = |name: &str| Init {
            dir: dir.clone(),
            network: "test.folkmoot.example".to_owned(),
            name: name.to_owned(),
            json: true,
        };
        assert_eq!(init("a\nb").carry_out().unwrap_err().exit(), Exit::Usage);
        assert!(init("Estuary").carry_out().is_ok());
        assert_eq!(init("Estuary").carry_out().unwrap_err().exit(), Exit::Failed);
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
            assert_eq!(with(prefix, url).unwrap_err().exit(), Exit::Config, "{prefix} {url}");
        }
    }

    #[test]
    fn settings_are_shown_under_dotted_keys() {
        let shown = serde_json::to_value(Config::default()).unwrap();
        let lines = lines_of("", &shown);
        assert!(lines.contains(&"log.filter = \"info\"".to_owned()), "{lines:?}");
        assert!(lines.contains(&"# ocds_prefix is not set".to_owned()), "{lines:?}");
    }
}
