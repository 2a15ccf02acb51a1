//! A community whose log is here, and what it can write.

use std::{path::Path, sync::Arc};

use coordinator::feed::{Feed, MAX_SUBSCRIBERS};
use peer::{CharterFile, DataFolder, Peer, Role};
use record::{
    CommunityId, Kind, Money, Network, Payload, RecordId, RegionId, UnixMillis,
    commitment::Salt,
    name::Name,
    payload::{
        Notice, OpportunityAction, PledgeAction, PoolAction, Text,
        opportunity::{Publication, Release},
        pool::{LockRule, PoolOpening},
        words::{Language, Wording},
    },
};
use runtime::{
    clock::{Clock, SystemClock},
    stop::StopSignal,
};
use store::{Appended, Draft, Guard, Reference, StoreError};

pub(crate) const NETWORK: &str = "test.folkmoot.example";
pub(crate) const YEAR_3000: UnixMillis = UnixMillis(32_503_680_000_000);

/// A data folder with a founded community in it.
pub(crate) fn found(parent: &Path, name: &str) -> (DataFolder, CommunityId) {
    let folder = DataFolder::at(&parent.join(name));
    let network: Network = NETWORK.parse().unwrap();
    let id = folder.found(&network, &Name::parse(name).unwrap()).unwrap();
    (folder, id)
}

/// A charter file with these founders and this coordinator.
pub(crate) fn charter(
    parent: &Path,
    founders: &[CommunityId],
    coordinator: CommunityId,
) -> CharterFile {
    charter_with("", parent, founders, coordinator)
}

/// The same, with further lines.
fn charter_with(
    lines: &str,
    parent: &Path,
    founders: &[CommunityId],
    coordinator: CommunityId,
) -> CharterFile {
    let mut text = format!(
        "network = \"{NETWORK}\"\nname = \"Estuary\"\n{lines}\n[[coordinators]]\nid = \"{coordinator}\"\n"
    );
    for id in founders {
        text.push_str(&format!("[[founders]]\nid = \"{id}\"\n"));
    }
    let path = parent.join("charter.toml");
    std::fs::write(&path, text).unwrap();
    CharterFile::read(&path).unwrap()
}

/// A community's process, as far as it writes.
pub(crate) struct Author {
    pub(crate) peer: Peer,
    pub(crate) region: RegionId,
}

pub(crate) async fn open(folder: &DataFolder, charter: CharterFile) -> Author {
    open_as(Role::Node, folder, charter, Arc::new(SystemClock::new())).await
}

/// The same as a node or a coordinator, with this clock.
pub(crate) async fn open_as(
    role: Role,
    folder: &DataFolder,
    charter: CharterFile,
    clock: Arc<dyn Clock>,
) -> Author {
    let region = charter.region;
    let peer = Peer::open(folder, charter, role, clock).await.unwrap();
    Author { peer, region }
}

fn draft(payload: &Payload, references: Vec<Reference>) -> Draft {
    Draft {
        kind: Kind::from(payload.kind()),
        payload: proto::payload::encode(payload),
        salt: Salt([7; 32]),
        references,
    }
}

pub(crate) fn pledge(pool: Reference, quantity: u64) -> Draft {
    draft(&Payload::Pledge(PledgeAction::Make { quantity, firm: true }), vec![pool])
}

impl Author {
    /// Writes a record that belongs to no case.
    pub(crate) async fn say(&self, payload: Payload) {
        let said = vec![draft(&payload, Vec::new())];
        self.peer.store().append(said, Guard::None).await.unwrap();
    }

    pub(crate) async fn append(&self, drafts: Vec<Draft>) -> Vec<Appended> {
        self.peer.store().append(drafts, Guard::MustCount).await.unwrap()
    }

