//! Rotations and changes of officers, stopped wherever a machine may stop.

use record::{
    Network,
    identity::{Officers, PaperRole, Rotation},
    name::Name,
};
use runtime::clock::ManualClock;

use super::*;
use crate::{
    ActionFile,
    folder::{Renewed, Seed, fresh_seed, officer_of, read_officer_key},
};

/// A community of one officer in a folder, and that officer's two keys.
struct Founded {
    _parent: tempfile::TempDir,
    folder: DataFolder,
    officer: Seed,
    spare: Seed,
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(1_800_000_000_000))
}

fn founded() -> Founded {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("node"));
    let network: Network = "test.folkmoot.example".parse().unwrap();
    folder.found(&network, &Name::parse("Harbour Baths Society").unwrap()).unwrap();
    let (role, officer) = read_officer_key(&folder.path().join("keys.toml")).unwrap();
    assert_eq!(role, PaperRole::Officer);
    let (role, spare) = read_officer_key(&folder.path().join("spare.toml")).unwrap();
    assert_eq!(role, PaperRole::Spare);
    Founded { _parent: parent, folder, officer, spare }
}

impl Founded {
    async fn identity(&self) -> Identity {
        identity(&self.folder, clock()).await.unwrap().0
    }

    /// A rotation of all keys, which wait in the folder, signed by the officer.
    async fn rotation(&self) -> OfficerAction {
        let (identity, seeds) = identity(&self.folder, clock()).await.unwrap();
        let next = seeds.renew(Renewed::ALL).unwrap();
        self.folder.keep_next(&next).unwrap();
        let rotation = Rotation::new(identity.last_identity(), next.public().unwrap());
        let mut file = ActionFile::of(&identity, OfficerAction::Rotation(rotation));
        file.sign(&self.officer).unwrap();
        file.action
    }

    async fn apply(&self, action: &OfficerAction) -> Result<Applied, ApplyError> {
        apply(&self.folder, clock(), action, |_| true).await
    }
}

#[tokio::test]
async fn a_folder_opens_with_the_old_or_the_new_keys_wherever_a_rotation_stopped() {
    for (stop, is_new) in [(Step::Checked, false), (Step::Written, true), (Step::Settled, true)] {
        let founded = founded();
        let before = founded.identity().await;
        let action = founded.rotation().await;
        let stopped = apply(&founded.folder, clock(), &action, |step| step != stop).await;
        assert!(matches!(stopped, Err(ApplyError::Stopped(_))), "{stopped:?}");

        let (after, seeds) = identity(&founded.folder, clock()).await.unwrap();
        assert_eq!(seeds.public().unwrap(), *after.keys(), "{stop:?}");
        assert_eq!(after.keys() != before.keys(), is_new, "{stop:?}");
        assert_eq!(after.epochs().len(), if is_new { 2 } else { 1 });

        let again = founded.apply(&action).await.unwrap();
        assert_eq!(again, if is_new { Applied::Already } else { Applied::Now });
        let after = founded.identity().await;
        assert_ne!(after.keys(), before.keys());
        assert_eq!(founded.folder.next_seeds().unwrap().map(|_| ()), None);
        assert_eq!(founded.folder.seeds().unwrap().public().unwrap(), *after.keys());
    }
}

#[tokio::test]
async fn a_stop_between_the_two_files_of_keys_loses_neither() {
    let founded = founded();
    let action = founded.rotation().await;
    let next = founded.folder.next_seeds().unwrap().unwrap();
    founded.apply(&action).await.unwrap();
    // As if the new file were in place and the waiting one not yet gone.
    founded.folder.keep_next(&next).unwrap();
    let (after, seeds) = identity(&founded.folder, clock()).await.unwrap();
    assert_eq!(seeds.public().unwrap(), *after.keys());
    assert_eq!(founded.apply(&action).await.unwrap(), Applied::Already);
}

#[tokio::test]
async fn keys_that_wait_are_not_in_force_before_officers_signed() {
    let founded = founded();
    let before = founded.identity().await;
    let action = founded.rotation().await.unsigned();
    let refused = founded.apply(&action).await.unwrap_err();
    assert_eq!(refused.reason(), "identity.too_few_signatures");
    assert_eq!(founded.identity().await, before);
}

