//! A founded community that writes its log by hand.

use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Header, LogName, Payload, RecordId, UnixMillis,
    commitment::Commitment,
    identity::{
        BundleRecord, Context, EpochKeys, Genesis, IdentityAction, IdentityBundle, LogKey,
        MirrorKey, Nonce, Officer, OfficerKey, Officers, Rotation, SpareDigest, SpareKey,
        TransportKey, WitnessKey, mirror_verifier_key,
    },
    kind::Known,
    name::Name,
    payload::{PledgeAction, receipt::HeldHead},
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};
use store::{Incoming, Store};
use tlog::{
    Checkpoint, Hash, KeyName, Note, consistency_proof, cosign, inclusion_proof,
    prove::leaf_lookup, sign_checkpoint,
};

use crate::world::*;

/// A founded community that writes its log by hand, so that it can write two.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) log: LogName,
    seed: u8,
    pub(crate) key: SigningKey,
    records: Vec<VerifiedRecord>,
    identity_indexes: Vec<u64>,
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
    pub(crate) fn found(seed: u8) -> Self {
        let spare_digest = SpareDigest::of(&SpareKey::of(&secret(seed, 1)));
        let officer = Officer { key: OfficerKey::of(&secret(seed, 0)), spare_digest };
        let key = secret(seed, 2);
        let genesis = IdentityAction::Genesis(Genesis {
            network: network(),
            name: Name::parse(&format!("Ward {seed}")).unwrap(),
            officers: Officers::new(vec![officer], 1).unwrap(),
            keys: epoch_keys(seed, &key),
            nonce: Nonce::default(),
        })
        .encode();
        let log = LogName { community: CommunityId::of_genesis(&genesis), era: 0 };
        let mut author = Self { log, seed, key, records: Vec::new(), identity_indexes: Vec::new() };
        author.write_identity(genesis);
        author
    }

    fn write_identity(&mut self, payload: Vec<u8>) {
        self.identity_indexes.push(self.size());
        self.write_bytes(Known::Identity, payload, Vec::new());
    }

    pub(crate) fn rotate(&mut self) {
        let last = usize::try_from(*self.identity_indexes.last().unwrap()).unwrap();
        let key = secret(self.seed, 100 + u8::try_from(self.identity_indexes.len()).unwrap());
        let mut rotation = Rotation::new(self.records[last].id(), epoch_keys(self.seed, &key));
        let network = network();
        let context = Context { network: &network, community: self.log.community };
        rotation.sign(&context, 0, &secret(self.seed, 0));
        self.key = key;
        self.write_identity(IdentityAction::Rotation(rotation).encode());
    }

    pub(crate) fn write(&mut self, payload: &Payload, references: Vec<RecordId>) -> RecordId {
        self.write_bytes(payload.kind(), proto::payload::encode(payload), references)
    }

    fn write_bytes(
        &mut self,
        kind: Known,
        payload: Vec<u8>,
        references: Vec<RecordId>,
    ) -> RecordId {
        let LogName { community, era } = self.log;
        let network = network();
        let index = self.size();
        let header = Header {
            network: network.clone(),
            community,
            era,
            index,
            time: UnixMillis(NOON),
            kind: kind.into(),
            commitment: Commitment::to(&salt(7), &payload),
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            references,
        };
        let expected = ExpectedPlace { network: &network, community, era, index };
        let content = Content { salt: salt(7), payload };
        self.records.push(verify(header.encode(), Some(content), &expected).unwrap());
        self.records.last().unwrap().id()
    }

    pub(crate) fn pledge(&mut self, pool: RecordId, quantity: u64) {
        let make = Payload::Pledge(PledgeAction::Make { quantity, firm: true });
        self.write(&make, vec![pool]);
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.records.len()).unwrap()
    }

    pub(crate) fn leaves(&self) -> Vec<Hash> {
        self.records.iter().map(|it| it.id().leaf()).collect()
    }

    pub(crate) fn head(&self, size: u64) -> Checkpoint {
        let leaves = self.leaves();
        let root = frontier(&leaves[..usize::try_from(size).unwrap()]).root();
        let origin = network().log_origin(&self.log.community, self.log.era);
        Checkpoint { origin: KeyName::parse(&origin).unwrap(), size, root }
    }

    pub(crate) fn note(&self, size: u64) -> Vec<u8> {
        sign_checkpoint(&self.head(size), &self.key).to_bytes()
    }

    /// A head of another with this community's cosignature.
    pub(crate) fn cosigned(&self, note: &[u8], unix_secs: u64) -> Vec<u8> {
        let (key, community) = (secret(self.seed, 4), self.log.community);
        let verifier = mirror_verifier_key(&network(), &community, &MirrorKey::of(&key));
        let note = Note::parse(note).unwrap();
        let head = Checkpoint::parse_text(note.text()).unwrap();
        let line = cosign(&head, verifier.name(), &key, unix_secs).unwrap();
        let lines = [note.signatures(), &[line]].concat();
        Note::new(note.text().to_owned(), lines).unwrap().render().into_bytes()
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        let (leaves, size) = (self.leaves(), self.size());
        let of_index = |index: &u64| {
            let record = self.records[usize::try_from(*index).unwrap()].clone();
            let (_, header, content) = record.into_parts();
            let proof = inclusion_proof(*index, size, &leaf_lookup(&leaves)).unwrap();
            BundleRecord { header, content: content.unwrap(), proof }
        };
        let records = self.identity_indexes.iter().map(of_index).collect();
        IdentityBundle { records, checkpoint: self.note(size) }.encode()
    }

    /// Records `start..end`, as a stream hands them over under the head of all.
    pub(crate) fn incoming(&self, start: u64, end: u64) -> Incoming {
        let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        let leaves = self.leaves();
        let size = self.size();
        Incoming {
            log: self.log,
            start,
            records: self.records[range].to_vec(),
            frontier: frontier(&leaves[..usize::try_from(end).unwrap()]),
            checkpoint: self.note(size).into(),
            proof: consistency_proof(end, size, &leaf_lookup(&leaves)).unwrap(),
            completes: end == size,
            identity: Some(self.bundle()),
        }
    }

    pub(crate) async fn carry_to(&self, store: &Store) {
        let held = size(store, self.log).await;
        if held < self.size() {
            accept(store, self.incoming(held, self.size())).await.unwrap();
        }
    }

    pub(crate) fn held_head(&self, size: u64) -> HeldHead {
        let LogName { community, era } = self.log;
        HeldHead { community, era, size, root: self.head(size).root }
    }
}
