//! What a coordinator measures beside what every peer does. Labels come from closed sets.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::item::KINDS;

/// Tells what each number means.
pub(crate) fn describe() {
    describe_gauge!("folkmoot_feed_subscribers", "Subscribers that are connected.");
    describe_counter!("folkmoot_feed_items_total", "Items that became live, by kind of case.");
    describe_counter!("folkmoot_feed_sent_total", "Items sent to subscribers, by kind of case.");
    describe_counter!("folkmoot_feed_heartbeats_total", "Heartbeats sent to subscribers.");
    describe_counter!(
        "folkmoot_feed_lagged_total",
        "Times that a subscriber fell behind and read on from the store."
    );
    describe_counter!("folkmoot_feed_resets_total", "Cursors that could not be resolved.");
    describe_counter!("folkmoot_feed_refused_total", "Subscribers refused because of the limit.");
    describe_counter!("folkmoot_pages_total", "Pages asked for, by page.");
    describe_counter!(
        "folkmoot_neighbour_items_total",
        "Items taken from neighbouring regions, by how far they were checked."
    );
    describe_counter!(
        "folkmoot_neighbour_refused_total",
        "Items of neighbouring regions that were refused, by reason."
    );
    describe_counter!(
        "folkmoot_neighbour_put_off_total",
        "Items of neighbouring regions that could not be proved and were put off."
    );
    describe_counter!("folkmoot_export_left_out_total", "Releases that could not be exported.");
}

/// The kind as a label: one of [`KINDS`], whatever the store holds.
fn label(kind: &str) -> &'static str {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

pub(crate) fn item_live(kind: &str) {
    counter!("folkmoot_feed_items_total", "kind" => label(kind)).increment(1);
}

pub(crate) fn item_sent(kind: &str) {
    counter!("folkmoot_feed_sent_total", "kind" => label(kind)).increment(1);
}

pub(crate) fn heartbeat() {
    counter!("folkmoot_feed_heartbeats_total").increment(1);
}

pub(crate) fn lagged() {
    counter!("folkmoot_feed_lagged_total").increment(1);
}

pub(crate) fn reset() {
    counter!("folkmoot_feed_resets_total").increment(1);
}

pub(crate) fn subscriber_refused() {
    counter!("folkmoot_feed_refused_total").increment(1);
}

pub(crate) fn page(name: &'static str) {
    counter!("folkmoot_pages_total", "page" => name).increment(1);
}

pub(crate) fn release_left_out() {
    counter!("folkmoot_export_left_out_total").increment(1);
}

/// Items that were taken together, and how many of them the records give here, too.
pub(crate) fn neighbour_items(n_folded: usize, n_items: usize) {
    let n_stated = n_items.saturating_sub(n_folded);
    for (checked, n) in [("folded", n_folded), ("stated", n_stated)] {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        counter!("folkmoot_neighbour_items_total", "checked" => checked).increment(n);
    }
}

pub(crate) fn neighbour_put_off() {
    counter!("folkmoot_neighbour_put_off_total").increment(1);
}

pub(crate) fn neighbour_refused(reason: &'static str) {
    counter!("folkmoot_neighbour_refused_total", "reason" => reason).increment(1);
}

/// Counts a subscriber for as long as it lives.
#[derive(Debug)]
pub(crate) struct Subscribed;

impl Subscribed {
    pub(crate) fn count() -> Self {
        gauge!("folkmoot_feed_subscribers").increment(1.0);
        Self
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        gauge!("folkmoot_feed_subscribers").decrement(1.0);
    }
}
