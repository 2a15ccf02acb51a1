//! An era that has ended counts up to what its officers kept, whatever came first.

use std::{collections::BTreeSet, sync::Arc};

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, LogName, Payload, UnixMillis,
    identity::{
        BundleRecord, EpochKeys, Genesis, IdentityAction, IdentityBundle, KeptTree, LogKey,
        MirrorKey, Nonce, Officer, OfficerKey, Officers, Recovery, SpareDigest, SpareKey,
        TransportKey, WitnessKey,
    },
    kind::Known,
    name::Name,
    payload::{
        Erase, Receipt, Text,
        erasure::{Asker, Ground},
        poll::{Roll, RollCommitment},
        receipt::HeldHead,
        words::{Language, Wording},
    },
    region::Roster,
    verified::{ExpectedPlace, verify},
};
use runtime::clock::ManualClock;
use store::{Draft, Guard, OwnLog, Store, StoreConfig};
use tempfile::TempDir;
use tlog::{Checkpoint, KeyName, sign_checkpoint};

use crate::world::*;

/// A community with one officer, its two eras, and what stands in each.
struct Town {
    _folders: [TempDir; 2],
    old: (LogName, Store),
    new: (LogName, Store),
    /// The identity of both eras.
    bundle: Vec<u8>,
    kept: KeptTree,
}

fn secret(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn epoch(n: u8) -> EpochKeys {
    let (log, transport) = (LogKey::of(&secret(n)), TransportKey::of(&secret(n)));
    EpochKeys::new(log, transport, MirrorKey::of(&secret(n + 1)), WitnessKey::of(&secret(n + 2)))
        .unwrap()
}

fn genesis() -> Vec<u8> {
    let spare_digest = SpareDigest::of(&SpareKey::of(&secret(71)));
    let officer = Officer { key: OfficerKey::of(&secret(70)), spare_digest };
    IdentityAction::Genesis(Genesis {
        network: network(),
        name: Name::parse("Harbour").unwrap(),
        officers: Officers::new(vec![officer], 1).unwrap(),
        keys: epoch(80),
        nonce: Nonce::default(),
    })
    .encode()
}

/// As community `n`, but in a region to which the town belongs, as a member and as a coordinator.
fn config_with(n: u8, town: CommunityId, clock: &Arc<ManualClock>) -> StoreConfig {
    let mut config = config(n, clock);
    let members = (1..=5).map(community).chain([town]).collect::<BTreeSet<_>>();
    let seats = [community(101), community(102), town].into_iter().collect::<BTreeSet<_>>();
    let roster = Roster::new(members.into_iter().collect(), seats.into_iter().collect(), 1);
    config.region = RegionView::new(region(), None, roster.unwrap());
    config
}

async fn writer(log: LogName, key: u8) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_with(1, log.community, &Arc::new(ManualClock::at(NOON)));
    config.own = OwnLog { name: log, log_key: secret(key), mirror: None, witness: None };
    let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
    (folder, store)
}

fn identity_draft(kind: Known, payload: Vec<u8>) -> Draft {
    Draft { kind: kind.into(), payload, salt: salt(9), references: Vec::new() }
}

fn roll(n_on_roll: u64) -> Draft {
    let roll = RollCommitment { n_on_roll, roll_root: [1; 32] };
    draft(&Payload::Roll(Roll { roll }), Vec::new())
}

fn receipt(size: u64, at: u64) -> Draft {
    let LogName { community, era } = log_of(2);
    let head = HeldHead { community, era, size, root: tlog::Hash::from_bytes([0; 32]) };
    let receipt = Receipt { received_at: UnixMillis(at), heads: vec![head] };
    draft(&Payload::Receipt(receipt), Vec::new())
}

fn words() -> Draft {
    let (title, text) = ("Baths".to_owned(), "Some words".to_owned());
    let wording = Wording { language: Language::english(), title, text, labels: Vec::new() };
    draft(&Payload::Text(Text { wordings: vec![wording] }), Vec::new())
}

