//! Certificates: wards with logs of their own that file epochs, and everything that must not pass for one.

use ed25519_dalek::SigningKey;
use tlog::{
    Checkpoint, Frontier, Hash, KeyName, Note, TlogProof, inclusion_proof, leaf_hash,
    prove::leaf_lookup, sign_checkpoint,
};

use super::*;
use crate::{
    commitment::{Commitment, Salt},
    header::Header,
    identity::{
        BundleRecord, EpochKeys, Genesis, IdentityAction, IdentityBundle, LogKey, MirrorKey, Nonce,
        Officer, OfficerKey, Officers, SpareDigest, SpareKey, TransportKey, WitnessKey,
    },
    ids::{CommunityId, Network, RegionId},
    kind::Known,
    name::Name,
    proof_extra::RecordProofExtra,
    proved::ProvedError,
    time::UnixMillis,
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};

fn network() -> Network {
    "demo.folkmoot.example".parse().unwrap()
}

/// A community with one officer, whose keys all follow from a number.
struct Ward {
    community: CommunityId,
    log_key: SigningKey,
    records: Vec<VerifiedRecord>,
}

impl Ward {
    fn found(number: u8) -> Self {
        let key = |n: u8| SigningKey::from_bytes(&[number, n].repeat(16).try_into().unwrap());
        let [officer, spare, log, transport, mirror, witness] = [1, 2, 3, 4, 5, 6].map(key);
        let spare_digest = SpareDigest::of(&SpareKey::of(&spare));
        let keys = EpochKeys::new(
            LogKey::of(&log),
            TransportKey::of(&transport),
            MirrorKey::of(&mirror),
            WitnessKey::of(&witness),
        );
        let officer = Officer { key: OfficerKey::of(&officer), spare_digest };
        let genesis = Genesis {
            network: network(),
            name: Name::parse("Ward").unwrap(),
            officers: Officers::new(vec![officer], 1).unwrap(),
            keys: keys.unwrap(),
            nonce: Nonce::default(),
        };
        let payload = IdentityAction::Genesis(genesis).encode();
        let community = CommunityId::of_genesis(&payload);
        let mut ward = Self { community, log_key: log, records: Vec::new() };
        ward.append(Known::Identity, payload);
        ward
    }

    fn append(&mut self, kind: Known, payload: Vec<u8>) {
        let (network, index, salt) = (network(), self.records.len() as u64, Salt([9; 32]));
        let header = Header {
            network: network.clone(),
            community: self.community,
            era: 0,
            index,
            time: UnixMillis(1_800_000_000_000),
            kind: kind.into(),
            commitment: Commitment::to(&salt, &payload),
            payload_bytes: payload.len().try_into().unwrap(),
            references: vec![],
        };
        let place = ExpectedPlace { network: &network, community: self.community, era: 0, index };
        let content = Some(Content { salt, payload });
        self.records.push(verify(header.encode(), content, &place).unwrap());
    }

    fn leaves(&self) -> Vec<Hash> {
        self.records.iter().map(|it| leaf_hash(it.header_bytes())).collect()
    }

    fn checkpoint(&self) -> Vec<u8> {
        let origin = KeyName::parse(&network().log_origin(&self.community, 0)).unwrap();
        let (size, root) =
            (self.records.len() as u64, self.leaves().into_iter().collect::<Frontier>().root());
        sign_checkpoint(&Checkpoint { origin, size, root }, &self.log_key).to_bytes()
    }

    fn inclusion(&self, index: usize) -> Vec<Hash> {
        let (leaves, size) = (self.leaves(), self.records.len() as u64);
        inclusion_proof(index as u64, size, &leaf_lookup(&leaves)).unwrap()
    }

    /// The proof of one record, as a page of a peer gives it.
    fn proof(&self, index: usize) -> Vec<u8> {
        let content = |index: usize| self.records[index].content().unwrap().clone();
        let genesis = BundleRecord {
            header: self.records[0].header_bytes().to_vec(),
            content: content(0),
            proof: self.inclusion(0),
        };
        let identity =
            IdentityBundle { records: vec![genesis], checkpoint: self.checkpoint() }.encode();
        let header = self.records[index].header_bytes().to_vec();
        let extra = RecordProofExtra { header, content: Some(content(index)), identity };
        let note = Note::parse(&self.checkpoint()).unwrap();
        let proof = TlogProof::new(index as u64, self.inclusion(index), note).unwrap();
        proof.with_extra(extra.encode()).unwrap().render().into_bytes()
    }

    /// Files an epoch and gives the proof of it.
    fn file(&mut self, epoch: &Epoch) -> Vec<u8> {
        let action = RegionAction::File { epoch: epoch.clone(), addresses: vec![] };
        self.append(Known::RegionEpoch, action.encode());
        self.proof(self.records.len() - 1)
    }
}

/// Three wards that found a region with one coordinator.
struct Estuary {
    wards: Vec<Ward>,
    charter: Charter,
}

