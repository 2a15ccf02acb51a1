//! What a node knows of its own log and of whoever it speaks with. A running node tells it with its status; of a node that
//! is stopped, its file tells the part about the log.

use std::collections::{BTreeMap, BTreeSet};

use peer::Peer;
use record::{CommunityId, Header, LogName};
use serde::{Deserialize, Serialize};
use store::{Agreement, Claim, Store, StoreError};

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The log.
    pub(crate) log: LogFacts,
    /// What only a running node knows.
    pub(crate) running: Option<RunningFacts>,
}

/// A community's own log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogFacts {
    /// How many records are here.
    pub(crate) n_records: u64,
    /// How many of them, and of those that were taken back, wait to be signed.
    pub(crate) n_unsigned: u64,
    /// How many records count, if evidence shows that the log forked.
    pub(crate) frozen_size: Option<u64>,
    /// Heads that others state and that are not of this log.
    pub(crate) foreign_heads: Vec<ForeignHead>,
    /// Who cosigns, and up to where.
    pub(crate) cosigners: Vec<Cosigner>,
}

/// A head of our log that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForeignHead {
    /// Who states it.
    pub(crate) by: String,
    /// Its size.
    pub(crate) size: u64,
    /// Whether it contradicts what is here, rather than being ahead of it.
    pub(crate) contradicts: bool,
}

/// Somebody who cosigns our log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cosigner {
    /// Its community.
    pub(crate) community: String,
    /// Up to which size.
    pub(crate) size: u64,
    /// When the first record that it has not cosigned was written, in milliseconds since 1970; `None` if there is none.
    pub(crate) waiting_since: Option<u64>,
}

/// What only a running node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningFacts {
    /// The version of its program.
    pub(crate) version: String,
    /// Whether enough peers have shown how much of our log they hold.
    pub(crate) is_settled: bool,
    /// How far its time is ahead of the machine's clock, which was set back while it ran, in milliseconds.
    pub(crate) clock_ahead_millis: u64,
    /// Whoever it has spoken with, and every coordinator that is seated.
    pub(crate) links: Vec<LinkFacts>,
}

/// Somebody whom a node speaks with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkFacts {
    /// Its community.
    pub(crate) community: String,
    /// Whether it is seated as a coordinator.
    pub(crate) is_coordinator: bool,
    /// Whether a stream is open.
    pub(crate) is_connected: bool,
    /// Its clock less ours, in milliseconds.
    pub(crate) clock_skew_millis: Option<i64>,
    /// How it treats our log, if not as any other, and what that means.
    pub(crate) standing: Option<(String, String)>,
    /// Since when it has been silent, in milliseconds since 1970.
    pub(crate) silent_since: Option<u64>,
}

impl Facts {
    /// Of a running node.
    pub(crate) async fn of_running(peer: &Peer) -> Result<Self, StoreError> {
        let region = peer.region();
        let roster = &region.newest().roster;
        let seats = roster.coordinators().iter().chain(roster.witnesses()).copied();
        let own = peer.community();
        let seats: BTreeSet<CommunityId> = seats.filter(|it| *it != own).collect();
        let links = peer.links().all();
        let cosigned = links.iter().map(|(id, link)| (*id, link.cosigned_size)).collect();
        let log = LogFacts::of(peer.store(), peer.own_log(), Some(&seats), &cosigned).await?;
        let known: BTreeMap<_, _> = links.into_iter().collect();
        let coordinators = roster.coordinators().iter().filter(|it| **it != own);
        let everybody: BTreeSet<_> = known.keys().chain(coordinators).copied().collect();
        let link = |id: CommunityId| {
            let state = known.get(&id).cloned().unwrap_or_default();
            LinkFacts {
                community: id.to_string(),
                is_coordinator: roster.is_coordinator(&id),
                is_connected: state.connected,
                clock_skew_millis: state.clock_skew_millis,
                standing: state.standing.map(|it| (it.standing.to_owned(), it.detail.to_owned())),
                silent_since: state.silence.map(|it| it.since.0),
            }
        };
        let running = RunningFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_settled: peer.store().is_settled(),
            clock_ahead_millis: peer.clock().ahead_millis(),
            links: everybody.into_iter().map(link).collect(),
        };
        Ok(Self { log, running: Some(running) })
    }
}

impl LogFacts {
    /// Of a log in an open store, which is that of our own community. Seats are whoever is to cosign it; if they are not
    /// known, everybody is who has cosigned it as a mirror. What a stream has told of cosignatures counts as well.
    pub(crate) async fn of(
        store: &Store,
        own: LogName,
        seats: Option<&BTreeSet<CommunityId>>,
        told: &BTreeMap<CommunityId, u64>,
    ) -> Result<Self, StoreError> {
        let Some(row) = store.log(own).await? else { return Ok(Self::default()) };
        let names = store.cosigners(own).await?;
        let mut sizes: BTreeMap<CommunityId, u64> = match seats {
            Some(seats) => {
                seats.iter().map(|it| (*it, told.get(it).copied().unwrap_or(0))).collect()
            }
            None => names.keys().filter_map(|it| mirror_of(it)).map(|it| (it, 0)).collect(),
        };
        for (name, size) in names {
            if let Some(known) = cosigner_of(&name).and_then(|it| sizes.get_mut(&it)) {
                *known = size.max(*known);
            }
        }
        let signed = row.checkpoint.map_or(0, |(size, _)| size);
        let mut cosigners = Vec::with_capacity(sizes.len());
        for (community, size) in sizes {
            let waiting_since =
                if size < signed { written_at(store, own, size).await? } else { None };
            cosigners.push(Cosigner { community: community.to_string(), size, waiting_since });
        }
        let fork = store.fork(own).await?;
        Ok(Self {
            n_records: row.frontier.size(),
            n_unsigned: store.n_unsigned().await?,
            frozen_size: fork.map(|it| it.frozen_size),
            foreign_heads: store.claims(own).await?.into_iter().filter_map(foreign).collect(),
            cosigners,
        })
    }
}

