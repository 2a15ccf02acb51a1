//! Doorbells of others: how many each may ring, and which wait for a verdict.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use libp2p::{PeerId, gossipsub::MessageId};

use crate::{
    limits::{Limits, MALFORMED_FAULTS, MAX_UNJUDGED},
    seam::Ticket,
};

/// What becomes of a doorbell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It waits for a verdict under this ticket.
    Waits(Ticket),
    /// It is not passed on.
    Dropped,
    /// Its sender is to be cut off.
    TooMany,
}

/// Doorbells of others.
#[derive(Debug)]
pub(crate) struct Doorbells {
    burst: u32,
    per_second: u32,
    max_faults: u32,
    senders: BTreeMap<PeerId, Sender>,
    unjudged: VecDeque<(Ticket, MessageId, PeerId)>,
    n_tickets: u64,
}

/// What one key may still ring.
#[derive(Debug)]
struct Sender {
    left: u32,
    filled_at: Instant,
    faults: u32,
}

impl Doorbells {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            burst: limits.doorbell_burst,
            per_second: limits.doorbells_per_second,
            max_faults: limits.max_doorbell_faults,
            senders: BTreeMap::new(),
            unjudged: VecDeque::new(),
            n_tickets: 0,
        }
    }

    /// Counts a doorbell against its sender, and keeps it for a verdict while there is room.
    pub(crate) fn hear(&mut self, from: PeerId, id: MessageId, now: Instant) -> Heard {
        if !self.take(from, now) {
            return self.blame(from, 1, now);
        }
        if MAX_UNJUDGED <= self.unjudged.len() {
            return Heard::Dropped;
        }
        let ticket = Ticket(self.n_tickets);
        self.n_tickets = self.n_tickets.wrapping_add(1);
        self.unjudged.push_back((ticket, id, from));
        Heard::Waits(ticket)
    }

    /// The message and sender of a ticket, which is used up by it.
    pub(crate) fn judged(&mut self, ticket: Ticket) -> Option<(MessageId, PeerId)> {
        let position = self.unjudged.iter().position(|(it, ..)| *it == ticket)?;
        self.unjudged.remove(position).map(|(_, id, from)| (id, from))
    }

    /// Counts a malformed doorbell against its sender; tells whether to cut it off.
    pub(crate) fn blame_malformed(&mut self, from: PeerId, now: Instant) -> bool {
        self.blame(from, MALFORMED_FAULTS, now) == Heard::TooMany
    }

    /// Forgets a sender that has nothing against it.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.senders.remove(peer);
    }

    fn take(&mut self, from: PeerId, now: Instant) -> bool {
        let sender = self.sender(from, now);
        let has_any = 0 < sender.left;
        sender.left = sender.left.saturating_sub(1);
        has_any
    }

    fn blame(&mut self, from: PeerId, faults: u32, now: Instant) -> Heard {
        let most = self.max_faults;
        let sender = self.sender(from, now);
        sender.faults = sender.faults.saturating_add(faults);
        if most < sender.faults { Heard::TooMany } else { Heard::Dropped }
    }

    fn sender(&mut self, from: PeerId, now: Instant) -> &mut Sender {
        let (burst, per_second) = (self.burst, self.per_second);
        let full = || Sender { left: burst, filled_at: now, faults: 0 };
        let sender = self.senders.entry(from).or_insert_with(full);
        let seconds = now.saturating_duration_since(sender.filled_at).as_secs();
        if 0 < seconds {
            let filled = per_second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX));
            sender.left = sender.left.saturating_add(filled).min(burst);
            sender.faults = sender.faults.saturating_sub(filled);
            sender.filled_at = now;
        }
        sender
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn doorbells() -> Doorbells {
        let limits = Limits {
            doorbell_burst: 3,
            doorbells_per_second: 1,
            max_doorbell_faults: 65,
            ..Limits::default()
        };
        Doorbells::new(&limits)
    }

    fn peer() -> PeerId {
        crate::key::key_pair(&zeroize::Zeroizing::new([1; 32])).unwrap().public().to_peer_id()
    }

    fn id(number: u8) -> MessageId {
        vec![number].into()
    }

    #[test]
    fn a_burst_is_heard_the_next_is_dropped_and_a_second_later_one_more_is_heard() {
        let (mut doorbells, start) = (doorbells(), Instant::now());
        let mut hear = |now| doorbells.hear(peer(), id(1), now);
        for _ in 0..3 {
            assert!(matches!(hear(start), Heard::Waits(_)));
        }
        assert_eq!(hear(start), Heard::Dropped);
        let later = start + Duration::from_secs(1);
        assert!(matches!(hear(later), Heard::Waits(_)));
        assert_eq!(hear(later), Heard::Dropped);
    }

    #[test]
    fn who_goes_on_is_cut_off() {
        let (mut doorbells, start) = (doorbells(), Instant::now());
        let heard: Vec<_> = (0..69).map(|_| doorbells.hear(peer(), id(1), start)).collect();
        assert_eq!(heard[67], Heard::Dropped);
        assert_eq!(heard[68], Heard::TooMany);
    }

    #[test]
    fn one_malformed_doorbell_is_borne_and_a_second_at_once_is_not() {
        let (mut doorbells, start) = (doorbells(), Instant::now());
        assert!(!doorbells.blame_malformed(peer(), start));
        assert!(doorbells.blame_malformed(peer(), start));
    }

    #[test]
    fn a_ticket_is_used_up_by_its_verdict() {
        let (mut doorbells, start) = (doorbells(), Instant::now());
        let Heard::Waits(ticket) = doorbells.hear(peer(), id(7), start) else { panic!("dropped") };
        assert_eq!(doorbells.judged(ticket), Some((id(7), peer())));
        assert_eq!(doorbells.judged(ticket), None);
    }
}
