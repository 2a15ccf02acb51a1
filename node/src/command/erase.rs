//! `erase`: words dropped for ever, here and wherever they are held.

use std::fmt::Write as _;

use clap::{Subcommand, ValueEnum};
use proto::{
    clerk::{EraseRecordRequest, ListErasuresRequest},
    kinds::erase as wire,
};

use super::{CommandError, print::Said, reach::Client, status::json_of};
use crate::look;

#[derive(Debug, Subcommand)]
pub(super) enum Erase {
    /// Erase the words of one of this community's records. Every holder drops them too, and every proof stays valid. It
    /// cannot be undone.
    #[command(
        after_help = "Example:\n  folkmoot-node erase record fmr1… --ground personal --asked-by subject"
    )]
    Record {
        /// The record of words, as `log show` gives it.
        record: String,
        /// Why.
        #[arg(long, value_enum)]
        ground: Ground,
        /// Who asked for it.
        #[arg(long, value_enum)]
        asked_by: Asker,
    },
    /// List what was erased, who has followed, and who has not yet.
    #[command(after_help = "Example:\n  folkmoot-node erase list --json")]
    List,
}

/// Why words are erased.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Ground {
    /// They tell of a person who does not want it told.
    Personal,
    /// They were published by mistake.
    Mistake,
    /// Somebody else has the right to them.
    Copyright,
    /// They are unlawful.
    Unlawful,
    /// They are no longer needed for what they were published for.
    NoLongerNeeded,
}

/// Who asked that words be erased.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Asker {
    /// The person they tell of.
    Subject,
    /// The community itself.
    Community,
    /// An authority, such as a data-protection commissioner.
    Authority,
    /// A court.
    Court,
}

impl From<Ground> for wire::Ground {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::Personal => Self::Personal,
            Ground::Mistake => Self::Mistake,
            Ground::Copyright => Self::Copyright,
            Ground::Unlawful => Self::Unlawful,
            Ground::NoLongerNeeded => Self::NoLongerNeeded,
        }
    }
}

impl From<Asker> for wire::Asker {
    fn from(asker: Asker) -> Self {
        match asker {
            Asker::Subject => Self::Subject,
            Asker::Community => Self::Community,
            Asker::Authority => Self::Authority,
            Asker::Court => Self::Court,
        }
    }
}

pub(super) async fn run(mut client: Client, command: Erase) -> Result<Said, CommandError> {
    match command {
        Erase::Record { record, ground, asked_by } => {
            let request = EraseRecordRequest {
                record,
                ground: wire::Ground::from(ground).into(),
                asked_by: wire::Asker::from(asked_by).into(),
            };
            let written = client.erase_record(request).await?.into_inner().written;
            Ok(Said::written(written, |id| {
                format!(
                    "Erased here, and every holder of the log is asked to follow.\n\n  {id}\n\nSee `erase list` for who \
                     has. Backups made before still hold the words: they are erased again when one is restored."
                )
            }))
        }
        Erase::List => {
            let listed = client.list_erasures(ListErasuresRequest {}).await?.into_inner();
            let listed = json_of(&listed.erasures_json)?;
            let mut text = String::new();
            for one in listed.as_array().into_iter().flatten() {
                let n = |at: &str| look::at(one, at).as_array().map_or(0, Vec::len);
                let (n_followed, n_not_yet) = (n("/followed_by"), n("/not_yet"));
                let _ = writeln!(
                    text,
                    "{}  {}, asked by {}: {n_followed} have followed, {n_not_yet} not yet",
                    look::text(one, "/record"),
                    look::text(one, "/ground"),
                    look::text(one, "/asked_by"),
                );
                for id in look::at(one, "/not_yet").as_array().into_iter().flatten() {
                    let _ = writeln!(text, "  not yet: {}", id.as_str().unwrap_or_default());
                }
            }
            if text.is_empty() {
                text.push_str("Nothing was erased.");
            }
            Ok(Said::new(listed, text))
        }
    }
}