#[tokio::test]
async fn a_rotation_whose_keys_are_not_here_is_refused() {
    let founded = founded();
    let action = founded.rotation().await;
    founded.folder.drop_next().unwrap();
    assert_eq!(founded.apply(&action).await.unwrap_err().reason(), "keys.not_here");
    founded.folder.keep_next(&KeySeeds::fresh().unwrap()).unwrap();
    assert_eq!(founded.apply(&action).await.unwrap_err().reason(), "keys.not_here");
}

#[tokio::test]
async fn after_a_change_of_officers_the_old_officers_key_alone_changes_nothing() {
    let founded = founded();
    let identity = founded.identity().await;
    let new = [fresh_seed().unwrap(), fresh_seed().unwrap()];
    let officers = Officers::new(vec![officer_of(&new[0], &new[1])], 1).unwrap();
    let change = record::identity::OfficerChange::new(identity.last_identity(), officers.clone());
    let mut file = ActionFile::of(&identity, OfficerAction::OfficerChange(change));
    assert!(file.sign(&founded.officer).is_err(), "an officer's key changes no officers");
    file.sign(&founded.spare).unwrap();
    let unsigned = file.action.unsigned();
    assert!(founded.apply(&unsigned).await.is_err());
    assert_eq!(founded.apply(&file.action).await.unwrap(), Applied::Now);
    assert_eq!(founded.identity().await.officers(), &officers);

    // What the old key signed before is of no use, and it signs nothing any more.
    let mut stolen = ActionFile::of(&founded.identity().await, founded.rotation_unsigned().await);
    assert!(stolen.sign(&founded.officer).is_err());
    assert!(stolen.sign(&new[0]).is_ok());
    assert_eq!(founded.apply(&stolen.action).await.unwrap(), Applied::Now);
}

impl Founded {
    async fn rotation_unsigned(&self) -> OfficerAction {
        let (identity, seeds) = identity(&self.folder, clock()).await.unwrap();
        let next = seeds.renew(Renewed { mirror: false, ..Renewed::ALL }).unwrap();
        self.folder.keep_next(&next).unwrap();
        OfficerAction::Rotation(Rotation::new(identity.last_identity(), next.public().unwrap()))
    }
}

#[tokio::test]
async fn an_action_waits_for_peers_where_the_folder_may_be_a_backup() {
    let founded = founded();
    let action = founded.rotation().await;
    let noted = founded.folder.settled();
    assert_eq!(noted, Some((0, 1)), "a log that was begun here is in no backup");
    // Fewer records than peers have shown: an older log was put over this one.
    founded.folder.note_settled(0, 2).unwrap();
    assert_eq!(founded.apply(&action).await.unwrap_err().reason(), "keys.not_settled");
    founded.folder.note_unsettled().unwrap();
    assert_eq!(founded.apply(&action).await.unwrap_err().reason(), "keys.not_settled");
    assert_eq!(founded.identity().await.epochs().len(), 1);
    founded.folder.note_settled(0, 1).unwrap();
    assert_eq!(founded.apply(&action).await.unwrap(), Applied::Now);
    // What was done is an answer wherever the folder came from.
    founded.folder.note_unsettled().unwrap();
    assert_eq!(founded.apply(&action).await.unwrap(), Applied::Already);
}

#[tokio::test]
async fn an_action_made_before_another_took_effect_is_outdated() {
    let founded = founded();
    let first = founded.rotation().await;
    founded.apply(&first).await.unwrap();
    let OfficerAction::Rotation(old) = first else { unreachable!() };
    let again = Rotation { keys: KeySeeds::fresh().unwrap().public().unwrap(), ..old };
    let refused = founded.apply(&OfficerAction::Rotation(again)).await.unwrap_err();
    assert_eq!(refused.reason(), "identity.wrong_previous");
}

#[tokio::test]
async fn an_action_file_is_read_as_it_was_written() {
    let founded = founded();
    let identity = founded.identity().await;
    let file = ActionFile::of(&identity, founded.rotation().await);
    assert_eq!(ActionFile::parse(&file.render()), Ok(file.clone()));
    assert_eq!(file.n_missing(), 0);
    let unsigned = ActionFile { action: file.action.unsigned(), ..file.clone() };
    assert_eq!(unsigned.n_missing(), 1);
    let mut copy = unsigned.clone();
    assert!(copy.merge(&file));
    assert_eq!(copy, file);
    assert!(ActionFile::parse(&file.render().replace("threshold = 1", "threshold = 2")).is_err());
    assert!(ActionFile::parse(&file.render().replace("payload = \"", "payload = \"00")).is_err());
}
