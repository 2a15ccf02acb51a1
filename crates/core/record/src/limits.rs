//! Every limit of the wire and the log, in one table. `folkmoot limits` prints it.
//!
//! A limit delays or refuses what exceeds it and says so; it never changes a verdict. The one exception is
//! [`MAX_CASE_RECORDS`], which is a rule of the register.

mod neighbours;
mod process;

use crate::{
    identity::{MAX_BUNDLE_BYTES, MAX_BUNDLE_RECORDS, MAX_OFFICERS},
    index::MAX_INDEX_ENTRIES,
    name::MAX_NAME_BYTES,
    payload::{affiliation::MAX_ADDRESSES, index::MAX_INDEX_CHANGES, pool::MAX_UNIT_BYTES},
    region::{MAX_CERTIFICATE_BYTES, MAX_MEMBERS, MAX_SEATS},
};

pub use neighbours::{
    MAX_ITEM_CAUSES, MAX_NEIGHBOUR_ITEM_BYTES, MAX_NEIGHBOUR_ITEMS, MAX_NEIGHBOUR_PUT_OFF,
    MAX_NEIGHBOUR_PUT_OFF_BYTES, MAX_NEIGHBOURS, MAX_WAITING_SUMS, NEIGHBOURS,
};
pub use process::{CONNECTIONS, MAX_BACKUP_FILES, MAX_ORDERS, MESH, OPERATOR, QUOTAS};

/// The largest header, in bytes: 16 references and texts of ids need under 1 KiB; tlog-tiles allow 65,535.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;
/// The most references in a header: 16 × 34 bytes.
pub const MAX_REFERENCES: usize = 16;
/// The largest payload, in bytes: a covenant of 60 pages, or a closing that lists about 3,400 entries.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// The most records in a batch; a batch never crosses a multiple of it (tlog-mirror packages).
pub const MAX_BATCH_RECORDS: usize = 256;
/// The largest batch, in bytes of headers, salts and payloads.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// The largest gRPC message, both ways: one batch and its proofs.
pub const MAX_GRPC_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// The most parties of a covenant.
pub const MAX_PARTIES: usize = 64;
/// The most records of one log that count in one case: a pledge changed daily for almost three years.
///
/// It decides verdicts, so every replica must have the same: another value is another version of the rules.
pub const MAX_CASE_RECORDS: usize = 1_024;
/// The most records of one log that say something about the region and count: an epoch a month and a vouch a month for 20
/// years. Of the largest region's epochs they take 34 MB, which is what one community can make a replica read at once.
///
/// It decides who holds a vote, so every replica must have the same.
pub const MAX_STATEMENTS: usize = 512;
/// The most options of a poll.
pub const MAX_POLL_OPTIONS: usize = 200;
/// The most ballots of one community in a poll.
pub const MAX_BALLOTS: u64 = 1_000_000;
/// The most entries in a list that a payload carries (places, pledges, tallies, receipts).
pub const MAX_LIST_ENTRIES: usize = 3_400;
/// The most languages of a text.
pub const MAX_LANGUAGES: usize = 8;
/// The largest file that an import reads, in bytes: a day's package of a national portal is under 20 MB.
pub const MAX_IMPORT_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// How deep JSON from outside may nest.
pub const MAX_JSON_DEPTH: usize = 64;
/// The most releases taken from one file: twice what the smallest real releases (1.3 KB) fill 64 MiB with.
pub const MAX_IMPORT_RELEASES: usize = 100_000;
/// The largest notice, in bytes: a payload without the few bytes that frame it.
pub const MAX_NOTICE_BYTES: usize = MAX_PAYLOAD_BYTES - 64;
/// The longest text of a payload that has a limit of its own, in bytes: the address of a source.
pub const MAX_SOURCE_URL_BYTES: usize = 2_048;
/// The most logs that a replication stream keeps in mind: every parish of Britain (about 12,000) and a third more.
pub const MAX_STREAM_LOGS: usize = 16 * 1024;
/// The most heads in one message.
pub const MAX_HEADS: usize = 256;
/// How often a peer may do what only a faulty peer does, before the stream is closed.
pub const MAX_STREAM_FAULTS: u32 = 64;
/// How often a peer may offer or refuse what leads nowhere, before the stream is closed: it may hold as many logs
/// unknown here as a stream keeps in mind, and each costs one message.
pub const MAX_STREAM_STRAYS: u32 = 16 * 1024;
/// The most streams of one community at once: one or two are of use, and those of a connection that vanished are
/// noticed only after 40 seconds. Each may take 64 MiB.
pub const MAX_STREAMS: usize = 8;
/// The most subscribers of a feed at one time: each costs about 50 KiB, together half a gibibyte.
pub const MAX_SUBSCRIBERS: usize = 10_000;
/// The most records whose proofs are asked for at once: one batch.
pub const MAX_PROOFS: usize = 256;
/// The most kinds, the most places, and the most regions that a subscriber may ask for.
pub const MAX_FILTERS: usize = 256;
/// The longest silence between heartbeats, in seconds; home routers forget a connection after about as long.
pub const MAX_HEARTBEAT_SECS: u32 = 300;
/// OCDS packages written at one time: each holds a few cases of up to 300 KiB, together some 100 MiB.
pub const MAX_PACKAGES: usize = 16;
/// The longest name of a person on a roll, in characters.
pub const MAX_PERSON_NAME_CHARS: usize = 200;
/// The most ballots handed in at once: a village's paper ballots.
pub const MAX_CASTS_PER_CALL: usize = 5_000;
/// The most records written at once: one transaction, and 3,400 pledges or lots fit twice.
pub const MAX_DRAFTS: usize = 8_192;

