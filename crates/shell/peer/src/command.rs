//! What the command lines of a node and a coordinator have in common: how their options stand above file and
//! environment, how an answer is printed, and how a command ends that did not do what was asked.
//!
//! Not here: the options themselves, whose help names the program.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use runtime::{
    config::{self, ConfigError, Place},
    exit::{Exit, render},
    telemetry::LogFormat,
};
use serde::{Deserialize as _, de::IntoDeserializer as _};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    config::Config, folder::FolderError, host::HostError, peer::Role, services::REASON_KEY,
};

/// What the command line says about the configuration; what it leaves out is up to file and environment.
#[derive(Debug, Default)]
pub struct Options {
    /// The charter file of the region.
    pub charter: Option<PathBuf>,
    /// The configuration file (TOML).
    pub config: Option<PathBuf>,
    /// As [`Config::listen`].
    pub listen: Option<String>,
    /// As [`Config::plain`].
    pub plain: Option<String>,
    /// `human` or `json`.
    pub log_format: Option<String>,
    /// What is logged.
    pub log: Option<String>,
}

impl Options {
    /// The configuration: the file, above it the variables that begin with this prefix, above them these options.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what is wrong and where it stands.
    pub fn load(self, env_prefix: &str) -> Result<Config, ConfigError> {
        let Self { charter, config: file, listen, plain, log_format, log } = self;
        let mut config: Config = config::load(file.as_deref(), env_prefix, config::environment())?;
        config.charter = charter.or(config.charter);
        if let Some(listen) = listen {
            config.listen = config::from_option("listen", "--listen", &listen)?;
        }
        if let Some(plain) = plain {
            config.plain = Some(config::from_option("plain", "--plain", &plain)?);
        }
        if let Some(format) = log_format {
            let format = LogFormat::deserialize(format.into_deserializer());
            config.log.format = format.map_err(|error: serde::de::value::Error| {
                let place = Place::Option("--log-format");
                let (key, problem) = ("log.format".to_owned(), error.to_string());
                ConfigError::WrongValue { key, place, problem }
            })?;
        }
        config.log.filter = log.unwrap_or(config.log.filter);
        Ok(config)
    }
}

/// A sentence for a person, a stable reason for a script, and the exit code.
///
/// `R` is text of any origin where a reason may come from a server that was asked, and a constant where it cannot.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct CommandError<R> {
    /// What happened, what is safe, what to do.
    pub sentence: String,
    /// Stable, `area.what`.
    pub reason: R,
    /// How the program ends.
    pub exit: Exit,
}

impl<R: From<&'static str>> CommandError<R> {
    /// The command line, or a file that it names, says what cannot be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "command.usage", sentence)
    }

    /// Why a process of this role did not start, or ended badly.
    pub fn of_host(error: impl Into<HostError>, role: Role) -> Self {
        let error = error.into();
        let (exit, reason) = error.ending(role);
        Self::caused_by(exit, reason, &error)
    }
}

impl<R> CommandError<R> {
    /// Refused or failed.
    pub fn failed(reason: impl Into<R>, sentence: impl Into<String>) -> Self {
        Self::new(Exit::Failed, reason, sentence)
    }

    /// With its exit code.
    pub fn new(exit: Exit, reason: impl Into<R>, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), reason: reason.into(), exit }
    }

    /// With the sentence and causes of this error.
    pub fn caused_by(
        exit: Exit,
        reason: impl Into<R>,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::new(exit, reason, render(error).trim_end())
    }
}

impl<R: AsRef<str>> CommandError<R> {
    /// Tells a person on standard error and, `as_json`, a script on standard output; gives the exit code.
    pub fn tell(&self, as_json: bool) -> Exit {
        // Where an output is closed, nobody is left to tell.
        let _ = writeln!(io::stderr(), "{}", self.sentence);
        if as_json {
            let told = json!({ "reason": self.reason.as_ref(), "detail": self.sentence });
            let _ = writeln!(io::stdout(), "{}", json!({ "error": told }));
        }
        self.exit
    }
}

impl<R: From<&'static str>> From<ConfigError> for CommandError<R> {
    fn from(error: ConfigError) -> Self {
        Self::caused_by(Exit::Config, "config.wrong", &error)
    }
}

impl<R: From<&'static str>> From<FolderError> for CommandError<R> {
    fn from(error: FolderError) -> Self {
        let (exit, reason) = error.ending();
        Self::caused_by(exit, reason, &error)
    }
}

impl From<Status> for CommandError<String> {
    fn from(status: Status) -> Self {
        let reason = status.metadata().get(REASON_KEY).and_then(|it| it.to_str().ok());
        let exit = match status.code() {
            Code::InvalidArgument => Exit::Usage,
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => Exit::Unavailable,
            Code::Ok
            | Code::Unknown
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Exit::Failed,
        };
        Self::new(exit, reason.unwrap_or("node.error"), status.message())
    }
}

/// Prints an answer on standard output: the object for a script, or the lines for a person. A reader who has seen enough
/// is no failure.
///
/// # Errors
///
/// `output.failed` if standard output takes nothing.
pub fn print<R: From<&'static str>>(
    json: &Value,
    text: &str,
    as_json: bool,
) -> Result<(), CommandError<R>> {
    let mut out = io::stdout().lock();
    let printed =
        if as_json { writeln!(out, "{json}") } else { writeln!(out, "{}", text.trim_end()) };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let sentence = format!("The answer could not be printed: {error}.");
            Err(CommandError::failed("output.failed", sentence))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
