//! The bundle: everything in it must hold, and nothing may be missing.

use proptest::prelude::*;
use tlog::{
    Checkpoint, KeyName, Policy, SignedCheckpoint, checkpoint::CheckpointError, cosign,
    inclusion_proof, proof::ProofError, sign_checkpoint,
};

use super::*;

fn proof_of(records: &[VerifiedRecord], index: u64, size: usize) -> Vec<Hash> {
    let leaves = leaves_of(&records[..size]);
    let node = |level: u8, place: u64| {
        let width = 1_usize << level;
        let start = usize::try_from(place).unwrap() * width;
        leaves.get(start..start + width).map(|it| it.iter().copied().collect::<Frontier>().root())
    };
    inclusion_proof(index, size as u64, &node).unwrap()
}

/// The checkpoint of the last era at this size, signed by the key with this seed.
fn checkpoint(town: &Town, size: usize, seed: u8) -> SignedCheckpoint {
    let era = u32::try_from(town.eras.len()).unwrap() - 1;
    let origin = KeyName::parse(&network().log_origin(&town.community, era)).unwrap();
    let root = root_of(&town.eras.last().unwrap()[..size]);
    sign_checkpoint(&Checkpoint { origin, size: size as u64, root }, &secret(seed))
}

/// The bundle of a town whose era e is proved at `sizes[e]`, with a checkpoint by the key with this seed.
fn bundle_of(town: &Town, sizes: &[usize], seed: u8) -> IdentityBundle {
    let mut records = Vec::new();
    for (era, size) in town.eras.iter().zip(sizes) {
        let kinds = [Some(Known::Identity), Some(Known::Recovery)];
        for it in era.iter().filter(|it| kinds.contains(&it.header().kind.known())) {
            let proof = proof_of(era, it.header().index, *size);
            let content = it.content().unwrap().clone();
            records.push(BundleRecord { header: it.header_bytes().to_vec(), content, proof });
        }
    }
    let checkpoint = checkpoint(town, *sizes.last().unwrap(), seed).to_bytes();
    IdentityBundle { records, checkpoint }
}

/// Genesis, three others, a rotation, a change of officers; then era 1, which keeps seven records; a rotation there.
fn long_story() -> (Town, Identity, IdentityBundle) {
    let (mut town, mut identity) = Town::found(2);
    town.append_others(3);
    let rotation = town.rotation(&identity, epoch_keys(30), &[1, 2]);
    let payload = IdentityAction::Rotation(rotation).encode();
    identity.apply(&town.append(Known::Identity, payload)).unwrap();
    let change = town.officer_change(&identity, officers(&[3, 4, 5], 2), &[2, 3]);
    let payload = IdentityAction::OfficerChange(change).encode();
    identity.apply(&town.append(Known::Identity, payload)).unwrap();
    town.append_others(3);
    let recovery = town.recovery(&identity, 7, &[4, 5]);
    town.eras.push(vec![]);
    identity.apply(&town.append(Known::Recovery, recovery.encode())).unwrap();
    town.append_others(1);
    let rotation = town.rotation(&identity, epoch_keys(40), &[3, 5]);
    let payload = IdentityAction::Rotation(rotation).encode();
    identity.apply(&town.append(Known::Identity, payload)).unwrap();
    town.append_others(2);
    let bundle = bundle_of(&town, &[7, 5], 40);
    (town, identity, bundle)
}

fn verify_alone(bundle: &IdentityBundle) -> Result<VerifiedIdentity, BundleError> {
    bundle.verify(None, &network(), None)
}

#[test]
fn a_genesis_and_a_checkpoint_are_a_bundle() {
    let (town, identity) = Town::found(2);
    let bundle = bundle_of(&town, &[1], FIRST_EPOCH);
    let verified = bundle.verify(Some(town.community), &network(), None).unwrap();
    assert_eq!(verified.identity, identity);
    assert_eq!(verified.witnessed, Witnessed::SignedOnly);
    assert_eq!(verified.checkpoint.checkpoint().size, 1);
}

#[test]
fn rotations_changes_and_recoveries_are_replayed_over_two_eras() {
    let (town, identity, bundle) = long_story();
    assert_eq!(bundle.records.len(), 5);
    let read = IdentityBundle::decode(&bundle.encode()).unwrap();
    assert_eq!(read, bundle);
    let verified = read.verify(Some(town.community), &network(), None).unwrap();
    assert_eq!(verified.identity, identity);
    assert_eq!(identity.epochs().len(), 4);
}

#[test]
fn refuses_the_bundle_of_another_community_or_network() {
    let (town, _, bundle) = long_story();
    let (expected, found) = (CommunityId::from_bytes([1; 32]), town.community);
    let refused = Err(BundleError::OtherCommunity { expected, found });
    assert_eq!(bundle.verify(Some(expected), &network(), None), refused);
    let elsewhere = bundle.verify(None, &"other.example".parse().unwrap(), None);
    assert!(matches!(elsewhere, Err(BundleError::Record(_))));
}

