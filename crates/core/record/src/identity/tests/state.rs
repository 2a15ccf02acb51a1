//! How identity records follow one another.

use super::*;
use crate::ids::RecordId;

fn rotation_payload(rotation: Rotation) -> Vec<u8> {
    IdentityAction::Rotation(rotation).encode()
}

fn change_payload(change: OfficerChange) -> Vec<u8> {
    IdentityAction::OfficerChange(change).encode()
}

/// What a town of threshold 2 answers to a rotation at index 1.
fn answer(alter: impl FnOnce(&Town, &Identity) -> Rotation) -> Result<Identity, IdentityError> {
    let (town, mut identity) = Town::found(2);
    let payload = rotation_payload(alter(&town, &identity));
    identity.apply(&town.record_at((0, 1), Known::Identity, payload))?;
    Ok(identity)
}

fn signed_by(seeds: &'static [u8]) -> impl FnOnce(&Town, &Identity) -> Rotation {
    |town, identity| town.rotation(identity, epoch_keys(SECOND_EPOCH), seeds)
}

#[test]
fn a_genesis_founds_the_community_that_its_hash_names() {
    let (town, identity) = Town::found(2);
    let genesis = genesis(2);
    assert_eq!(identity.community(), town.community);
    assert_eq!((identity.network(), identity.name()), (&genesis.network, &genesis.name));
    assert_eq!((identity.officers(), identity.keys()), (&genesis.officers, &genesis.keys));
    assert_eq!((identity.era(), identity.last_identity()), (0, town.eras[0][0].id()));
    assert_eq!(identity.epochs().len(), 1);
}

#[test]
fn another_nonce_is_another_community() {
    let with = |nonce: &[u8]| {
        let nonce = Nonce::new(nonce).unwrap();
        CommunityId::of_genesis(&IdentityAction::Genesis(Genesis { nonce, ..genesis(2) }).encode())
    };
    assert_ne!(with(&[7; 16]), with(&[8; 16]));
    assert_ne!(with(&[]), with(&[0; 16]));
}

#[test]
fn refuses_a_genesis_elsewhere_than_at_record_0_of_era_0() {
    let (town, _) = Town::found(2);
    let payload = IdentityAction::Genesis(genesis(2)).encode();
    for place in [(0, 1), (1, 0)] {
        let record = town.record_at(place, Known::Identity, payload.clone());
        assert_eq!(Identity::from_genesis(&record), Err(IdentityError::MisplacedGenesis));
    }
    let record = town.record_at((0, 0), Known::Identity, payload);
    assert!(Identity::from_genesis(&record).is_ok());
}

#[test]
fn refuses_a_first_record_that_is_no_genesis_and_a_second_genesis() {
    let (town, mut identity) = Town::found(2);
    let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    let record = town.record_at((0, 0), Known::Identity, rotation_payload(rotation));
    assert_eq!(Identity::from_genesis(&record), Err(IdentityError::MisplacedGenesis));
    let again = IdentityAction::Genesis(genesis(2)).encode();
    let record = town.record_at((0, 1), Known::Identity, again);
    assert_eq!(identity.apply(&record), Err(IdentityError::MisplacedGenesis));
}

#[test]
fn refuses_a_genesis_under_the_name_of_another_community_or_network() {
    let payload = IdentityAction::Genesis(genesis(2)).encode();
    let found = CommunityId::of_genesis(&payload);
    let stated = CommunityId::from_bytes([1; 32]);
    let elsewhere = record(&network(), stated, (0, 0), Known::Identity, payload.clone());
    let refused = Err(IdentityError::OtherGenesis { found, stated });
    assert_eq!(Identity::from_genesis(&elsewhere), refused);

    let other = "other.example".parse().unwrap();
    let elsewhere = record(&other, found, (0, 0), Known::Identity, payload);
    let refused = Err(IdentityError::OtherCommunity { network: network(), community: found });
    assert_eq!(Identity::from_genesis(&elsewhere), refused);
}

#[test]
fn a_rotation_needs_the_threshold_of_officers_and_not_one_fewer() {
    let few = SignatureError::TooFew { n_signed: 1, threshold: 2 };
    assert_eq!(answer(signed_by(&[3])), Err(few.into()));
    for enough in [&[1, 2][..], &[1, 3], &[2, 3], &[3, 1], &[1, 2, 3]] {
        let identity = answer(signed_by(enough)).unwrap();
        assert_eq!(*identity.keys(), epoch_keys(SECOND_EPOCH));
        assert_eq!(*identity.officers(), officers(&SEEDS, 2), "officers stay");
    }
}

#[test]
fn one_officer_of_one_is_enough_and_nobody_is_not() {
    let (town, identity) = Town::found(1);
    let rotated = |seeds: &[u8]| {
        let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), seeds);
        let record = town.record_at((0, 1), Known::Identity, rotation_payload(rotation));
        identity.clone().apply(&record)
    };
    assert_eq!(rotated(&[2]), Ok(()));
    assert_eq!(rotated(&[]), Err(SignatureError::TooFew { n_signed: 0, threshold: 1 }.into()));
}