impl Estuary {
    fn found() -> Self {
        let mut wards: Vec<Ward> = (1..=3).map(Ward::found).collect();
        wards.sort_by_key(|it| it.community);
        let members = wards.iter().map(|it| it.community).collect();
        let roster = Roster::new(members, vec![id(0xf0)], 1).unwrap();
        let charter = Charter::new(network(), Name::parse("Estuary").unwrap(), roster);
        Self { wards, charter }
    }

    /// The first epoch, in which another coordinator is seated.
    fn next(&self) -> Epoch {
        let region = self.charter.region_id();
        let members = self.charter.founders().to_vec();
        let roster = Roster::new(members, vec![id(0xf1)], 1).unwrap();
        Epoch { region, number: 1, previous: EpochHash::of_charter(region), roster }
    }

    fn certificate(&self, epochs: Vec<Vec<Vec<u8>>>) -> Certificate {
        let epochs = epochs.into_iter().map(|filings| CertifiedEpoch { filings }).collect();
        Certificate { charter: self.charter.encode(), epochs, addresses: vec![] }
    }

    /// A certificate whose first epoch rests on these filings, verified.
    fn verify(&self, filings: Vec<Vec<u8>>) -> Result<VerifiedRegion, CertificateError> {
        self.certificate(vec![filings]).verify(Some(self.charter.region_id()))
    }

