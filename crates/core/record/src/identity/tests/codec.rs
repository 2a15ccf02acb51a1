//! One encoding for each payload, and every limit of it.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;
use crate::{ids::RecordId, wire::WireError};

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn keys_hex(seed: u8) -> String {
    let keys = [seed, seed + 1, seed + 2, seed + 3].map(|it| secret(it).verifying_key().to_bytes());
    let [log, transport, mirror, witness] = keys.map(|it| hex(&it));
    format!("0a20{log}1220{transport}1a20{mirror}2220{witness}")
}

fn officers_hex(tag: &str, officers: &Officers) -> String {
    let one = |it: &Officer| {
        format!("{tag}440a20{}1220{}", hex(it.key.as_bytes()), hex(&it.spare_digest.0))
    };
    officers.list().iter().map(one).collect()
}

#[test]
fn the_encoding_of_a_genesis_never_changes() {
    let encoded = IdentityAction::Genesis(genesis(2)).encode();
    let inner = format!(
        "0a1564656d6f2e666f6c6b6d6f6f742e6578616d706c65\
         12084561737473696465{}2002\
         2a8801{}3210{}",
        officers_hex("1a", &officers(&SEEDS, 2)),
        keys_hex(FIRST_EPOCH),
        "07".repeat(16),
    );
    // 23 + 10 + 3 × 70 + 2 + 139 + 18 = 402 = 0x192: the varint 92 03.
    assert_eq!(hex(&encoded), format!("0a9203{inner}"));
    assert_eq!(CommunityId::of_genesis(&encoded).to_string(), COMMUNITY_ID);
}

/// Computed apart from this code.
const COMMUNITY_ID: &str = "fm1nsnghxr2ndsixtv3dqhiv67xut7sbdukok467nxmha4xswdxb5ma";

#[test]
fn the_encodings_of_changes_never_change() {
    let previous = RecordId::from_bytes([5; 32]);
    let signature = [6; 64];
    let mut rotation = Rotation::new(previous, epoch_keys(SECOND_EPOCH));
    rotation.signatures =
        [0, 2].map(|officer_index| OfficerSignature { officer_index, signature }).to_vec();
    let (fives, sixes) = ("05".repeat(32), "06".repeat(64));
    let signatures = |tag: &str| format!("{tag}421240{sixes}{tag}4408021240{sixes}");
    // 34 + 139 + 68 + 70 = 311 = 0x137: the varint b7 02.
    assert_eq!(
        hex(&IdentityAction::Rotation(rotation).encode()),
        format!("12b7020a20{fives}128801{}{}", keys_hex(SECOND_EPOCH), signatures("1a"))
    );

    let mut change = OfficerChange::new(previous, officers(&[4], 1));
    let spare_key = SpareKey::of(&secret(101));
    change.signatures = vec![SpareSignature { officer_index: 1, spare_key, signature }];
    let spare = hex(spare_key.as_bytes());
    // 34 + 70 + 2 + 104 = 210: the varint d2 01.
    assert_eq!(
        hex(&IdentityAction::OfficerChange(change).encode()),
        format!(
            "1ad2010a20{fives}{}18012266080112 20{spare}1a40{sixes}",
            officers_hex("12", &officers(&[4], 1))
        )
        .replace(' ', "")
    );
}

#[test]
fn the_encoding_of_a_recovery_never_changes() {
    let recovery = Recovery {
        community: CommunityId::from_bytes([1; 32]),
        last_identity: RecordId::from_bytes([5; 32]),
        kept: KeptTree { era: 3, size: 300, root: Hash::from_bytes([4; 32]) },
        keys: epoch_keys(SECOND_EPOCH),
        signatures: vec![OfficerSignature { officer_index: 0, signature: [6; 64] }],
    };
    let expected = format!(
        "0a20{}1220{}180320ac022a20{}328801{}3a421240{}",
        "01".repeat(32),
        "05".repeat(32),
        "04".repeat(32),
        keys_hex(SECOND_EPOCH),
        "06".repeat(64)
    );
    assert_eq!(hex(&recovery.encode()), expected);
    assert_eq!(Recovery::decode(&recovery.encode()), Ok(recovery));
}

