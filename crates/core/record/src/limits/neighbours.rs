//! What a coordinator takes of the feeds of neighbouring regions.

use super::{Limit, limit};

/// The most neighbouring regions that a coordinator reads: each takes a task and a connection. Britain has about 50
/// ceremonial counties, and as many regions around one would be a whole country.
pub const MAX_NEIGHBOURS: usize = 64;
/// The most items that are kept of one neighbouring region: 100 a day for 27 years, at about 1 KiB each 1 GiB.
pub const MAX_NEIGHBOUR_ITEMS: u64 = 1_000_000;
/// The largest item of a neighbouring region, in bytes as it is kept: 1,024 causes of 170 bytes.
pub const MAX_NEIGHBOUR_ITEM_BYTES: usize = 256 * 1024;
/// The most records that may have caused an item of a neighbouring region: one of each member, and a few.
pub const MAX_ITEM_CAUSES: usize = 1_024;
/// The most items of one neighbouring region that wait to be proved: what a day of an island without a line brings.
pub const MAX_NEIGHBOUR_PUT_OFF: usize = 1_024;
/// And the most bytes of them: 1,024 items that 100 records each caused, at 160 bytes a record.
pub const MAX_NEIGHBOUR_PUT_OFF_BYTES: usize = 16 * 1024 * 1024;
/// Readers of sums who wait while every case is read: each takes a connection.
pub const MAX_WAITING_SUMS: usize = 64;
/// What a coordinator takes of neighbouring regions, and what it gives of them.
pub const NEIGHBOURS: &[Limit] = &[
    limit(
        "neighbour.too_many",
        MAX_NEIGHBOURS as u64,
        "regions",
        "a task and a connection each",
        400,
    ),
    limit(
        "neighbour.too_many_items",
        MAX_NEIGHBOUR_ITEMS,
        "items",
        "of one region: 100 a day for 27 years",
        429,
    ),
    limit(
        "neighbour.item_too_large",
        MAX_NEIGHBOUR_ITEM_BYTES as u64,
        "bytes",
        "1,024 causes of 170 bytes",
        413,
    ),
    limit(
        "neighbour.too_many_causes",
        MAX_ITEM_CAUSES as u64,
        "records",
        "one of each member, and a few",
        400,
    ),
    limit(
        "neighbour.too_many_put_off",
        MAX_NEIGHBOUR_PUT_OFF as u64,
        "items",
        "of one region, that wait to be proved",
        429,
    ),
    limit(
        "neighbour.too_much_put_off",
        MAX_NEIGHBOUR_PUT_OFF_BYTES as u64,
        "bytes",
        "of those items: 100 records each, at 160 bytes",
        429,
    ),
    limit(
        "page.too_many_sums",
        MAX_WAITING_SUMS as u64,
        "readers",
        "who wait while every case is read",
        503,
    ),
];