#[test]
fn an_officer_who_signs_twice_counts_once() {
    let few = SignatureError::TooFew { n_signed: 1, threshold: 2 };
    assert_eq!(answer(signed_by(&[1, 1])), Err(few.into()));
    assert!(answer(signed_by(&[1, 1, 2])).is_ok());
}

#[test]
fn one_signature_that_does_not_verify_refuses_the_whole() {
    let forged = answer(|town, identity| {
        let mut rotation = town.rotation(identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
        let third = place(identity.officers(), 3);
        rotation.sign(&town.context(&network()), third, &secret(4));
        rotation
    });
    let officer_index = place(&officers(&SEEDS, 2), 3);
    assert_eq!(forged, Err(SignatureError::Forged { officer_index }.into()));
}

#[test]
fn refuses_the_signature_of_an_officer_that_there_is_not() {
    let by_a_fourth = answer(|town, identity| {
        let mut rotation = town.rotation(identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
        rotation.sign(&town.context(&network()), 3, &secret(4));
        rotation
    });
    assert_eq!(by_a_fourth, Err(SignatureError::NoSuchOfficer { officer_index: 3 }.into()));
}

#[test]
fn refuses_what_follows_another_record_than_the_last() {
    let (expected, found) = (Town::found(2).1.last_identity(), RecordId::from_bytes([5; 32]));
    let elsewhere = answer(|town, identity| {
        let mut rotation = Rotation::new(found, epoch_keys(SECOND_EPOCH));
        for seed in [1, 2] {
            let place = place(identity.officers(), seed);
            rotation.sign(&town.context(&network()), place, &secret(seed));
        }
        rotation
    });
    assert_eq!(elsewhere, Err(IdentityError::WrongPrevious { expected, found }));
}

#[test]
fn refuses_signatures_made_for_another_network_community_record_or_keys() {
    let signed_for = |context: Context<'_>, previous: Option<RecordId>, keys: EpochKeys| {
        answer(|_, identity| {
            let previous = previous.unwrap_or(identity.last_identity());
            let mut signed = Rotation::new(previous, keys);
            for seed in [1, 2] {
                signed.sign(&context, place(identity.officers(), seed), &secret(seed));
            }
            let (previous, keys) = (identity.last_identity(), epoch_keys(SECOND_EPOCH));
            Rotation { previous, keys, ..signed }
        })
    };
    let community = Town::found(2).0.community;
    let (here, other) = (network(), "other.example".parse().unwrap());
    let (right, keys) = (Context { network: &here, community }, epoch_keys(SECOND_EPOCH));
    assert!(signed_for(right, None, keys).is_ok());

    let is_forged =
        |answer| matches!(answer, Err(IdentityError::Signature(SignatureError::Forged { .. })));
    assert!(is_forged(signed_for(Context { network: &other, ..right }, None, keys)));
    let elsewhere = CommunityId::from_bytes([1; 32]);
    assert!(is_forged(signed_for(Context { community: elsewhere, ..right }, None, keys)));
    assert!(is_forged(signed_for(right, Some(RecordId::from_bytes([5; 32])), keys)));
    assert!(is_forged(signed_for(right, None, epoch_keys(30))));
}

#[test]
fn a_change_of_officers_needs_the_threshold_of_spare_keys_and_not_one_fewer() {
    let (town, identity) = Town::found(2);
    let changed = |seeds: &[u8]| {
        let mut identity = identity.clone();
        let change = town.officer_change(&identity, officers(&[4, 5], 1), seeds);
        let record = town.record_at((0, 1), Known::Identity, change_payload(change));
        identity.apply(&record).map(|()| identity)
    };
    let few = SignatureError::TooFew { n_signed: 1, threshold: 2 };
    assert_eq!(changed(&[1]), Err(few.into()));
    assert_eq!(changed(&[1, 1]), Err(few.into()));
    let identity = changed(&[1, 3]).unwrap();
    assert_eq!(*identity.officers(), officers(&[4, 5], 1));
    assert_eq!(*identity.keys(), epoch_keys(FIRST_EPOCH), "keys stay");
    assert_eq!(identity.epochs().len(), 1);
}

#[test]
fn stolen_officer_keys_cannot_change_officers() {
    let (town, mut identity) = Town::found(2);
    let mut change = OfficerChange::new(identity.last_identity(), officers(&[4, 5], 1));
    for seed in SEEDS {
        // The thief shows the officer's own key as if it were the spare one.
        change.sign(&town.context(&network()), place(identity.officers(), seed), &secret(seed));
    }
    let officer_index = place(identity.officers(), 1);
    let record = town.record_at((0, 1), Known::Identity, change_payload(change));
    let refused = Err(SignatureError::NotTheirSpare { officer_index }.into());
    assert_eq!(identity.apply(&record), refused);
    assert_eq!(identity, Town::found(2).1, "nothing has changed");
}

#[test]
fn refuses_the_spare_key_of_another_officer() {
    let (town, mut identity) = Town::found(2);
    let mut change = OfficerChange::new(identity.last_identity(), officers(&[4, 5], 1));
    let officer_index = place(identity.officers(), 1);
    change.sign(&town.context(&network()), officer_index, &secret(102));
    let record = town.record_at((0, 1), Known::Identity, change_payload(change));
    let refused = Err(SignatureError::NotTheirSpare { officer_index }.into());
    assert_eq!(identity.apply(&record), refused);
}

#[test]
fn refuses_a_spare_key_whose_signature_is_of_something_else() {
    let (town, mut identity) = Town::found(1);
    let mut change = town.officer_change(&identity, officers(&[4, 5], 1), &[1]);
    change.officers = officers(&[5, 6], 1);
    let officer_index = place(identity.officers(), 1);
    let record = town.record_at((0, 1), Known::Identity, change_payload(change));
    assert_eq!(identity.apply(&record), Err(SignatureError::Forged { officer_index }.into()));
}

#[test]
fn after_a_change_the_new_officers_act_and_the_old_ones_do_not() {
    let (mut town, mut identity) = Town::found(2);
    let change = town.officer_change(&identity, officers(&[4, 5], 2), &[1, 2]);
    let before = identity.clone();
    let record = town.append(Known::Identity, change_payload(change));
    identity.apply(&record).unwrap();

    let by_new = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[4, 5]);
    let by_new = town.record_at((0, 2), Known::Identity, rotation_payload(by_new));
    let mut by_old = town.rotation(&before, epoch_keys(SECOND_EPOCH), &[]);
    by_old.previous = identity.last_identity();
    by_old.sign(&town.context(&network()), 0, &secret(1));
    by_old.sign(&town.context(&network()), 1, &secret(2));
    let by_old = town.record_at((0, 2), Known::Identity, rotation_payload(by_old));

    let forged = SignatureError::Forged { officer_index: 0 };
    assert_eq!(identity.clone().apply(&by_old), Err(forged.into()));
    assert_eq!(identity.apply(&by_new), Ok(()));
}

