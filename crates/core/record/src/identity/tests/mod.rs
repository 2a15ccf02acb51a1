//! A town whose secrets are known, to test identity with.

mod action;
mod bundle;
mod codec;
mod recovery;
mod state;

use ed25519_dalek::SigningKey;
use tlog::{Frontier, Hash, leaf_hash};

use super::*;
use crate::{
    commitment::{Commitment, Salt},
    header::Header,
    ids::{CommunityId, Network},
    kind::Known,
    name::Name,
    time::UnixMillis,
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};

/// Seeds of the three officers' keys. A spare key has its officer's seed plus 100.
const SEEDS: [u8; 3] = [1, 2, 3];
/// The seed of the log key of the first epoch; transport, mirror and witness keys have the next three.
const FIRST_EPOCH: u8 = 10;
/// That of the second.
const SECOND_EPOCH: u8 = 20;

fn network() -> Network {
    "demo.folkmoot.example".parse().unwrap()
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn officer(seed: u8) -> Officer {
    let spare_digest = SpareDigest::of(&SpareKey::of(&secret(seed + 100)));
    Officer { key: OfficerKey::of(&secret(seed)), spare_digest }
}

fn officers(seeds: &[u8], threshold: u32) -> Officers {
    let mut list: Vec<Officer> = seeds.iter().copied().map(officer).collect();
    list.sort();
    Officers::new(list, threshold).unwrap()
}

/// The place of the officer with this seed among the officers.
fn place(officers: &Officers, seed: u8) -> u32 {
    let key = OfficerKey::of(&secret(seed));
    officers.list().iter().position(|it| it.key == key).unwrap().try_into().unwrap()
}

fn epoch_keys(seed: u8) -> EpochKeys {
    EpochKeys::new(
        LogKey::of(&secret(seed)),
        TransportKey::of(&secret(seed + 1)),
        MirrorKey::of(&secret(seed + 2)),
        WitnessKey::of(&secret(seed + 3)),
    )
    .unwrap()
}

fn genesis(threshold: u32) -> Genesis {
    Genesis {
        network: network(),
        name: Name::parse("Eastside").unwrap(),
        officers: officers(&SEEDS, threshold),
        keys: epoch_keys(FIRST_EPOCH),
        nonce: Nonce::new(&[7; 16]).unwrap(),
    }
}

/// The logs of a community, one for each era.
#[derive(Clone)]
struct Town {
    community: CommunityId,
    eras: Vec<Vec<VerifiedRecord>>,
}

impl Town {
    /// A town of three officers of whom `threshold` act together.
    fn found(threshold: u32) -> (Self, Identity) {
        let payload = IdentityAction::Genesis(genesis(threshold)).encode();
        let community = CommunityId::of_genesis(&payload);
        let mut town = Self { community, eras: vec![vec![]] };
        let record = town.append(Known::Identity, payload);
        (town, Identity::from_genesis(&record).unwrap())
    }

    /// The record that this payload would make at this place, not appended.
    fn record_at(&self, (era, index): (u32, u64), kind: Known, payload: Vec<u8>) -> VerifiedRecord {
        record(&network(), self.community, (era, index), kind, payload)
    }

    fn append(&mut self, kind: Known, payload: Vec<u8>) -> VerifiedRecord {
        let era = u32::try_from(self.eras.len()).unwrap() - 1;
        let index = self.eras.last().unwrap().len() as u64;
        let record = self.record_at((era, index), kind, payload);
        self.eras.last_mut().unwrap().push(record.clone());
        record
    }

    /// Appends records that say nothing of identity.
    fn append_others(&mut self, n: usize) {
        for _ in 0..n {
            self.append(Known::Pool, vec![1]);
        }
    }

    fn context<'a>(&self, network: &'a Network) -> Context<'a> {
        Context { network, community: self.community }
    }

    /// A rotation signed by the officers with these seeds.
    fn rotation(&self, identity: &Identity, keys: EpochKeys, seeds: &[u8]) -> Rotation {
        let mut rotation = Rotation::new(identity.last_identity(), keys);
        for seed in seeds {
            let place = place(identity.officers(), *seed);
            rotation.sign(&self.context(&network()), place, &secret(*seed));
        }
        rotation
    }

    /// A change of officers signed by the spare keys of the officers with these seeds.
    fn officer_change(&self, identity: &Identity, new: Officers, seeds: &[u8]) -> OfficerChange {
        let mut change = OfficerChange::new(identity.last_identity(), new);
        for seed in seeds {
            let place = place(identity.officers(), *seed);
            change.sign(&self.context(&network()), place, &secret(*seed + 100));
        }
        change
    }

    /// A recovery that keeps the first `size` records of the current era.
    fn recovery(&self, identity: &Identity, size: usize, seeds: &[u8]) -> Recovery {
        let root = root_of(&self.eras[identity.era() as usize][..size]);
        let mut recovery = Recovery {
            community: self.community,
            last_identity: identity.last_identity(),
            kept: KeptTree { era: identity.era(), size: size as u64, root },
            keys: epoch_keys(SECOND_EPOCH),
            signatures: Vec::new(),
        };
        for seed in seeds {
            recovery.sign(&network(), place(identity.officers(), *seed), &secret(*seed));
        }
        recovery
    }
}

fn record(
    network: &Network,
    community: CommunityId,
    (era, index): (u32, u64),
    kind: Known,
    payload: Vec<u8>,
) -> VerifiedRecord {
    let salt = Salt([9; 32]);
    let header = Header {
        network: network.clone(),
        community,
        era,
        index,
        time: UnixMillis(1_800_000_000_000),
        kind: kind.into(),
        commitment: Commitment::to(&salt, &payload),
        payload_bytes: payload.len().try_into().unwrap(),
        references: vec![],
    };
    let place = ExpectedPlace { network, community, era, index };
    verify(header.encode(), Some(Content { salt, payload }), &place).unwrap()
}

fn leaves_of(records: &[VerifiedRecord]) -> Vec<Hash> {
    records.iter().map(|it| leaf_hash(it.header_bytes())).collect()
}

fn root_of(records: &[VerifiedRecord]) -> Hash {
    leaves_of(records).into_iter().collect::<Frontier>().root()
}
