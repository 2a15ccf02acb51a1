//! The command line: `folkmoot-node run` is the node; every other command asks it over its socket.

mod acks;
mod backup;
mod case_list;
mod covenant;
mod doctor;
mod erase;
mod failure;
mod given;
mod init;
mod join;
mod keys;
mod log;
mod member;
mod officer;
mod opportunity;
mod poll;
mod poll_form;
mod pool;
mod print;
mod reach;
mod recover;
mod region;
mod restore;
mod sheet;
mod start;
mod status;

use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};
use runtime::exit::Exit;

pub use failure::CommandError;
use print::Said;

/// What every command ends with, beside its own example.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 the command or a value in it was wrong, \
4 the node cannot be reached (try again later), 5 the configuration or the data folder is wrong.";

/// The node of a community in a Folkmoot region.
#[derive(Debug, Parser)]
#[command(
    name = "folkmoot-node",
    version,
    propagate_version = true,
    after_help = EXIT_CODES,
    after_long_help = concat!(
        "Example: a first day\n",
        "  folkmoot-node init --dir harbour --network demo.folkmoot.example --name \"Harbour Baths Society\"\n",
        "  folkmoot-node run --dir harbour --charter charter.toml &\n",
        "  folkmoot-node status --dir harbour\n\n",
        "Exit codes: 0 done, 1 refused or failed, 2 the command or a value in it was wrong, ",
        "4 the node cannot be reached (try again later), 5 the configuration or the data folder is wrong."
    )
)]
struct Cli {
    /// The data folder of the node.
    #[arg(long, global = true, env = "FOLKMOOT_DIR", default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object in place of sentences.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Found a community in an empty data folder.
    Init(init::Init),
    /// Run the node until it is stopped.
    Run(start::Run),
    /// Take the certificate of a region from anybody who serves it, so that this community runs without a charter file.
    Join(join::Join),
    /// Read the configuration and the charter, and say whether the node could run with them.
    CheckConfig(start::Settings),
    /// Say how the node is.
    #[command(after_help = "Example:\n  folkmoot-node status --dir harbour --json")]
    Status,
    /// Say what is wrong with the node, and what to do about it; works on a stopped one, too.
    Doctor(doctor::Doctor),
    /// Propose, sign and read covenants.
    #[command(subcommand)]
    Covenant(covenant::Covenant),
    /// Import and read contracting opportunities.
    #[command(subcommand)]
    Opportunity(opportunity::Opportunity),
    /// Join demand: open pools, pledge, close.
    #[command(subcommand)]
    Pool(pool::Pool),
    /// Ask the members: open polls, cast ballots, read results.
    #[command(subcommand)]
    Poll(poll::Poll),
    /// The people who may vote.
    #[command(subcommand)]
    Member(member::Member),
    /// The public number and root of the people who may vote.
    #[command(subcommand)]
    Roll(member::Roll),
    /// Read and export logs.
    #[command(subcommand)]
    Log(log::Log),
    /// Have words erased, here and wherever they are held.
    #[command(subcommand)]
    Erase(erase::Erase),
    /// Write what coordinators acknowledged into a folder, for `folkmoot audit`.
    Acks(acks::Acks),
    /// Who votes and who is seated in the region, and changing both.
    #[command(subcommand)]
    Region(region::Region),
    /// Replace the keys of the community's machine.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Change who the officers are.
    #[command(subcommand)]
    Officers(keys::OfficersCommand),
    /// For an officer, on any computer: make keys, and sign.
    #[command(subcommand)]
    Officer(officer::OfficerCommand),
    /// Go on in a new folder after the old machine was lost or stolen.
    Recover(recover::Recover),
    /// Fetch this community's own log back from whoever holds it: after the file was lost, or came from an old backup.
    Restore(restore::Restore),
    /// Copy everything that the node has into a new folder, while it runs or not.
    Backup(backup::Backup),
    /// Print the recovery sheet.
    Sheet(sheet::SheetArgs),
    /// Print a script that completes commands in a shell.
    #[command(
        after_help = "Example:\n  folkmoot-node completion bash > ~/.local/share/bash-completion/completions/folkmoot-node"
    )]
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line and answers how the program ends.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Where the output is closed, nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let as_json = cli.json;
    let outcome = run(cli).and_then(|said| match said {
        Some(said) => peer::command::print(&said.json, &said.text, as_json).map(|()| said.exit),
        None => Ok(Exit::Ok),
    });
    outcome.unwrap_or_else(|error| error.tell(as_json))
}

