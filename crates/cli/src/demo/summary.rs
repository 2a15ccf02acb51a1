//! What came of the story, for programs (`--json`) and in words.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One community as the coordinator holds it.
#[derive(Debug, Serialize)]
pub(super) struct CommunitySummary {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) log_size: u64,
    pub(super) vkey: String,
    pub(super) log_url: String,
}

/// A release that was not taken, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QuarantinedRelease {
    pub(super) file: String,
    pub(super) release: String,
    pub(super) reason: String,
}

/// What became of the notices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Imported {
    pub(super) files: u64,
    /// A file in which none could be found counts as one, so that those accepted and quarantined add up.
    pub(super) releases: u64,
    pub(super) accepted: u64,
    pub(super) quarantined: Vec<QuarantinedRelease>,
}

/// The covenant.
#[derive(Debug, Serialize)]
pub(super) struct CovenantSummary {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) parties: u64,
    pub(super) signed: u64,
}

/// A pool.
#[derive(Debug, Serialize)]
pub(super) struct PoolSummary {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) quantity: u64,
    pub(super) unit: String,
    pub(super) communities: u64,
}

/// The poll.
#[derive(Debug, Serialize)]
pub(super) struct PollSummary {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) outcome: Value,
    pub(super) counts: Vec<u64>,
    pub(super) ballots: u64,
    pub(super) roll: u64,
    pub(super) communities: u64,
}

/// The feed, and where it is.
#[derive(Debug, Serialize)]
pub(super) struct FeedSummary {
    pub(super) events: u64,
    pub(super) json: String,
    pub(super) atom: String,
    pub(super) ocds: String,
}

/// The coordinator, and where it listens on this machine.
#[derive(Debug, Serialize)]
pub(super) struct CoordinatorSummary {
    pub(super) id: String,
    /// gRPC and HTTP over TLS.
    pub(super) grpc: String,
    /// The same without TLS.
    pub(super) plain: String,
}

/// Everything that came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(super) communities: Vec<CommunitySummary>,
    pub(super) coordinator: CoordinatorSummary,
    pub(super) imported: Imported,
    pub(super) covenant: CovenantSummary,
    pub(super) pools: Vec<PoolSummary>,
    pub(super) poll: PollSummary,
    pub(super) feed: FeedSummary,
    pub(super) seconds: f64,
}

impl Summary {
    /// The story in a few lines.
    pub(super) fn in_words(&self) -> String {
        let Self { communities, coordinator: _, imported, covenant, pools, poll, feed, seconds } =
            self;
        let mut text = format!("\nWhat happened, in {seconds:.1} seconds:\n");
        let _ = writeln!(
            text,
            "  Notices    {} releases imported; {} releases or files quarantined.",
            imported.accepted,
            imported.quarantined.len()
        );
        let _ = writeln!(
            text,
            "  Covenant   {}: signed by {} of {} parties, each in its own log.",
            covenant.state, covenant.signed, covenant.parties
        );
        for pool in pools {
            let _ = writeln!(
                text,
                "  Pool       {}: {} {} pledged by {} communities.",
                pool.state, pool.quantity, pool.unit, pool.communities
            );
        }
        let _ = writeln!(
            text,
            "  Poll       {}: {} ballots of {} on the rolls of {} communities; counts {:?}. No ballot left its node.",
            poll.state, poll.ballots, poll.roll, poll.communities, poll.counts
        );
        let _ = write!(
            text,
            "  Feed       {} events, each with a proof that anybody checks. {} logs are mirrored and cosigned.",
            feed.events,
            communities.len()
        );
        text
    }
}

/// A number in a view; 0 where it is missing.
pub(super) fn number(view: &Value, key: &str) -> u64 {
    view.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// A text in a view; empty where it is missing.
pub(super) fn text(view: &Value, key: &str) -> String {
    view.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
