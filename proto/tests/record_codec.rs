//! The .proto files of what `record` encodes itself describe the same bytes.
#![allow(clippy::unwrap_used, reason = "a test file: a panic is the failure report")]

use ed25519_dalek::SigningKey;
use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use proto::{kinds, types, v1};
use record::{
    CommunityId, Header, Name, Network, RecordId, RegionId, UnixMillis,
    commitment::{Commitment, Salt},
    identity::{
        BundleRecord, EpochKeys, Genesis, IdentityAction, IdentityBundle, KeptTree, LogKey,
        MirrorKey, Nonce, Officer, OfficerChange, OfficerKey, OfficerSignature, Officers, Recovery,
        Rotation, SpareDigest, SpareKey, SpareSignature, TransportKey, WitnessKey,
    },
    kind::Known,
    region::{
        Certificate, CertifiedEpoch, Charter, Epoch, EpochHash, Quota, RegionAction, Roster, Rules,
        SeatAddress,
    },
    verified::Content,
};
use tlog::Hash;

type OfficerMessage = kinds::identity::Officer;

fn network() -> Network {
    "demo.folkmoot.example".parse().unwrap()
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn keys(seed: u8) -> (EpochKeys, kinds::identity::EpochKeys) {
    let log = LogKey::of(&secret(seed));
    let transport = TransportKey::of(&secret(seed));
    let mirror = MirrorKey::of(&secret(seed));
    let witness = WitnessKey::of(&secret(seed.wrapping_add(1)));
    let message = kinds::identity::EpochKeys {
        log: log.as_bytes().to_vec(),
        transport: transport.as_bytes().to_vec(),
        mirror: mirror.as_bytes().to_vec(),
        witness: witness.as_bytes().to_vec(),
    };
    (EpochKeys::new(log, transport, mirror, witness).unwrap(), message)
}

fn officers(n: u8) -> (Officers, Vec<OfficerMessage>) {
    let officer = |seed: u8| Officer {
        key: OfficerKey::of(&secret(seed)),
        spare_digest: SpareDigest::of(&SpareKey::of(&secret(seed + 100))),
    };
    let mut list: Vec<_> = (1..=n).map(officer).collect();
    list.sort();
    let message = |officer: &Officer| OfficerMessage {
        key: officer.key.as_bytes().to_vec(),
        spare_digest: officer.spare_digest.0.to_vec(),
    };
    let messages = list.iter().map(message).collect();
    (Officers::new(list, u32::from(n)).unwrap(), messages)
}

fn signatures(n: u32) -> (Vec<OfficerSignature>, Vec<kinds::identity::OfficerSignature>) {
    let signature = [7; 64];
    let own = |officer_index| OfficerSignature { officer_index, signature };
    let message = |officer| kinds::identity::OfficerSignature { officer, signature: vec![7; 64] };
    ((0..n).map(own).collect(), (0..n).map(message).collect())
}

fn identity_message(action: kinds::identity::identity::Action) -> Vec<u8> {
    kinds::identity::Identity { action: Some(action) }.encode_to_vec()
}

/// The record crate writes `bytes` for `action`, and reads them again.
fn assert_same(action: &IdentityAction, bytes: &[u8]) {
    assert_eq!(action.encode(), bytes);
    assert_eq!(IdentityAction::decode(bytes).as_ref(), Ok(action));
}

fn assert_same_genesis(n_officers: u8, seed: u8, nonce: &[u8]) {
    let (officers, officer_messages) = officers(n_officers);
    let (keys, key_message) = keys(seed);
    let message = kinds::identity::Genesis {
        network: network().to_string(),
        name: "Eastside".to_owned(),
        officers: officer_messages,
        threshold: u32::from(n_officers),
        keys: Some(key_message),
        nonce: nonce.to_vec(),
    };
    let name = Name::parse("Eastside").unwrap();
    let nonce = Nonce::new(nonce).unwrap();
    let genesis = Genesis { network: network(), name, officers, keys, nonce };
    let bytes = identity_message(kinds::identity::identity::Action::Genesis(message));
    assert_same(&IdentityAction::Genesis(genesis), &bytes);
}

fn assert_same_rotation(previous: [u8; 32], seed: u8, n_signatures: u32) {
    let (keys, key_message) = keys(seed);
    let (signatures, messages) = signatures(n_signatures);
    let message = kinds::identity::Rotation {
        previous: previous.to_vec(),
        keys: Some(key_message),
        signatures: messages,
    };
    let rotation = Rotation { previous: RecordId::from_bytes(previous), keys, signatures };
    let bytes = identity_message(kinds::identity::identity::Action::Rotation(message));
    assert_same(&IdentityAction::Rotation(rotation), &bytes);
}

fn assert_same_officer_change(previous: [u8; 32], n_officers: u8, officer: u32) {
    let (officers, officer_messages) = officers(n_officers);
    let spare_key = SpareKey::of(&secret(101));
    let signature = SpareSignature { officer_index: officer, spare_key, signature: [7; 64] };
    let message = kinds::identity::OfficerChange {
        previous: previous.to_vec(),
        officers: officer_messages,
        threshold: u32::from(n_officers),
        signatures: vec![kinds::identity::SpareSignature {
            officer,
            spare_key: spare_key.as_bytes().to_vec(),
            signature: vec![7; 64],
        }],
    };
    let previous = RecordId::from_bytes(previous);
    let change = OfficerChange { previous, officers, signatures: vec![signature] };
    let bytes = identity_message(kinds::identity::identity::Action::OfficerChange(message));
    assert_same(&IdentityAction::OfficerChange(change), &bytes);
}

fn assert_same_recovery(hashes: [[u8; 32]; 3], era: u32, size: u64, n_signatures: u32) {
    let [community, last_identity, root] = hashes;
    let (keys, key_message) = keys(9);
    let (signatures, messages) = signatures(n_signatures);
    let message = kinds::recovery::Recovery {
        community: community.to_vec(),
        last_identity: last_identity.to_vec(),
        kept_era: era,
        kept_size: size,
        kept_root: root.to_vec(),
        keys: Some(key_message),
        signatures: messages,
    };
    let recovery = Recovery {
        community: CommunityId::from_bytes(community),
        last_identity: RecordId::from_bytes(last_identity),
        kept: KeptTree { era, size, root: Hash::from_bytes(root) },
        keys,
        signatures,
    };
    assert_eq!(recovery.encode(), message.encode_to_vec());
    assert_eq!(Recovery::decode(&message.encode_to_vec()), Ok(recovery));
}

proptest! {
    #[test]
    fn a_genesis_has_the_bytes_that_its_proto_file_describes(
        n_officers in 1..=5u8,
        seed in 1..=200u8,
        nonce in vec(any::<u8>(), 16..=32),
    ) {
        assert_same_genesis(n_officers, seed, &nonce);
        assert_same_genesis(n_officers, seed, &[]);
    }

    #[test]
    fn a_rotation_has_the_bytes_that_its_proto_file_describes(
        previous in any::<[u8; 32]>(),
        seed in 1..=200u8,
        n_signatures in 0..4u32,
    ) {
        assert_same_rotation(previous, seed, n_signatures);
    }

    #[test]
    fn a_change_of_officers_has_the_bytes_that_its_proto_file_describes(
        previous in any::<[u8; 32]>(),
        n_officers in 1..=5u8,
        officer in 0..4u32,
    ) {
        assert_same_officer_change(previous, n_officers, officer);
    }

    #[test]
    fn a_recovery_has_the_bytes_that_its_proto_file_describes(
        hashes in any::<[[u8; 32]; 3]>(),
        era in any::<u32>(),
        size in 1..=u64::MAX,
        n_signatures in 0..4u32,
    ) {
        assert_same_recovery(hashes, era, size, n_signatures);
        assert_same_recovery(hashes, 0, size, n_signatures);
    }

    #[test]
    fn a_bundle_has_the_bytes_that_its_proto_file_describes(
        header in vec(any::<u8>(), 1..40),
        payload in vec(any::<u8>(), 1..40),
        proof in vec(any::<[u8; 32]>(), 0..4),
        checkpoint in vec(any::<u8>(), 1..40),
    ) {
        let message = v1::BundleRecord {
            header: header.clone(),
            salt: vec![5; 32],
            payload: payload.clone(),
            proof: proof.iter().map(|hash| hash.to_vec()).collect(),
        };
        let message = v1::IdentityBundle { records: vec![message], checkpoint: checkpoint.clone() };
        let content = Content { salt: Salt([5; 32]), payload };
        let proof = proof.into_iter().map(Hash::from_bytes).collect();
        let bundle =
            IdentityBundle { records: vec![BundleRecord { header, content, proof }], checkpoint };
        prop_assert_eq!(bundle.encode(), message.encode_to_vec());
    }

    #[test]
    fn a_header_has_the_bytes_that_its_proto_file_describes(
        (era, index, time) in any::<(u32, u64, u64)>(),
        payload_bytes in 0..=262_144u32,
        references in vec(any::<[u8; 32]>(), 0..=16),
    ) {
        let kind = Known::Pool;
        let message = v1::Header {
            version: record::header::HEADER_VERSION,
            network: network().to_string(),
            community: vec![1; 32],
            era,
            index,
            time,
            kind: kind.package().to_owned(),
            payload_commitment: vec![2; 32],
            payload_bytes,
            references: references.iter().map(|hash| hash.to_vec()).collect(),
        };
        let header = Header {
            network: network(),
            community: CommunityId::from_bytes([1; 32]),
            era,
            index,
            time: UnixMillis(time),
            kind: kind.into(),
            commitment: Commitment([2; 32]),
            payload_bytes,
            references: references.into_iter().map(RecordId::from_bytes).collect(),
        };
        prop_assert_eq!(header.encode(), message.encode_to_vec());
    }
}

#[test]
fn a_charter_has_the_bytes_that_its_proto_file_describes() {
    let id = |n| CommunityId::from_bytes([n; 32]);
    let mut message = v1::Charter {
        network: network().to_string(),
        name: "Hastings".to_owned(),
        founders: vec![vec![1; 32], vec![2; 32]],
        coordinators: vec![vec![3; 32]],
        receipts_needed: 1,
        ocid_prefix: String::new(),
        witnesses: vec![],
        refounds: vec![],
    };
    let name = Name::parse("Hastings").unwrap();
    let roster = Roster::new(vec![id(1), id(2)], vec![id(3)], 1).unwrap();
    let charter = Charter::new(network(), name.clone(), roster.clone());
    assert_eq!(charter.encode(), message.encode_to_vec());
    message.ocid_prefix = "ocds-a1b2c3".to_owned();
    let charter = charter.with_ocid_prefix("ocds-a1b2c3".parse().unwrap());
    assert_eq!(charter.encode(), message.encode_to_vec());
    (message.witnesses, message.refounds) = (vec![vec![4; 32], vec![5; 32]], vec![6; 32]);
    let seats = roster.with_witnesses(vec![id(4), id(5)]).unwrap();
    let charter = Charter::new(network(), name, seats)
        .with_ocid_prefix("ocds-a1b2c3".parse().unwrap())
        .refounding(RegionId::from_bytes([6; 32]));
    assert_eq!(charter.encode(), message.encode_to_vec());
}

/// Epoch 3 of a region, and the message of it.
fn epoch() -> (Epoch, v1::Epoch) {
    let id = |n| CommunityId::from_bytes([n; 32]);
    let quota = Quota { records_per_minute: 300, bytes_per_day: 1 << 40 };
    let roster = Roster::new(vec![id(1), id(2)], vec![id(3)], 1)
        .and_then(|it| it.with_witnesses(vec![id(4)]))
        .and_then(|it| it.with_rules(Rules { vouches_needed: 2, quota }))
        .unwrap();
    let region = RegionId::from_bytes([5; 32]);
    let previous = EpochHash::from_bytes([6; 32]);
    let message = v1::Epoch {
        region: vec![5; 32],
        number: 3,
        previous: vec![6; 32],
        communities: vec![vec![1; 32], vec![2; 32]],
        coordinators: vec![vec![3; 32]],
        witnesses: vec![vec![4; 32]],
        receipts_needed: 1,
        rules: Some(v1::Rules {
            vouches_needed: 2,
            records_per_minute: 300,
            bytes_per_day: 1 << 40,
        }),
    };
    (Epoch { region, number: 3, previous, roster }, message)
}

#[test]
fn epochs_filings_and_vouches_have_the_bytes_that_their_proto_files_describe() {
    use kinds::region_epoch as wire;
    let (epoch, message) = epoch();
    assert_eq!(epoch.encode(), message.encode_to_vec());
    let (community, address) = (vec![3; 32], "c.example:7443".to_owned());
    let hint = types::SeatAddress { community, address: address.clone() };
    let file = wire::File { epoch: message.encode_to_vec(), addresses: vec![hint.clone()] };
    let action = Some(wire::region_epoch::Action::File(file));
    let seat = SeatAddress { community: CommunityId::from_bytes([3; 32]), address };
    let filed = RegionAction::File { epoch: epoch.clone(), addresses: vec![seat.clone()] };
    assert_eq!(filed.encode(), wire::RegionEpoch { action }.encode_to_vec());
    for withdrawn in [false, true] {
        let (region, community) = (vec![5; 32], vec![9; 32]);
        let vouch = wire::Vouch { region, community, withdrawn };
        let action = Some(wire::region_epoch::Action::Vouch(vouch));
        let community = CommunityId::from_bytes([9; 32]);
        let vouched = RegionAction::Vouch { region: epoch.region, community, withdrawn };
        assert_eq!(vouched.encode(), wire::RegionEpoch { action }.encode_to_vec());
    }
    let filings = vec![b"one".to_vec(), b"other".to_vec()];
    let epochs = vec![v1::CertifiedEpoch { filings: filings.clone() }];
    let message = v1::Certificate { charter: vec![1], epochs, addresses: vec![hint] };
    let epochs = vec![CertifiedEpoch { filings }];
    let certificate = Certificate { charter: vec![1], epochs, addresses: vec![seat] };
    assert_eq!(certificate.encode(), message.encode_to_vec());
}
