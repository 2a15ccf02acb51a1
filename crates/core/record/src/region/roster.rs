//! Who votes in a region, who is seated, and by which rules: the part of a charter that an epoch replaces.

use crate::{
    ids::CommunityId,
    wire::{Field, Reader, WireError, Writer},
};

/// The most voting members of a region.
pub const MAX_MEMBERS: usize = 1_000;
/// The most coordinators, and the most witnesses, that a region seats.
pub const MAX_SEATS: usize = 16;

/// Who votes, who is seated, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    members: Vec<CommunityId>,
    coordinators: Vec<CommunityId>,
    witnesses: Vec<CommunityId>,
    receipts_needed: u32,
    rules: Rules,
}

/// What an epoch may change beside members and seats. A charter begins with [`Rules::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many members must vouch for a community before its log is carried: at least 1.
    pub vouches_needed: u32,
    /// What each community may send to a coordinator.
    pub quota: Quota,
}

/// What each community may send to a coordinator. Beyond it records wait; no verdict changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Records in a minute: at least 1.
    pub records_per_minute: u32,
    /// Bytes of headers, salts and payloads in a day: at least 1.
    pub bytes_per_day: u64,
}

/// The quota of a region that says nothing else: 6,000 records a minute, a poll's tallies of a county at once; 1 GiB a day,
/// what fills a small disk in three weeks.
pub const USUAL_QUOTA: Quota =
    Quota { records_per_minute: 6_000, bytes_per_day: 1024 * 1024 * 1024 };

impl Default for Rules {
    /// One voucher, and the usual quota.
    fn default() -> Self {
        Self { vouches_needed: 1, quota: USUAL_QUOTA }
    }
}

/// Why a roster is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// There is no member, or more than [`MAX_MEMBERS`].
    #[error("a region has 1 to {MAX_MEMBERS} members, not {n_members}")]
    Members {
        /// How many there are.
        n_members: usize,
    },
    /// There are more than [`MAX_SEATS`] coordinators or witnesses.
    #[error("a region seats at most {MAX_SEATS} {what}, not {n_seats}")]
    Seats {
        /// `coordinators` or `witnesses`.
        what: &'static str,
        /// How many there are.
        n_seats: usize,
    },
    /// A list is not in ascending order, each once.
    #[error("the {what} are not in ascending order, each once")]
    Order {
        /// `members`, `coordinators` or `witnesses`.
        what: &'static str,
    },
    /// A record would need no receipt, or more than there are coordinators to give one.
    #[error("{receipts_needed} receipts cannot be asked of {n_coordinators} coordinators")]
    Receipts {
        /// The number given.
        receipts_needed: u64,
        /// How many coordinators there are.
        n_coordinators: usize,
    },
    /// A rule is 0, or larger than can be held.
    #[error("the rule `{rule}` is 0 or too large")]
    Rule {
        /// The rule's name.
        rule: &'static str,
    },
}

impl RosterError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Members { .. } => "region.too_many_members",
            Self::Seats { .. } => "region.too_many_seats",
            Self::Order { .. } => "region.order",
            Self::Receipts { .. } => "region.receipts_needed",
            Self::Rule { .. } => "region.rule",
        }
    }
}

impl Roster {
    /// `members` (1..=1,000) and `coordinators` (0..=16) in ascending order, each once, with no witnesses and the rules of
    /// a founding. `receipts_needed` is the k of "the k-th earliest receipt": 1 up to the number of coordinators, and 1
    /// where none is seated.
    ///
    /// # Errors
    ///
    /// [`RosterError`] says which rule is broken.
    pub fn new(
        members: Vec<CommunityId>,
        coordinators: Vec<CommunityId>,
        receipts_needed: u32,
    ) -> Result<Self, RosterError> {
        let (n_members, n_coordinators) = (members.len(), coordinators.len());
        if n_members == 0 || MAX_MEMBERS < n_members {
            return Err(RosterError::Members { n_members });
        }
        must_ascend("members", &members)?;
        must_be_seats("coordinators", &coordinators)?;
        let possible = usize::try_from(receipts_needed)
            .is_ok_and(|it| (1..=n_coordinators.max(1)).contains(&it));
        if !possible {
            let receipts_needed = u64::from(receipts_needed);
            return Err(RosterError::Receipts { receipts_needed, n_coordinators });
        }
        let (witnesses, rules) = (Vec::new(), Rules::default());
        Ok(Self { members, coordinators, witnesses, receipts_needed, rules })
    }

