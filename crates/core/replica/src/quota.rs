//! Quotas: how much of each community a coordinator takes in a time. What is beyond waits; nothing is refused.
//!
//! ```text
//! charge(records, bytes, now) ─▶ within: nothing     beyond: throttled until … ─ lift(now) ─▶ within again
//! ```
//!
//! A community may send a whole minute's records, and a whole day's bytes, at once; from then on it gets room as time
//! passes. Once throttled it stays so for a while, so that a flood makes few status records.

use std::collections::BTreeMap;

use record::{
    CommunityId, LogName, UnixMillis,
    payload::status::{Reason, Status},
    region::Quota,
};

const NANOS_PER_MILLI: u128 = 1_000_000;
/// The window of the quota of records.
const MINUTE_MILLIS: u64 = 60_000;
/// The window of the quota of bytes.
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// The shortest pause for too many records: half a minute, in which half of a minute's records become free.
const PAUSE_MILLIS: u64 = MINUTE_MILLIS / 2;
/// The shortest pause for too many bytes: ten minutes, at most 144 pauses a day.
const LONG_PAUSE_MILLIS: u64 = 10 * MINUTE_MILLIS;

/// What one community has sent, as the instants at which it would have been sent at the quota's own rate.
#[derive(Debug, Clone, Default)]
struct Account {
    /// Nanoseconds since 1970.
    records_paid_at: u128,
    bytes_paid_at: u128,
    /// How far each log has been charged: records that come by several streams count once.
    charged: BTreeMap<LogName, u64>,
    throttled: Option<Throttled>,
}

/// A pause of one community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// Which quota it exceeded.
    pub reason: Reason,
    /// Since when.
    pub since: UnixMillis,
    /// Until when.
    pub until: UnixMillis,
}

impl Throttled {
    /// The status of a log of this community.
    #[must_use]
    pub const fn status_of(&self, log: LogName) -> Status {
        let Self { reason, since, until } = *self;
        Status { log, since, reason: Some(reason), until: Some(until) }
    }
}

/// Records of a log that came, and what they weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Which log.
    pub log: LogName,
    /// The index of the first record.
    pub start: u64,
    /// The index after the last.
    pub end: u64,
    /// Bytes of headers, salts and payloads.
    pub n_bytes: usize,
}

/// Says who has to wait.
#[derive(Debug, Clone)]
pub struct Limiter {
    quota: Quota,
    accounts: BTreeMap<CommunityId, Account>,
}

impl Limiter {
    /// Nobody has sent anything.
    #[must_use]
    pub const fn new(quota: Quota) -> Self {
        Self { quota, accounts: BTreeMap::new() }
    }

    /// The region has other rules: they hold for what comes from now on.
    pub const fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    /// Counts records that came; answers the pause if they begin one.
    pub fn charge(&mut self, charge: Charge, now: UnixMillis) -> Option<Throttled> {
        let Charge { log, start, end, n_bytes } = charge;
        let account = self.accounts.entry(log.community).or_default();
        let charged = account.charged.entry(log).or_default();
        let (n_records, n_new) =
            (end.saturating_sub(start), end.saturating_sub(start.max(*charged)));
        *charged = end.max(*charged);
        if n_new == 0 {
            return None;
        }
        let n_bytes = u128::try_from(n_bytes).unwrap_or(u128::MAX);
        let n_bytes = n_bytes.saturating_mul(n_new.into()) / u128::from(n_records.max(1));
        let Quota { records_per_minute, bytes_per_day } = self.quota;
        pay(
            &mut account.records_paid_at,
            n_new.into(),
            (MINUTE_MILLIS, records_per_minute.into()),
            now,
        );
        pay(&mut account.bytes_paid_at, n_bytes, (DAY_MILLIS, bytes_per_day), now);
        if account.throttled.is_some() {
            return None;
        }
        account.throttled = pause(account, now);
        account.throttled
    }

