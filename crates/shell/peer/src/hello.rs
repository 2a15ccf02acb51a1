//! The first frame each way: who speaks, proved by the identity bundle and the key of the connection.

use proto::v1::{self, frame::Step};
use record::{CommunityId, RegionId, identity::IdentityBundle, limits};
use transport::PeerKey;

use crate::peer::{Peer, PeerError};

/// The versions of the protocol that this release speaks.
const PROTOCOL_VERSIONS: &[u32] = &[1];

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Which community.
    pub community: CommunityId,
    /// The key of the connection, which was its transport key when the stream began.
    pub transport_key: PeerKey,
    /// The key that verifies what it cosigns as a mirror.
    pub mirror_key: tlog::VerifierKey,
    /// The key that verifies what it cosigns as a witness.
    pub witness_key: tlog::VerifierKey,
    /// Its region, where it is another than ours: its charter differs. It is spoken to all the same, but neither side's
    /// register holds a case of the other's region. `None` as well if it did not say.
    pub other_region: Option<RegionId>,
    /// Its clock less ours, in milliseconds, where it said the time; as much as the Hello was under way included.
    pub clock_skew_millis: Option<i64>,
}

impl Remote {
    /// The keys by which it cosigns.
    #[must_use]
    pub const fn cosigning_keys(&self) -> [&tlog::VerifierKey; 2] {
        [&self.mirror_key, &self.witness_key]
    }
}

/// Why the other end is not spoken to.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The first frame is something else, or none came.
    #[error("the stream did not begin with a Hello")]
    Missing,
    /// No version in common.
    #[error(
        "the other side speaks versions {theirs:?} of the protocol, this one {PROTOCOL_VERSIONS:?}: one of the two needs an update"
    )]
    Version {
        /// Their versions.
        theirs: Vec<u32>,
    },
    /// Another network.
    #[error("the other side is of the network `{theirs}`, this one of `{ours}`")]
    OtherNetwork {
        /// Their network, cut to 80 characters.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// The bundle proves nothing.
    #[error("the other side's identity does not hold: {what}")]
    Identity {
        /// What is wrong.
        what: String,
    },
    /// The key of the connection is not the one in the bundle.
    #[error("the key of the connection is not the transport key of {community}")]
    OtherKey {
        /// Who the other side says it is.
        community: CommunityId,
    },
    /// The region does not name it.
    #[error(
        "{community} is not in this region: neither in its charter nor in an epoch that is known here"
    )]
    NotAdmitted {
        /// Who the other side is.
        community: CommunityId,
    },
    /// Somebody else was dialled.
    #[error("{found} answered where {expected} was dialled")]
    OtherCommunity {
        /// Who was dialled.
        expected: CommunityId,
        /// Who answered.
        found: CommunityId,
    },
}

impl HelloError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "hello.missing",
            Self::Version { .. } => "hello.version",
            Self::OtherNetwork { .. } => "hello.other_network",
            Self::Identity { .. } => "hello.identity",
            Self::OtherKey { .. } => "hello.other_key",
            Self::NotAdmitted { .. } => "hello.not_admitted",
            Self::OtherCommunity { .. } => "hello.other_community",
        }
    }
}

/// Our Hello.
///
/// # Errors
///
/// [`PeerError`] if our own log cannot be read.
pub async fn hello(peer: &Peer) -> Result<v1::Frame, PeerError> {
    let identity = peer.identity_of(peer.community()).await?;
    let hello = v1::Hello {
        protocol_versions: PROTOCOL_VERSIONS.to_vec(),
        network: peer.network().as_str().to_owned(),
        identity: identity.map(|it| it.bundle().to_vec()).unwrap_or_default(),
        max_message_bytes: u32::try_from(limits::MAX_GRPC_MESSAGE_BYTES).unwrap_or(u32::MAX),
        max_batch_records: u32::try_from(limits::MAX_BATCH_RECORDS).unwrap_or(u32::MAX),
        build: concat!("folkmoot ", env!("CARGO_PKG_VERSION")).to_owned(),
        region_epoch: peer.region().newest().number,
        region: peer.charter().region.as_bytes().to_vec(),
        time: peer.clock().now_millis(),
    };
    Ok(v1::Frame { step: Some(Step::Hello(hello)) })
}

