//! What a demonstration has done so far, in a file of its folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// What has been done. A step that is missing is done anew; a step that is here is left as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The community ids, the coordinator's last.
    pub(super) communities: Vec<String>,
    /// What the import said.
    pub(super) imported: Option<super::summary::Imported>,
    pub(super) covenant: Option<String>,
    pub(super) n_signed: usize,
    pub(super) pool: Option<String>,
    pub(super) n_pledged: usize,
    pub(super) pool_closed: bool,
    /// How many communities have people and a published roll.
    pub(super) n_rolls: usize,
    pub(super) poll: Option<String>,
    /// How many communities have voted.
    pub(super) n_voted: usize,
    #[serde(skip)]
    path: PathBuf,
}

impl State {
    /// The state of a folder; empty where there is none.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("demo.json");
        let state = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; choose another --dir.", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                Err(error).with_context(|| format!("{} cannot be read.", path.display()))?
            }
        };
        Ok(Self { path, ..state })
    }

    /// Whether the folder has a state.
    pub(super) fn is_kept(&self) -> bool {
        self.path.exists()
    }

    /// Whether files that are named would be imported: notices are, once.
    pub(super) fn takes(&self, ocds: &[PathBuf]) -> Result<()> {
        if self.imported.is_some() && !ocds.is_empty() {
            bail!(
                "This region has its notices already, so what --ocds names would not be imported. Nothing was changed. \
                 Leave --ocds out, or choose another --dir."
            );
        }
        Ok(())
    }

    /// Keeps the state.
    pub(super) fn save(&self) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        Ok(runtime::files::write_private_file(&self.path, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_named_to_a_region_that_has_its_notices_are_refused_and_nothing_else_is() {
        let named = [PathBuf::from("notices.json")];
        let new = State::default();
        let told = State {
            imported: Some(super::super::summary::Imported::default()),
            ..State::default()
        };
        assert!(new.takes(&named).is_ok() && new.takes(&[]).is_ok() && told.takes(&[]).is_ok());
        let refused = told.takes(&named).expect_err("they would be ignored").to_string();
        assert!(refused.contains("--ocds") && refused.contains("another --dir"), "{refused}");
    }
}