    /// Whether a community has to wait, and until when.
    #[must_use]
    pub fn throttled(&self, community: &CommunityId) -> Option<Throttled> {
        self.accounts.get(community)?.throttled
    }

    /// Every log of a community that has to wait.
    pub fn all_throttled(&self) -> impl Iterator<Item = (LogName, Throttled)> + '_ {
        let logs_of = |it: &'_ Account| {
            let logs: Vec<LogName> = it.charged.keys().copied().collect();
            it.throttled.map(|throttled| (logs, throttled))
        };
        self.accounts
            .values()
            .filter_map(logs_of)
            .flat_map(|(logs, throttled)| logs.into_iter().map(move |log| (log, throttled)))
    }

    /// When the next pause ends.
    #[must_use]
    pub fn next_lift(&self) -> Option<UnixMillis> {
        self.accounts.values().filter_map(|it| Some(it.throttled?.until)).min()
    }

    /// Ends the pauses that are over: the logs whose communities may go on.
    pub fn lift(&mut self, now: UnixMillis) -> Vec<LogName> {
        let mut lifted = Vec::new();
        for account in self.accounts.values_mut() {
            let Some(throttled) = account.throttled.take_if(|it| it.until <= now) else { continue };
            // What came while it paused may make it wait on, without another word.
            account.throttled =
                pause(account, now).map(|next| Throttled { since: throttled.since, ..next });
            if account.throttled.is_none() {
                lifted.extend(account.charged.keys().copied());
            }
        }
        lifted
    }
}

/// Moves an account on by what this costs: the window's share that it is of the quota.
fn pay(paid_at: &mut u128, amount: u128, (window_millis, quota): (u64, u64), now: UnixMillis) {
    let window = u128::from(window_millis) * NANOS_PER_MILLI;
    let cost = window.saturating_mul(amount) / u128::from(quota.max(1));
    let from = (u128::from(now.0) * NANOS_PER_MILLI).max(*paid_at);
    *paid_at = from.saturating_add(cost);
}

