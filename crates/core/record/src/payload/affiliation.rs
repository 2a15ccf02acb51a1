//! Affiliation: where a community is reached, and which coordinators it sends its log to.

use crate::ids::{CommunityId, RegionId};

/// The most addresses in an affiliation.
pub const MAX_ADDRESSES: usize = 8;

/// Where a community is reached, in its own words. The newest in its log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliation {
    /// The region that it takes part in.
    pub region: RegionId,
    /// `host:port` of its gRPC port, or a multiaddress of its mesh port: at most [`MAX_ADDRESSES`], in its own order.
    pub addresses: Vec<String>,
    /// The coordinators that it sends its log to: ascending, each once.
    pub coordinators: Vec<CommunityId>,
}