/// Six records are kept: genesis, roll, pool, a receipt, one of a kind that nobody knows, and words. Behind them stand a roll, a
/// pool, a pledge to the pool that is kept, and a receipt that was earlier than the first.
async fn town() -> Town {
    let genesis = genesis();
    let community = CommunityId::of_genesis(&genesis);
    let log = LogName { community, era: 0 };
    let (old_folder, old) = writer(log, 80).await;
    append(&old, identity_draft(Known::Identity, genesis)).await;
    append(&old, roll(10)).await;
    let kept_pool = append(&old, pool(100)).await.id;
    append(&old, receipt(2, NOON + 2 * HOUR)).await;
    append(&old, unknown(b"kept")).await;
    append(&old, words()).await;
    let kept = KeptTree { era: 0, size: 6, root: old.root_at(log, 6).await.unwrap() };
    append(&old, roll(99)).await;
    append(&old, pool(666)).await;
    append(&old, pledge(kept_pool, 40)).await;
    append(&old, receipt(2, NOON)).await;

    let next = LogName { community, era: 1 };
    let (new_folder, new) = writer(next, 90).await;
    let first = old.records(log, 0, 1).await.unwrap().remove(0);
    let mut recovery = Recovery {
        community,
        last_identity: first.id(),
        kept,
        keys: epoch(90),
        signatures: Vec::new(),
    };
    recovery.sign(&network(), 0, &secret(70));
    append(&new, identity_draft(Known::Recovery, recovery.encode())).await;
    append(&new, pool(7)).await;
    let begun = new.records(next, 0, 1).await.unwrap().remove(0);
    let size = size(&new, next).await;
    let records = vec![
        BundleRecord {
            header: first.header_bytes,
            content: first.content.unwrap(),
            proof: old.inclusion_proof(log, 0, 6).await.unwrap(),
        },
        BundleRecord {
            header: begun.header_bytes,
            content: begun.content.unwrap(),
            proof: new.inclusion_proof(next, 0, size).await.unwrap(),
        },
    ];
    let (_, checkpoint) = new.log(next).await.unwrap().unwrap().checkpoint.unwrap();
    let bundle = IdentityBundle { records, checkpoint }.encode();
    let _folders = [old_folder, new_folder];
    Town { _folders, old: (log, old), new: (next, new), bundle, kept }
}

/// What comes to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// All of the old era, as it was before anybody knew of the recovery.
    Old,
    /// As much of the old era as is kept.
    Kept,
    /// The rest of it.
    Rest,
    /// The new era, with the identity of both.
    New,
}

impl Town {
    async fn bring(&self, to: &Store, what: Comes) {
        let ((log, from), bundle) = match what {
            Comes::New => (&self.new, Some(self.bundle.clone())),
            Comes::Old | Comes::Kept | Comes::Rest => (&self.old, None),
        };
        let (start, end) = match what {
            Comes::New => (0, size(from, *log).await),
            Comes::Old | Comes::Rest => (size(to, *log).await, size(from, *log).await),
            Comes::Kept => (0, self.kept.size),
        };
        let mut records = incoming(from, *log, start, end).await;
        // An identity from before the recovery verifies all the same; this one is not even readable, and changes nothing.
        records.identity = bundle.or_else(|| (start == 0).then(|| b"old".to_vec()));
        accept(to, records).await.unwrap();
    }

    /// The register of a replica to which these came in this order.
    async fn replica(&self, order: &[Comes]) -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let config = config_with(1, self.old.0.community, &clock);
        let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
        for what in order {
            self.bring(&store, *what).await;
        }
        (folder, store)
    }
}

#[tokio::test]
async fn what_stands_behind_the_kept_size_counts_for_nothing_in_whatever_order_it_came() {
    let town = town().await;
    let community = town.old.0.community;
    let (_folder, never) = town.replica(&[Comes::Kept, Comes::New]).await;
    let expected = views(&never).await;
    assert_eq!(expected.len(), 2, "the kept pool, and the one of the new era");
    for order in [
        &[Comes::Old, Comes::New][..],
        &[Comes::New, Comes::Old],
        &[Comes::Kept, Comes::New, Comes::Rest],
        &[Comes::Kept, Comes::Rest, Comes::New],
    ] {
        let (_folder, store) = town.replica(order).await;
        assert_eq!(views(&store).await, expected, "{order:?}");
        assert_eq!(store.roll(community).await.unwrap().unwrap().n_on_roll, 10, "{order:?}");
        assert_eq!(size(&store, town.old.0).await, 10, "nothing is cut out of a tree");
        for index in 0..10 {
            let refusal = store.refusal(town.old.0, index).await.unwrap().map(|it| it.0);
            let is_behind = town.kept.size <= index;
            let expected = is_behind.then(|| "identity.beyond_kept".to_owned());
            assert_eq!(refusal, expected, "{order:?}, record {index}");
        }
    }
}

#[tokio::test]
async fn a_receipt_behind_the_kept_size_gives_no_record_its_time() {
    let town = town().await;
    let (_folder, store) = town.replica(&[Comes::Old]).await;
    let (_other_folder, late) = town.replica(&[Comes::New, Comes::Old]).await;
    // Community 2 opens a pool that closes an hour after noon and pledges; the town says when it had that.
    let place = place(2).await;
    let opened = append(&place.store, pool(30)).await.id;
    append(&place.store, pledge(opened, 40)).await;
    for store in [&store, &late] {
        carry(&place.store, store, log_of(2)).await;
    }
    let before = views(&store).await[&opened].clone();
    town.bring(&store, Comes::New).await;
    let after = views(&store).await;
    assert_ne!(after[&opened], before, "the receipt at noon counted, and counts no longer");
    assert_eq!(after, views(&late).await);
}