/// Checks the other side's first frame against the key of the connection and our charter.
///
/// # Errors
///
/// [`HelloError`] says who is wrong about what.
pub fn verify_hello(
    peer: &Peer,
    first: Option<v1::Frame>,
    connection_key: PeerKey,
) -> Result<Remote, HelloError> {
    let Some(v1::Frame { step: Some(Step::Hello(hello)) }) = first else {
        return Err(HelloError::Missing);
    };
    if !hello.protocol_versions.iter().any(|it| PROTOCOL_VERSIONS.contains(it)) {
        let theirs = hello.protocol_versions.into_iter().take(8).collect();
        return Err(HelloError::Version { theirs });
    }
    if hello.network != peer.network().as_str() {
        let theirs = hello.network.chars().take(80).collect();
        return Err(HelloError::OtherNetwork { theirs, ours: peer.network().to_string() });
    }
    let wrong =
        |error: record::identity::BundleError| HelloError::Identity { what: error.to_string() };
    let bundle = IdentityBundle::decode(&hello.identity).map_err(wrong)?;
    let identity = bundle.verify(None, peer.network(), None).map_err(wrong)?.identity;
    let community = identity.community();
    // A bundle that stops short of a rotation or a recovery still verifies: a thief of a retired key would show it.
    let newest = peer.known_identity(community);
    let newest = newest.as_ref().map(|it| it.identity());
    let identity = match newest {
        Some(known) if !identity.epochs().starts_with(known.epochs()) => known.clone(),
        Some(_) | None => identity,
    };
    if *identity.keys().transport().as_bytes() != connection_key.0 {
        return Err(HelloError::OtherKey { community });
    }
    if !peer.admitted().contains(&community) {
        return Err(HelloError::NotAdmitted { community });
    }
    let mirror = identity.keys().mirror();
    let mirror_key = record::identity::mirror_verifier_key(peer.network(), &community, mirror);
    let witness = identity.keys().witness();
    let witness_key = record::identity::witness_verifier_key(peer.network(), &community, witness);
    let clock_skew_millis = skew(hello.time, peer.clock().now_millis());
    let other_region = other_region(&hello.region, peer.charter().region);
    let transport_key = connection_key;
    Ok(Remote {
        community,
        transport_key,
        mirror_key,
        witness_key,
        other_region,
        clock_skew_millis,
    })
}

/// Whether the community that is spoken to has replaced the key of this connection since the stream began.
pub(crate) fn is_replaced(peer: &Peer, remote: &Remote) -> bool {
    let Some(known) = peer.known_identity(remote.community) else { return false };
    let mut keys = known.identity().epochs().iter().rev().map(|it| *it.keys.transport().as_bytes());
    // A key that is not known yet is newer than what is known.
    keys.next() != Some(remote.transport_key.0) && keys.any(|it| it == remote.transport_key.0)
}

/// Their region, if they said one and it is not ours.
fn other_region(theirs: &[u8], ours: RegionId) -> Option<RegionId> {
    RegionId::from_slice(theirs).filter(|theirs| *theirs != ours)
}

/// Their clock less ours, in milliseconds; `None` if they did not say.
fn skew(theirs: u64, ours: u64) -> Option<i64> {
    let difference = i128::from(theirs) - i128::from(ours);
    let bounded = difference.clamp(i64::MIN.into(), i64::MAX.into());
    (theirs != 0).then(|| i64::try_from(bounded).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_another_if_it_was_said_and_differs() {
        let [ours, theirs] = [1, 2].map(|n| RegionId::from_bytes([n; 32]));
        assert_eq!(other_region(theirs.as_bytes(), ours), Some(theirs));
        assert_eq!(other_region(ours.as_bytes(), ours), None);
        assert_eq!(other_region(&[], ours), None);
        assert_eq!(other_region(&[2; 31], ours), None);
    }

    #[test]
    fn skew_is_theirs_less_ours_and_unknown_where_they_do_not_say() {
        assert_eq!(skew(1_000, 1_300), Some(-300));
        assert_eq!(skew(1_300, 1_000), Some(300));
        assert_eq!(skew(u64::MAX, 0), Some(i64::MAX));
        assert_eq!(skew(0, 1_000), None);
    }
}