/// The pause of an account that is more than a window ahead.
fn pause(account: &Account, now: UnixMillis) -> Option<Throttled> {
    let ahead = |paid_at: u128, window_millis: u64| {
        let free_at = u64::try_from(paid_at.div_ceil(NANOS_PER_MILLI)).unwrap_or(u64::MAX);
        let free_at = free_at.saturating_sub(window_millis);
        (now.0 < free_at).then_some(free_at)
    };
    let bytes = ahead(account.bytes_paid_at, DAY_MILLIS)
        .map(|free_at| (Reason::BytesPerDay, free_at, LONG_PAUSE_MILLIS));
    let records = ahead(account.records_paid_at, MINUTE_MILLIS)
        .map(|free_at| (Reason::RecordsPerMinute, free_at, PAUSE_MILLIS));
    let (reason, free_at, shortest) = bytes.or(records)?;
    let until = UnixMillis(free_at.max(now.0.saturating_add(shortest)));
    Some(Throttled { reason, since: now, until })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { records_per_minute: 600, bytes_per_day: 86_400_000 };

    fn log(n: u8) -> LogName {
        LogName { community: CommunityId::from_bytes([n; 32]), era: 0 }
    }

    fn records(n: u8, start: u64, end: u64) -> Charge {
        Charge { log: log(n), start, end, n_bytes: 0 }
    }

    #[test]
    fn a_minutes_records_may_come_at_once_and_one_more_waits() {
        let mut limiter = Limiter::new(QUOTA);
        assert_eq!(limiter.charge(records(1, 0, 600), UnixMillis(0)), None);
        let throttled = limiter.charge(records(1, 600, 601), UnixMillis(0)).unwrap();
        assert_eq!((throttled.reason, throttled.since.0), (Reason::RecordsPerMinute, 0));
        assert_eq!(throttled.until.0, 30_000, "for half a minute at least");
        assert!(limiter.lift(UnixMillis(29_999)).is_empty());
        assert_eq!(limiter.lift(UnixMillis(30_000)), [log(1)]);
        // Half of the minute's records are free, less the one that was too many.
        assert_eq!(limiter.charge(records(1, 601, 900), UnixMillis(30_000)), None);
        assert!(limiter.charge(records(1, 900, 901), UnixMillis(30_000)).is_some());
    }

    #[test]
    fn a_days_bytes_may_come_at_once_and_one_more_waits_ten_minutes() {
        let mut limiter = Limiter::new(QUOTA);
        let bytes = |start, n_bytes| Charge { log: log(1), start, end: start + 1, n_bytes };
        assert_eq!(limiter.charge(bytes(0, 86_400_000), UnixMillis(0)), None);
        let throttled = limiter.charge(bytes(1, 1), UnixMillis(0)).unwrap();
        assert_eq!((throttled.reason, throttled.until.0), (Reason::BytesPerDay, 600_000));
    }

    #[test]
    fn one_that_waits_holds_up_nobody_else() {
        let mut limiter = Limiter::new(QUOTA);
        assert!(limiter.charge(records(1, 0, 5_000), UnixMillis(0)).is_some());
        assert_eq!(limiter.charge(records(2, 0, 600), UnixMillis(0)), None);
        assert!(limiter.throttled(&log(1).community).is_some());
        assert!(limiter.throttled(&log(2).community).is_none());
        assert_eq!(limiter.all_throttled().map(|it| it.0).collect::<Vec<_>>(), [log(1)]);
    }

    #[test]
    fn records_that_come_by_two_streams_count_once_and_another_era_counts_too() {
        let mut limiter = Limiter::new(QUOTA);
        for _ in 0..2 {
            assert_eq!(limiter.charge(records(1, 0, 600), UnixMillis(0)), None);
        }
        let next_era = Charge { log: LogName { era: 1, ..log(1) }, ..records(1, 0, 1) };
        assert!(limiter.charge(next_era, UnixMillis(0)).is_some());
    }

    #[test]
    fn what_came_while_it_waited_prolongs_the_pause_without_another_word() {
        let mut limiter = Limiter::new(QUOTA);
        let began = limiter.charge(records(1, 0, 601), UnixMillis(0)).unwrap();
        assert_eq!(limiter.charge(records(1, 601, 1_800), UnixMillis(1)), None);
        assert!(limiter.lift(began.until).is_empty());
        let prolonged = limiter.throttled(&log(1).community).unwrap();
        assert_eq!((prolonged.since.0, prolonged.until.0), (0, 120_000));
        assert_eq!(limiter.next_lift(), Some(prolonged.until));
        assert_eq!(limiter.lift(prolonged.until), [log(1)]);
        assert_eq!(limiter.next_lift(), None);
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_passes_than_a_minutes_records_and_the_rate(
            steps in proptest::collection::vec((1..400_u64, 0..40_000_u64), 1..60),
        ) {
            let (mut limiter, mut now, mut passed) = (Limiter::new(QUOTA), 0, 0);
            for (n_records, wait) in steps {
                now += wait;
                limiter.lift(UnixMillis(now));
                if limiter.throttled(&log(1).community).is_none() {
                    // Beyond the window by one charge at most: what was on the way when the pause began.
                    prop_assert!(passed <= 600 + now / 100);
                    limiter.charge(records(1, passed, passed + n_records), UnixMillis(now));
                    passed += n_records;
                }
            }
        }

        #[test]
        fn nothing_within_the_quota_ever_waits(steps in proptest::collection::vec(1..100_u64, 1..60)) {
            let (mut limiter, mut passed) = (Limiter::new(QUOTA), 0);
            for n_records in steps {
                let now = UnixMillis(passed * 100);
                prop_assert_eq!(limiter.charge(records(1, passed, passed + n_records), now), None);
                passed += n_records;
            }
        }
    }
}
