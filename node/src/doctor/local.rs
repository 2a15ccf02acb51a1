//! What this machine tells of a data folder, whether a node runs on it or not.

use std::{cmp::Ordering, path::Path};

use ballotbox::BallotBox;
use peer::{
    DataFolder,
    folder::{BackupNote, FolderError},
};
use record::UnixMillis;
use runtime::{disk::free_bytes, exit::render, files::check_private};

use super::{Check, judge::MOST_SKEW_MILLIS, span};

/// Below this a node may find no room to write at any moment: 256 MiB, twice what its write-ahead log may take.
pub(crate) const LEAST_FREE_BYTES: u64 = 256 * 1024 * 1024;
/// Below this somebody should make room: 1 GiB, what one community may write in a day unless the region's rules say
/// otherwise.
pub(crate) const FEW_FREE_BYTES: u64 = 1024 * 1024 * 1024;
/// A backup that is older is told: one week.
pub(crate) const OLD_BACKUP_MILLIS: u64 = 7 * 24 * 3_600 * 1_000;

/// How the two SQLite files stand to this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// They are of this release, or not there yet.
    Current,
    /// They are brought up to date at the next start.
    Older,
    /// They can only be read by a later release, or not at all.
    Unusable,
}

/// Whether the folder is private, and holds a community with its keys.
pub(crate) fn folder(folder: &DataFolder) -> Check {
    const NAME: &str = "folder";
    let looked = || -> Result<_, FolderError> {
        check_private(folder.path())?;
        folder.seeds()?;
        folder.community()
    };
    match looked() {
        Ok(community) => {
            let sentence = format!("It holds {community} with its keys, for its owner alone.");
            Check::ok(NAME, sentence)
        }
        Err(error) => Check::bad(NAME, render(&error).trim_end()),
    }
}

/// How the form of the SQLite files compares with that of this program.
pub(crate) async fn files(folder: &DataFolder) -> (Check, Form) {
    const NAME: &str = "files";
    let (log, ballots) = (folder.log_file(), folder.ballots_file());
    let log_form = match log.exists() {
        true => store::form(&log).await.map_err(|it| render(&it)),
        false => folder.check_log().map(|()| Ordering::Equal).map_err(|it| render(&it)),
    };
    let ballots_form = match ballots.exists() {
        true => BallotBox::form(&ballots).await.map_err(|it| render(&it)),
        false => Ok(Ordering::Equal),
    };
    let (log_form, ballots_form) = match (log_form, ballots_form) {
        (Ok(log), Ok(ballots)) => (log, ballots),
        (Err(why), _) | (_, Err(why)) => return (Check::bad(NAME, why.trim_end()), Form::Unusable),
    };
    judge_form(NAME, log_form.max(ballots_form), log_form.min(ballots_form))
}

fn judge_form(name: &'static str, newest: Ordering, oldest: Ordering) -> (Check, Form) {
    match (newest, oldest) {
        (Ordering::Greater, _) => {
            let sentence = "A later release wrote log.sqlite or ballots.sqlite, and this program cannot open it. Install that release again, or put a backup of before back.";
            (Check::bad(name, sentence), Form::Unusable)
        }
        (_, Ordering::Less) => {
            let sentence = "An earlier release wrote log.sqlite or ballots.sqlite. They are brought up to date when the node starts; make a backup first, as the earlier release cannot read them afterwards.";
            (Check::warn(name, sentence), Form::Older)
        }
        (Ordering::Equal | Ordering::Less, Ordering::Equal | Ordering::Greater) => (
            Check::ok(name, "log.sqlite and ballots.sqlite have the form of this release."),
            Form::Current,
        ),
    }
}

/// How much room the disk has.
pub(crate) fn disk(path: &Path) -> Check {
    const NAME: &str = "disk";
    match free_bytes(path) {
        Ok(n_free) => judge_disk(NAME, n_free),
        Err(error) => {
            Check::warn(NAME, format!("The system does not say how full the disk is: {error}."))
        }
    }
}

fn judge_disk(name: &'static str, n_free: u64) -> Check {
    let room = format!("{} MiB are free on the disk of the data folder.", n_free / (1024 * 1024));
    if n_free < LEAST_FREE_BYTES {
        return Check::bad(
            name,
            format!(
                "{room} With less than 256 the node may stop writing at any moment; what is there stays safe. Make room now."
            ),
        );
    }
    if n_free < FEW_FREE_BYTES {
        return Check::warn(
            name,
            format!("{room} One community may write 1024 MiB in a day. Make room this week."),
        );
    }
    Check::ok(name, room)
}