fn foreign(claim: Claim) -> Option<ForeignHead> {
    let Claim { by, size, agreement } = claim;
    let contradicts = match agreement {
        Agreement::Holds => return None,
        Agreement::Contradicts => true,
        Agreement::Ahead => false,
    };
    Some(ForeignHead { by: by.to_string(), size, contradicts })
}

/// When a record of ours was written, in milliseconds since 1970.
async fn written_at(store: &Store, own: LogName, index: u64) -> Result<Option<u64>, StoreError> {
    let header = store.headers(own, index, index.saturating_add(1)).await?.into_iter().next();
    Ok(header.and_then(|it| Header::decode(&it).ok()).map(|it| it.time.0))
}

/// Whose name stands in a signature line: `<network>/mirror/<community>`, or `witness`.
fn cosigner_of(name: &str) -> Option<CommunityId> {
    name.rsplit('/').next()?.parse().ok()
}

fn mirror_of(name: &str) -> Option<CommunityId> {
    let (rest, _) = name.rsplit_once('/')?;
    cosigner_of(name).filter(|_| rest.ends_with("/mirror"))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use civic::RegionView;
    use peer::folder::KeySeeds;
    use record::{
        RegionId,
        commitment::Salt,
        identity::{mirror_name, witness_name},
        region::Roster,
    };
    use runtime::clock::ManualClock;
    use store::{Draft, Guard, OwnLog, StoreConfig};
    use tlog::{Checkpoint, KeyName, cosign};

    use super::*;

    const NOON: u64 = 1_800_000_000_000;

    fn community(n: u8) -> CommunityId {
        CommunityId::from_bytes([n; 32])
    }

    fn network() -> record::Network {
        "test.folkmoot.example".parse().unwrap()
    }

    async fn append(store: &Store) {
        let draft = Draft {
            kind: "folkmoot.record.problem.v1".parse().unwrap(),
            payload: b"x".to_vec(),
            salt: Salt([7; 32]),
            references: Vec::new(),
        };
        store.append(vec![draft], Guard::None).await.unwrap();
    }

    #[tokio::test]
    async fn a_cosigner_owes_the_first_record_that_it_has_not_cosigned() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(NOON)));
        let (keys, log) =
            (KeySeeds::fresh().unwrap().keys(), LogName { community: community(1), era: 0 });
        let own = OwnLog { name: log, log_key: keys.log.clone(), mirror: None, witness: None };
        let roster = Roster::new(vec![community(1)], vec![community(9)], 1).unwrap();
        let region = RegionView::new(RegionId::from_bytes([3; 32]), None, roster);
        let of_no_region = StoreConfig::of_no_region(network(), own, Arc::clone(&clock) as _);
        let config = StoreConfig { region, ..of_no_region };
        let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
        let facts = async |seats: Option<&[u8]>, told: &[(u8, u64)]| {
            let seats = seats.map(|it| it.iter().copied().map(community).collect());
            let told = told.iter().map(|(n, size)| (community(*n), *size)).collect();
            LogFacts::of(&store, log, seats.as_ref(), &told).await.unwrap()
        };
        assert_eq!(facts(Some(&[9]), &[]).await, LogFacts::default());
        append(&store).await;
        let text = store.checkpoint_text(log, 1).await.unwrap().unwrap();
        let name = KeyName::parse(&mirror_name(&network(), &community(9))).unwrap();
        let checkpoint = Checkpoint::parse_text(&text).unwrap();
        let line = cosign(&checkpoint, &name, &keys.mirror, NOON / 1_000).unwrap().render_line();
        store.add_cosignatures(log, 1, vec![line]).await.unwrap();
        let owes = |n, size, waiting_since| Cosigner {
            community: community(n).to_string(),
            size,
            waiting_since,
        };
        assert_eq!(facts(Some(&[9]), &[]).await.cosigners, [owes(9, 1, None)]);

        clock.advance(Duration::from_secs(5));
        append(&store).await;
        clock.advance(Duration::from_secs(5));
        append(&store).await;
        let found = facts(Some(&[8, 9]), &[]).await;
        assert_eq!((found.n_records, found.n_unsigned, found.frozen_size), (3, 0, None));
        let (first, second, third) = (Some(NOON), Some(NOON + 5_000), Some(NOON + 10_000));
        assert_eq!(found.cosigners, [owes(8, 0, first), owes(9, 1, second)]);
        let told = facts(Some(&[8, 9]), &[(8, 2), (9, 3)]).await.cosigners;
        assert_eq!(told, [owes(8, 2, third), owes(9, 3, None)]);
        assert_eq!(facts(None, &[]).await.cosigners, [owes(9, 1, second)], "whoever is known");
    }

    #[test]
    fn a_cosigner_is_known_by_its_name_and_a_mirror_from_a_witness() {
        let community = CommunityId::from_bytes([7; 32]);
        let network = "test.folkmoot.example".parse().unwrap();
        let (mirror, witness) =
            (mirror_name(&network, &community), witness_name(&network, &community));
        assert_eq!(
            (cosigner_of(&mirror), cosigner_of(&witness)),
            (Some(community), Some(community))
        );
        assert_eq!((mirror_of(&mirror), mirror_of(&witness)), (Some(community), None));
        assert_eq!(cosigner_of("example.org/somebody"), None);
    }
}
