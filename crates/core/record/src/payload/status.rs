//! Status records: how a coordinator treats a log, said in public, with the reason and what lifts it.
//!
//! Decisive: ids, instants and values of closed lists, so that a status can hold no words about anybody. What each
//! reason means and what lifts it stands here, in the code that everybody has.

use crate::{ids::LogName, time::UnixMillis};

/// How a coordinator treats a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Standing {
    /// It is held, served and counted.
    #[default]
    Ok,
    /// More of it is taken only slowly. Nothing that was taken is affected.
    Throttled,
    /// It is held and not served.
    Withheld,
    /// Two heads that cannot both be true were signed.
    Forked,
    /// It goes on in another era.
    Moved,
    /// The community has left.
    Gone,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Throttled, Self::Withheld, Self::Forked, Self::Moved, Self::Gone];

    /// The stable token.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Withheld => "withheld",
            Self::Forked => "forked",
            Self::Moved => "moved",
            Self::Gone => "gone",
        }
    }

    /// The number in an index entry; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 1,
            Self::Throttled => 2,
            Self::Withheld => 3,
            Self::Forked => 4,
            Self::Moved => 5,
            Self::Gone => 6,
        }
    }

    /// The standing of this number.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|it| u64::from(it.number()) == number)
    }
}

/// Why a log does not stand at [`Standing::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// More records in a minute than the region's rules grant a community.
    RecordsPerMinute,
    /// More bytes in a day than the region's rules grant a community.
    BytesPerDay,
    /// A court or authority ordered it.
    Ordered,
    /// It shows what the law protects about a person.
    PersonalData,
    /// It is used to harm others.
    Abuse,
    /// Its author signed two histories.
    TwoHistories,
    /// A recovery began another era.
    NextEra,
    /// An epoch of the region left the community out.
    Left,
}

/// What ends a standing that is not [`Standing::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lift {
    /// Time alone.
    Time,
    /// An appeal: to the coordinator's operators, and beyond them to the members, who may seat another coordinator.
    Appeal,
    /// A recovery by the community's officers.
    Recovery,
    /// An epoch of the region's members.
    Epoch,
    /// Nothing: what comes after stands elsewhere.
    Nothing,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::RecordsPerMinute,
        Self::BytesPerDay,
        Self::Ordered,
        Self::PersonalData,
        Self::Abuse,
        Self::TwoHistories,
        Self::NextEra,
        Self::Left,
    ];

    /// The standing that it goes with.
    #[must_use]
    pub const fn standing(self) -> Standing {
        match self {
            Self::RecordsPerMinute | Self::BytesPerDay => Standing::Throttled,
            Self::Ordered | Self::PersonalData | Self::Abuse => Standing::Withheld,
            Self::TwoHistories => Standing::Forked,
            Self::NextEra => Standing::Moved,
            Self::Left => Standing::Gone,
        }
    }

    /// The stable reason, as it stands in refusals and JSON.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::RecordsPerMinute => "quota.records_per_minute",
            Self::BytesPerDay => "quota.bytes_per_day",
            Self::Ordered => "withheld.ordered",
            Self::PersonalData => "withheld.personal_data",
            Self::Abuse => "withheld.abuse",
            Self::TwoHistories => "log.forked",
            Self::NextEra => "log.moved",
            Self::Left => "log.gone",
        }
    }

    /// What lifts it.
    #[must_use]
    pub const fn lift(self) -> Lift {
        match self {
            Self::RecordsPerMinute | Self::BytesPerDay => Lift::Time,
            Self::Ordered | Self::PersonalData | Self::Abuse => Lift::Appeal,
            Self::TwoHistories => Lift::Recovery,
            Self::NextEra => Lift::Nothing,
            Self::Left => Lift::Epoch,
        }
    }

    /// The reason and what lifts it, for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::RecordsPerMinute => {
                "The community writes more records a minute than the region's rules grant. Nothing is lost: the rest is taken later, by itself."
            }
            Self::BytesPerDay => {
                "The community writes more bytes a day than the region's rules grant. Nothing is lost: the rest is taken later, by itself."
            }
            Self::Ordered => {
                "A court or authority ordered that the log be withheld. Ask this coordinator's operators; the members may seat another coordinator by an epoch."
            }
            Self::PersonalData => {
                "The log shows what the law protects about a person. Erase it, then ask this coordinator's operators; the members may seat another coordinator by an epoch."
            }
            Self::Abuse => {
                "The operators hold that the log is used to harm others. Ask them; the members may seat another coordinator by an epoch."
            }
            Self::TwoHistories => {
                "The log signed two histories. It goes on once the community's officers recover it into a new era."
            }
            Self::NextEra => "The log goes on in the era that its officers began.",
            Self::Left => {
                "An epoch of the region left the community out. Another epoch may admit it."
            }
        }
    }
}

/// How a coordinator treats one log from an instant on. A later status of the same coordinator and log replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The log.
    pub log: LogName,
    /// Since when.
    pub since: UnixMillis,
    /// Why; `None` for [`Standing::Ok`].
    pub reason: Option<Reason>,
    /// When time alone lifts it, as far as that is known; only beside a reason that time lifts.
    pub until: Option<UnixMillis>,
}

impl Status {
    /// How the log is treated.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.reason.map_or(Standing::Ok, Reason::standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_but_ok_has_a_reason_and_every_token_is_its_own() {
        let reached: std::collections::BTreeSet<_> =
            Reason::ALL.iter().map(|it| it.standing()).collect();
        assert_eq!(reached.len(), Standing::ALL.len() - 1);
        assert!(!reached.contains(&Standing::Ok));
        let tokens: std::collections::BTreeSet<_> =
            Reason::ALL.iter().map(|it| it.token()).collect();
        assert_eq!(tokens.len(), Reason::ALL.len());
        for standing in Standing::ALL {
            assert_eq!(Standing::of_number(standing.number().into()), Some(standing));
        }
        assert_eq!(Standing::of_number(0), None);
        assert_eq!(Standing::of_number(7), None);
    }
}
