//! A community that founds itself and writes its log.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Header, Network, RecordId, UnixMillis,
    commitment::{Commitment, Salt},
    identity::{
        BundleRecord, Context, EpochKeys, Genesis, IdentityAction, IdentityBundle, KeptTree,
        LogKey, MirrorKey, Nonce, Officer, OfficerKey, Officers, Recovery, Rotation, SpareDigest,
        SpareKey, TransportKey, WitnessKey,
    },
    kind::Known,
    name::Name,
    verified::Content,
};
use tlog::{
    Checkpoint, Frontier, Hash, KeyName, inclusion_proof, leaf_hash, prove::leaf_lookup,
    sign_checkpoint,
};

use crate::{
    frame::{LogName, RawRecord},
    head::{LogIdentity, SignedHead},
};

/// When every record was written.
pub(crate) const RECORDED_AT: u64 = 1_800_000_000_000;

pub(crate) fn network() -> Network {
    "demo.folkmoot.example".parse().unwrap()
}

/// A community with one officer; everything about it follows from its seed.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) network: Network,
    pub(crate) log: LogName,
    pub(crate) records: Vec<RawRecord>,
    seed: u8,
    /// From which index on which key signs.
    keys: Vec<(u64, SigningKey)>,
    identity_indexes: Vec<usize>,
}

fn secret(seed: u8, role: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed, role].repeat(16).try_into().unwrap())
}

fn epoch_keys(seed: u8, log: &SigningKey) -> EpochKeys {
    let transport = TransportKey::of(&secret(seed, 3));
    let (mirror, witness) = (MirrorKey::of(&secret(seed, 4)), WitnessKey::of(&secret(seed, 5)));
    EpochKeys::new(LogKey::of(log), transport, mirror, witness).unwrap()
}

impl Author {
    /// A log of `size` records, at least 1: the genesis.
    pub(crate) fn of(seed: u8, size: usize) -> Self {
        let mut author = Self::founded(seed, network());
        author.grow_to(size);
        author
    }

    pub(crate) fn founded(seed: u8, network: Network) -> Self {
        let key = secret(seed, 2);
        let spare_digest = SpareDigest::of(&SpareKey::of(&secret(seed, 1)));
        let officer = Officer { key: OfficerKey::of(&secret(seed, 0)), spare_digest };
        let genesis = IdentityAction::Genesis(Genesis {
            network: network.clone(),
            name: Name::parse(&format!("Ward {seed}")).unwrap(),
            officers: Officers::new(vec![officer], 1).unwrap(),
            keys: epoch_keys(seed, &key),
            nonce: Nonce::default(),
        })
        .encode();
        let log = LogName { community: CommunityId::of_genesis(&genesis), era: 0 };
        let keys = vec![(0, key)];
        let identity_indexes = vec![0];
        let mut author = Self { network, log, records: Vec::new(), seed, keys, identity_indexes };
        author.append(Known::Identity, genesis);
        author
    }

    pub(crate) fn append(&mut self, kind: Known, payload: Vec<u8>) {
        let salt = Salt([self.seed; 32]);
        let header = Header {
            network: self.network.clone(),
            community: self.log.community,
            era: self.log.era,
            index: self.size(),
            time: UnixMillis(RECORDED_AT),
            kind: kind.into(),
            commitment: Commitment::to(&salt, &payload),
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            references: Vec::new(),
        };
        self.records.push(RawRecord {
            header: header.encode(),
            content: Some(Content { salt, payload }),
            erased_by: None,
        });
    }

    /// Appends records until there are `size`.
    pub(crate) fn grow_to(&mut self, size: usize) {
        self.grow_saying(size, "pool");
    }

    /// As `grow_to`, with other words in each payload: what a fork is made of.
    pub(crate) fn grow_saying(&mut self, size: usize, words: &str) {
        for index in self.records.len()..size {
            self.append(Known::Pool, format!("{words} {index}").into_bytes());
        }
    }

    /// Appends a rotation; from there on the new key signs.
    pub(crate) fn rotate(&mut self) {
        let last = *self.identity_indexes.last().unwrap();
        let key = secret(self.seed, 100 + u8::try_from(self.keys.len()).unwrap());
        let previous = RecordId::from_leaf(leaf_hash(&self.records[last].header));
        let mut rotation = Rotation::new(previous, epoch_keys(self.seed, &key));
        let context = Context { network: &self.network, community: self.log.community };
        rotation.sign(&context, 0, &secret(self.seed, 0));
        self.keys.push((self.size(), key));
        self.identity_indexes.push(self.records.len());
        self.append(Known::Identity, IdentityAction::Rotation(rotation).encode());
    }

