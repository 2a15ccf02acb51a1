//! A community that writes its log in memory, ready to be pushed.

use std::path::Path;

use anyhow::{Context as _, Result};
use peer::{DataFolder, Keys};
use proto::v1;
use record::{
    CommunityId, Header, Kind, LogName, Network, Payload, RecordId, UnixMillis,
    commitment::{Commitment, Salt},
    identity::{BundleRecord, IdentityBundle},
    kind::Known,
    name::Name,
    verified::Content,
};
use tlog::{Checkpoint, Hash, KeyName, TileCache, leaf_hash, prove, sign_checkpoint};

/// The network of the benchmark.
pub const NETWORK: &str = "bench.folkmoot.example";
/// A kind that no register knows.
pub const UNKNOWN_KIND: &str = "folkmoot.record.benchmark.v1";
/// Bytes of its payload.
const PAYLOAD_BYTES: usize = 300;
/// Records under one checkpoint: what a node commits together when it is busy.
pub const RECORDS_PER_CHECKPOINT: usize = 1_000;

/// The network, parsed.
pub fn network() -> Network {
    NETWORK.parse().expect("a network name")
}

/// A founded folder.
pub fn found(folder: &Path) -> Result<DataFolder> {
    let folder = DataFolder::at(folder);
    folder.found(&network(), &Name::parse("Bench")?)?;
    Ok(folder)
}

/// A log in memory: records, the signed heads on the way, and the tiles that prove them.
pub struct Author {
    pub log: LogName,
    pub keys: Keys,
    pub records: Vec<v1::RawRecord>,
    /// Ascending sizes with their notes.
    pub heads: Vec<(u64, Vec<u8>)>,
    pub tiles: TileCache,
    pub bundle: Vec<u8>,
    frontier: tlog::Frontier,
    /// Leaves since the last checkpoint.
    fresh: Vec<Hash>,
    /// Where the stream of salts and payloads stands.
    noise: u64,
}

impl Author {
    /// Founds a community in a folder and writes its genesis.
    pub fn found(folder: &Path, number: u64) -> Result<Self> {
        let folder = found(folder)?;
        let mut author = Self {
            log: LogName { community: folder.community()?, era: 0 },
            keys: folder.keys()?,
            records: Vec::new(),
            heads: Vec::new(),
            tiles: TileCache::new(),
            bundle: Vec::new(),
            frontier: tlog::Frontier::new(),
            fresh: Vec::new(),
            noise: number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        author.append(Kind::from(Known::Identity), folder.genesis()?, Vec::new());
        author.bundle = author.first_bundle()?;
        Ok(author)
    }

    /// Who it is.
    pub fn community(&self) -> CommunityId {
        self.log.community
    }

    fn first_bundle(&self) -> Result<Vec<u8>> {
        let v1::RawRecord { header, content, .. } = self.records[0].clone();
        let content = content.context("the genesis")?;
        let salt = content.salt.try_into().ok().context("a salt")?;
        let content = Content { salt: Salt(salt), payload: content.payload };
        let record = BundleRecord { header, content, proof: Vec::new() };
        Ok(IdentityBundle { records: vec![record], checkpoint: self.note() }.encode())
    }

    /// The signed checkpoint of all that is written.
    fn note(&self) -> Vec<u8> {
        let origin = network().log_origin(&self.log.community, self.log.era);
        let checkpoint = Checkpoint {
            origin: KeyName::parse(&origin).expect("a log's origin is a key name"),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        sign_checkpoint(&checkpoint, &self.keys.log).to_bytes()
    }

    /// Writes a record.
    pub fn append(&mut self, kind: Kind, payload: Vec<u8>, references: Vec<RecordId>) -> RecordId {
        let mut salt = Salt([0; 32]);
        salt.0.chunks_mut(8).for_each(|it| it.copy_from_slice(&self.next().to_le_bytes()));
        let header = Header {
            network: network(),
            community: self.log.community,
            era: self.log.era,
            index: self.frontier.size(),
            time: UnixMillis(1_800_000_000_000),
            kind,
            commitment: Commitment::to(&salt, &payload),
            payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            references,
        };
        let header = header.encode();
        let leaf = leaf_hash(&header);
        self.frontier.push(leaf);
        self.fresh.push(leaf);
        let content = Some(v1::Content { salt: salt.0.to_vec(), payload });
        self.records.push(v1::RawRecord { header, content, erased_by: Vec::new() });
        RecordId::from_leaf(leaf)
    }

    /// Writes a record that the register knows.
    pub fn say(&mut self, payload: &Payload, references: Vec<RecordId>) -> RecordId {
        self.append(Kind::from(payload.kind()), proto::payload::encode(payload), references)
    }

    /// Writes so many records of an unknown kind, with a checkpoint for each thousand.
    pub fn write_unknown(&mut self, n_records: usize) -> Result<()> {
        let kind: Kind = UNKNOWN_KIND.parse()?;
        for _ in 0..n_records {
            let payload = noise(self.next());
            self.append(kind.clone(), payload, Vec::new());
            if self.fresh.len() == RECORDS_PER_CHECKPOINT {
                self.checkpoint()?;
            }
        }
        self.checkpoint()
    }

    /// Signs what has been written since the last checkpoint.
    pub fn checkpoint(&mut self) -> Result<()> {
        let leaves = std::mem::take(&mut self.fresh);
        if leaves.is_empty() {
            return Ok(());
        }
        let size = self.frontier.size();
        self.tiles.grow(size - leaves.len() as u64, &leaves)?;
        self.heads.push((size, self.note()));
        Ok(())
    }

    /// The number of records.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The batch from `start` to the next multiple of 256 or to the end, with its proof.
    pub fn batch(&self, start: u64, end: u64) -> Result<v1::Batch> {
        let stop = (start / 256 * 256 + 256).min(end);
        let proof = prove::consistency_proof(stop, end, &self.tiles.lookup())?;
        Ok(v1::Batch {
            community: self.log.community.as_bytes().to_vec(),
            era: self.log.era,
            start,
            records: self.records[start as usize..stop as usize].to_vec(),
            tree_size: end,
            proof: proof.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
        })
    }

    fn next(&mut self) -> u64 {
        self.noise = step(self.noise);
        self.noise
    }
}

/// A payload that does not compress and costs next to nothing to make.
pub fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES + 8);
    while payload.len() < PAYLOAD_BYTES {
        state = step(state);
        payload.extend_from_slice(&state.to_le_bytes());
    }
    payload.truncate(PAYLOAD_BYTES);
    payload
}

/// xorshift64.
const fn step(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    state
}