/// The largest evidence of a fork, in bytes: two notes of 64 KiB, a proof of 63 hashes (63 × 34 bytes), and what frames
/// them.
pub const MAX_EVIDENCE_BYTES: usize = 2 * tlog::note::MAX_NOTE_BYTES + 4 * 1024;

// Evidence that came in a message can be filed as a payload.
const _: () = assert!(MAX_EVIDENCE_BYTES <= MAX_PAYLOAD_BYTES);
// A refusal that carries evidence fits a message.
const _: () = assert!(MAX_EVIDENCE_BYTES + 4 * 1024 < MAX_GRPC_MESSAGE_BYTES);

/// How a refusal is answered in each protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The stable reason, `area.what`.
    pub reason: &'static str,
    /// The value.
    pub value: u64,
    /// The unit of the value.
    pub unit: &'static str,
    /// Why this value.
    pub because: &'static str,
    /// The gRPC status code; `-` where no answer goes back.
    pub grpc: &'static str,
    /// The HTTP status; 0 where no answer goes back.
    pub http: u16,
}

const fn limit(
    reason: &'static str,
    value: u64,
    unit: &'static str,
    because: &'static str,
    http: u16,
) -> Limit {
    let grpc = match http {
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    };
    Limit { reason, value, unit, because, grpc, http }
}

/// Every limit: those that a record meets, then what a process takes of others.
pub fn all() -> impl Iterator<Item = &'static Limit> {
    [TABLE, NEIGHBOURS, QUOTAS, OPERATOR, CONNECTIONS, MESH].into_iter().flatten()
}

