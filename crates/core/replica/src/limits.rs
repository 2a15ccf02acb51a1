//! What one stream may take of memory, messages and patience.
//!
//! Worst case of one stream that pulls: [`MAX_STREAM_CREDIT_BATCHES`] × 1 MiB = 64 MiB of batches on
//! the way or not yet durable, [`MAX_WAITING_NOTE_BYTES`] = 32 MiB of notes that wait, and
//! [`MAX_LOGS`] × about 2 KiB = 32 MiB of logs known by name, frontier and bare notes.

use record::limits::{
    MAX_BATCH_BYTES, MAX_BATCH_RECORDS, MAX_STREAM_FAULTS, MAX_STREAM_LOGS, MAX_STREAM_STRAYS,
};

pub use record::limits::MAX_HEADS;

/// The most batches of one log that are on the way or not yet durable: 8 × 256 = 2,048 records, at
/// most 8 MiB.
pub const MAX_CREDIT_BATCHES: u32 = 8;

/// The most batches of all logs of a stream that are on the way or not yet durable: 64 × 1 MiB =
/// 64 MiB; one for each of [`MAX_LOGS_IN_FLIGHT`] logs, or eight for each of eight.
pub const MAX_STREAM_CREDIT_BATCHES: u32 = 64;

/// The most logs that are pulled at once on a stream; further ones queue.
pub const MAX_LOGS_IN_FLIGHT: usize = 64;

/// The most loads that are asked of the store at once for a stream: 16 × 1 MiB = 16 MiB.
pub const MAX_LOADS_IN_FLIGHT: usize = 16;

/// The most logs that a stream keeps in mind: every parish of Britain (about 12,000) and a third more.
pub const MAX_LOGS: usize = MAX_STREAM_LOGS;

/// The most bytes of checkpoints and identities in one message of heads that we send: half of the
/// 2 MiB of a message, so that one more head with the largest identity still fits.
pub const MAX_HEADS_BYTES: usize = 1024 * 1024;

/// The most bytes of whole notes of heads that wait for their turn: 16,384 logs × 2 KiB. Beyond it a
/// waiting head keeps its log's own signature only; the cosignatures come with a later head.
pub const MAX_WAITING_NOTE_BYTES: usize = 32 * 1024 * 1024;

/// The most cosignature lines in an ack (signed-note asks readers to accept 16 at least).
pub const MAX_ACK_COSIGNATURES: usize = 16;

/// The longest cosignature line, in bytes: ML-DSA-44 has (4 + 8 + 2,420) × 4 / 3 = 3,243 characters,
/// and a key's name.
pub const MAX_COSIGNATURE_BYTES: usize = 4 * 1024;

/// The longest reason of a received refusal that is passed on, in bytes; the rest is cut off.
pub const MAX_REASON_BYTES: usize = 64;

/// The longest detail of a received refusal that is passed on, in bytes; the rest is cut off.
pub const MAX_DETAIL_BYTES: usize = 1024;

/// How often a peer may do what only a faulty peer does, before the stream is closed.
pub const MAX_FAULTS: u32 = MAX_STREAM_FAULTS;

/// How often a peer may offer or refuse what leads nowhere, before the stream is closed: it may hold
/// as many logs unknown here as a stream keeps in mind, and each costs one message.
pub const MAX_STRAYS: u32 = MAX_STREAM_STRAYS;

/// The records of one batch stand between two neighbouring multiples of this index.
pub const BATCH_ALIGNMENT: u64 = MAX_BATCH_RECORDS as u64;

// A batch of the largest size with its longest proof fits a message.
const _: () = assert!(MAX_BATCH_BYTES + 63 * 32 < record::limits::MAX_GRPC_MESSAGE_BYTES);
// Every log in flight can have at least one batch on the way.
const _: () = assert!(MAX_LOGS_IN_FLIGHT <= MAX_STREAM_CREDIT_BATCHES as usize);

/// How many batches at least hold the records `start..end`: one for each block of 256 they touch.
pub(crate) fn n_blocks(start: u64, end: u64) -> u64 {
    match end.checked_sub(1) {
        Some(last) if start <= last => last / BATCH_ALIGNMENT - start / BATCH_ALIGNMENT + 1,
        Some(_) | None => 0,
    }
}

/// How many records a batch that starts at `start` may hold, in a log of `end` records.
pub(crate) fn room_at(start: u64, end: u64) -> u64 {
    (BATCH_ALIGNMENT - start % BATCH_ALIGNMENT).min(end.saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_by_the_multiples_of_256_they_touch() {
        for (start, end, blocks) in
            [(0, 0, 0), (5, 5, 0), (6, 5, 0), (0, 1, 1), (0, 256, 1), (0, 257, 2), (255, 257, 2)]
        {
            assert_eq!(n_blocks(start, end), blocks, "{start}..{end}");
        }
        assert_eq!(n_blocks(0, u64::MAX), 1 << 56);
    }

    #[test]
    fn a_batch_ends_at_the_next_multiple_of_256_or_at_the_end() {
        for (start, end, room) in
            [(0, 1000, 256), (255, 1000, 1), (256, 1000, 256), (257, 1000, 255), (990, 1000, 10)]
        {
            assert_eq!(room_at(start, end), room, "{start}..{end}");
        }
    }
}