fn run(cli: Cli) -> Result<Option<Said>, CommandError> {
    match cli.command {
        Command::Init(init) => {
            let runtime = runtime(tokio::runtime::Builder::new_current_thread())?;
            runtime.block_on(Box::pin(init::init(&cli.dir, &init))).map(Some)
        }
        Command::Officer(command) => officer::run(&command).map(Some),
        stopped @ (Command::Keys(_)
        | Command::Officers(_)
        | Command::Recover(_)
        | Command::Restore(_)
        | Command::Backup(_)
        | Command::Doctor(_)
        | Command::Sheet(_)) => {
            let runtime = runtime(tokio::runtime::Builder::new_current_thread())?;
            runtime.block_on(Box::pin(on_folder(cli.dir, stopped))).map(Some)
        }
        Command::CheckConfig(settings) => start::check_config(&cli.dir, settings).map(Some),
        Command::Join(join) => {
            let runtime = runtime(tokio::runtime::Builder::new_current_thread())?;
            runtime.block_on(Box::pin(join::join(&cli.dir, join))).map(Some)
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "folkmoot-node", &mut script);
            let script = String::from_utf8_lossy(&script).into_owned();
            Ok(Some(Said::new(serde_json::json!({ "script": script }), script)))
        }
        Command::Run(run) => {
            let runtime = runtime(tokio::runtime::Builder::new_multi_thread())?;
            let ended = runtime.block_on(Box::pin(start::run(cli.dir, run)));
            // What still blocks, such as a file being parsed, is not waited for for ever.
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            ended.map(|()| None)
        }
        asked @ (Command::Status
        | Command::Covenant(_)
        | Command::Opportunity(_)
        | Command::Pool(_)
        | Command::Poll(_)
        | Command::Member(_)
        | Command::Roll(_)
        | Command::Log(_)
        | Command::Erase(_)
        | Command::Acks(_)
        | Command::Region(_)) => {
            let runtime = runtime(tokio::runtime::Builder::new_current_thread())?;
            runtime.block_on(Box::pin(ask(cli.dir, asked))).map(Some)
        }
    }
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, CommandError> {
    builder
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused_by(Exit::Failed, "node.failed", &error))
}

/// Commands that a running node answers.
async fn ask(dir: PathBuf, command: Command) -> Result<Said, CommandError> {
    let client = reach::reach(&dir).await?;
    match command {
        Command::Status => status::status(client).await,
        Command::Covenant(it) => covenant::run(client, it).await,
        Command::Opportunity(it) => opportunity::run(client, it).await,
        Command::Pool(it) => pool::run(client, it).await,
        Command::Poll(it) => poll::run(client, it).await,
        Command::Member(it) => member::run(client, it).await,
        Command::Roll(member::Roll::Publish) => member::publish_roll(client).await,
        Command::Log(it) => log::run(client, it).await,
        Command::Erase(it) => erase::run(client, it).await,
        Command::Acks(it) => acks::run(client, it).await,
        Command::Region(it) => region::run(client, it).await,
        Command::Init(_)
        | Command::Run(_)
        | Command::Join(_)
        | Command::CheckConfig(_)
        | Command::Keys(_)
        | Command::Officers(_)
        | Command::Officer(_)
        | Command::Recover(_)
        | Command::Restore(_)
        | Command::Backup(_)
        | Command::Doctor(_)
        | Command::Sheet(_)
        | Command::Completion { .. } => Err(CommandError::usage("This command asks no node.")),
    }
}

/// Commands that work on a data folder themselves.
async fn on_folder(dir: PathBuf, command: Command) -> Result<Said, CommandError> {
    match command {
        Command::Keys(it) => keys::run(&dir, it).await,
        Command::Officers(it) => keys::run_officers(&dir, it).await,
        Command::Recover(it) => recover::run(&dir, it).await,
        Command::Restore(it) => restore::run(&dir, it).await,
        Command::Backup(it) => backup::run(&dir, it).await,
        Command::Doctor(it) => doctor::run(&dir, it).await,
        Command::Sheet(it) => sheet::run(&dir, it).await,
        Command::Init(_)
        | Command::Run(_)
        | Command::CheckConfig(_)
        | Command::Completion { .. }
        | Command::Status
        | Command::Covenant(_)
        | Command::Opportunity(_)
        | Command::Pool(_)
        | Command::Poll(_)
        | Command::Member(_)
        | Command::Roll(_)
        | Command::Officer(_)
        | Command::Join(_)
        | Command::Erase(_)
        | Command::Region(_)
        | Command::Acks(_)
        | Command::Log(_) => Err(CommandError::usage("This command works on no folder.")),
    }
}

/// The time of this machine, in milliseconds since 1970. The node checks every deadline by its own.
fn now_millis() -> u64 {
    use runtime::clock::{Clock as _, SystemClock};
    SystemClock::new().now_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_shows_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        let mut n_commands = 0;
        let mut open: Vec<clap::Command> = cli.get_subcommands().cloned().collect();
        while let Some(command) = open.pop() {
            if command.get_name() == "help" {
                continue;
            }
            if command.has_subcommands() {
                open.extend(command.get_subcommands().cloned());
                continue;
            }
            n_commands += 1;
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{} shows no example", command.get_name());
        }
        assert!(20 < n_commands, "{n_commands}");
    }

    #[test]
    fn a_wrong_command_line_is_told_from_a_question_for_help() {
        let run = |args: &[&str]| main(args.iter().map(OsString::from));
        assert_eq!(run(&["folkmoot-node", "--help"]), Exit::Ok);
        assert_eq!(run(&["folkmoot-node", "no-such-command"]), Exit::Usage);
        assert_eq!(run(&["folkmoot-node"]), Exit::Usage);
    }
}
