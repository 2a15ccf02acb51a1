//! The words on the wire: generated messages and services, and their conversion to core types.
//!
//! ```text
//! folkmoot/**.proto ──tests/generated.rs──▶ src/gen ──▶ v1, clerk, kinds, types   (messages, clients, servers)
//!                                                           │ payload::decode, payload::encode
//!                                                           ▼
//!                                                     record::Payload              (what the rules see)
//! ```
//!
//! - [`v1`]: replication, logs, regions and feeds, between peers and for anybody;
//! - [`clerk`]: what the people at a node ask of it; served on a unix socket only, and in no descriptor set;
//! - [`kinds`]: the payload of each kind of record, one module a kind; [`types`]: shapes that they share;
//! - [`payload`]: strict decoding of payloads and their one encoding; [`describe`](describe::describe): a payload in one
//!   line; [`replication`]: the raw ids, hashes and contents of the services.
//!
//! Not here: headers and identity, which `record` encodes itself (their .proto files describe the same bytes for
//! others); frames of the replication protocol as `replica` sees them (`peer` converts those); any connection.

pub mod describe;
#[allow(
    missing_docs,
    missing_debug_implementations,
    elided_lifetimes_in_paths,
    unreachable_pub,
    unused_lifetimes,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    rustdoc::all,
    reason = "generated code, which follows the habits of its generator"
)]
mod generated;
pub mod payload;
pub mod replication;

pub use generated::{clerk::v1 as clerk, types::v1 as types, v1};

/// The payload of each kind of record. The kind is the package: [`kinds::covenant`] is `folkmoot.record.covenant.v1`.
pub mod kinds {
    pub use crate::generated::record::affiliation::v1 as affiliation;
    pub use crate::generated::record::cosignatures::v1 as cosignatures;
    pub use crate::generated::record::covenant::v1 as covenant;
    pub use crate::generated::record::erase::v1 as erase;
    pub use crate::generated::record::erased::v1 as erased;
    pub use crate::generated::record::evidence::v1 as evidence;
    pub use crate::generated::record::identity::v1 as identity;
    pub use crate::generated::record::index::v1 as index;
    pub use crate::generated::record::notice::v1 as notice;
    pub use crate::generated::record::opportunity::v1 as opportunity;
    pub use crate::generated::record::pledge::v1 as pledge;
    pub use crate::generated::record::poll::v1 as poll;
    pub use crate::generated::record::pool::v1 as pool;
    pub use crate::generated::record::receipt::v1 as receipt;
    pub use crate::generated::record::recovery::v1 as recovery;
    pub use crate::generated::record::region_epoch::v1 as region_epoch;
    pub use crate::generated::record::result::v1 as result;
    pub use crate::generated::record::roll::v1 as roll;
    pub use crate::generated::record::status::v1 as status;
    pub use crate::generated::record::tally::v1 as tally;
    pub use crate::generated::record::text::v1 as text;
}

/// The descriptors of everything that is public (the services of [`v1`], the payloads of [`kinds`], [`types`]), as an
/// encoded `google.protobuf.FileDescriptorSet` with its comments. [`clerk`] is not in it: it is never served on a network.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptor.bin");