#[test]
fn what_is_signed_names_network_community_and_previous_record_before_the_body() {
    let network = "a.b".parse().unwrap();
    let context = Context { network: &network, community: CommunityId::from_bytes([1; 32]) };
    let signed = context.signed_bytes(&RecordId::from_bytes([5; 32]), b"body");
    let expected = [&b"folkmoot/identity/v1\0"[..], &[3], b"a.b", &[1; 32], &[5; 32], b"body"];
    assert_eq!(signed, expected.concat());
}

#[test]
fn a_community_has_1_to_32_officers() {
    let of = |n: u8| {
        let mut list: Vec<Officer> = (0..n).map(officer).collect();
        list.sort();
        Officers::new(list, 1)
    };
    assert_eq!(of(0), Err(OfficersError::Count { n_officers: 0 }));
    assert!(of(1).is_ok());
    assert!(of(32).is_ok());
    assert_eq!(of(33), Err(OfficersError::Count { n_officers: 33 }));
}

#[test]
fn a_threshold_is_between_1_and_the_number_of_officers() {
    let list = officers(&SEEDS, 1).list().to_vec();
    for (threshold, is_possible) in [(0, false), (1, true), (3, true), (4, false)] {
        let answer = Officers::new(list.clone(), threshold);
        let n_officers = 3;
        let refused = OfficersError::Threshold { threshold: threshold.into(), n_officers };
        assert_eq!(answer.err(), (!is_possible).then_some(refused));
    }
}

#[test]
fn refuses_officers_out_of_order_or_named_twice() {
    let list = officers(&SEEDS, 1).list().to_vec();
    let backwards = list.iter().rev().copied().collect();
    assert_eq!(Officers::new(backwards, 1), Err(OfficersError::Order));
    assert_eq!(Officers::new(vec![list[0], list[0]], 1), Err(OfficersError::Order));
}

#[test]
fn refuses_a_spare_key_that_is_an_officers_key_or_that_two_share() {
    let list = officers(&[1, 2], 1).list().to_vec();
    let with_spare = |seed: u8| {
        let mut list = list.clone();
        list[0].spare_digest = SpareDigest::of(&SpareKey::of(&secret(seed)));
        Officers::new(list, 1).err()
    };
    let other = if list[0].key == OfficerKey::of(&secret(1)) { 2 } else { 1 };
    assert_eq!(with_spare(77), None);
    assert_eq!(with_spare(3 - other), Some(OfficersError::SpareShared), "their own key");
    assert_eq!(with_spare(other), Some(OfficersError::SpareShared), "another's key");
    assert_eq!(with_spare(other + 100), Some(OfficersError::SpareShared), "another's spare");
}

#[test]
fn a_nonce_has_no_bytes_or_16_to_32() {
    for (n_bytes, is_allowed) in
        [(0, true), (1, false), (15, false), (16, true), (32, true), (33, false)]
    {
        assert_eq!(Nonce::new(&vec![0; n_bytes]).is_some(), is_allowed, "{n_bytes}");
    }
    let without = Genesis { nonce: Nonce::default(), ..genesis(2) };
    let bytes = IdentityAction::Genesis(without.clone()).encode();
    assert_eq!(IdentityAction::decode(&bytes), Ok(IdentityAction::Genesis(without)));
}

#[test]
fn thirty_two_signatures_are_read_and_thirty_three_are_refused() {
    let mut rotation = Rotation::new(RecordId::from_bytes([5; 32]), epoch_keys(SECOND_EPOCH));
    rotation.signatures = vec![OfficerSignature { officer_index: 0, signature: [6; 64] }; 32];
    let decoded =
        |it: &Rotation| IdentityAction::decode(&IdentityAction::Rotation(it.clone()).encode());
    assert_eq!(decoded(&rotation), Ok(IdentityAction::Rotation(rotation.clone())));
    rotation.signatures.extend_from_within(..1);
    let too_many = PayloadError::TooMany { message: "Rotation", field: 3, limit: 32 };
    assert_eq!(decoded(&rotation), Err(too_many));
}

#[test]
fn refuses_nothing_at_all_an_unknown_action_and_two_actions() {
    let malformed = |field| Err(PayloadError::Field { message: "Identity", field });
    assert_eq!(IdentityAction::decode(&[]), malformed(1));
    assert_eq!(IdentityAction::decode(&[0x22, 0]), malformed(4));
    assert_eq!(IdentityAction::decode(&[0x08, 1]), malformed(1));
    assert_eq!(IdentityAction::decode(&[0x09]), Err(WireError::Type { field: 1 }.into()));
    let one = IdentityAction::Genesis(genesis(2)).encode();
    let two = [&one[..], &one].concat();
    assert_eq!(IdentityAction::decode(&two), Err(PayloadError::NotCanonical));
}

