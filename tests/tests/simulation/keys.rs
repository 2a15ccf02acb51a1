//! Keys: a host is stopped in order, replaces all of them, and goes on.

use peer::{
    ActionFile, DataFolder,
    folder::{Renewed, read_officer_key},
    offline::{self, Applied, ApplyError},
};
use record::identity::{OfficerAction, Rotation};

use crate::{chance::Chance, net::No, scenario::Run};

/// Whether a host replaces its keys.
pub(crate) fn draw(chance: &mut Chance) -> bool {
    chance.percent(35)
}

impl Run {
    /// An honest host replaces its keys, if it is known to hold the newest of its log. A backup from before would come
    /// with keys of before, so there is none from now on.
    pub(crate) async fn rotate(&mut self) {
        let up: Vec<No> = self.world.honest();
        let up: Vec<No> = up.into_iter().filter(|no| self.world.peer(*no).is_some()).collect();
        let Some(no) = self.world.chance.pick(&up) else { return };
        self.world.stop(no).await;
        match self.replace_keys(no).await {
            Ok(_) => {
                self.met.insert("rotation");
                self.world.hosts[no].backups.clear();
                self.world.net.note(&format!("host {no} has new keys"));
            }
            Err(ApplyError::Unsettled { .. }) => {}
            Err(error) => self.broken.push(format!("host {no} cannot replace its keys: {error}")),
        }
        self.world.start(no).await;
    }

    async fn replace_keys(&mut self, no: No) -> Result<Applied, ApplyError> {
        let (folder, machine) = self.world.at_rest(no);
        let (identity, seeds) = offline::identity_on(&folder, &machine).await?;
        let next = seeds.renew_of(Renewed::ALL, &*machine.randomness)?;
        folder.keep_next(&next)?;
        let rotation = Rotation::new(identity.last_identity(), next.public().unwrap());
        let mut file = ActionFile::of(&identity, OfficerAction::Rotation(rotation));
        file.sign(&officer(&folder)).unwrap();
        let applied = offline::apply_on(&folder, &machine, &file.action, |_| true).await?;
        let key = folder.keys()?.transport.public().0;
        self.world.net.replace_key(no, mesh::NodeKey(key));
        Ok(applied)
    }
}

fn officer(folder: &DataFolder) -> peer::folder::Seed {
    read_officer_key(&folder.path().join("keys.toml")).unwrap().1
}