#[test]
fn refuses_a_bundle_with_any_one_record_missing() {
    let (_, _, bundle) = long_story();
    for missing in 0..bundle.records.len() {
        let mut bundle = bundle.clone();
        bundle.records.remove(missing);
        assert!(verify_alone(&bundle).is_err(), "without record {missing}");
    }
    let empty = IdentityBundle { records: vec![], ..bundle };
    assert_eq!(verify_alone(&empty), Err(BundleError::Field { field: 1 }));
}

#[test]
fn refuses_a_bundle_with_two_records_exchanged_or_one_repeated() {
    let (_, _, bundle) = long_story();
    for at in 0..bundle.records.len() - 1 {
        let mut exchanged = bundle.clone();
        exchanged.records.swap(at, at + 1);
        assert!(verify_alone(&exchanged).is_err(), "records {at} and {}", at + 1);
        let mut repeated = bundle.clone();
        repeated.records.insert(at, bundle.records[at].clone());
        assert!(verify_alone(&repeated).is_err(), "record {at} twice");
    }
}

#[test]
fn refuses_a_record_that_is_signed_but_not_in_the_log() {
    let (mut town, identity) = Town::found(2);
    let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    let payload = IdentityAction::Rotation(rotation).encode();
    let foreign = town.record_at((0, 1), Known::Identity, payload);
    town.append_others(1);
    let mut bundle = bundle_of(&town, &[2], SECOND_EPOCH);
    bundle.records.push(BundleRecord {
        header: foreign.header_bytes().to_vec(),
        content: foreign.content().unwrap().clone(),
        proof: proof_of(&town.eras[0], 1, 2),
    });
    let error = ProofError::RootMismatch;
    let refused = Err(BundleError::Inclusion { era: 0, index: 1, error });
    assert_eq!(verify_alone(&bundle), refused);
}

#[test]
fn refuses_a_checkpoint_that_does_not_reach_the_newest_record() {
    let (town, _, mut bundle) = long_story();
    // Size 3 of era 1 ends with the rotation at index 2 and is the first that its key signs.
    for (size, seed, is_accepted) in [(3, 40, true), (2, SECOND_EPOCH, false), (2, 40, false)] {
        for it in &mut bundle.records[3..] {
            let index = Header::decode(&it.header).unwrap().index;
            it.proof = proof_of(&town.eras[1], index.min(size as u64 - 1), size);
        }
        bundle.checkpoint = checkpoint(&town, size, seed).to_bytes();
        assert_eq!(verify_alone(&bundle).is_ok(), is_accepted, "size {size} by {seed}");
    }
}

#[test]
fn refuses_a_checkpoint_by_a_key_that_is_not_in_force_at_its_size() {
    let (town, _, mut bundle) = long_story();
    for seed in [FIRST_EPOCH, 30, SECOND_EPOCH, 41] {
        bundle.checkpoint = checkpoint(&town, 5, seed).to_bytes();
        let refused = Err(BundleError::Checkpoint(CheckpointError::NotSignedByLog));
        assert_eq!(verify_alone(&bundle), refused, "key {seed}");
    }
    bundle.checkpoint = checkpoint(&town, 5, 40).to_bytes();
    assert!(verify_alone(&bundle).is_ok());
}

#[test]
fn refuses_a_checkpoint_of_another_era() {
    let (mut town, _, mut bundle) = long_story();
    town.eras.pop();
    bundle.checkpoint = checkpoint(&town, 7, 40).to_bytes();
    let refused = verify_alone(&bundle);
    assert!(matches!(refused, Err(BundleError::Checkpoint(CheckpointError::OtherOrigin { .. }))));
}

/// A policy that asks for both of two coordinators' mirrors, and their names and seeds.
fn policy() -> (Policy, [(KeyName, u8); 2]) {
    let named = |seed: u8| {
        let community = CommunityId::from_bytes([seed; 32]);
        let key = mirror_verifier_key(&network(), &community, &MirrorKey::of(&secret(seed)));
        (key.render(), (KeyName::parse(&mirror_name(&network(), &community)).unwrap(), seed))
    };
    let ((one, first), (two, second)) = (named(70), named(71));
    let text =
        format!("witness one {one}\nwitness two {two}\ngroup both all one two\nquorum both\n");
    (Policy::parse(&text).unwrap(), [first, second])
}

