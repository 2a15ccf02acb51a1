//! Sums over cases of several regions: over distinct records, never over regions' sums (ARCHITECTURE §6).
//!
//! A case, and within a figure a record, counts once, by however many ways it came and in whatever order: the same community
//! in two regions, two coordinators of one region, a list that is read twice.

use std::collections::{BTreeMap, BTreeSet};

use record::{RecordId, RegionId};

/// What is added up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Covenants that are in force.
    CovenantsInForce,
    /// Opportunities that were not refused.
    Opportunities,
    /// Pools that were not refused.
    Pools,
    /// Firm pledges that stand, in one unit. Units of one name are added, whatever a pool means by it.
    Pledged {
        /// The unit.
        unit: String,
    },
    /// Polls that were not refused.
    Polls,
    /// Ballots cast, as communities' tallies declare them.
    Ballots,
}

/// What one case adds, and the records that say so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseFigures {
    /// The case.
    pub case: RecordId,
    /// How much each record says.
    pub said: BTreeMap<(Figure, RecordId), u64>,
    /// The region that the case belongs to.
    pub region: RegionId,
}

/// One figure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Total {
    /// The sum; at most 2^64 - 1.
    pub amount: u64,
    /// The distinct records that it was made of.
    pub n_records: usize,
    /// The regions that they belong to.
    pub regions: BTreeSet<RegionId>,
}

/// Adds up cases that may repeat, in any order.
///
/// Of two accounts of one case the greater counts, in the order of their content: which one that is does not matter, as
/// only one region owns a case; that it does not depend on the order in which they came does.
#[must_use]
pub fn sum(cases: impl IntoIterator<Item = CaseFigures>) -> BTreeMap<Figure, Total> {
    let mut distinct: BTreeMap<RecordId, CaseFigures> = BTreeMap::new();
    for figures in cases {
        let held = distinct.entry(figures.case).or_insert_with(|| figures.clone());
        if *held < figures {
            *held = figures;
        }
    }
    let mut records: BTreeMap<(Figure, RecordId), (u64, RegionId)> = BTreeMap::new();
    for CaseFigures { said, region, .. } in distinct.into_values() {
        for (key, amount) in said {
            let held = records.entry(key).or_insert((amount, region));
            *held = (*held).max((amount, region));
        }
    }
    let mut totals: BTreeMap<Figure, Total> = BTreeMap::new();
    for ((figure, _), (amount, region)) in records {
        let total = totals.entry(figure).or_default();
        total.amount = total.amount.saturating_add(amount);
        total.n_records += 1;
        total.regions.insert(region);
    }
    totals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::record_id;

    fn figures() -> impl Strategy<Value = CaseFigures> {
        let figure = prop_oneof![
            Just(Figure::Pools),
            Just(Figure::Ballots),
            "[ab]".prop_map(|unit| Figure::Pledged { unit }),
        ];
        let said = prop::collection::btree_map((figure, 0_u8..12), 0_u64..100, 0..6);
        (0_u8..4, 0_u8..3, said).prop_map(|(case, region, said)| CaseFigures {
            case: record_id(case),
            said: said.into_iter().map(|((it, n), amount)| ((it, record_id(n)), amount)).collect(),
            region: RegionId::from_bytes([region; 32]),
        })
    }

    proptest! {
        #[test]
        fn neither_order_nor_repeats_change_a_sum(
            cases in prop::collection::vec(figures(), 0..12),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let once = sum(cases.clone());
            let mut again: Vec<CaseFigures> = cases.iter().rev().cloned().collect();
            if !cases.is_empty() {
                again.extend(order.iter().map(|it| it.get(&cases).clone()));
            }
            prop_assert_eq!(sum(again), once);
        }

        #[test]
        fn each_figure_counts_each_record_once(cases in prop::collection::vec(figures(), 0..12)) {
            for (figure, total) in sum(cases.clone()) {
                let named = cases.iter().flat_map(|it| it.said.keys());
                let named: BTreeSet<RecordId> =
                    named.filter(|(it, _)| *it == figure).map(|(_, id)| *id).collect();
                prop_assert!(total.n_records <= named.len());
            }
        }
    }

    #[test]
    fn two_regions_add_up_and_a_case_told_by_both_counts_once() {
        let of = |case: u8, region: u8| CaseFigures {
            case: record_id(case),
            said: [((Figure::CovenantsInForce, record_id(case)), 1)].into_iter().collect(),
            region: RegionId::from_bytes([region; 32]),
        };
        let totals = sum([of(1, 1), of(2, 2), of(1, 2)]);
        let total = &totals[&Figure::CovenantsInForce];
        assert_eq!((total.amount, total.n_records), (2, 2));
    }
}
