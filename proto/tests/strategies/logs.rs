//! What coordinators and witnesses say of logs.

use proptest::{collection::vec, option, prelude::*, sample::select};
use record::{
    CommunityId, LogName,
    payload::{
        ForkEvidence, Receipt, Status,
        evidence::Beginning,
        index::{Index, IndexEntry},
        receipt::HeldHead,
        status::{Lift, Reason, Standing},
    },
};
use tlog::Hash;

use super::{community, instant};

pub(super) fn receipt() -> impl Strategy<Value = Receipt> {
    let place = (any::<[u8; 32]>(), any::<u32>());
    let heads = proptest::collection::btree_map(place, any::<(u64, [u8; 32])>(), 1..5);
    (instant(), heads).prop_map(|(received_at, heads)| {
        let head = |((community, era), (size, root))| HeldHead {
            community: CommunityId::from_bytes(community),
            era,
            size,
            root: Hash::from_bytes(root),
        };
        Receipt { received_at, heads: heads.into_iter().map(head).collect() }
    })
}

pub(super) fn index() -> impl Strategy<Value = Index> {
    let place = (any::<[u8; 32]>(), any::<u32>());
    let shown = (any::<(u64, [u8; 32])>(), select(Standing::ALL.to_vec()));
    let entries = proptest::collection::btree_map(place, shown, 1..5);
    (any::<[u8; 32]>(), any::<u64>(), any::<u32>(), entries).prop_map(
        |(root, n_entries, n_to_follow, entries)| {
            let entry = |((community, era), ((size, root), standing))| IndexEntry {
                log: LogName { community: CommunityId::from_bytes(community), era },
                size,
                root: Hash::from_bytes(root),
                standing,
            };
            let changes = entries.into_iter().map(entry).collect();
            Index { root: Hash::from_bytes(root), n_entries, n_to_follow, changes }
        },
    )
}

pub(super) fn status() -> impl Strategy<Value = Status> {
    let reason = option::of(select(Reason::ALL.to_vec()));
    (community(), any::<u32>(), instant(), reason, option::of(instant())).prop_map(
        |(community, era, since, reason, until)| {
            let until = until.filter(|_| reason.map(Reason::lift) == Some(Lift::Time));
            Status { log: LogName { community, era }, since, reason, until }
        },
    )
}

pub(super) fn evidence() -> impl Strategy<Value = ForkEvidence> {
    let hash = || any::<[u8; 32]>().prop_map(Hash::from_bytes);
    let beginning = (hash(), vec(hash(), 0..4)).prop_map(|(root, proof)| Beginning { root, proof });
    let heads = (vec(any::<u8>(), 1..40), vec(any::<u8>(), 1..40));
    (community(), any::<u32>(), heads, proptest::option::of(beginning)).prop_map(
        |(community, era, (one, other), beginning)| ForkEvidence {
            community,
            era,
            one,
            other,
            beginning,
        },
    )
}
