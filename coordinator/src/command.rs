//! The command line: found a coordinator, run it, look at its configuration.

mod join;
mod start;
mod status;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use runtime::exit::Exit;
use serde_json::Value;

/// Why a command did not do what was asked.
pub type CommandError = peer::command::CommandError<&'static str>;

/// What every environment variable of a coordinator begins with.
pub const ENV_PREFIX: &str = "FOLKMOOT_COORDINATOR";

const PROGRAM: &str = "folkmoot-coordinator";

/// Mirrors the logs of a region, checks them, adds up tallies and serves feeds.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    propagate_version = true,
    after_help = "Example: folkmoot-coordinator init --dir /var/lib/folkmoot --network demo.folkmoot.example \
--name \"Estuary coordinator\"\n\n\
Exit codes: 0 done, 1 refused or failed, 2 the command or a value in it was wrong, \
4 the other side cannot be reached (try again later), 5 the configuration or the data folder is wrong."
)]
struct Cli {
    /// Print one JSON object in place of sentences.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// What a command has to say.
#[derive(Debug)]
struct Said {
    /// For a script.
    json: Value,
    /// For a person; lines.
    text: String,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the keys and the identity of a coordinator, once.
    Init(start::Init),
    /// Serves until it is told to stop.
    Run(start::Run),
    /// Takes the certificate of a region from anybody who serves it, and waits for a seat in it.
    Join(join::Join),
    /// Shows the configuration that `run` would use, or what is wrong with it.
    CheckConfig(start::Settings),
    /// Has a log withheld, or said to have moved or gone; lifts that; lists it.
    #[command(subcommand)]
    Status(status::StatusCommand),
    /// Writes a completion script for a shell.
    #[command(
        after_help = "Example: folkmoot-coordinator completion bash > /etc/bash_completion.d/folkmoot-coordinator"
    )]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the program with these arguments, the first being its own name, and tells a person on standard error what went
/// wrong; with `--json`, a script on standard output as well.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => {
            // Where the stream is closed, nobody is left to tell.
            let _ = answer.print();
            return if answer.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let as_json = cli.json;
    let outcome = carry_out(cli.command).and_then(|said| match said {
        Some(said) => peer::command::print(&said.json, &said.text, as_json),
        None => Ok(()),
    });
    outcome.map_or_else(|error| error.tell(as_json), |()| Exit::Ok)
}

fn carry_out(command: Command) -> Result<Option<Said>, CommandError> {
    match command {
        Command::Init(init) => start::init(&init).map(Some),
        Command::Join(join) => join::join(join).map(Some),
        Command::Run(run) => start::run(run).map(|()| None),
        Command::CheckConfig(settings) => start::check_config(settings).map(Some),
        Command::Status(command) => status::run(command).map(Some),
        Command::Completion { shell } => Ok(Some(completion(shell))),
    }
}

fn completion(shell: clap_complete::Shell) -> Said {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Said { json: serde_json::json!({ "script": script }), text: script }
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
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|it| it.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example: folkmoot-coordinator "), "{}", command.get_name());
        }
    }

    #[test]
    fn the_help_lists_every_exit_code_that_a_script_may_meet() {
        let help = Cli::command().render_long_help().to_string();
        let (_, codes) = help.split_once("Exit codes: ").expect("a list");
        for exit in [Exit::Ok, Exit::Failed, Exit::Usage, Exit::Unavailable, Exit::Config] {
            assert!(codes.contains(&format!("{} ", exit.code())), "{exit:?} is not in {codes}");
        }
    }

    #[test]
    fn the_help_of_run_says_what_a_second_signal_does() {
        let mut cli = Cli::command();
        let run = cli.find_subcommand_mut("run").expect("a command");
        let help = run.render_long_help().to_string();
        assert!(help.contains("SIGTERM") && help.contains("a second or more later"), "{help}");
    }

    #[test]
    fn json_is_asked_for_before_or_after_the_command() {
        for (args, as_json) in [
            (&["c", "--json", "check-config"][..], true),
            (&["c", "check-config", "--json"], true),
            (&["c", "--json", "completion", "bash"], true),
            (&["c", "run", "--dir", "x", "--json"], true),
            (&["c", "check-config"], false),
        ] {
            let cli = Cli::try_parse_from(args).expect("understood");
            assert_eq!(cli.json, as_json, "{args:?}");
        }
    }
}