    /// The roster with these witnesses (0..=16), in ascending order, each once.
    ///
    /// # Errors
    ///
    /// [`RosterError::Seats`] or [`RosterError::Order`].
    pub fn with_witnesses(self, witnesses: Vec<CommunityId>) -> Result<Self, RosterError> {
        must_be_seats("witnesses", &witnesses)?;
        Ok(Self { witnesses, ..self })
    }

    /// The roster with these rules.
    ///
    /// # Errors
    ///
    /// [`RosterError::Rule`] if one of them is 0, or asks for more vouchers than there are members.
    pub fn with_rules(self, rules: Rules) -> Result<Self, RosterError> {
        let Rules { vouches_needed, quota: Quota { records_per_minute, bytes_per_day } } = rules;
        let vouchers = usize::try_from(vouches_needed);
        let named = [
            ("vouches_needed", vouchers.is_ok_and(|it| (1..=self.members.len()).contains(&it))),
            ("records_per_minute", 0 < records_per_minute),
            ("bytes_per_day", 0 < bytes_per_day),
        ];
        match named.iter().find(|(_, is_sound)| !is_sound) {
            Some((rule, _)) => Err(RosterError::Rule { rule }),
            None => Ok(Self { rules, ..self }),
        }
    }

    /// The voting members, in ascending order.
    #[must_use]
    pub fn members(&self) -> &[CommunityId] {
        &self.members
    }

    /// The seated coordinators, in ascending order.
    #[must_use]
    pub fn coordinators(&self) -> &[CommunityId] {
        &self.coordinators
    }

    /// The seated witnesses, in ascending order: their cosignatures, with those of the coordinators, decide what of a
    /// forked log counts.
    #[must_use]
    pub fn witnesses(&self) -> &[CommunityId] {
        &self.witnesses
    }

    /// How many coordinators must have received a record before its time counts.
    #[must_use]
    pub const fn receipts_needed(&self) -> u32 {
        self.receipts_needed
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether this community votes.
    #[must_use]
    pub fn is_member(&self, community: &CommunityId) -> bool {
        self.members.binary_search(community).is_ok()
    }

    /// Whether this community is seated as a coordinator.
    #[must_use]
    pub fn is_coordinator(&self, community: &CommunityId) -> bool {
        self.coordinators.binary_search(community).is_ok()
    }

    /// How many members are more than half of them.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// Everybody who votes or is seated; some may come twice.
    pub fn everybody(&self) -> impl Iterator<Item = CommunityId> + '_ {
        self.members.iter().chain(&self.coordinators).chain(&self.witnesses).copied()
    }

    /// Writes members, coordinators, witnesses, the number of receipts and the rules as fields from `first` on.
    pub(super) fn write(&self, writer: &mut Writer, first: u64) {
        let Self { members, coordinators, witnesses, receipts_needed, rules } = self;
        for (field, communities) in (first..).zip([members, coordinators, witnesses]) {
            for community in communities {
                writer.element(field, community.as_bytes());
            }
        }
        writer.number(first + 3, u64::from(*receipts_needed)).bytes(first + 4, &rules.encode());
    }
}

impl Rules {
    fn encode(&self) -> Vec<u8> {
        let Self { vouches_needed, quota: Quota { records_per_minute, bytes_per_day } } = *self;
        let mut writer = Writer::default();
        writer.number(1, vouches_needed.into()).number(2, records_per_minute.into());
        writer.number(3, bytes_per_day);
        writer.finish()
    }

    /// The rules in these bytes; unknown fields are found by whoever encodes them again.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut numbers = [0_u64; 3];
        let mut reader = Reader::new(bytes);
        while let Some(Field { number, value }) = reader.next()? {
            let place = number.checked_sub(1).and_then(|it| usize::try_from(it).ok());
            let place = place.and_then(|it| numbers.get_mut(it));
            let (Some(place), Some(value)) = (place, value.number()) else { return Ok(None) };
            *place = value;
        }
        let [vouches_needed, records_per_minute, bytes_per_day] = numbers;
        let small = |number: u64| u32::try_from(number).ok();
        let quota = small(records_per_minute)
            .map(|records_per_minute| Quota { records_per_minute, bytes_per_day });
        Ok(small(vouches_needed)
            .zip(quota)
            .map(|(vouches_needed, quota)| Self { vouches_needed, quota }))
    }
}