/// The table of limits, in the order in which a record meets them.
pub const TABLE: &[Limit] = &[
    limit(
        "record.header_too_large",
        MAX_HEADER_BYTES as u64,
        "bytes",
        "16 references and texts of ids need under 1 KiB",
        413,
    ),
    limit("record.too_many_references", MAX_REFERENCES as u64, "references", "16 × 34 bytes", 400),
    limit(
        "record.payload_too_large",
        MAX_PAYLOAD_BYTES as u64,
        "bytes",
        "a covenant of 60 pages; a closing that lists about 3,400 entries",
        413,
    ),
    limit(
        "record.list_too_long",
        MAX_LIST_ENTRIES as u64,
        "entries",
        "256 KiB of payload at 77 bytes an entry",
        400,
    ),
    limit(
        "record.too_many_languages",
        MAX_LANGUAGES as u64,
        "languages",
        "Welsh, English and six more",
        400,
    ),
    limit("record.name", MAX_NAME_BYTES as u64, "bytes", "two lines of print", 400),
    limit(
        "identity.list_too_long",
        MAX_OFFICERS as u64,
        "officers",
        "a committee, not a crowd",
        400,
    ),
    limit(
        "identity.bundle_too_large",
        MAX_BUNDLE_BYTES as u64,
        "bytes",
        "256 records of 1 KiB",
        413,
    ),
    limit(
        "identity.bundle_too_many_records",
        MAX_BUNDLE_RECORDS as u64,
        "records",
        "a rotation every month for 20 years",
        400,
    ),
    limit(
        "region.too_many_members",
        MAX_MEMBERS as u64,
        "communities",
        "a county of parishes",
        400,
    ),
    limit(
        "region.too_many_seats",
        MAX_SEATS as u64,
        "coordinators or witnesses",
        "one cosignature line each leaves room in a note",
        400,
    ),
    limit(
        "region.too_many_statements",
        MAX_STATEMENTS as u64,
        "records",
        "an epoch and a vouch each month for 20 years",
        400,
    ),
    limit(
        "affiliation.too_many_addresses",
        MAX_ADDRESSES as u64,
        "addresses",
        "a name, two numbers of each family, and as many of the mesh",
        400,
    ),
    limit(
        "index.too_many_changes",
        MAX_INDEX_CHANGES as u64,
        "logs",
        "256 KiB of payload at 92 bytes each; further changes take another record",
        400,
    ),
    limit(
        "index.too_many_entries",
        MAX_INDEX_ENTRIES as u64,
        "logs",
        "as many as a stream carries",
        400,
    ),
    limit(
        "region.certificate_too_large",
        MAX_CERTIFICATE_BYTES as u64,
        "bytes",
        "twenty epochs of the largest region",
        413,
    ),
    limit(
        "replication.batch_too_many",
        MAX_BATCH_RECORDS as u64,
        "records",
        "one tile, as in tlog-mirror",
        400,
    ),
    limit(
        "replication.batch_too_large",
        MAX_BATCH_BYTES as u64,
        "bytes",
        "four of the largest payloads",
        413,
    ),
    limit(
        "replication.identity_too_large",
        MAX_BUNDLE_BYTES as u64,
        "bytes",
        "256 records of 1 KiB",
        413,
    ),
    limit(
        "replication.too_many_heads",
        MAX_HEADS as u64,
        "heads",
        "one message, at 4 KiB each",
        400,
    ),
    limit(
        "replication.evidence_too_large",
        MAX_EVIDENCE_BYTES as u64,
        "bytes",
        "two signed notes of 64 KiB and a proof",
        413,
    ),
    limit(
        "replication.too_many_logs",
        MAX_STREAM_LOGS as u64,
        "logs",
        "every parish of Britain and a third more",
        429,
    ),
    limit(
        "replication.too_many_streams",
        MAX_STREAMS as u64,
        "streams",
        "one or two are of use to a community; each may take 64 MiB",
        429,
    ),
    limit(
        "replication.too_many_faults",
        MAX_STREAM_FAULTS as u64,
        "faults",
        "a peer with so many is broken, and each costs a message",
        429,
    ),
    limit(
        "replication.too_many_strays",
        MAX_STREAM_STRAYS as u64,
        "messages",
        "one for each log that a stream keeps in mind",
        429,
    ),
    // gRPC itself says so, with this code and no reason.
    Limit {
        reason: "grpc.message_too_large",
        value: MAX_GRPC_MESSAGE_BYTES as u64,
        unit: "bytes",
        because: "one batch and its proofs",
        grpc: "OUT_OF_RANGE",
        http: 413,
    },
    limit(
        "note.too_large",
        tlog::note::MAX_NOTE_BYTES as u64,
        "bytes",
        "room for ML-DSA signatures",
        413,
    ),
    limit(
        "note.too_many_signatures",
        tlog::note::MAX_SIGNATURES as u64,
        "signatures",
        "twice C2SP's floor",
        400,
    ),
    limit(
        "proof.too_long",
        tlog::proof::MAX_CONSISTENCY_HASHES as u64,
        "hashes",
        "2^63 leaves",
        400,
    ),
    limit(
        "case.too_many",
        MAX_CASE_RECORDS as u64,
        "records",
        "of one log: a pledge changed daily for almost three years",
        400,
    ),
    limit(
        "covenant.too_many_parties",
        MAX_PARTIES as u64,
        "parties",
        "a county of parishes signs in groups",
        400,
    ),
    limit(
        "poll.too_many_options",
        MAX_POLL_OPTIONS as u64,
        "options",
        "the longest real lists have under 100",
        400,
    ),
    limit("poll.too_many_ballots", MAX_BALLOTS, "ballots", "a neighbourhood, not a nation", 400),
    limit(
        "import.file_too_large",
        MAX_IMPORT_FILE_BYTES,
        "bytes",
        "a day's package of a national portal is under 20 MB",
        413,
    ),
    limit("import.too_deep", MAX_JSON_DEPTH as u64, "levels", "OCDS nests under 20", 400),
    limit(
        "import.too_many_releases",
        MAX_IMPORT_RELEASES as u64,
        "releases",
        "twice what the smallest real ones fill 64 MiB with",
        413,
    ),
    limit(
        "release.too_large",
        MAX_NOTICE_BYTES as u64,
        "bytes",
        "one payload, once contact details are left out; 4 MiB before",
        413,
    ),
    limit(
        "payload.too_long",
        MAX_SOURCE_URL_BYTES as u64,
        "bytes",
        "the address of a source; shorter texts name their own limit",
        400,
    ),
    limit("pool.unit", MAX_UNIT_BYTES as u64, "bytes", "a word or two, such as kWh", 400),
    limit(
        "member.name_too_long",
        MAX_PERSON_NAME_CHARS as u64,
        "characters",
        "the longest names on registers have under 100",
        400,
    ),
    limit("member.too_many", MAX_BALLOTS, "people", "as many as may vote", 400),
    limit(
        "ballot.too_many",
        MAX_CASTS_PER_CALL as u64,
        "ballots",
        "a village's paper ballots entered at once",
        400,
    ),
    limit(
        "store.too_many_drafts",
        MAX_DRAFTS as u64,
        "records",
        "one transaction; the longest list of pledges fits twice",
        400,
    ),
    limit(
        "feed.too_many_subscribers",
        MAX_SUBSCRIBERS as u64,
        "subscribers",
        "50 KiB each, half a gibibyte together",
        429,
    ),
    limit(
        "feed.too_many_filters",
        MAX_FILTERS as u64,
        "values",
        "the districts of a region, many times over",
        400,
    ),
    limit(
        "feed.heartbeat",
        MAX_HEARTBEAT_SECS as u64,
        "seconds",
        "home routers forget a silent connection after about as long",
        400,
    ),
    limit("proof.too_many", MAX_PROOFS as u64, "records", "asked for at once: one batch", 400),
    limit(
        "page.too_many_packages",
        MAX_PACKAGES as u64,
        "packages",
        "written at one time; some 100 MiB together",
        503,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{header::HeaderError, identity::BundleError, payload::status::Reason};

    fn value_of(reason: &str) -> Option<u64> {
        all().find(|limit| limit.reason == reason).map(|limit| limit.value)
    }

    #[test]
    fn every_limit_has_a_reason_of_its_own() {
        let reasons: std::collections::BTreeSet<_> = all().map(|it| it.reason).collect();
        assert_eq!(reasons.len(), all().count());
        assert!(all().all(|it| it.reason.contains('.') && 0 < it.value && !it.because.is_empty()));
    }

    #[test]
    fn the_table_holds_the_limits_that_refusals_name() {
        let header = HeaderError::TooLarge { n_bytes: 8_193 }.reason();
        assert_eq!(value_of(header), Some(8_192));
        assert_eq!(value_of(HeaderError::TooManyReferences.reason()), Some(16));
        let payload = HeaderError::PayloadTooLarge { n_bytes: 262_145 }.reason();
        assert_eq!(value_of(payload), Some(262_144));
        let bundle = BundleError::TooLarge { n_bytes: 262_145 }.reason();
        assert_eq!(value_of(bundle), Some(262_144));
        assert_eq!(value_of(BundleError::TooManyRecords.reason()), Some(256));
        for quota in [Reason::RecordsPerMinute, Reason::BytesPerDay] {
            assert!(value_of(quota.token()).is_some(), "{quota:?}");
        }
        assert_eq!(value_of("record.unheard_of"), None);
    }

    #[test]
    fn too_much_is_told_apart_from_too_often_in_both_protocols() {
        let of = |http| limit("a.b", 1, "bytes", "test", http).grpc;
        assert_eq!((of(413), of(429)), ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"));
        assert_eq!(of(503), "UNAVAILABLE");
    }
}
