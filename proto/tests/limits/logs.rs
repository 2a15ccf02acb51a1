//! What coordinators and witnesses say of logs.

use record::{
    CommunityId, LogName, Payload, UnixMillis,
    payload::{
        Cosignatures, ForkEvidence, Index, Receipt, Status,
        evidence::Beginning,
        index::IndexEntry,
        receipt::HeldHead,
        status::{Reason, Standing},
    },
};
use tlog::Hash;

use super::{id, refusal, refused};

#[test]
fn heads_of_a_receipt_ascend_by_community_and_era() {
    let of = |places: &[(usize, u32)]| {
        let head = |&(n, era)| HeldHead {
            community: CommunityId::from_bytes(id(n)),
            era,
            size: 1,
            root: Hash::from_bytes([1; 32]),
        };
        let heads = places.iter().map(head).collect();
        refusal(&Payload::Receipt(Receipt { received_at: UnixMillis(1), heads }))
    };
    assert_eq!(of(&[]), refused("heads", "payload.missing"));
    assert_eq!(of(&[(1, 0), (1, 1), (2, 0)]), None);
    assert_eq!(of(&[(1, 1), (1, 0)]), refused("heads[1]", "payload.not_ascending"));
    assert_eq!(of(&[(1, 1), (1, 1)]), refused("heads[1]", "payload.not_ascending"));
}

#[test]
fn an_index_has_1_to_2048_changes_that_ascend() {
    let of = |places: Vec<(usize, u32)>| {
        let entry = |(n, era)| IndexEntry {
            log: LogName { community: CommunityId::from_bytes(id(n)), era },
            size: 1,
            root: Hash::from_bytes([1; 32]),
            standing: Standing::Ok,
        };
        let (root, changes) = (Hash::from_bytes([2; 32]), places.into_iter().map(entry).collect());
        refusal(&Payload::Index(Index { root, n_entries: 1, n_to_follow: 0, changes }))
    };
    assert_eq!(of(vec![]), refused("changes", "payload.missing"));
    assert_eq!(of((0..2_048).map(|era| (1, era)).collect()), None);
    let too_many = of((0..2_049).map(|era| (1, era)).collect());
    assert_eq!(too_many, refused("changes", "index.too_many_changes"));
    assert_eq!(of(vec![(1, 1), (1, 1)]), refused("changes[1]", "payload.not_ascending"));
    assert_eq!(of(vec![(1, 1), (1, 0)]), refused("changes[1]", "payload.not_ascending"));
}

#[test]
fn only_a_quota_is_lifted_at_a_time_that_is_known() {
    let with = |reason| {
        let log = LogName { community: CommunityId::from_bytes([1; 32]), era: 0 };
        let (since, until) = (UnixMillis(1), Some(UnixMillis(2)));
        refusal(&Payload::Status(Status { log, since, reason, until }))
    };
    let contradicts = || refused("until", "payload.contradiction");
    assert_eq!(with(Some(Reason::RecordsPerMinute)), None);
    assert_eq!(with(Some(Reason::BytesPerDay)), None);
    assert_eq!(with(Some(Reason::Abuse)), contradicts());
    assert_eq!(with(None), contradicts());
}

#[test]
fn a_note_in_evidence_has_1_byte_to_64_kib() {
    let with = |n_bytes| {
        refusal(&Payload::Evidence(ForkEvidence {
            community: CommunityId::from_bytes([1; 32]),
            era: 0,
            one: vec![1],
            other: vec![1; n_bytes],
            beginning: None,
        }))
    };
    assert_eq!(with(0), refused("other", "payload.missing"));
    assert_eq!(with(1), None);
    assert_eq!(with(tlog::note::MAX_NOTE_BYTES), None);
    assert_eq!(with(tlog::note::MAX_NOTE_BYTES + 1), refused("other", "note.too_large"));
}

#[test]
fn the_proof_in_evidence_has_at_most_63_hashes() {
    let with = |n_hashes| {
        let root = Hash::from_bytes([1; 32]);
        refusal(&Payload::Evidence(ForkEvidence {
            community: CommunityId::from_bytes([1; 32]),
            era: 0,
            one: vec![1],
            other: vec![1],
            beginning: Some(Beginning { root, proof: vec![root; n_hashes] }),
        }))
    };
    assert_eq!(with(tlog::MAX_CONSISTENCY_HASHES), None);
    let too_long = refused("beginning.proof", "proof.too_long");
    assert_eq!(with(tlog::MAX_CONSISTENCY_HASHES + 1), too_long);
}

#[test]
fn what_a_witness_states_has_a_head_at_least() {
    let stated = Cosignatures { stated_at: UnixMillis(1), heads: Vec::new() };
    assert_eq!(refusal(&Payload::Cosignatures(stated)), refused("heads", "payload.missing"));
}
