//! How the streams to others are, for status pages and commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use record::{CommunityId, RegionId, UnixMillis, payload::Status};

/// The stream to one community, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LinkState {
    /// Whether a stream is open.
    pub connected: bool,
    /// How many of the open streams run over the mesh; the others run over gRPC.
    pub mesh_streams: usize,
    /// Up to which size the other side holds our own log durably.
    pub acked_size: u64,
    /// Up to which size it has cosigned our own log.
    pub cosigned_size: u64,
    /// Its clock less ours when the stream began, in milliseconds, where it said so.
    pub clock_skew_millis: Option<i64>,
    /// Its region when the stream began, where its charter is that of another region than ours. Neither side's register
    /// holds a case of the other's region.
    pub other_region: Option<RegionId>,
    /// How it treats our own log, if it said so; `None` where that is as any other.
    pub standing: Option<ToldStanding>,
    /// What it owes us and does not give, since when.
    pub silence: Option<ToldSilence>,
    /// What it refused last, in its words.
    pub last_refusal: Option<String>,
    /// Why the last attempt to connect failed.
    pub last_error: Option<String>,
}

/// How a coordinator says that it treats our log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ToldStanding {
    /// `throttled`, `withheld`, `forked`, `moved` or `gone`.
    pub standing: &'static str,
    /// The stable reason.
    pub reason: &'static str,
    /// Since when.
    pub since: UnixMillis,
    /// When time alone lifts it, as far as that is known.
    pub until: Option<UnixMillis>,
    /// The reason and what lifts it, for a person.
    pub detail: &'static str,
}

impl ToldStanding {
    /// What there is to say of a status; `None` where all is well.
    #[must_use]
    pub fn of(status: &Status) -> Option<Self> {
        let reason = status.reason?;
        Some(Self {
            standing: reason.standing().token(),
            reason: reason.token(),
            since: status.since,
            until: status.until,
            detail: reason.sentence(),
        })
    }
}

/// What a coordinator owes and does not give.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ToldSilence {
    /// `silence.no_ack` or `silence.no_index`.
    pub reason: &'static str,
    /// Since when it owes that.
    pub since: UnixMillis,
}

pub use record::limits::MAX_STREAMS;

/// All streams, by community. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Links {
    links: Arc<Mutex<BTreeMap<CommunityId, Link>>>,
}

#[derive(Debug, Default)]
struct Link {
    state: LinkState,
    n_streams: usize,
}

/// An open stream; it counts until this is dropped.
#[derive(Debug)]
pub struct OpenStream {
    links: Links,
    community: CommunityId,
    is_over_mesh: bool,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.links.change(self.community, |link| {
            link.n_streams = link.n_streams.saturating_sub(1);
            let over_mesh = usize::from(self.is_over_mesh);
            link.state.mesh_streams = link.state.mesh_streams.saturating_sub(over_mesh);
            link.state.connected = 0 < link.n_streams;
        });
    }
}

impl Links {
    /// Counts a stream over gRPC in; `None` if the community has [`MAX_STREAMS`].
    #[must_use]
    pub fn open(&self, community: CommunityId) -> Option<OpenStream> {
        self.count_in(community, false)
    }

    /// Counts a stream over the mesh in; `None` if the community has [`MAX_STREAMS`].
    #[must_use]
    pub fn open_over_mesh(&self, community: CommunityId) -> Option<OpenStream> {
        self.count_in(community, true)
    }

    fn count_in(&self, community: CommunityId, is_over_mesh: bool) -> Option<OpenStream> {
        let has_room = self.change(community, |link| {
            if MAX_STREAMS <= link.n_streams {
                return false;
            }
            link.n_streams += 1;
            link.state.mesh_streams += usize::from(is_over_mesh);
            link.state.connected = true;
            link.state.last_error = None;
            true
        });
        has_room.then(|| OpenStream { links: self.clone(), community, is_over_mesh })
    }

    fn change<T>(&self, community: CommunityId, change: impl FnOnce(&mut Link) -> T) -> T {
        // A panic while this is held leaves a count at most one too high.
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        change(links.entry(community).or_default())
    }

    /// Changes what is known of one stream.
    pub fn update(&self, community: CommunityId, change: impl FnOnce(&mut LinkState)) {
        self.change(community, |link| change(&mut link.state));
    }

    /// Notes whether the other side is of another region; tells whether that other region is news.
    #[must_use]
    pub fn note_region(&self, community: CommunityId, other_region: Option<RegionId>) -> bool {
        self.change(community, |link| {
            let is_news = link.state.other_region != other_region;
            link.state.other_region = other_region;
            is_news && other_region.is_some()
        })
    }

    /// Every stream known, in ascending order of community.
    #[must_use]
    pub fn all(&self) -> Vec<(CommunityId, LinkState)> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.iter().map(|(community, link)| (*community, link.state.clone())).collect()
    }

    /// The communities with a stream over gRPC, which need none over the mesh.
    #[must_use]
    pub fn over_grpc(&self) -> BTreeSet<CommunityId> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let over_grpc = links.iter().filter(|(_, link)| link.state.mesh_streams < link.n_streams);
        over_grpc.map(|(community, _)| *community).collect()
    }

    /// How many communities have a stream open.
    #[must_use]
    pub fn n_connected(&self) -> usize {
        self.all().iter().filter(|(_, state)| state.connected).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_community_is_connected_until_the_last_of_its_streams_has_ended() {
        let (links, community) = (Links::default(), CommunityId::from_bytes([1; 32]));
        let old = links.open(community).unwrap();
        let new = links.open(community).unwrap();
        drop(old);
        assert_eq!(links.n_connected(), 1);
        drop(new);
        assert_eq!(links.n_connected(), 0);
    }

    #[test]
    fn streams_over_the_mesh_are_counted_apart_from_those_over_grpc() {
        let (links, community) = (Links::default(), CommunityId::from_bytes([1; 32]));
        let over_mesh = links.open_over_mesh(community).unwrap();
        assert!(links.over_grpc().is_empty());
        let over_grpc = links.open(community).unwrap();
        assert_eq!(links.all()[0].1.mesh_streams, 1);
        assert_eq!(links.over_grpc(), [community].into());
        drop(over_mesh);
        assert_eq!((links.all()[0].1.mesh_streams, links.n_connected()), (0, 1));
        drop(over_grpc);
        assert!(links.over_grpc().is_empty());
    }

    #[test]
    fn another_region_is_news_once_until_it_changes() {
        let (links, community) = (Links::default(), CommunityId::from_bytes([1; 32]));
        let [here, there] = [1, 2].map(|n| Some(RegionId::from_bytes([n; 32])));
        let told = [None, there, there, here, None, None, here];
        let news = told.map(|it| links.note_region(community, it));
        assert_eq!(news, [false, true, false, true, false, false, true]);
        assert_eq!(links.all().remove(0).1.other_region, here);
    }

    #[test]
    fn the_ninth_stream_of_a_community_finds_no_room_until_one_ends() {
        let (links, community) = (Links::default(), CommunityId::from_bytes([1; 32]));
        let mut open: Vec<_> = (0..MAX_STREAMS).map(|_| links.open(community).unwrap()).collect();
        assert!(links.open(community).is_none());
        assert!(links.open(CommunityId::from_bytes([2; 32])).is_some());
        open.pop();
        assert!(links.open(community).is_some());
    }
}
