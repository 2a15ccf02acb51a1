//! What doorbells told of that is not here yet.

use std::{collections::BTreeMap, time::Duration};

use mesh::NodeKey;
use record::LogName;
use tokio::time::Instant;

/// How long what a doorbell told of may take to come by itself, over the streams that are open.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long beyond that, while records keep coming.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
/// The most logs that are waited for; of further ones another doorbell will tell.
const MAX_HINTS: usize = 1_024;

/// What is waited for: by log, the largest size, who told of it, and until when it may come by itself.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    hints: BTreeMap<LogName, (u64, NodeKey, Instant)>,
}

impl Hints {
    pub(crate) fn add(&mut self, log: LogName, size: u64, from: NodeKey, now: Instant) {
        let has_room = self.hints.len() < MAX_HINTS;
        let known = self.hints.get(&log).copied();
        match known {
            Some((largest, _, due)) if largest < size => {
                self.hints.insert(log, (size, from, due));
            }
            None if has_room => {
                self.hints.insert(log, (size, from, now + PATIENCE));
            }
            Some(_) | None => {}
        }
    }

    /// What should have come by itself; it is waited for no longer. While records keep coming, less is due.
    pub(crate) fn due(&mut self, now: Instant, is_flowing: bool) -> Vec<(LogName, u64, NodeKey)> {
        let patience = if is_flowing { LONGEST_PATIENCE } else { Duration::ZERO };
        let due = self.hints.iter().filter(|(_, (_, _, at))| *at + patience <= now);
        let due: Vec<_> = due.map(|(log, (size, from, _))| (*log, *size, *from)).collect();
        for (log, ..) in &due {
            self.hints.remove(log);
        }
        due
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hints.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use record::CommunityId;

    use super::*;

    fn log(byte: u8) -> LogName {
        LogName { community: CommunityId::from_bytes([byte; 32]), era: 0 }
    }

    #[tokio::test]
    async fn what_a_doorbell_tells_of_is_due_a_second_after_the_first_one_at_its_largest_size() {
        let (mut hints, start) = (Hints::default(), Instant::now());
        let [one, other] = [1, 2].map(|byte| NodeKey([byte; 32]));
        hints.add(log(1), 5, one, start);
        hints.add(log(1), 7, other, start + PATIENCE / 2);
        hints.add(log(1), 6, one, start + PATIENCE / 2);
        assert!(hints.due(start + PATIENCE / 2, false).is_empty());
        assert_eq!(hints.due(start + PATIENCE, false), [(log(1), 7, other)]);
        assert!(hints.is_empty());
    }

    #[tokio::test]
    async fn while_records_keep_coming_it_is_waited_ten_seconds_longer_and_then_no_more() {
        let (mut hints, start) = (Hints::default(), Instant::now());
        hints.add(log(1), 5, NodeKey([1; 32]), start);
        let longest = start + PATIENCE + LONGEST_PATIENCE;
        assert!(hints.due(longest - Duration::from_millis(1), true).is_empty());
        assert_eq!(hints.due(longest, true).len(), 1);
    }

    #[tokio::test]
    async fn a_flood_of_doorbells_takes_no_more_room_than_there_is() {
        let (mut hints, start) = (Hints::default(), Instant::now());
        for era in 0..2_000 {
            hints.add(LogName { era, ..log(1) }, 1, NodeKey([1; 32]), start);
        }
        assert_eq!(hints.due(start + PATIENCE, false).len(), MAX_HINTS);
    }
}