/// How old the last backup is.
pub(crate) fn backup(folder: &DataFolder, now: u64) -> Check {
    const NAME: &str = "backup";
    match folder.last_backup() {
        Ok(note) => judge_backup(NAME, note, now),
        Err(error) => {
            Check::warn(NAME, format!("{} Make a backup now.", render(&error).trim_end()))
        }
    }
}

fn judge_backup(name: &'static str, note: Option<BackupNote>, now: u64) -> Check {
    const MAKE: &str = "Make one: `folkmoot-node backup --out FOLDER`, best on another disk. People and ballots are nowhere else.";
    let Some(BackupNote { made_at: UnixMillis(made_at), records }) = note else {
        return Check::warn(name, format!("No backup of this folder is known. {MAKE}"));
    };
    if now.saturating_add(MOST_SKEW_MILLIS) < made_at {
        return Check::warn(
            name,
            format!("The last backup is dated in the future: a clock was wrong. {MAKE}"),
        );
    }
    let age = now.saturating_sub(made_at);
    let last = format!("The last backup is {} old and has {records} records.", span(age));
    if OLD_BACKUP_MILLIS < age {
        return Check::warn(name, format!("{last} {MAKE}"));
    }
    Check::ok(name, last)
}

#[cfg(test)]
mod tests {
    use record::{Network, name::Name};

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_disk_is_judged_on_both_sides_of_each_limit() {
        let verdict = |n_free| judge_disk("disk", n_free).verdict;
        assert_eq!(verdict(0), Verdict::Bad);
        assert_eq!(verdict(LEAST_FREE_BYTES - 1), Verdict::Bad);
        assert_eq!(verdict(LEAST_FREE_BYTES), Verdict::Warn);
        assert_eq!(verdict(FEW_FREE_BYTES - 1), Verdict::Warn);
        assert_eq!(verdict(FEW_FREE_BYTES), Verdict::Ok);
    }

    #[test]
    fn a_backup_is_old_after_a_week_and_one_from_the_future_is_doubted() {
        const NOW: u64 = 1_800_000_000_000;
        let of = |made_at| {
            let note = BackupNote { made_at: UnixMillis(made_at), records: 3 };
            judge_backup("backup", Some(note), NOW)
        };
        assert_eq!(of(NOW - OLD_BACKUP_MILLIS).verdict, Verdict::Ok);
        let old = of(NOW - OLD_BACKUP_MILLIS - 1);
        assert_eq!(old.verdict, Verdict::Warn);
        assert!(old.sentence.contains("7 days old and has 3 records"), "{}", old.sentence);
        assert_eq!(of(NOW + MOST_SKEW_MILLIS).verdict, Verdict::Ok);
        assert_eq!(of(NOW + MOST_SKEW_MILLIS + 1).verdict, Verdict::Warn);
        let never = judge_backup("backup", None, NOW);
        assert_eq!(never.verdict, Verdict::Warn);
        assert!(never.sentence.contains("folkmoot-node backup"), "{}", never.sentence);
    }

    #[test]
    fn of_two_files_the_one_that_cannot_be_opened_decides() {
        let judged = |one: Ordering, other: Ordering| {
            let (check, form) = judge_form("files", one.max(other), one.min(other));
            (check.verdict, form)
        };
        use Ordering::{Equal, Greater, Less};
        assert_eq!(judged(Equal, Equal), (Verdict::Ok, Form::Current));
        assert_eq!(judged(Equal, Less), (Verdict::Warn, Form::Older));
        for other in [Less, Equal, Greater] {
            assert_eq!(judged(Greater, other), (Verdict::Bad, Form::Unusable));
        }
    }

    #[tokio::test]
    async fn a_folder_without_keys_or_without_the_log_that_it_began_is_bad() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("harbour");
        let place = DataFolder::at(&path);
        let network: Network = "test.folkmoot.example".parse().unwrap();
        place.found(&network, &Name::parse("Harbour").unwrap()).unwrap();
        assert_eq!(folder(&place).verdict, Verdict::Ok);
        assert_eq!(files(&place).await.1, Form::Current);
        place.note_begun().unwrap();
        let (lost, form) = files(&place).await;
        assert_eq!((lost.verdict, form), (Verdict::Bad, Form::Unusable));
        assert!(lost.sentence.contains("folkmoot-node restore"), "{}", lost.sentence);
        std::fs::remove_file(path.join("keys.toml")).unwrap();
        assert_eq!(folder(&place).verdict, Verdict::Bad);
    }
}
