//! Keys change and machines are lost, while the region goes on.

use std::sync::Arc;

use peer::{
    ActionFile, DataFolder, Peer, Role,
    folder::{KeySeeds, Renewed, read_officer_key},
    offline::{self, Applied, ApplyError},
    recover::{Recoverer, Source, Survey},
};
use record::{
    LogName, Payload, UnixMillis,
    commitment::Salt,
    identity::{OfficerAction, Rotation},
    payload::{
        PoolAction,
        pool::{LockRule, PoolOpening},
    },
};
use runtime::clock::{Clock, SystemClock};
use store::{Draft, Guard};

use tempfile::TempDir;

use super::world::*;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// Replaces every key of a community whose node is stopped; its one officer signs.
async fn rotate(folder: &DataFolder) {
    try_rotate(folder).await.unwrap();
}

async fn try_rotate(folder: &DataFolder) -> Result<Applied, ApplyError> {
    let (identity, seeds) = offline::identity(folder, clock()).await.unwrap();
    let next = seeds.renew(Renewed::ALL).unwrap();
    folder.keep_next(&next).unwrap();
    let rotation = Rotation::new(identity.last_identity(), next.public().unwrap());
    let mut file = ActionFile::of(&identity, OfficerAction::Rotation(rotation));
    sign(&mut file, folder);
    offline::apply(folder, clock(), &file.action, |_| true).await
}

fn sign(file: &mut ActionFile, folder: &DataFolder) {
    let (_, officer) = read_officer_key(&folder.path().join("keys.toml")).unwrap();
    file.sign(&officer).unwrap();
}

/// A pool of a size of its own: what the register counts.
async fn open_pool(peer: &Peer, threshold: u64) {
    let opening = PoolOpening {
        region: peer.charter().region,
        unit: "each".to_owned(),
        threshold,
        opportunity: None,
        cpv: None,
        unit_price: None,
        closes_at: UnixMillis(peer.clock().now_millis() + 3_600_000),
        grace_millis: 24 * 3_600_000,
        lock_rule: LockRule::AtClose,
    };
    let payload = Payload::Pool(PoolAction::Open(opening));
    let draft = Draft {
        kind: payload.kind().into(),
        payload: proto::payload::encode(&payload),
        salt: Salt([7; 32]),
        references: Vec::new(),
    };
    peer.store().append(vec![draft], Guard::MustCount).await.unwrap();
}

/// The pools in a register, by what they say.
async fn pools(peer: &Peer) -> Vec<String> {
    let mut views: Vec<String> =
        peer.store().cases("pool", 0, 100).await.unwrap().into_iter().map(|it| it.view).collect();
    views.sort();
    views
}

#[tokio::test]
async fn a_region_follows_a_rotation_and_believes_the_retired_keys_no_more() {
    let region = region(1).await;
    let peer = region.founders[0].open(&region.charter, Role::Node).await;
    let linked = link(&peer, &region.charter.coordinators[0]);
    append(&peer, b"before").await;
    until_cosigned(&peer).await;
    let retired = (peer::hello::hello(&peer).await.unwrap(), peer.keys().transport.clone());
    linked.abort();
    peer.store().close().await.unwrap();

    rotate(&region.founders[0].folder).await;

    let peer = region.founders[0].open(&region.charter, Role::Node).await;
    link(&peer, &region.charter.coordinators[0]);
    append(&peer, b"after").await;
    let log = peer.own_log();
    until_held(&region.coordinator, log, 4).await;
    until_cosigned(&peer).await;
    let known = region.coordinator.identity_of(log.community).await.unwrap().unwrap();
    assert_eq!(known.identity().epochs().len(), 2);
    let log_key = peer.keys().log.verifying_key();
    assert_eq!(known.identity().keys().log().as_bytes(), log_key.as_bytes());

    let (hello, key) = retired;
    let refused = open(region.address, &key, hello).await.err().unwrap();
    assert!(refused.message().starts_with("hello.other_key"), "{refused}");
}

