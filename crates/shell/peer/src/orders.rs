//! What a coordinator's operators decided about logs: withheld, with the reason; moved; gone.
//!
//! ```text
//! operator ─▶ orders.toml in the data folder ─▶ the running coordinator: a status record, told in every stream
//!                                             └▶ withheld: neither its pages nor its records are given to others
//! ```
//!
//! The file says what is to be; the coordinator's log says what was said. An order that contradicts what the records say,
//! as that a community is gone which is of the region, waits and is filed once it is true.
//!
//! A log that is withheld is still received, cosigned and counted: what is in force through it stays so, and its author
//! still gets acknowledgements. Whoever was given it before has it.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use record::{LogName, payload::status::Reason, payload::status::Standing};
use runtime::files;
use serde::{Deserialize, Serialize};
use store::StoreError;
use tokio::sync::watch;

use crate::{
    folder::{DataFolder, FolderError},
    peer::{Peer, Role},
};

/// The reasons by log.
pub type Orders = BTreeMap<LogName, Reason>;

/// The most orders: each is a status record, and a region has thousands of logs at most.
pub use record::limits::MAX_ORDERS;

/// The reasons that operators may give; quotas and forks are found by the program itself.
pub const ORDERABLE: [Reason; 5] =
    [Reason::Ordered, Reason::PersonalData, Reason::Abuse, Reason::NextEra, Reason::Left];

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    orders: Vec<Written>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    community: String,
    era: u32,
    reason: String,
}

impl DataFolder {
    /// The file of orders.
    #[must_use]
    pub fn orders_file(&self) -> PathBuf {
        self.path().join("orders.toml")
    }

    /// What the operators decided; nothing if there is no file.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the file is not one of orders.
    pub fn orders(&self) -> Result<Orders, FolderError> {
        let path = self.orders_file();
        let damaged =
            |what: &str| FolderError::Damaged { path: path.clone(), what: what.to_owned() };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Orders::new()),
            Err(error) => return Err(damaged(&error.to_string())),
        };
        let file: File = toml::from_str(&text).map_err(|error| damaged(error.message()))?;
        if MAX_ORDERS < file.orders.len() {
            return Err(damaged(&format!("it has more than {MAX_ORDERS} orders")));
        }
        let read = |Written { community, era, reason }: Written| {
            let community = community.parse().ok()?;
            let reason = ORDERABLE.into_iter().find(|it| it.token() == reason)?;
            Some((LogName { community, era }, reason))
        };
        let orders: Option<Orders> = file.orders.into_iter().map(read).collect();
        orders.ok_or_else(|| damaged("an order names no log, or a reason that is none"))
    }

    /// Replaces the file of orders.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn keep_orders(&self, orders: &Orders) -> Result<(), FolderError> {
        let mut text =
            "# What the operators decided about logs; written by `folkmoot-coordinator status`.\n"
                .to_owned();
        for (LogName { community, era }, reason) in orders {
            let reason = reason.token();
            text.push_str(&format!(
                "\n[[orders]]\ncommunity = \"{community}\"\nera = {era}\nreason = \"{reason}\"\n"
            ));
        }
        Ok(files::write_private_file(&self.orders_file(), text.as_bytes())?)
    }
}

impl Peer {
    /// Takes up what the operators decided. Pages and streams heed it at once; [`Peer::treat_forks`] files it.
    pub fn set_orders(&self, orders: Orders) {
        self.orders().send_if_modified(|known| {
            let is_news = **known != orders;
            if is_news {
                *known = orders.into();
            }
            is_news
        });
    }

    /// Why a log is withheld here; `None` if it is not.
    #[must_use]
    pub fn withheld(&self, log: LogName) -> Option<Reason> {
        let reason = self.orders().borrow().get(&log).copied()?;
        let is_ours = log.community == self.community();
        (!is_ours && reason.standing() == Standing::Withheld).then_some(reason)
    }

    /// Tells streams that what is withheld has changed.
    pub(crate) fn orders_changed(&self) -> watch::Receiver<std::sync::Arc<Orders>> {
        self.orders().subscribe()
    }

    /// The orders that hold by what the records say.
    pub(crate) async fn true_orders(&self) -> Result<Orders, StoreError> {
        if self.role() != Role::Coordinator {
            return Ok(Orders::new());
        }
        let orders = self.orders().borrow().clone();
        let mut hold = Orders::new();
        for (log, reason) in orders.iter() {
            if log.community != self.community() && self.is_true(*log, *reason).await? {
                hold.insert(*log, *reason);
            }
        }
        Ok(hold)
    }

    async fn is_true(&self, log: LogName, reason: Reason) -> Result<bool, StoreError> {
        match reason {
            Reason::Ordered | Reason::PersonalData | Reason::Abuse => Ok(true),
            Reason::NextEra => {
                let newest = self.store().newest_log(log.community).await?;
                Ok(newest.is_some_and(|it| log.era < it.name.era))
            }
            Reason::Left => {
                let region = self.region();
                Ok(region.newest().roster.everybody().all(|it| it != log.community))
            }
            Reason::RecordsPerMinute | Reason::BytesPerDay | Reason::TwoHistories => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use record::CommunityId;

    use super::*;

    fn log(n: u8, era: u32) -> LogName {
        LogName { community: CommunityId::from_bytes([n; 32]), era }
    }

    #[test]
    fn orders_are_kept_read_again_and_damaged_ones_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(root.path());
        assert_eq!(folder.orders().unwrap(), Orders::new());
        let orders: Orders =
            ORDERABLE.into_iter().zip(1..).map(|(it, n)| (log(n, 3), it)).collect();
        folder.keep_orders(&orders).unwrap();
        assert_eq!(folder.orders().unwrap(), orders);
        let text = fs::read_to_string(folder.orders_file()).unwrap();
        for (from, to) in [
            ("withheld.ordered", "withheld.whim"),
            ("withheld.ordered", "quota.bytes_per_day"),
            ("era = 3", "era = -3"),
            ("community = \"fm1", "community = \"fm2"),
            ("[[orders]]", "[[order]]"),
        ] {
            fs::write(folder.orders_file(), text.replacen(from, to, 1)).unwrap();
            assert!(matches!(folder.orders(), Err(FolderError::Damaged { .. })), "{to}");
        }
    }

    #[test]
    fn a_file_of_the_most_orders_is_read_and_one_more_is_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(root.path());
        let most = u32::try_from(MAX_ORDERS).unwrap();
        let mut orders: Orders = (0..most).map(|era| (log(1, era), Reason::Ordered)).collect();
        folder.keep_orders(&orders).unwrap();
        assert_eq!(folder.orders().unwrap().len(), MAX_ORDERS);
        orders.insert(log(1, most), Reason::Ordered);
        folder.keep_orders(&orders).unwrap();
        assert!(folder.orders().is_err());
    }
}
