//! Configuration from a TOML file, with the environment's word above it.
//!
//! One rule for the environment: the prefix, then for each level two underscores and the key in
//! capitals. With the prefix `FOLKMOOT_NODE`, `FOLKMOOT_NODE__LISTEN` is `listen` and
//! `FOLKMOOT_NODE__LOG__FORMAT` is `log.format`. The first two underscores matter: Kubernetes puts
//! variables such as `FOLKMOOT_NODE_SERVICE_HOST` into every container, and they are not ours.
//! A value is read as TOML (`8080`, `true`, `["a", "b"]`) and, where that fails or where text is
//! wanted, as the text that it is.
//!
//! A key that nobody knows is an error wherever it stands, because a misspelt setting that is
//! silently ignored is found on the worst day.

mod probe;
mod reader;
mod tree;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::de::DeserializeOwned;

use reader::{Problem, Reader, Trouble};
use tree::{Node, Origin};

/// Between the prefix and a key, and between levels of keys.
const LEVEL: &str = "__";

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// In this option of the command line, such as `--listen`.
    Option(&'static str),
    /// Nowhere: it is missing, or made up of several.
    Nowhere,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error("Could not read the configuration file {}.", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("The configuration cannot be read{place}: {problem}.")]
    NotToml {
        /// Where it goes wrong.
        place: Place,
        /// What is wrong there.
        problem: String,
    },
    /// Nobody knows this key.
    #[error("Unknown key `{key}`{place}.{} Known keys: {}.", meant(nearest), listed(known))]
    UnknownKey {
        /// The key, with those above it.
        key: String,
        /// Where it stands.
        place: Place,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
        /// What may stand there.
        known: &'static [&'static str],
    },
    /// The key takes one of a few words, and this is none of them.
    #[error(
        "`{word}` is no value of `{key}`{place}.{} It may be: {}.",
        meant(nearest),
        listed(known)
    )]
    UnknownWord {
        /// The word.
        word: String,
        /// The key, with those above it.
        key: String,
        /// Where it stands.
        place: Place,
        /// The known word that looks most like it.
        nearest: Option<&'static str>,
        /// The words that may stand there.
        known: &'static [&'static str],
    },
    /// A setting without a default is not set.
    #[error("`{key}` is not set. Set it in the configuration file, or as {variable}.")]
    Missing {
        /// The key, with those above it.
        key: String,
        /// The environment variable that sets it.
        variable: String,
    },
    /// The value is of the wrong kind or out of range.
    #[error("`{key}` is wrong{place}: {problem}.")]
    WrongValue {
        /// The key, with those above it.
        key: String,
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        problem: String,
    },
    /// The variable has one underscore after the prefix where two are needed.
    #[error(
        "The environment variable {variable} sets nothing. \
         Did you mean {meant}, with two underscores?"
    )]
    OneUnderscore {
        /// The variable.
        variable: String,
        /// What its name should be.
        meant: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, " in {}, line {line}", path.display()),
            Self::Environment(variable) => write!(f, " in the environment variable {variable}"),
            Self::Option(option) => write!(f, " in the option {option}"),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Reads `T` from the file, if there is one, and from those variables of the environment that
/// begin with the prefix. What is set in neither is up to `T`'s defaults.
///
/// # Errors
///
/// [`ConfigError`] says what is wrong, where it stands, and what was probably meant.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut root = match path {
        Some(path) => read_file(path)?,
        None => Node::empty_table(),
    };
    let top_keys = probe::top_keys::<T>();
    let mut variables: Vec<(String, String)> = env.into_iter().collect();
    // Above before below, so that `LOG` does not throw away what `LOG__FORMAT` set.
    variables.sort_unstable();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(env_prefix) else { continue };
        if let Some(keys) = rest.strip_prefix(LEVEL) {
            let keys: Vec<String> = keys.split(LEVEL).map(str::to_ascii_lowercase).collect();
            root.set(&keys, tree::from_variable(&variable, value));
        } else if let Some(meant) = meant_by_one_underscore(rest, top_keys) {
            let meant = format!("{env_prefix}{meant}");
            return Err(ConfigError::OneUnderscore { variable, meant });
        }
    }
    T::deserialize(Reader(root)).map_err(|trouble| explain(*trouble, path, env_prefix))
}

/// Reads a setting of this key from an option of the command line, which stands above file and
/// environment.
///
/// # Errors
///
/// [`ConfigError::WrongValue`] if `given` is no `T`.
pub fn from_option<T>(key: &str, option: &'static str, given: &str) -> Result<T, ConfigError>
where
    T: FromStr<Err: fmt::Display>,
{
    given.parse().map_err(|error: T::Err| ConfigError::WrongValue {
        key: key.to_owned(),
        place: Place::Option(option),
        problem: error.to_string(),
    })
}

/// This process's environment. Variables that are not Unicode cannot be ours and are left out.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_file(path: &Path) -> Result<Node, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    tree::from_toml(&text).map_err(|(line, problem)| ConfigError::NotToml {
        place: Place::File { path: path.to_owned(), line },
        problem,
    })
}

/// `_LISTEN` is `__LISTEN` if `listen` is a key; anything else is somebody else's variable.
fn meant_by_one_underscore(rest: &str, top_keys: &[&str]) -> Option<String> {
    let keys = rest.strip_prefix('_')?;
    let (top, _) = keys.split_once(LEVEL).unwrap_or((keys, ""));
    top_keys.contains(&top.to_ascii_lowercase().as_str()).then(|| format!("{LEVEL}{keys}"))
}

fn explain(trouble: Trouble, path: Option<&Path>, env_prefix: &str) -> ConfigError {
    let key = trouble.key();
    let place = match trouble.origin {
        Some(Origin::Line(line)) => {
            Place::File { path: path.unwrap_or(Path::new("")).to_owned(), line }
        }
        Some(Origin::Variable(variable)) => Place::Environment(variable),
        Some(Origin::Made) | None => Place::Nowhere,
    };
    match trouble.problem {
        Problem::UnknownKey { known } => {
            let nearest = nearest(trouble.path.first().map_or("", String::as_str), known);
            ConfigError::UnknownKey { key, place, nearest, known }
        }
        Problem::UnknownWord { word, known } => {
            let nearest = nearest(&word, known);
            ConfigError::UnknownWord { word, key, place, nearest, known }
        }
        Problem::Missing => {
            let levels = key.replace('.', LEVEL).to_ascii_uppercase();
            ConfigError::Missing { key, variable: format!("{env_prefix}{LEVEL}{levels}") }
        }
        Problem::Other(problem) => ConfigError::WrongValue { key, place, problem },
    }
}

/// The known name that looks most like `given`, if a third of its letters or fewer are wrong.
fn nearest(given: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let allowed = given.chars().count().max(3) / 3;
    known
        .iter()
        .map(|name| (strsim::osa_distance(given, name), *name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

fn meant(nearest: &Option<&str>) -> String {
    nearest.map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default()
}

fn listed(known: &[&str]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