#[tokio::test]
async fn a_restored_backup_signs_no_new_keys_before_peers_have_shown_their_log() {
    let region = region(1).await;
    let peer = region.founders[0].open(&region.charter, Role::Node).await;
    let linked = link(&peer, &region.charter.coordinators[0]);
    append(&peer, b"before").await;
    until_cosigned(&peer).await;
    let backup = region.founders[0].twin();
    append(&peer, b"after").await;
    until_cosigned(&peer).await;
    linked.abort();
    peer.end_streams();
    peer.store().close().await.unwrap();

    let refused = |it: Result<Applied, ApplyError>| it.unwrap_err().reason();
    assert_eq!(refused(try_rotate(&backup.folder).await), "keys.not_settled");
    // A start alone shows nothing, and takes no note of an earlier one.
    for folder in [&backup, &region.founders[0]] {
        let alone = folder.open(&region.charter, Role::Node).await;
        alone.end_streams();
        alone.store().close().await.unwrap();
        assert_eq!(refused(try_rotate(&folder.folder).await), "keys.not_settled");
    }

    let restored = backup.open(&region.charter, Role::Node).await;
    link(&restored, &region.charter.coordinators[0]);
    until(&restored, async || restored.store().is_settled()).await;
    assert_eq!(size(&restored, restored.own_log()).await, 3, "what was written since is back");
    in_time(async {
        while backup.folder.settled().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(backup.folder.settled(), Some((0, 3)));
    restored.end_streams();
    restored.store().close().await.unwrap();
    assert_eq!(try_rotate(&backup.folder).await.unwrap(), Applied::Now);
}

#[tokio::test]
async fn a_lost_node_comes_back_in_a_new_era_and_all_count_the_same() {
    let region = region(2).await;
    let lost = region.founders[0].open(&region.charter, Role::Node).await;
    let linked = link(&lost, &region.charter.coordinators[0]);
    let other = region.linked(1).await;
    open_pool(&lost, 10).await;
    let log = lost.own_log();
    // What a thief writes with the stolen keys, and what everybody holds by then.
    open_pool(&lost, 666).await;
    let stolen = size(&lost, log).await;
    until_held(&region.coordinator, log, stolen).await;
    until_held(&other, log, stolen).await;
    assert_eq!(pools(&other).await.len(), 2);
    linked.abort();
    lost.store().close().await.unwrap();

    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("recovered"));
    runtime::files::create_private_dir(folder.path()).unwrap();
    let recoverer = Recoverer { folder: &folder, charter: &region.charter, clock: clock() };
    let network = region.charter.network();
    let source = Source::open(&region.address.to_string(), network).await.unwrap();
    let survey = Survey::of(log.community, network, vec![source]).await.unwrap();
    assert_eq!(survey.held_by(1), stolen);
    let recovery = recoverer.prepare(&survey, stolen - 1).await.unwrap();
    let mut file = ActionFile::of(survey.identity(), OfficerAction::Recovery(recovery.clone()));
    assert!(recoverer.finish(&recovery).await.is_err(), "nobody has signed");
    assert!(folder.community().is_err(), "no node runs on half of a recovery");
    sign(&mut file, &region.founders[0].folder);
    let OfficerAction::Recovery(signed) = file.action else { unreachable!() };
    let new = recoverer.finish(&signed).await.unwrap();
    assert_eq!(new, LogName { era: 1, ..log });
    assert_eq!(recoverer.finish(&signed).await.unwrap(), new, "a repeat changes nothing");

    let back = Peer::open(&folder, region.charter.clone(), Role::Node, clock()).await.unwrap();
    tokio::spawn(back.clone().spread_growth());
    assert_eq!(back.own_log(), new);
    link(&back, &region.charter.coordinators[0]);
    open_pool(&back, 20).await;
    let n_new = size(&back, new).await;
    for peer in [&region.coordinator, &other] {
        until_held(peer, new, n_new).await;
        assert_eq!(size(peer, log).await, stolen, "nothing is cut out of a tree");
        let refused = peer.store().refusal(log, stolen - 1).await.unwrap();
        assert_eq!(refused.unwrap().0, "identity.beyond_kept");
        assert_eq!(pools(peer).await.len(), 2);
    }
    assert_eq!(size(&back, log).await, stolen - 1);
    let counted = pools(&back).await;
    let has = |threshold: u64| {
        let said = format!("\"threshold\":{threshold}");
        counted.iter().any(|it| it.contains(&said))
    };
    assert!(has(20) && !has(666), "{counted:?}");
    until(&region.coordinator, async || signatures(&region.coordinator, log).await.0 == stolen - 1)
        .await;

    // The thief, with everything that was on the machine.
    let thief = region.founders[0].open(&region.charter, Role::Node).await;
    let hello = peer::hello::hello(&thief).await.unwrap();
    let refused = open(region.address, &thief.keys().transport, hello).await.err().unwrap();
    assert!(refused.message().starts_with("hello.other_key"), "{refused}");
}

#[tokio::test]
async fn a_recovery_keeps_neither_too_little_nor_more_than_anybody_holds() {
    let region = region(1).await;
    let lost = region.linked(0).await;
    append(&lost, b"one").await;
    until_cosigned(&lost).await;
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("recovered"));
    runtime::files::create_private_dir(folder.path()).unwrap();
    let recoverer = Recoverer { folder: &folder, charter: &region.charter, clock: clock() };
    let network = region.charter.network();
    let place = region.founders[0].folder.path().display().to_string();
    let mut sources = Vec::new();
    for place in [place, region.address.to_string()] {
        sources.push(Source::open(&place, network).await.unwrap());
    }
    let survey = Survey::of(lost.community(), network, sources).await.unwrap();
    assert_eq!((survey.held_by(1), survey.held_by(2), survey.held_by(9)), (2, 2, 2));
    assert_eq!(survey.acknowledged(&region.charter), 2, "the coordinator cosigned as much");
    for (kept, reason) in [(0, "identity.kept_too_little"), (3, "recover.kept_too_much")] {
        assert_eq!(recoverer.prepare(&survey, kept).await.unwrap_err().reason(), reason);
    }
    let first = recoverer.prepare(&survey, 1).await.unwrap();
    let again = recoverer.prepare(&survey, 2).await.unwrap();
    assert_eq!(first.keys, again.keys, "the keys of an earlier try are taken up");
    assert_eq!(again.kept.size, 2);
    let stranger = KeySeeds::fresh().unwrap().public().unwrap();
    let other = record::identity::Recovery { keys: stranger, ..again };
    assert!(recoverer.finish(&other).await.is_err());
}

