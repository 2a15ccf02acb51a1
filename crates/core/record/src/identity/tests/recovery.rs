//! The end of an era and the beginning of the next.

use super::*;

/// A town of threshold 2 and five records, and what it answers to a recovery that is record 0 of era 1.
fn answer(alter: impl FnOnce(&Town, &Identity) -> Recovery) -> Result<Identity, IdentityError> {
    answer_at((1, 0), alter)
}

fn answer_at(
    place: (u32, u64),
    alter: impl FnOnce(&Town, &Identity) -> Recovery,
) -> Result<Identity, IdentityError> {
    let (mut town, mut identity) = Town::found(2);
    town.append_others(4);
    let payload = alter(&town, &identity).encode();
    identity.apply(&town.record_at(place, Known::Recovery, payload))?;
    Ok(identity)
}

#[test]
fn a_recovery_begins_the_next_era_with_new_keys_and_the_same_officers() {
    let identity = answer(|town, identity| town.recovery(identity, 3, &[1, 2])).unwrap();
    let (old, new) = (epoch_keys(FIRST_EPOCH), epoch_keys(SECOND_EPOCH));
    assert_eq!((identity.era(), identity.last_index()), (1, 0));
    assert_eq!((*identity.keys(), identity.officers()), (new, &officers(&SEEDS, 2)));
    assert_eq!(identity.kept(0).map(|kept| (kept.era, kept.size)), Some((0, 3)));
    assert_eq!(identity.kept(1), None);
    for (era, size, keys) in [(0, 1, old), (0, 9, old), (1, 0, new), (1, 1, new)] {
        assert_eq!(identity.log_key_for(era, size), Some(keys.log()), "era {era}, size {size}");
    }
    assert_eq!(identity.log_key_for(2, 1), None);
    assert_eq!(identity.kept_key(0), Some(new.log()));
    assert_eq!(identity.kept_key(1), None);
}

#[test]
fn a_recovery_needs_the_threshold_of_officers_and_not_one_fewer() {
    let few = SignatureError::TooFew { n_signed: 1, threshold: 2 };
    let by = |seeds: &[u8]| answer(|town, identity| town.recovery(identity, 3, seeds));
    assert_eq!(by(&[2]), Err(few.into()));
    assert_eq!(by(&[2, 2]), Err(few.into()));
    assert!(by(&[2, 3]).is_ok());
}

#[test]
fn a_recovery_is_valid_by_itself() {
    let (town, identity) = Town::found(2);
    let recovery = town.recovery(&identity, 1, &[1, 2]);
    assert_eq!(recovery.verify(&network(), &officers(&SEEDS, 2)), Ok(()));
    assert_eq!(recovery.era(), Some(1));
    let other = "other.example".parse().unwrap();
    assert!(recovery.verify(&other, &officers(&SEEDS, 2)).is_err());
    assert!(recovery.verify(&network(), &officers(&[4, 5, 6], 2)).is_err());
    let last = KeptTree { era: u32::MAX, ..recovery.kept };
    assert_eq!(Recovery { kept: last, ..recovery }.era(), None);
}

#[test]
fn a_recovery_is_record_0_of_the_era_after_the_kept_one() {
    for (era, index) in [(0, 5), (1, 1), (2, 0)] {
        let elsewhere =
            answer_at((era, index), |town, identity| town.recovery(identity, 3, &[1, 2]));
        assert_eq!(elsewhere, Err(IdentityError::OutOfPlace { era, index }));
    }
}

#[test]
fn a_recovery_keeps_at_least_the_last_identity_record() {
    let kept = |size: usize| {
        let (mut town, mut identity) = Town::found(2);
        town.append_others(2);
        let rotation = town.rotation(&identity, epoch_keys(30), &[1, 2]);
        let payload = IdentityAction::Rotation(rotation).encode();
        identity.apply(&town.append(Known::Identity, payload)).unwrap();
        let recovery = town.recovery(&identity, size, &[1, 2]);
        identity.apply(&town.record_at((1, 0), Known::Recovery, recovery.encode()))
    };
    assert_eq!(kept(3), Err(IdentityError::KeptTooLittle { era: 0, size: 3 }));
    assert_eq!(kept(4), Ok(()));
}

#[test]
fn refuses_a_recovery_that_keeps_another_era_or_follows_another_record() {
    let found = crate::RecordId::from_bytes([5; 32]);
    let elsewhere = answer(|town, identity| Recovery {
        last_identity: found,
        ..town.recovery(identity, 3, &[1, 2])
    });
    let expected = Town::found(2).1.last_identity();
    assert_eq!(elsewhere, Err(IdentityError::WrongPrevious { expected, found }));

    let later = answer_at((2, 0), |town, identity| {
        let recovery = town.recovery(identity, 3, &[1, 2]);
        Recovery { kept: KeptTree { era: 1, ..recovery.kept }, ..recovery }
    });
    assert_eq!(later, Err(IdentityError::KeptTooLittle { era: 1, size: 3 }));
}

#[test]
fn refuses_a_recovery_of_another_community() {
    let community = CommunityId::from_bytes([1; 32]);
    let foreign =
        answer(|town, identity| Recovery { community, ..town.recovery(identity, 3, &[1, 2]) });
    let refused = Err(IdentityError::OtherCommunity { network: network(), community });
    assert_eq!(foreign, refused);
}

#[test]
fn signatures_on_a_recovery_are_none_on_another_root_size_or_key() {
    let altered = |alter: fn(&mut Recovery)| {
        answer(|town, identity| {
            let mut recovery = town.recovery(identity, 3, &[1, 2]);
            alter(&mut recovery);
            recovery
        })
    };
    let is_forged =
        |answer| matches!(answer, Err(IdentityError::Signature(SignatureError::Forged { .. })));
    assert!(altered(|_| ()).is_ok());
    assert!(is_forged(altered(|it| it.kept.root = Hash::from_bytes([1; 32]))));
    assert!(is_forged(altered(|it| it.kept.size = 4)));
    assert!(is_forged(altered(|it| it.keys = epoch_keys(30))));
}

#[test]
fn a_new_era_is_rotated_and_recovered_like_the_first() {
    let (mut town, mut identity) = Town::found(2);
    let recovery = town.recovery(&identity, 1, &[1, 2]);
    town.eras.push(vec![]);
    identity.apply(&town.append(Known::Recovery, recovery.encode())).unwrap();
    let rotation = town.rotation(&identity, epoch_keys(30), &[1, 3]);
    let payload = IdentityAction::Rotation(rotation).encode();
    identity.apply(&town.append(Known::Identity, payload)).unwrap();
    let recovery = town.recovery(&identity, 2, &[2, 3]);
    town.eras.push(vec![]);
    identity.apply(&town.append(Known::Recovery, recovery.encode())).unwrap();

    let epochs: Vec<_> = identity.epochs().iter().map(|it| (it.era, it.from_index)).collect();
    assert_eq!(epochs, [(0, 0), (1, 0), (1, 1), (2, 0)]);
    assert_eq!(identity.log_key_for(1, 1), Some(epoch_keys(SECOND_EPOCH).log()));
    assert_eq!(identity.log_key_for(1, 2), Some(epoch_keys(30).log()));
    assert_eq!(identity.kept(1).map(|kept| kept.size), Some(2));
}
