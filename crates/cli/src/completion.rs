//! `folkmoot completion`: a script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use runtime::exit::Exit;

use crate::{Cli, Console, Failure};

/// Options of `folkmoot completion`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  folkmoot completion bash > ~/.local/share/bash-completion/completions/folkmoot\n  folkmoot completion zsh > ~/.zfunc/_folkmoot"
)]
pub struct Options {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
///
/// [`Failure`] if it cannot be written.
pub fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "folkmoot", &mut script);
    console.answer_bytes(&script)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_each_shell_learns_its_commands() {
        Cli::command().debug_assert();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (console, captured) = Console::captured();
            assert_eq!(run(&Options { shell }, &console), Ok(Exit::Ok));
            assert!(captured.answers().contains("verify"), "{shell}");
        }
    }
}
