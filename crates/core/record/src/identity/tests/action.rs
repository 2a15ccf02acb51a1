//! Actions while their signatures are gathered.

use super::*;

/// Every kind of action of a town of threshold 2, unsigned.
fn actions(town: &Town, identity: &Identity) -> [OfficerAction; 3] {
    let rotation = town.rotation(identity, epoch_keys(SECOND_EPOCH), &[]);
    let change = town.officer_change(identity, officers(&[4, 5, 6], 2), &[]);
    [
        OfficerAction::Rotation(rotation),
        OfficerAction::OfficerChange(change),
        OfficerAction::Recovery(town.recovery(identity, 1, &[])),
    ]
}

/// The key with which the officer of this seed signs an action.
fn key_for(action: &OfficerAction, seed: u8) -> SigningKey {
    secret(if action.needs_spare() { seed + 100 } else { seed })
}

#[test]
fn an_action_needs_the_threshold_of_signatures_wherever_they_were_made() {
    let (town, identity) = Town::found(2);
    let network = network();
    let context = town.context(&network);
    for mut action in actions(&town, &identity) {
        let mut copy = action.clone();
        let by = |action: &mut OfficerAction, seed| {
            let key = key_for(action, seed);
            action.sign(&context, identity.officers(), &key)
        };
        assert!(by(&mut action, 1).is_ok());
        let few = SignatureError::TooFew { n_signed: 1, threshold: 2 };
        assert_eq!(action.verify(&context, identity.officers()), Err(few));
        assert!(matches!(by(&mut action, 1), Err(SignError::Repeat { .. })));

        assert!(by(&mut copy, 3).is_ok());
        assert!(action.merge(&copy));
        assert_eq!(action.signed_by().len(), 2);
        assert_eq!(action.verify(&context, identity.officers()), Ok(()));
        assert!(action.merge(&copy), "a second time adds nothing");
        assert_eq!(action.signed_by().len(), 2);

        let payload = action.encode();
        assert_eq!(OfficerAction::decode(action.kind(), &payload), Ok(Some(action)));
    }
}

#[test]
fn an_officers_key_signs_no_change_of_officers_and_a_spare_key_nothing_else() {
    let (town, identity) = Town::found(1);
    let network = network();
    for mut action in actions(&town, &identity) {
        let wrong = if action.needs_spare() { secret(1) } else { secret(101) };
        let signed = action.sign(&town.context(&network), identity.officers(), &wrong);
        assert_eq!(signed, Err(SignError::NotTheirs));
        assert!(action.signed_by().is_empty());
    }
}

#[test]
fn signatures_of_another_action_are_not_taken_over() {
    let (town, identity) = Town::found(1);
    let network = network();
    let mut all = actions(&town, &identity);
    let mut other = OfficerAction::Rotation(town.rotation(&identity, epoch_keys(30), &[]));
    other.sign(&town.context(&network), identity.officers(), &secret(1)).unwrap();
    for action in &mut all {
        assert!(!action.merge(&other));
        assert!(action.signed_by().is_empty());
    }
}

#[test]
fn nobody_is_asked_to_sign_a_genesis_or_another_kind() {
    let payload = IdentityAction::Genesis(genesis(1)).encode();
    assert_eq!(OfficerAction::decode(Known::Identity, &payload), Ok(None));
    assert_eq!(OfficerAction::decode(Known::Pool, &payload), Ok(None));
    assert!(OfficerAction::decode(Known::Recovery, &payload).is_err());
}
