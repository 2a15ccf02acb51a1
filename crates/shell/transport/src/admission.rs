//! Who gets a place: so many connections in all, so many from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts open connections. Addresses are forgotten with their last connection.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    max_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    n_all: usize,
    n_by_source: HashMap<IpAddr, usize>,
}

/// Why a connection was closed before it could say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("every place is taken")]
    InAll,
    #[error("one address has as many connections as it may")]
    ForThisAddress,
}

/// One connection's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    source: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, open: Mutex::default() })
    }

    /// Takes a place. Callers without an address (unix sockets) are counted only in all.
    pub(crate) fn admit(self: &Arc<Self>, from: Option<IpAddr>) -> Result<Place, Full> {
        let source = from.map(source_of);
        let mut open = self.lock();
        if self.max <= open.n_all {
            return Err(Full::InAll);
        }
        if let Some(source) = source {
            let n_here = open.n_by_source.get(&source).copied().unwrap_or(0);
            if self.max_per_address <= n_here {
                return Err(Full::ForThisAddress);
            }
            open.n_by_source.insert(source, n_here.saturating_add(1));
        }
        open.n_all = open.n_all.saturating_add(1);
        Ok(Place { admission: Arc::clone(self), source })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Counts are changed by single assignments, so a panic elsewhere leaves them true.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.n_all = open.n_all.saturating_sub(1);
        let Some(source) = self.source else { return };
        let n_left = open.n_by_source.get(&source).map_or(0, |n| n.saturating_sub(1));
        if n_left == 0 {
            open.n_by_source.remove(&source);
        } else {
            open.n_by_source.insert(source, n_left);
        }
    }
}

/// What one subscriber of an internet line has: an IPv4 address, or an IPv6 prefix of 64 bits.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::from(u64::MAX) << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_of_an_address_is_given_and_the_next_refused() {
        let admission = Admission::new(10, 2);
        let _first = admission.admit(at("192.0.2.1")).expect("the first place");
        let second = admission.admit(at("192.0.2.1")).expect("the second and last place");

        assert_eq!(admission.admit(at("192.0.2.1")).err(), Some(Full::ForThisAddress));
        assert!(admission.admit(at("192.0.2.2")).is_ok(), "another address is not held back");

        drop(second);
        assert!(admission.admit(at("192.0.2.1")).is_ok(), "a place given back is free again");
    }

    #[test]
    fn the_last_place_of_all_is_given_and_the_next_refused() {
        let admission = Admission::new(2, 2);
        let _first = admission.admit(at("192.0.2.1")).expect("the first place");
        let _second = admission.admit(None).expect("the second and last place");

        assert_eq!(admission.admit(at("192.0.2.3")).err(), Some(Full::InAll));
        assert_eq!(admission.admit(None).err(), Some(Full::InAll));
    }

    #[test]
    fn one_ipv6_prefix_and_both_spellings_of_an_ipv4_address_are_one_source() {
        let source = |address: &str| source_of(at(address).expect("an address"));

        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::9"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn addresses_are_forgotten_with_their_last_connection() {
        let admission = Admission::new(10, 2);

        drop(admission.admit(at("192.0.2.1")));

        assert!(admission.lock().n_by_source.is_empty());
    }

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().expect("an address"))
    }
}
