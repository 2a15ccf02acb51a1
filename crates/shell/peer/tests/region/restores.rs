//! Folders restored from backups of any age, which write at once.

use std::{collections::BTreeMap, sync::Arc};

use peer::{
    Peer, PeerError, Role,
    folder::FolderError,
    recover::{Recoverer, Source, Survey},
};
use runtime::clock::SystemClock;
use store::{Draft, Guard, StoreError};

use crate::{
    pages::{ask, serve_pages},
    world::*,
};

/// How many restores: more with `FOLKMOOT_RESTORES`.
fn n_restores() -> usize {
    std::env::var("FOLKMOOT_RESTORES").ok().and_then(|it| it.parse().ok()).unwrap_or(40)
}

/// Writes while the log may still be coming back.
async fn write(peer: &Peer, text: &str) {
    let draft = Draft {
        kind: "folkmoot.record.problem.v1".parse().unwrap(),
        payload: text.as_bytes().to_vec(),
        salt: record::commitment::Salt([7; 32]),
        references: Vec::new(),
    };
    let mut commits = peer.store().commits();
    in_time(async {
        loop {
            match peer.store().append(vec![draft.clone()], Guard::None).await {
                Err(StoreError::Refused { reason, .. }) if reason == "log.catching_up" => {
                    let _ = commits.recv().await;
                }
                done => return done.unwrap(),
            }
        }
    })
    .await;
}

async fn texts(peer: &Peer, log: record::LogName) -> BTreeMap<Vec<u8>, usize> {
    let mut texts = BTreeMap::new();
    for record in peer.store().records(log, 1, u64::MAX).await.unwrap() {
        *texts.entry(record.content.unwrap().payload).or_default() += 1;
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_of_any_age_that_write_at_once_never_fork_and_lose_nothing() {
    let region = region(1).await;
    let first = region.linked(0).await;
    let log = first.own_log();
    append(&first, b"before").await;
    until_cosigned(&first).await;
    first.end_streams();
    first.store().close().await.unwrap();

    let mut backups = vec![region.founders[0].twin()];
    let mut expected: BTreeMap<Vec<u8>, usize> = BTreeMap::from([(b"before".to_vec(), 1)]);
    for n in 0..n_restores() {
        // Any of them, but never in a row: Knuth's multiplicative hash.
        let age = ((n * 2_654_435_761) % (1 << 32) * backups.len()) >> 32;
        let restored = backups[age].twin();
        let peer = restored.open(&region.charter, Role::Node).await;
        let before = format!("{n}, before anybody was asked");
        write(&peer, &before).await;
        let linked = link(&peer, &region.charter.coordinators[0]);
        let meanwhile = format!("{n}, meanwhile");
        write(&peer, &meanwhile).await;
        until(&peer, async || peer.store().is_settled()).await;
        until_cosigned(&peer).await;
        expected.extend([before, meanwhile].map(|it| (it.into_bytes(), 1)));
        linked.abort();
        peer.end_streams();
        peer.store().close().await.unwrap();
        backups.push(restored.twin());
    }

    assert_eq!(texts(&region.coordinator, log).await, expected);
    assert_eq!(region.coordinator.store().forks().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_its_node_writes_settles_behind_what_was_written_since() {
    let region = region(1).await;
    let first = region.linked(0).await;
    append(&first, b"before").await;
    let log = first.own_log();
    let load = tokio::spawn({
        let first = first.clone();
        async move {
            for n in 0..200_u16 {
                append(&first, format!("{n}, while it is copied").as_bytes()).await;
            }
        }
    });
    let copy = found(NETWORK, "In the place of the first");
    for name in ["genesis", "keys.toml", "begun"] {
        let from = region.founders[0].folder.path().join(name);
        std::fs::copy(from, copy.folder.path().join(name)).unwrap();
    }
    store::copy(&region.founders[0].folder.log_file(), &copy.folder.log_file()).await.unwrap();
    load.await.unwrap();
    until_cosigned(&first).await;
    first.end_streams();
    first.store().close().await.unwrap();

    let restored = copy.open(&region.charter, Role::Node).await;
    assert!(size(&restored, log).await <= 202);
    write(&restored, "on the copy").await;
    link(&restored, &region.charter.coordinators[0]);
    until_held(&region.coordinator, log, 203).await;
    until(&restored, async || restored.store().is_settled()).await;
    let texts = texts(&region.coordinator, log).await;
    assert_eq!((texts.len(), texts.values().max()), (202, Some(&1)), "everything once");
    assert_eq!(region.coordinator.store().forks().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_writes_and_publishes_once_it_meets_somebody() {
    let region = region(2).await;
    let first = region.linked(0).await;
    append(&first, b"before").await;
    until_cosigned(&first).await;
    first.end_streams();
    first.store().close().await.unwrap();

    let alone = region.founders[0].open(&region.charter, Role::Node).await;
    append(&alone, b"alone").await;
    assert_eq!(alone.store().n_unsigned().await.unwrap(), 1);
    assert_eq!(signatures(&alone, alone.own_log()).await.0, 2);
    assert!(!alone.store().is_settled());
    // What may still be taken back is shown to nobody.
    let (log, address) = (alone.own_log(), serve_pages(&alone).await);
    let page = async |what: &str| {
        let path = format!("/log/{}/{}/{what}", log.community, log.era);
        ask(address, "GET", &path, b"").await.status
    };
    for (shown, unsigned) in [
        ("payload/1", "payload/2"),
        ("tile/0/000.p/2", "tile/0/000.p/3"),
        ("tile/entries/000.p/2", "tile/entries/000.p/3"),
    ] {
        assert_eq!((page(shown).await, page(unsigned).await), (200, 404), "{shown} {unsigned}");
    }

    link(&alone, &region.charter.coordinators[0]);
    until_held(&region.coordinator, alone.own_log(), 3).await;
    assert!(alone.store().is_settled());
    assert_eq!(page("tile/0/000.p/3").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_is_never_begun_again_and_comes_back_from_the_others() {
    let region = region(1).await;
    let first = region.linked(0).await;
    for n in 0..300_u16 {
        append(&first, &n.to_be_bytes()).await;
    }
    until_cosigned(&first).await;
    let held = first.store().log(first.own_log()).await.unwrap().unwrap();
    first.end_streams();
    first.store().close().await.unwrap();
    let folder = &region.founders[0].folder;
    std::fs::remove_file(folder.log_file()).unwrap();

    let clock = || Arc::new(SystemClock::new());
    let opened = Peer::open(folder, region.charter.clone(), Role::Node, clock()).await;
    let missing = |it: &PeerError| matches!(it, PeerError::Folder(FolderError::LogMissing { .. }));
    assert!(opened.as_ref().is_err_and(missing), "{opened:?}");

    let recoverer = Recoverer { folder, charter: &region.charter, clock: clock() };
    let network = region.charter.network();
    let survey = async || {
        let source = Source::open(&region.address.to_string(), network).await.unwrap();
        Survey::of(region.founders[0].id, network, vec![source]).await.unwrap()
    };
    let restored = recoverer.restore(&survey().await).await.unwrap();
    assert_eq!((restored.n_before, restored.n_now), (0, 301));
    let again = recoverer.restore(&survey().await).await.unwrap();
    assert_eq!((again.n_before, again.n_now), (301, 301));

    let back = region.linked(0).await;
    let row = back.store().log(back.own_log()).await.unwrap().unwrap();
    assert_eq!(row.frontier, held.frontier);
    append(&back, b"on it goes").await;
    until_held(&region.coordinator, back.own_log(), 302).await;
    assert_eq!(region.coordinator.store().forks().await.unwrap(), []);
}