#[test]
fn checkpoints_that_hold_a_rotation_are_signed_by_the_new_key_alone() {
    let (mut town, mut identity) = Town::found(2);
    town.append_others(4);
    let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    identity.apply(&town.append(Known::Identity, rotation_payload(rotation))).unwrap();

    let (old, new) = (epoch_keys(FIRST_EPOCH), epoch_keys(SECOND_EPOCH));
    for (size, keys) in [(0, old), (1, old), (5, old), (6, new), (7, new), (u64::MAX, new)] {
        assert_eq!(identity.log_key_for(0, size), Some(keys.log()), "size {size}");
    }
    assert_eq!(identity.log_key_for(1, 1), None);
    assert_eq!(identity.last_index(), 5);
}

#[test]
fn refuses_a_record_at_or_before_the_last_one_and_of_another_era() {
    let (mut town, mut identity) = Town::found(2);
    let first = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    identity.apply(&town.append(Known::Identity, rotation_payload(first))).unwrap();
    let next = rotation_payload(town.rotation(&identity, epoch_keys(30), &[1, 2]));
    for (era, index) in [(0, 0), (0, 1), (1, 2)] {
        let record = town.record_at((era, index), Known::Identity, next.clone());
        let refused = Err(IdentityError::OutOfPlace { era, index });
        assert_eq!(identity.clone().apply(&record), refused);
    }
    assert_eq!(identity.apply(&town.record_at((0, 2), Known::Identity, next)), Ok(()));
}

#[test]
fn refuses_records_of_other_kinds_and_of_other_communities() {
    let (town, mut identity) = Town::found(2);
    let pool = town.record_at((0, 1), Known::Pool, vec![1]);
    let kind = "folkmoot.record.pool.v1".to_owned();
    assert_eq!(identity.apply(&pool), Err(IdentityError::OtherKind { kind }));

    let community = CommunityId::from_bytes([1; 32]);
    let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    let payload = rotation_payload(rotation);
    let foreign = record(&network(), community, (0, 1), Known::Identity, payload);
    let refused = Err(IdentityError::OtherCommunity { network: network(), community });
    assert_eq!(identity.apply(&foreign), refused);
}

#[test]
fn one_flipped_bit_in_a_rotation_is_refused() {
    let (town, identity) = Town::found(2);
    let payload = rotation_payload(town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]));
    for bit in 0..payload.len() * 8 {
        let mut flipped = payload.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let record = town.record_at((0, 1), Known::Identity, flipped);
        assert!(identity.clone().apply(&record).is_err(), "bit {bit}");
    }
    let sound = town.record_at((0, 1), Known::Identity, payload);
    assert!(identity.clone().apply(&sound).is_ok());
}
