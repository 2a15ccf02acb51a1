//! Where nodes are: addresses by key, and places where somebody may answer.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

use crate::{
    address::Address,
    limits::{MAX_ADDRESSES_PER_KEY, MAX_KNOWN_KEYS, MAX_PLACES},
};

/// The first wait after nobody answered; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The wait after a connection ended because nobody had a use for it.
const REST: Duration = Duration::from_secs(300);

/// Addresses by key, newest first; of the keys that came last a bounded number.
#[derive(Debug, Default)]
pub(crate) struct Book {
    addresses: BTreeMap<PeerId, Vec<Multiaddr>>,
}

impl Book {
    /// Notes addresses; tells which of them are to be handed on.
    pub(crate) fn note(&mut self, peer: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        if MAX_KNOWN_KEYS <= self.addresses.len() && !self.addresses.contains_key(&peer) {
            return;
        }
        let known = self.addresses.entry(peer).or_default();
        for address in addresses.into_iter().take(MAX_ADDRESSES_PER_KEY) {
            known.retain(|it| *it != address);
            known.insert(0, address);
        }
        known.truncate(MAX_ADDRESSES_PER_KEY);
    }

    pub(crate) fn of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.addresses.get(peer).cloned().unwrap_or_default()
    }

    /// A stranger that is gone takes no room.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.addresses.remove(peer);
    }
}

/// A place where somebody may answer.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// Who answered there last.
    pub(crate) peer: Option<PeerId>,
    wait: Duration,
    next: Instant,
}

/// Places that are dialled until somebody answers.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Vec<Place>,
}

impl Places {
    /// Adds a place, once.
    pub(crate) fn add(&mut self, address: Address, now: Instant) {
        let is_known = self.places.iter().any(|it| it.address == address);
        if !is_known && self.places.len() < MAX_PLACES {
            let peer = address.key().and_then(crate::key::NodeKey::peer_id);
            self.places.push(Place { address, peer, wait: FIRST_WAIT, next: now });
        }
    }

    /// Places that are due, as nobody from there is connected; their next turn is later.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<Address> {
        let mut due = Vec::new();
        for place in &mut self.places {
            if place.peer.as_ref().is_some_and(&is_connected) {
                place.wait = FIRST_WAIT;
                place.next = now + FIRST_WAIT;
            } else if place.next <= now {
                place.next = now + place.wait;
                place.wait = (place.wait * 2).min(LONGEST_WAIT);
                due.push(place.address.clone());
            }
        }
        due
    }

    /// Leaves this key in peace for a while.
    pub(crate) fn rest(&mut self, peer: &PeerId, now: Instant) {
        for place in self.places.iter_mut().filter(|it| it.peer.as_ref() == Some(peer)) {
            place.next = now + REST;
        }
    }

    /// Notes who answered at an address that was dialled.
    pub(crate) fn note_answer(&mut self, dialled: &Address, peer: PeerId) {
        for place in self.places.iter_mut().filter(|it| it.address == *dialled) {
            place.peer = Some(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(byte: u8) -> PeerId {
        crate::key::key_pair(&zeroize::Zeroizing::new([byte; 32])).unwrap().public().to_peer_id()
    }

    #[test]
    fn of_one_key_the_eight_newest_addresses_are_kept() {
        let mut book = Book::default();
        let address = |port| Address::tcp("192.0.2.1", port).0;
        for port in 1..=9 {
            book.note(peer(1), [address(port)]);
        }
        let kept = book.of(&peer(1));
        assert_eq!(kept.len(), MAX_ADDRESSES_PER_KEY);
        assert!(kept.contains(&address(9)) && !kept.contains(&address(1)));
    }

    #[test]
    fn a_place_is_dialled_at_growing_intervals_until_somebody_from_there_is_connected() {
        let (mut places, start) = (Places::default(), Instant::now());
        let address = Address::tcp("192.0.2.1", 1);
        places.add(address.clone(), start);
        places.add(address.clone(), start);
        assert_eq!(places.due(start, |_| false), std::slice::from_ref(&address));
        assert!(places.due(start + FIRST_WAIT / 2, |_| false).is_empty());
        assert_eq!(places.due(start + FIRST_WAIT, |_| false).len(), 1);
        assert!(places.due(start + 2 * FIRST_WAIT, |_| false).is_empty(), "twice as long");
        places.note_answer(&address, peer(1));
        let later = start + LONGEST_WAIT;
        assert!(places.due(later, |it| *it == peer(1)).is_empty());
        assert_eq!(
            places.due(later + FIRST_WAIT, |_| false).len(),
            1,
            "who is gone is looked for at once"
        );
        places.rest(&peer(1), later);
        assert!(places.due(later + REST / 2, |_| false).is_empty());
        assert_eq!(places.due(later + REST, |_| false).len(), 1);
    }
}