    /// The words of a pool and its opening: two drafts, the second of which refers to the one before it.
    pub(crate) fn pool(&self, title: &str, threshold: u64, first: usize) -> Vec<Draft> {
        let wording = |language: &str, title: String| Wording {
            language: Language::parse(language).unwrap(),
            title,
            text: "Together.".to_owned(),
            labels: Vec::new(),
        };
        let wordings =
            vec![wording("cy", format!("{title} (cy)")), wording("en", title.to_owned())];
        let opening = PoolOpening {
            region: self.region,
            unit: "panel".to_owned(),
            threshold,
            opportunity: None,
            cpv: Some(31_500_000),
            unit_price: Some(Money::pence(1_850)),
            closes_at: YEAR_3000,
            grace_millis: 0,
            lock_rule: LockRule::AtClose,
        };
        vec![
            draft(&Payload::Text(Text { wordings }), Vec::new()),
            draft(&Payload::Pool(PoolAction::Open(opening)), vec![Reference::Draft(first)]),
        ]
    }

    /// Opens so many pools, one commit each.
    pub(crate) async fn open_pools(&self, n: usize) -> Vec<RecordId> {
        let mut pools = Vec::with_capacity(n);
        for number in 0..n {
            pools.push(self.append(self.pool(&format!("Pool {number}"), 10, 0)).await[1].id);
        }
        pools
    }

    /// A pool that is opened and reaches its threshold in one commit: three items at one position.
    pub(crate) async fn open_full_pool(&self, title: &str) -> RecordId {
        let mut drafts = self.pool(title, 10, 0);
        drafts.push(pledge(Reference::Draft(1), 12));
        self.append(drafts).await[1].id
    }

    /// Publishes a release with its notice.
    pub(crate) async fn publish(&self, release: Release, notice_json: Vec<u8>) -> RecordId {
        self.try_publish(release, notice_json).await.unwrap()
    }

    /// The same, if it counts.
    pub(crate) async fn try_publish(
        &self,
        release: Release,
        notice_json: Vec<u8>,
    ) -> Result<RecordId, StoreError> {
        let publication = Publication { region: self.region, release };
        let drafts = vec![
            draft(&Payload::Notice(Notice { release_json: notice_json }), Vec::new()),
            draft(
                &Payload::Opportunity(OpportunityAction::Publish(publication)),
                vec![Reference::Draft(0)],
            ),
        ];
        Ok(self.peer.store().append(drafts, Guard::MustCount).await?[1].id)
    }

    /// Says that a process stands elsewhere, in a record without a notice.
    pub(crate) async fn update(&self, case: RecordId, release: Release) -> RecordId {
        let update = Payload::Opportunity(OpportunityAction::Update(release));
        self.append(vec![draft(&update, vec![Reference::Record(case)])]).await[0].id
    }
}

/// A feed over a community's own store.
pub(crate) struct World {
    pub(crate) author: Author,
    pub(crate) feed: Feed,
    pub(crate) stop: StopSignal,
    _parent: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_places(MAX_SUBSCRIBERS).await
    }

    /// In a region with this OCDS prefix.
    pub(crate) async fn with_prefix(prefix: &str) -> Self {
        Self::of(&format!("ocid_prefix = \"{prefix}\""), MAX_SUBSCRIBERS).await
    }

    pub(crate) async fn with_places(max_subscribers: usize) -> Self {
        Self::of("", max_subscribers).await
    }

    /// In a region that has seated the author itself.
    pub(crate) async fn seated() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let (folder, id) = found(parent.path(), "Eastside");
        let author = open(&folder, charter(parent.path(), &[id], id)).await;
        Self::over(author, MAX_SUBSCRIBERS, parent)
    }

    /// In a region whose charter has these lines more.
    async fn of(lines: &str, max_subscribers: usize) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let (folder, id) = found(parent.path(), "Eastside");
        let charter = charter_with(lines, parent.path(), &[id], CommunityId::from_bytes([1; 32]));
        Self::over(open(&folder, charter).await, max_subscribers, parent)
    }

    pub(crate) fn over(author: Author, max_subscribers: usize, parent: tempfile::TempDir) -> Self {
        let stop = StopSignal::new();
        let feed = Feed::new(author.peer.clone(), max_subscribers, stop.clone());
        tokio::spawn(feed.clone().run());
        Self { author, feed, stop, _parent: parent }
    }
}