    /// Ends the era at this size: the author of the next one, the kept head signed by its key, and the identity of both.
    pub(crate) fn recover(&self, kept_size: u64) -> (Self, SignedHead, Arc<LogIdentity>) {
        let kept = self.checkpoint_at(kept_size);
        let last = *self.identity_indexes.last().unwrap();
        let key = secret(self.seed, 200);
        let mut recovery = Recovery {
            community: self.log.community,
            last_identity: RecordId::from_leaf(leaf_hash(&self.records[last].header)),
            kept: KeptTree { era: self.log.era, size: kept_size, root: kept.root },
            keys: epoch_keys(self.seed, &key),
            signatures: Vec::new(),
        };
        recovery.sign(&self.network, 0, &secret(self.seed, 0));
        let mut next = Self {
            network: self.network.clone(),
            log: LogName { era: self.log.era + 1, ..self.log },
            records: Vec::new(),
            seed: self.seed,
            keys: vec![(0, key.clone())],
            identity_indexes: vec![0],
        };
        next.append(Known::Recovery, recovery.encode());
        let leaves: Vec<Hash> =
            self.leaves().into_iter().take(usize::try_from(kept_size).unwrap()).collect();
        let lookup = leaf_lookup(&leaves);
        let of_old = |index: &usize| BundleRecord {
            header: self.records[*index].header.clone(),
            content: self.records[*index].content.clone().unwrap(),
            proof: inclusion_proof(u64::try_from(*index).unwrap(), kept_size, &lookup).unwrap(),
        };
        let recovered = BundleRecord {
            header: next.records[0].header.clone(),
            content: next.records[0].content.clone().unwrap(),
            proof: Vec::new(),
        };
        let records = self.identity_indexes.iter().map(of_old).chain([recovered]).collect();
        let checkpoint = next.note_at(1).to_vec();
        let bundle: Arc<[u8]> = IdentityBundle { records, checkpoint }.encode().into();
        let identity = LogIdentity::verify(&self.network, self.log.community, &bundle).unwrap();
        let note: Arc<[u8]> = sign_checkpoint(&kept, &key).to_bytes().into();
        let head = SignedHead::open(&self.network, self.log, &identity, &note).unwrap();
        (next, head, Arc::new(identity))
    }

    pub(crate) fn size(&self) -> u64 {
        self.records.len().try_into().unwrap()
    }

    pub(crate) fn leaves(&self) -> Vec<Hash> {
        self.records.iter().map(|it| leaf_hash(&it.header)).collect()
    }

    pub(crate) fn checkpoint_at(&self, size: u64) -> Checkpoint {
        let n_leaves = usize::try_from(size).unwrap();
        let root = self.leaves().into_iter().take(n_leaves).collect::<Frontier>().root();
        let origin = self.network.log_origin(&self.log.community, self.log.era);
        Checkpoint { origin: KeyName::parse(&origin).unwrap(), size, root }
    }

    /// The signed checkpoint at a size, by the key in force there.
    pub(crate) fn note_at(&self, size: u64) -> Arc<[u8]> {
        let key = self.keys.iter().rev().find(|(from, _)| *from < size).unwrap_or(&self.keys[0]);
        sign_checkpoint(&self.checkpoint_at(size), &key.1).to_bytes().into()
    }

    /// The signed checkpoint at a size, by the first key whatever came after it.
    pub(crate) fn note_by_first_key_at(&self, size: u64) -> Arc<[u8]> {
        sign_checkpoint(&self.checkpoint_at(size), &self.keys[0].1).to_bytes().into()
    }

    pub(crate) fn newest_key(&self) -> SigningKey {
        self.keys.last().unwrap().1.clone()
    }

    pub(crate) fn head_at(&self, size: u64) -> SignedHead {
        SignedHead::open(&self.network, self.log, &self.identity(), &self.note_at(size)).unwrap()
    }

    /// The bundle of every identity record, proved at the size after the last of them.
    pub(crate) fn bundle(&self) -> Arc<[u8]> {
        let leaves = self.leaves();
        let n_leaves = self.identity_indexes.last().unwrap() + 1;
        let size = u64::try_from(n_leaves).unwrap();
        let lookup = leaf_lookup(&leaves);
        let of_index = |index: &usize| BundleRecord {
            header: self.records[*index].header.clone(),
            content: self.records[*index].content.clone().unwrap(),
            proof: inclusion_proof(u64::try_from(*index).unwrap(), size, &lookup).unwrap(),
        };
        let records = self.identity_indexes.iter().map(of_index).collect();
        IdentityBundle { records, checkpoint: self.note_at(size).to_vec() }.encode().into()
    }

    pub(crate) fn identity(&self) -> Arc<LogIdentity> {
        let bundle = self.bundle();
        Arc::new(LogIdentity::verify(&self.network, self.log.community, &bundle).unwrap())
    }
}