/// Recovers a community from the coordinator into a new folder; its one officer's key is in the old one.
async fn recover(region: &Region, log: LogName, officer: &DataFolder) -> (TempDir, Peer) {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("recovered"));
    runtime::files::create_private_dir(folder.path()).unwrap();
    let recoverer = Recoverer { folder: &folder, charter: &region.charter, clock: clock() };
    let network = region.charter.network();
    let source = Source::open(&region.address.to_string(), network).await.unwrap();
    let survey = Survey::of(log.community, network, vec![source]).await.unwrap();
    let recovery = recoverer.prepare(&survey, survey.held_by(1)).await.unwrap();
    let mut file = ActionFile::of(survey.identity(), OfficerAction::Recovery(recovery));
    sign(&mut file, officer);
    let OfficerAction::Recovery(signed) = file.action else { unreachable!() };
    recoverer.finish(&signed).await.unwrap();
    let charter = region.charter.clone();
    let peer = Peer::open(&folder, charter, Role::Node, clock()).await.unwrap();
    tokio::spawn(peer.clone().spread_growth());
    (parent, peer)
}

#[tokio::test]
async fn the_stream_of_a_stolen_key_ends_as_soon_as_the_recovery_is_known() {
    let region = region(1).await;
    let thief = region.linked(0).await;
    let log = thief.own_log();
    open_pool(&thief, 666).await;
    until_held(&region.coordinator, log, size(&thief, log).await).await;
    let is_linked = |linked: bool| {
        let links = thief.links().clone();
        async move {
            in_time(async {
                while (links.n_connected() == 1) != linked {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    };
    is_linked(true).await;

    let (_folder, back) = recover(&region, log, &region.founders[0].folder).await;
    link(&back, &region.charter.coordinators[0]);
    let own = LogName { era: 1, ..log };
    until_held(&region.coordinator, own, size(&back, own).await).await;

    is_linked(false).await;
    let refused = || thief.links().all()[0].1.last_error.clone().unwrap_or_default();
    in_time(async {
        while !refused().contains("hello.other_key") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_community_that_loses_its_machine_twice_keeps_all_three_eras() {
    let region = region(1).await;
    let officer = &region.founders[0].folder;
    let first = region.linked(0).await;
    let log = first.own_log();
    open_pool(&first, 10).await;
    until_held(&region.coordinator, log, size(&first, log).await).await;
    first.store().close().await.unwrap();

    let mut folders = Vec::new();
    for era in 1..=2 {
        let (folder, back) = recover(&region, log, officer).await;
        let own = LogName { era, ..log };
        assert_eq!(back.own_log(), own);
        link(&back, &region.charter.coordinators[0]);
        open_pool(&back, 10 + u64::from(era)).await;
        until_held(&region.coordinator, own, size(&back, own).await).await;
        until(&back, async || pools(&back).await == pools(&region.coordinator).await).await;
        back.store().close().await.unwrap();
        folders.push(folder);
    }
    assert_eq!(pools(&region.coordinator).await.len(), 3);
    let identity = region.coordinator.identity_of(log.community).await.unwrap().unwrap();
    assert_eq!(identity.identity().era(), 2);
}
