//! How much is taken of one neighbour, and how often it is asked again for what it could not prove.

use std::time::Duration;

use record::limits::{MAX_NEIGHBOUR_ITEMS, MAX_NEIGHBOUR_PUT_OFF, MAX_NEIGHBOUR_PUT_OFF_BYTES};

const MINUTE: Duration = Duration::from_secs(60);

/// What one neighbour may take of this coordinator, however much it tells.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Items of it that are kept; then it is read no further.
    pub max_items: u64,
    /// Up to so many records a case is folded anew for each item, and beyond it once for all that came together: of a case
    /// of 512 that is at most 512² / 2 steps, and one fold a batch after that.
    pub max_folded_each: usize,
    /// How often a record that no checkpoint covers yet is asked for when it is told, twice a second.
    pub n_proof_tries: u32,
    /// Items that wait to be proved.
    pub max_put_off: usize,
    /// Bytes of what they claim.
    pub max_put_off_bytes: usize,
    /// How long an item waits each time until it is asked for again. After the last it is refused. At most 256 items are
    /// asked for together, and the first of these lies between two such rounds at least.
    pub waits: Vec<Duration>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_items: MAX_NEIGHBOUR_ITEMS,
            max_folded_each: 512,
            n_proof_tries: 20,
            max_put_off: MAX_NEIGHBOUR_PUT_OFF,
            max_put_off_bytes: MAX_NEIGHBOUR_PUT_OFF_BYTES,
            // Five times within 31 hours: a machine that is away for a day is waited for.
            waits: [1, 10, 60, 6 * 60, 24 * 60].map(|minutes| MINUTE * minutes).to_vec(),
        }
    }
}

impl Bounds {
    /// The wait of an item that was asked for again so often; `None` once it is given up.
    pub(super) fn wait(&self, n_tries: u32) -> Option<Duration> {
        usize::try_from(n_tries).ok().and_then(|it| self.waits.get(it)).copied()
    }

    /// What lies between two rounds of asking again.
    pub(super) fn between_rounds(&self) -> Duration {
        self.wait(0).unwrap_or(MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_asked_for_again_five_times_within_31_hours() {
        let bounds = Bounds::default();
        let waits: Vec<Duration> = (0..).map_while(|it| bounds.wait(it)).collect();
        assert!(waits.is_sorted() && waits.len() == 5, "{waits:?}");
        let hours = waits.iter().sum::<Duration>().as_secs() / 3_600;
        assert_eq!((hours, bounds.wait(5), bounds.wait(u32::MAX)), (31, None, None));
        assert_eq!(bounds.between_rounds(), MINUTE);
    }
}
