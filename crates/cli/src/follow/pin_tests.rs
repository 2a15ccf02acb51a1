//! Who is trusted: each row of the table, from both sides.

use ed25519_dalek::SigningKey;
use record::{
    Header, Name, Network, UnixMillis,
    commitment::{Commitment, Salt},
    identity::{
        Context, EpochKeys, Genesis, IdentityAction, LogKey, MirrorKey, Nonce, Officer, OfficerKey,
        Officers, Rotation, SpareDigest, SpareKey, TransportKey, WitnessKey,
    },
    kind::Known,
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};

use super::*;

fn network() -> Network {
    "test.folkmoot.example".parse().unwrap()
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// An epoch's keys; the transport key has the seed `first + 1`.
fn epoch(first: u8) -> EpochKeys {
    EpochKeys::new(
        LogKey::of(&secret(first)),
        TransportKey::of(&secret(first + 1)),
        MirrorKey::of(&secret(first + 2)),
        WitnessKey::of(&secret(first + 3)),
    )
    .unwrap()
}

fn transport_key(first: u8) -> PeerKey {
    PeerKey(secret(first + 1).verifying_key().to_bytes())
}

fn record(community: CommunityId, index: u64, payload: Vec<u8>) -> VerifiedRecord {
    let salt = Salt([9; 32]);
    let header = Header {
        network: network(),
        community,
        era: 0,
        index,
        time: UnixMillis(1),
        kind: Known::Identity.into(),
        commitment: Commitment::to(&salt, &payload),
        payload_bytes: payload.len().try_into().unwrap(),
        references: vec![],
    };
    let place = ExpectedPlace { network: &network(), community, era: 0, index };
    verify(header.encode(), Some(Content { salt, payload }), &place).unwrap()
}

/// A coordinator with the epoch 10, and after `rotations` the epochs 20, 30, …
fn coordinator(officer: u8, rotations: u8) -> Identity {
    let spare_digest = SpareDigest::of(&SpareKey::of(&secret(officer + 1)));
    let officers = vec![Officer { key: OfficerKey::of(&secret(officer)), spare_digest }];
    let genesis = Genesis {
        network: network(),
        name: Name::parse("Estuary").unwrap(),
        officers: Officers::new(officers, 1).unwrap(),
        keys: epoch(10),
        nonce: Nonce::default(),
    };
    let payload = IdentityAction::Genesis(genesis).encode();
    let community = CommunityId::of_genesis(&payload);
    let mut identity = Identity::from_genesis(&record(community, 0, payload)).unwrap();
    for n in 1..=rotations {
        let mut rotation = Rotation::new(identity.last_identity(), epoch(10 + 10 * n));
        let context = Context { network: &network(), community };
        rotation.sign(&context, 0, &secret(officer));
        let payload = IdentityAction::Rotation(rotation).encode();
        identity.apply(&record(community, n.into(), payload)).unwrap();
    }
    identity
}

const MANNER: Manner =
    Manner { option: "--key", safe: "Nothing was lost.", refused: "Ask its operators." };

fn because(
    given: Option<GivenKey>,
    remembered: Option<Pin>,
    identity: &Identity,
    key: PeerKey,
) -> Result<Because, &'static str> {
    let decided = decide(&MANNER, given, remembered.as_ref(), identity, key);
    decided.map(|(_, because)| because).map_err(|it| it.reason())
}

#[test]
fn nobody_known_is_trusted_on_first_use_and_remembered_after() {
    let identity = coordinator(1, 0);
    let key = transport_key(10);
    let (pin, first) = decide(&MANNER, None, None, &identity, key).unwrap();
    assert_eq!((pin, first), (Pin { coordinator: identity.community(), key }, Because::FirstUse));
    assert_eq!(because(None, Some(pin), &identity, key), Ok(Because::Remembered));
}

#[test]
fn a_key_that_is_not_in_the_identity_is_never_trusted() {
    let identity = coordinator(1, 0);
    let key = transport_key(50);
    for given in
        [None, Some(GivenKey::Transport(key)), Some(GivenKey::Community(identity.community()))]
    {
        assert_eq!(because(given, None, &identity, key), Err("key.not_in_identity"));
    }
}

#[test]
fn what_the_command_line_names_must_answer() {
    let (identity, other) = (coordinator(1, 0), coordinator(4, 0));
    let key = transport_key(10);
    let by_id = |id| because(Some(GivenKey::Community(id)), None, &identity, key);
    let by_key = |expected| because(Some(GivenKey::Transport(expected)), None, &identity, key);
    assert_eq!(by_id(identity.community()), Ok(Because::Given));
    assert_eq!(by_id(other.community()), Err("key.other"));
    assert_eq!(by_key(key), Ok(Because::Given));
    assert_eq!(by_key(transport_key(20)), Err("key.other"));
}

#[test]
fn a_changed_key_is_followed_only_where_the_officers_signed_the_change() {
    let rotated = coordinator(1, 1);
    let coordinator_id = rotated.community();
    let remembered = |first| Some(Pin { coordinator: coordinator_id, key: transport_key(first) });
    let key = transport_key(20);
    assert_eq!(because(None, remembered(10), &rotated, key), Ok(Because::Rotated));
    assert_eq!(because(None, remembered(50), &rotated, key), Err("key.other"));
}

#[test]
fn an_old_key_with_an_old_identity_does_not_undo_a_change() {
    let old = coordinator(1, 0);
    let remembered = Pin { coordinator: old.community(), key: transport_key(20) };
    assert_eq!(because(None, Some(remembered), &old, transport_key(10)), Err("key.other"));
}

#[test]
fn a_cursor_file_stays_with_its_coordinator_whatever_the_command_line_says() {
    let (identity, other) = (coordinator(1, 0), coordinator(4, 0));
    let key = transport_key(10);
    let remembered = Pin { coordinator: other.community(), key };
    for given in
        [None, Some(GivenKey::Transport(key)), Some(GivenKey::Community(identity.community()))]
    {
        assert_eq!(because(given, Some(remembered), &identity, key), Err("key.other"));
    }
}

#[test]
fn a_refusal_names_both_and_says_what_is_safe_and_what_to_do() {
    let (identity, other) = (coordinator(1, 0), coordinator(4, 0).community());
    let given = Some(GivenKey::Community(other));
    let told = decide(&MANNER, given, None, &identity, transport_key(10)).unwrap_err().to_string();
    for part in ["--key", &other.to_string(), &identity.community().to_string()] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.ends_with("Ask its operators."), "{told}");
    let told = decide(&MANNER, None, None, &identity, transport_key(50)).unwrap_err().to_string();
    assert!(told.ends_with("Nothing was lost."), "{told}");
}

#[test]
fn a_key_is_written_as_an_id_or_in_hexadecimal() {
    let id = CommunityId::from_bytes([1; 32]);
    assert_eq!(id.to_string().parse(), Ok(GivenKey::Community(id)));
    let key = transport_key(10);
    assert_eq!(key.to_string().parse(), Ok(GivenKey::Transport(key)));
    assert!("fm1abc".parse::<GivenKey>().is_err());
    assert!("abc".parse::<GivenKey>().is_err());
}