    /// What a certificate with this filing and a sound one is refused for.
    fn refused(&mut self, filing: Vec<u8>) -> FilingError {
        let epoch = self.next();
        let sound = self.wards[0].file(&epoch);
        match self.verify(vec![sound, filing]) {
            Err(CertificateError::Filing { place: 1, why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn id(n: u8) -> CommunityId {
    CommunityId::from_bytes([n; 32])
}

#[test]
fn an_epoch_holds_once_2_of_3_members_have_filed_it_and_not_before() {
    let mut estuary = Estuary::found();
    let epoch = estuary.next();
    let filings: Vec<_> = estuary.wards.iter_mut().take(2).map(|it| it.file(&epoch)).collect();
    let one = estuary.verify(filings[..1].to_vec());
    assert_eq!(one, Err(CertificateError::TooFew { number: 1, n_filed: 1, needed: 2 }));
    let region = estuary.verify(filings).unwrap();
    assert_eq!(region.newest().hash, epoch.hash());
    assert_eq!(region.newest().roster, epoch.roster);
    assert_eq!(region.newest().filers.len(), 2);
    assert_eq!(
        estuary.verify(vec![]),
        Err(CertificateError::TooFew { number: 1, n_filed: 0, needed: 2 })
    );
}

#[test]
fn a_charter_alone_is_a_certificate_and_all_of_it_reads_back() {
    let mut estuary = Estuary::found();
    let charter = estuary.certificate(vec![]);
    assert_eq!(charter.verify(None).unwrap().newest().number, 0);
    let epoch = estuary.next();
    let filings = estuary.wards.iter_mut().map(|it| it.file(&epoch)).collect();
    let mut certificate = estuary.certificate(vec![filings]);
    let address = SeatAddress { community: id(0xf1), address: "c.example:7443".to_owned() };
    certificate.addresses.push(address);
    let read = Certificate::decode(&certificate.encode()).unwrap();
    assert_eq!(read, certificate);
    assert_eq!(read.verify(None).unwrap().address(&id(0xf1)), Some("c.example:7443"));
}

#[test]
fn a_second_epoch_rests_on_the_members_of_the_first() {
    let mut estuary = Estuary::found();
    let mut newcomer = Ward::found(9);
    let mut epoch = estuary.next();
    let mut members = vec![estuary.wards[0].community, newcomer.community];
    members.sort();
    epoch.roster = Roster::new(members.clone(), vec![], 1).unwrap();
    let first: Vec<_> = estuary.wards.iter_mut().map(|it| it.file(&epoch)).collect();
    let second = Epoch { number: 2, previous: epoch.hash(), ..epoch.clone() };
    let filings = vec![estuary.wards[0].file(&second), newcomer.file(&second)];
    let region = estuary.certificate(vec![first.clone(), filings]).verify(None).unwrap();
    assert_eq!(region.newest().number, 2);
    let former = vec![estuary.wards[1].file(&second), estuary.wards[2].file(&second)];
    let refused = estuary.certificate(vec![first, former]).verify(None);
    let community = estuary.wards[1].community;
    let why = FilingError::NotAMember { community };
    assert_eq!(refused, Err(CertificateError::Filing { number: 2, place: 0, why }));
}

#[test]
fn refuses_a_stranger_a_member_twice_and_another_epoch() {
    let mut estuary = Estuary::found();
    let epoch = estuary.next();
    let mut stranger = Ward::found(9);
    let filed = stranger.file(&epoch);
    let community = stranger.community;
    assert_eq!(estuary.refused(filed), FilingError::NotAMember { community });
    let again = estuary.wards[0].file(&epoch);
    let community = estuary.wards[0].community;
    assert_eq!(estuary.refused(again), FilingError::Twice { community });
    let mut others = epoch.clone();
    others.roster = Roster::new(estuary.charter.founders().to_vec(), vec![], 1).unwrap();
    let other = estuary.wards[1].file(&others);
    assert_eq!(estuary.refused(other), FilingError::OtherEpoch);
    let skipped = estuary.wards[1].file(&Epoch { number: 2, ..epoch.clone() });
    assert_eq!(estuary.refused(skipped), FilingError::OtherEpoch);
    let elsewhere = Epoch { region: RegionId::from_bytes([7; 32]), ..epoch };
    let elsewhere = estuary.wards[1].file(&elsewhere);
    assert_eq!(estuary.refused(elsewhere), FilingError::OtherEpoch);
}

#[test]
fn refuses_a_vouch_another_kind_and_a_filing_without_its_record() {
    let mut estuary = Estuary::found();
    let region = estuary.charter.region_id();
    let vouch = RegionAction::Vouch { region, community: id(7), withdrawn: false };
    estuary.wards[1].append(Known::RegionEpoch, vouch.encode());
    let vouched = estuary.wards[1].proof(1);
    assert_eq!(estuary.refused(vouched), FilingError::OtherKind);
    let genesis = estuary.wards[1].proof(0);
    assert_eq!(estuary.refused(genesis), FilingError::OtherKind);
    let epoch = estuary.next();
    let filed = TlogProof::parse(&estuary.wards[1].file(&epoch)).unwrap();
    let bare = TlogProof::new(2, filed.hashes().to_vec(), filed.checkpoint_note().clone());
    let bare = bare.unwrap().render().into_bytes();
    assert_eq!(estuary.refused(bare), FilingError::Proof(ProvedError::Incomplete));
}

#[test]
fn refuses_a_filing_that_is_in_no_signed_log() {
    let mut estuary = Estuary::found();
    let epoch = estuary.next();
    let filed = TlogProof::parse(&estuary.wards[1].file(&epoch)).unwrap();
    let (mut hashes, extra) = (filed.hashes().to_vec(), filed.extra().unwrap().to_vec());
    hashes[0] = Hash::from_bytes([0; 32]);
    let elsewhere = TlogProof::new(1, hashes, filed.checkpoint_note().clone());
    let elsewhere = elsewhere.unwrap().with_extra(extra.clone()).unwrap().render().into_bytes();
    assert_eq!(estuary.refused(elsewhere), FilingError::Proof(ProvedError::NotInLog));
    let mut forger = Ward::found(2);
    std::mem::swap(&mut forger.records, &mut estuary.wards[1].records);
    forger.community = estuary.wards[1].community;
    forger.log_key = SigningKey::from_bytes(&[5; 32]);
    let note = Note::parse(&forger.checkpoint()).unwrap();
    let forged = TlogProof::new(1, filed.hashes().to_vec(), note).unwrap();
    let forged = forged.with_extra(extra).unwrap().render().into_bytes();
    assert!(matches!(estuary.refused(forged), FilingError::Proof(ProvedError::Checkpoint(_))));
}

#[test]
fn two_certificates_of_one_epoch_are_told_and_a_longer_one_is_no_difference() {
    let mut estuary = Estuary::found();
    let one = estuary.next();
    let mut other = one.clone();
    other.roster = Roster::new(estuary.charter.founders().to_vec(), vec![], 1).unwrap();
    let [founded, first, second] = [None, Some(&one), Some(&other)].map(|epoch| {
        let file = |epoch| estuary.wards.iter_mut().map(|it| it.file(epoch)).collect();
        let epochs: Vec<Vec<Vec<u8>>> = epoch.map(file).into_iter().collect();
        estuary.certificate(epochs).verify(None).unwrap()
    });
    assert_eq!(first.first_difference(&second), Some(1));
    assert_eq!(first.first_difference(&first), None);
    assert_eq!(founded.first_difference(&first), None);
}

#[test]
fn refuses_the_certificate_of_another_region_and_one_byte_changed() {
    let mut estuary = Estuary::found();
    let epoch = estuary.next();
    let filings = estuary.wards.iter_mut().map(|it| it.file(&epoch)).collect();
    let certificate = estuary.certificate(vec![filings]);
    let (expected, found) = (RegionId::from_bytes([1; 32]), estuary.charter.region_id());
    let other = CertificateError::OtherRegion { expected, found };
    assert_eq!(certificate.verify(Some(expected)), Err(other));
    let bytes = certificate.encode();
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verified = Certificate::decode(&changed).and_then(|it| it.verify(Some(found)));
        // A change in a name or an unused byte of a note may leave another sound certificate, never of another epoch.
        if let Ok(region) = verified {
            assert_eq!(region.newest().hash, epoch.hash(), "byte {at}");
        }
    }
}