#[test]
fn refuses_a_genesis_with_a_weak_key_or_one_cosigning_key() {
    let bytes = IdentityAction::Genesis(genesis(2)).encode();
    let replaced = |old: &SigningKey, new: &[u8; 32]| {
        let old = old.verifying_key().to_bytes();
        let at = bytes.windows(32).position(|it| it == old).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + 32].copy_from_slice(new);
        IdentityAction::decode(&bytes)
    };
    let weak = [0; 32];
    let roles = [(10, "log"), (11, "transport"), (12, "mirror"), (13, "witness")];
    for (seed, role) in roles {
        assert_eq!(replaced(&secret(seed), &weak), Err(KeyError::Weak { role }.into()));
    }
    assert_eq!(replaced(&secret(1), &weak), Err(KeyError::Weak { role: "officer" }.into()));
    let mirror = secret(FIRST_EPOCH + 2).verifying_key().to_bytes();
    let one_key = replaced(&secret(FIRST_EPOCH + 3), &mirror);
    assert_eq!(one_key, Err(KeyError::MirrorIsWitness.into()));
}

#[test]
fn refuses_a_recovery_that_keeps_nothing() {
    let (town, identity) = Town::found(1);
    let mut recovery = town.recovery(&identity, 1, &[1]);
    assert!(Recovery::decode(&recovery.encode()).is_ok());
    recovery.kept.size = 0;
    let refused = Err(PayloadError::Field { message: "Recovery", field: 4 });
    assert_eq!(Recovery::decode(&recovery.encode()), refused);
}

#[test]
fn every_refusal_has_a_reason_of_identity_or_record() {
    let errors = [
        PayloadError::NotCanonical.reason(),
        PayloadError::Key(KeyError::MirrorIsWitness).reason(),
        PayloadError::Officers(OfficersError::Order).reason(),
        PayloadError::Name(crate::name::NameError).reason(),
        IdentityError::MisplacedGenesis.reason(),
        SignatureError::TooFew { n_signed: 1, threshold: 2 }.reason(),
        BundleError::TooManyRecords.reason(),
    ];
    let distinct: std::collections::BTreeSet<_> = errors.into_iter().collect();
    assert_eq!(distinct.len(), errors.len());
    assert!(errors.iter().all(|it| it.starts_with("identity.") || it.starts_with("record.")));
}

fn payloads() -> [Vec<u8>; 3] {
    let (town, identity) = Town::found(2);
    let rotation = town.rotation(&identity, epoch_keys(SECOND_EPOCH), &[1, 2]);
    let change = town.officer_change(&identity, officers(&[4, 5], 1), &[1, 2]);
    [
        town.eras[0][0].content().unwrap().payload.clone(),
        IdentityAction::Rotation(rotation).encode(),
        IdentityAction::OfficerChange(change).encode(),
    ]
}

#[test]
fn a_genesis_a_rotation_and_a_change_read_back() {
    for payload in payloads() {
        assert_eq!(IdentityAction::decode(&payload).map(|it| it.encode()), Ok(payload));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_accepted_is_the_one_encoding(at in 0usize..500, byte in any::<u8>()) {
        for mut payload in payloads() {
            let at = at % payload.len();
            payload[at] = byte;
            if let Ok(action) = IdentityAction::decode(&payload) {
                prop_assert_eq!(action.encode(), payload);
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_genesis_is_another_community_or_none(bit in 0usize..3_200) {
        let [genesis, ..] = payloads();
        let mut flipped = genesis.clone();
        flipped[bit / 8 % genesis.len()] ^= 1 << (bit % 8);
        let community = CommunityId::of_genesis(&genesis);
        prop_assert_ne!(CommunityId::of_genesis(&flipped), community);
        if IdentityAction::decode(&flipped).is_ok() {
            let place = record(&network(), community, (0, 0), Known::Identity, flipped);
            prop_assert!(Identity::from_genesis(&place).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        tag in prop::sample::select(vec![0x0a_u8, 0x12, 0x1a]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = IdentityAction::decode(&bytes);
        let _ = Recovery::decode(&bytes);
        let length = u8::try_from(bytes.len() % 128).unwrap();
        let _ = IdentityAction::decode(&[&[tag, length], &bytes[..]].concat());
    }
}