#[test]
fn is_witnessed_once_all_whom_the_policy_asks_for_have_cosigned() {
    let (town, _, mut bundle) = long_story();
    let (policy, cosigners) = policy();
    let mut signed = checkpoint(&town, 5, 40);
    let mut answers = Vec::new();
    for (name, seed) in cosigners {
        let line = cosign(signed.checkpoint(), &name, &secret(seed), 1_800_000_000).unwrap();
        signed = signed.with_signature_line(line).unwrap();
        bundle.checkpoint = signed.to_bytes();
        let verified = bundle.verify(None, &network(), Some(&policy)).unwrap();
        answers.push((verified.cosignatures.len(), verified.witnessed));
    }
    assert_eq!(answers, [(1, Witnessed::SignedOnly), (2, Witnessed::UnderPolicy)]);
    assert_eq!(verify_alone(&bundle).unwrap().witnessed, Witnessed::SignedOnly, "no policy");
}

#[test]
fn a_policy_that_asks_for_nobody_makes_no_witness() {
    let (_, _, bundle) = long_story();
    let nobody = Policy::parse("quorum none\n").unwrap();
    let verified = bundle.verify(None, &network(), Some(&nobody)).unwrap();
    assert_eq!(verified.witnessed, Witnessed::SignedOnly);
}

#[test]
fn refuses_a_cosignature_that_a_witness_of_the_policy_did_not_make() {
    let (town, _, mut bundle) = long_story();
    let (policy, [(name, seed), _]) = policy();
    let signed = checkpoint(&town, 5, 40);
    let other = checkpoint(&town, 4, 40);
    let line = cosign(other.checkpoint(), &name, &secret(seed), 1_800_000_000).unwrap();
    bundle.checkpoint = signed.with_signature_line(line).unwrap().to_bytes();
    let refused = bundle.verify(None, &network(), Some(&policy));
    assert!(matches!(refused, Err(BundleError::Checkpoint(CheckpointError::Note(_)))));
    assert!(verify_alone(&bundle).is_ok(), "unknown lines are ignored");
}

#[test]
fn two_hundred_and_fifty_six_records_are_read_and_one_more_is_refused() {
    let (town, _) = Town::found(1);
    let mut bundle = bundle_of(&town, &[1], FIRST_EPOCH);
    let small = BundleRecord {
        header: vec![1],
        content: Content { salt: Salt([9; 32]), payload: vec![1] },
        proof: vec![],
    };
    bundle.records = vec![small; MAX_BUNDLE_RECORDS];
    assert!(IdentityBundle::decode(&bundle.encode()).is_ok());
    bundle.records.extend_from_within(..1);
    assert_eq!(IdentityBundle::decode(&bundle.encode()), Err(BundleError::TooManyRecords));
}

#[test]
fn a_bundle_of_256_kib_is_read_and_one_byte_more_is_refused() {
    let filled = |n_bytes| IdentityBundle { records: vec![], checkpoint: vec![b'a'; n_bytes] };
    // The tag and a length of three bytes come before the checkpoint.
    let largest = filled(MAX_BUNDLE_BYTES - 4);
    assert_eq!(largest.encode().len(), MAX_BUNDLE_BYTES);
    assert!(IdentityBundle::decode(&largest.encode()).is_ok());
    let refused = Err(BundleError::TooLarge { n_bytes: MAX_BUNDLE_BYTES + 1 });
    assert_eq!(IdentityBundle::decode(&filled(MAX_BUNDLE_BYTES - 3).encode()), refused);
}

#[test]
fn a_proof_of_63_hashes_is_read_and_one_more_is_refused() {
    let (town, _) = Town::found(1);
    let mut bundle = bundle_of(&town, &[1], FIRST_EPOCH);
    bundle.records[0].proof = vec![Hash::from_bytes([1; 32]); 63];
    assert!(IdentityBundle::decode(&bundle.encode()).is_ok());
    bundle.records[0].proof.push(Hash::from_bytes([1; 32]));
    let refused = Err(BundleError::Field { field: 1 });
    assert_eq!(IdentityBundle::decode(&bundle.encode()), refused);
}

#[test]
fn refuses_parts_that_are_missing_unknown_or_out_of_order() {
    let (town, _) = Town::found(1);
    let bytes = bundle_of(&town, &[1], FIRST_EPOCH).encode();
    let unknown = [&bytes[..], &[0x1a, 0]].concat();
    assert_eq!(IdentityBundle::decode(&unknown), Err(BundleError::Field { field: 3 }));
    let doubled = [&bytes[..], &[0x12, 1, b'a']].concat();
    assert_eq!(IdentityBundle::decode(&doubled), Err(BundleError::NotCanonical));
    let without_salt = [0x0a, 6, 0x0a, 1, 1, 0x1a, 1, 1];
    assert_eq!(IdentityBundle::decode(&without_salt), Err(BundleError::Field { field: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (town, _, bundle) = long_story();
        let mut bytes = bundle.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let verified = IdentityBundle::decode(&bytes)
            .and_then(|it| it.verify(Some(town.community), &network(), None));
        prop_assert!(verified.is_err(), "byte {at}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(bundle) = IdentityBundle::decode(&bytes) {
            prop_assert!(verify_alone(&bundle).is_err());
            prop_assert_eq!(bundle.encode(), bytes);
        }
    }
}