fn must_be_seats(what: &'static str, communities: &[CommunityId]) -> Result<(), RosterError> {
    let n_seats = communities.len();
    if MAX_SEATS < n_seats {
        return Err(RosterError::Seats { what, n_seats });
    }
    must_ascend(what, communities)
}

fn must_ascend(what: &'static str, communities: &[CommunityId]) -> Result<(), RosterError> {
    let ascends = communities.is_sorted_by(|one, next| one < next);
    if ascends { Ok(()) } else { Err(RosterError::Order { what }) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::region) fn communities(n: u16) -> Vec<CommunityId> {
        let id = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            CommunityId::from_bytes(bytes)
        };
        (0..n).map(id).collect()
    }

    fn roster(n_members: u16, n_coordinators: u16, k: u32) -> Result<Roster, RosterError> {
        Roster::new(communities(n_members), communities(n_coordinators), k)
    }

    #[test]
    fn a_region_has_1_to_1000_members_and_at_most_16_of_each_seat() {
        assert_eq!(roster(0, 1, 1), Err(RosterError::Members { n_members: 0 }));
        assert!(roster(1, 1, 1).is_ok());
        let largest = roster(1_000, 16, 1).unwrap();
        assert_eq!(roster(1_001, 1, 1), Err(RosterError::Members { n_members: 1_001 }));
        let seats = |what| RosterError::Seats { what, n_seats: 17 };
        assert_eq!(roster(1, 17, 1), Err(seats("coordinators")));
        assert!(largest.clone().with_witnesses(communities(16)).is_ok());
        assert_eq!(largest.with_witnesses(communities(17)), Err(seats("witnesses")));
    }

    #[test]
    fn asks_for_at_least_one_receipt_and_at_most_one_of_each_coordinator() {
        for (n_coordinators, k, is_possible) in
            [(0, 0, false), (0, 1, true), (0, 2, false), (2, 0, false), (2, 2, true), (2, 3, false)]
        {
            let is_ok = roster(1, n_coordinators, k).is_ok();
            assert_eq!(is_ok, is_possible, "{k} of {n_coordinators}");
        }
    }

    #[test]
    fn refuses_communities_out_of_order_or_named_twice() {
        let pick = |places: [usize; 2]| places.map(|it| communities(2)[it]).to_vec();
        let with = |members, coordinators| Roster::new(pick(members), pick(coordinators), 1);
        let sound = with([0, 1], [0, 1]).unwrap();
        let wrong = |what| Err(RosterError::Order { what });
        assert_eq!(with([1, 0], [0, 1]), wrong("members"));
        assert_eq!(with([0, 1], [1, 1]), wrong("coordinators"));
        assert_eq!(sound.with_witnesses(pick([1, 0])), wrong("witnesses"));
    }

    #[test]
    fn refuses_a_rule_of_0_and_more_vouchers_than_members() {
        let with = |vouches_needed, records_per_minute, bytes_per_day| {
            let quota = Quota { records_per_minute, bytes_per_day };
            roster(2, 1, 1).unwrap().with_rules(Rules { vouches_needed, quota })
        };
        assert!(with(2, 1, 1).is_ok());
        for (numbers, rule) in [
            ((0, 1, 1), "vouches_needed"),
            ((3, 1, 1), "vouches_needed"),
            ((1, 0, 1), "records_per_minute"),
            ((1, 1, 0), "bytes_per_day"),
        ] {
            assert_eq!(with(numbers.0, numbers.1, numbers.2), Err(RosterError::Rule { rule }));
        }
    }

    #[test]
    fn more_than_half_is_2_of_2_and_of_3_and_3_of_4() {
        let majorities = [1, 2, 3, 4, 5].map(|n| roster(n, 0, 1).unwrap().majority());
        assert_eq!(majorities, [1, 2, 2, 3, 3]);
    }
}