#[tokio::test]
async fn the_kept_head_takes_the_place_of_a_larger_one_and_nothing_else_does() {
    let town = town().await;
    let (log, _) = town.old;
    let (_folder, store) = town.replica(&[Comes::Old]).await;
    let note = |size, root| {
        let origin = KeyName::parse(&network().log_origin(&log.community, 0)).unwrap();
        sign_checkpoint(&Checkpoint { origin, size, root }, &secret(90)).to_bytes()
    };
    let head = async || store.log(log).await.unwrap().unwrap().checkpoint.unwrap().0;
    let other = store.keep_head(log, town.bundle.clone(), note(6, tlog::Hash::from_bytes([3; 32])));
    assert!(other.await.is_err(), "another tree");
    assert_eq!(head().await, 10);
    let five = store.root_at(log, 5).await.unwrap();
    store.keep_head(log, town.bundle.clone(), note(5, five)).await.unwrap();
    assert_eq!(head().await, 10);
    store.keep_head(log, town.bundle.clone(), note(6, town.kept.root)).await.unwrap();
    assert_eq!(head().await, 6);
    let row = store.log(log).await.unwrap().unwrap();
    assert_eq!((row.kept_size, row.frontier.size()), (Some(6), 10));
    assert!(row.pending.is_some(), "the head by which the rest was verified");
    assert!(store.append(vec![unknown(b"own")], Guard::None).await.is_ok());
}

/// The words of the old era are erased from the new one. Whoever gets the new era first meets the erasure before the words.
#[tokio::test]
async fn what_a_later_era_erases_is_gone_in_whatever_order_the_eras_came() {
    let town = town().await;
    let (log, old) = &town.old;
    let words = old.records(*log, 5, 6).await.unwrap().remove(0).id();
    let (ground, asked_by) = (Ground::Personal, Asker::Subject);
    let erase = |record| {
        draft(&Payload::Erase(Erase { era: 0, index: 5, record, ground, asked_by }), Vec::new())
    };
    let (new_log, new) = &town.new;
    let erasing = append(new, erase(words)).await;
    let wrong = append(new, erase(erasing.id)).await;
    for order in [
        &[Comes::Old, Comes::New][..],
        &[Comes::New, Comes::Old],
        &[Comes::New, Comes::Kept, Comes::Rest],
    ] {
        let (_folder, store) = town.replica(order).await;
        let held = store.records(*log, 5, 6).await.unwrap().remove(0);
        assert_eq!((held.content, held.erased_by), (None, Some(erasing.id)), "{order:?}");
        assert_eq!(store.refusal(*new_log, erasing.index).await.unwrap(), None, "{order:?}");
        let refused = store.refusal(*new_log, wrong.index).await.unwrap().map(|it| it.0);
        assert_eq!(refused.as_deref(), Some("erase.unknown"), "{order:?}");
    }
    // And from one who has them no more.
    let (_folder, newcomer) = town.replica(&[Comes::New]).await;
    let mut all = incoming(old, *log, 0, size(old, *log).await).await;
    let place = ExpectedPlace { network: &network(), community: log.community, era: 0, index: 5 };
    let header = old.headers(*log, 5, 6).await.unwrap().remove(0);
    let without = verify(header, None, &place).unwrap();
    all.records[5] = without.naming_its_erasure(Some(erasing.id));
    all.identity = Some(town.bundle.clone());
    accept(&newcomer, all).await.unwrap();
    assert_eq!(newcomer.erasures(*new_log).await.unwrap().len(), 1);
}

/// The thief erases the words that are kept. Who followed before it knew of the recovery has them no more; who knew has
/// them; and from the first as from the second the log is still to be had.
#[tokio::test]
async fn what_a_thief_erases_is_kept_by_who_knew_and_the_log_can_be_had_from_who_did_not() {
    let town = town().await;
    let (log, old) = &town.old;
    let words = old.records(*log, 5, 6).await.unwrap().remove(0).id();
    let (ground, asked_by) = (Ground::Personal, Asker::Subject);
    let erase = Erase { era: 0, index: 5, record: words, ground, asked_by };
    let (_folder, followed) = town.replica(&[Comes::Old]).await;
    let (_folder, knew) = town.replica(&[Comes::New, Comes::Old]).await;
    append(old, draft(&Payload::Erase(erase), Vec::new())).await;
    for store in [&followed, &knew] {
        town.bring(store, Comes::Rest).await;
    }
    followed.set_identity(*log, town.bundle.clone()).await.unwrap();
    let has_words =
        async |store: &Store| store.records(*log, 5, 6).await.unwrap().remove(0).content.is_some();
    assert!(has_words(&knew).await && !has_words(&followed).await);

    let (_folder, newcomer) = town.replica(&[Comes::New]).await;
    let (_folder, third) = town.replica(&[Comes::New]).await;
    for (from, to) in [(&followed, &newcomer), (&newcomer, &third)] {
        let mut all = incoming(from, *log, 0, 11).await;
        all.identity = Some(town.bundle.clone());
        accept(to, all).await.unwrap();
        assert!(!has_words(to).await);
        assert_eq!(views(to).await, views(&knew).await);
    }
}
