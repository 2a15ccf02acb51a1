//! Whose stream to keep open, among all communities of a region.
//!
//! Few communities keep a stream with each other all. Of many, each reaches for those that stand 1, 2, 4, 8 … places
//! after it, in the order of their ids, which are hashes and so in no order that anybody chose. Whoever is down is
//! passed over for the next: so everybody is linked to the next who is up, which keeps the ring closed, and a record
//! crosses a ring of `n` in about `log2 n` steps.

use std::collections::BTreeSet;

/// The most communities that keep a stream with each other all.
pub(crate) const FULL_MESH: usize = 12;
/// How many others one community reaches for in a larger region; as many again reach for it.
pub(crate) const REACH: usize = 4;

/// Those of `all`, in ascending order, that `own` reaches for; `is_up` tells whom it can reach.
pub(crate) fn neighbours<T: Ord + Copy>(
    own: T,
    all: &BTreeSet<T>,
    is_up: impl Fn(T) -> bool,
) -> BTreeSet<T> {
    let others: Vec<T> = ring_after(own, all).collect();
    if others.len() < FULL_MESH {
        return others.into_iter().filter(|it| is_up(*it)).collect();
    }
    let mut chosen = BTreeSet::new();
    for power in 0..REACH {
        let first = (1_usize << power) - 1;
        let mut candidates = others.iter().skip(first).chain(others.iter().take(first)).copied();
        chosen.extend(candidates.find(|it| !chosen.contains(it) && is_up(*it)));
    }
    chosen
}

/// The others, beginning with the next after `own`.
fn ring_after<T: Ord + Copy>(own: T, all: &BTreeSet<T>) -> impl Iterator<Item = T> {
    use std::ops::Bound::{Excluded, Unbounded};
    all.range((Excluded(own), Unbounded)).chain(all.range(..own)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(n: u32) -> BTreeSet<u32> {
        (0..n).collect()
    }

    /// Whether everybody who is up is linked to everybody else who is, over others who are.
    fn is_connected(all: &BTreeSet<u32>, is_up: impl Fn(u32) -> bool + Copy) -> bool {
        let up: BTreeSet<u32> = all.iter().copied().filter(|it| is_up(*it)).collect();
        let links: Vec<(u32, u32)> = up
            .iter()
            .flat_map(|own| neighbours(*own, all, is_up).into_iter().map(|it| (*own, it)))
            .collect();
        let mut reached: BTreeSet<u32> = up.first().copied().into_iter().collect();
        loop {
            let before = reached.len();
            for (a, b) in &links {
                if reached.contains(a) || reached.contains(b) {
                    reached.extend([*a, *b]);
                }
            }
            if reached.len() == before {
                return reached == up;
            }
        }
    }

    #[test]
    fn twelve_keep_a_stream_with_each_other_all_and_thirteen_do_not() {
        assert_eq!(neighbours(3, &region(12), |_| true).len(), 11);
        assert_eq!(neighbours(3, &region(13), |_| true), [4, 5, 7, 11].into());
    }

    #[test]
    fn who_is_down_is_passed_over_for_the_next() {
        assert_eq!(neighbours(0, &region(20), |it| it != 1), [2, 3, 4, 8].into());
        assert_eq!(neighbours(0, &region(3), |it| it != 1), [2].into());
    }

    #[test]
    fn whoever_is_up_is_linked_whoever_is_down() {
        for n in [1, 2, 12, 13, 30, 64] {
            let all = region(n);
            assert!(is_connected(&all, |_| true), "{n}");
            for step in 2..=7 {
                assert!(is_connected(&all, |it| it % step != 0), "{n} without every {step}th");
            }
            assert!(is_connected(&all, |it| it < n / 2), "{n}, half of them");
        }
    }

    #[test]
    fn nobody_is_its_own_neighbour_nor_alone_anybodys() {
        assert!(neighbours(0, &region(1), |_| true).is_empty());
        for own in 0..40 {
            assert!(!neighbours(own, &region(40), |_| true).contains(&own));
        }
    }
}
