//! `status`: how the operators have logs treated, said in public with the reason and what lifts it.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use peer::{
    DataFolder,
    orders::{MAX_ORDERS, Orders},
};
use record::{
    CommunityId, LogName,
    payload::{
        Status,
        status::{Lift, Reason, Standing},
    },
};
use runtime::exit::Exit;
use serde_json::{Value, json};
use store::StoreError;

use super::{CommandError, Said};

/// How the operators have logs treated.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example: folkmoot-coordinator status set fm1… withheld --reason ordered --dir /var/lib/folkmoot\n\n\
A running coordinator takes it up within seconds, and files it in its own log: anybody can read it, the community is told, \
and an audit tells it from a log that was lost. What is withheld is still received, cosigned and counted; its pages and records \
are given to nobody but its author. Whoever holds it already keeps it, and members may seat another coordinator."
)]
pub(super) enum StatusCommand {
    /// Have a log treated otherwise from now on.
    #[command(
        after_help = "Example: folkmoot-coordinator status set fm1… withheld --reason personal-data --dir /var/lib/folkmoot"
    )]
    Set(Set),
    /// End that.
    #[command(
        after_help = "Example: folkmoot-coordinator status lift fm1… --dir /var/lib/folkmoot"
    )]
    Lift(OfLog),
    /// Say what was decided, and what the log says of it.
    #[command(
        after_help = "Example: folkmoot-coordinator status list --dir /var/lib/folkmoot --json"
    )]
    List {
        /// The data folder.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct OfLog {
    /// Whose log (fm1…).
    #[arg(value_name = "COMMUNITY")]
    community: CommunityId,
    /// The data folder.
    #[arg(long)]
    dir: PathBuf,
    /// Which era of it; if not given the newest that is held, of `moved` the one before.
    #[arg(long, value_name = "NUMBER")]
    era: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    of: OfLog,
    /// How it is treated.
    #[arg(value_name = "STANDING")]
    standing: Ordered,
    /// Why it is withheld.
    #[arg(long, value_name = "REASON", required_if_eq("standing", "withheld"))]
    reason: Option<Why>,
}

/// What operators may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ordered {
    /// It is held and given to nobody; an appeal to the operators lifts it.
    Withheld,
    /// It goes on in the era that its officers began; nothing lifts it.
    Moved,
    /// The region's newest epoch left the community out; another epoch lifts it.
    Gone,
}

/// Why a log is withheld: a closed list, so that no status says anything about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Why {
    /// A court or authority ordered it.
    Ordered,
    /// It shows what the law protects about a person.
    PersonalData,
    /// It is used to harm others.
    Abuse,
}

impl Set {
    fn reason(&self) -> Result<Reason, CommandError> {
        match (self.standing, self.reason) {
            (Ordered::Withheld, Some(Why::Ordered)) => Ok(Reason::Ordered),
            (Ordered::Withheld, Some(Why::PersonalData)) => Ok(Reason::PersonalData),
            (Ordered::Withheld, Some(Why::Abuse)) => Ok(Reason::Abuse),
            (Ordered::Moved, None) => Ok(Reason::NextEra),
            (Ordered::Gone, None) => Ok(Reason::Left),
            (Ordered::Withheld, None) | (Ordered::Moved | Ordered::Gone, Some(_)) => {
                Err(CommandError::usage(
                    "--reason is given with `withheld`, and with nothing else. Nothing was changed.",
                ))
            }
        }
    }
}

pub(super) fn run(command: StatusCommand) -> Result<Said, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CommandError::caused_by(Exit::Failed, "coordinator.failed", &error))?;
    runtime.block_on(async {
        match command {
            StatusCommand::Set(set) => self::set(set).await,
            StatusCommand::Lift(of) => lift(of),
            StatusCommand::List { dir } => list(&DataFolder::at(&dir)).await,
        }
    })
}

fn unreadable(error: &StoreError) -> CommandError {
    CommandError::caused_by(Exit::Failed, "status.unreadable", error)
}

/// The eras of a log that are held.
async fn eras(folder: &DataFolder, community: CommunityId) -> Result<Vec<u32>, CommandError> {
    if folder.community()? == community {
        let sentence = "A coordinator has no status for its own log. Nothing was changed.";
        return Err(CommandError::failed("status.own_log", sentence));
    }
    let file = folder.log_file();
    if !file.exists() {
        return Ok(Vec::new());
    }
    store::eras(&file, community).await.map_err(|error| unreadable(&error))
}

async fn set(set: Set) -> Result<Said, CommandError> {
    let reason = set.reason()?;
    let OfLog { community, dir, era } = set.of;
    let folder = DataFolder::at(&dir);
    let held = eras(&folder, community).await?;
    let chosen = match (era, reason) {
        (Some(era), _) => held.contains(&era).then_some(era),
        (None, Reason::NextEra) => held.iter().rev().nth(1).copied(),
        (None, _) => held.last().copied(),
    };
    let Some(era) = chosen else {
        let sentence = format!("No such log of {community} is held here. Nothing was changed.");
        return Err(CommandError::failed("status.unknown_log", sentence));
    };
    if reason == Reason::NextEra && held.last() == Some(&era) {
        let sentence = format!(
            "Era {era} is the newest of {community} that is held here, so it has not moved. Nothing was changed."
        );
        return Err(CommandError::failed("status.not_moved", sentence));
    }
    let log = LogName { community, era };
    let mut orders = folder.orders()?;
    let is_repeat = orders.insert(log, reason) == Some(reason);
    if MAX_ORDERS < orders.len() {
        let sentence = format!(
            "There are {MAX_ORDERS} orders already, which is the limit. Nothing was changed."
        );
        return Err(CommandError::failed("status.too_many", sentence));
    }
    if !is_repeat {
        folder.keep_orders(&orders)?;
    }
    let standing = reason.standing().token();
    let text = format!(
        "{log} is to be treated as {standing}. {}\nA running coordinator files that within seconds, one that is stopped at its next start; `status list` says when it is done.{}",
        reason.sentence(),
        if reason == Reason::Left {
            " It is filed once an epoch has left the community out."
        } else {
            ""
        },
    );
    Ok(Said {
        json: json!({ "log": log.to_string(), "standing": standing, "reason": reason.token(), "repeat": is_repeat }),
        text,
    })
}

fn lift(of: OfLog) -> Result<Said, CommandError> {
    let OfLog { community, dir, era } = of;
    let folder = DataFolder::at(&dir);
    folder.community()?;
    let mut orders = folder.orders()?;
    let lifted: Orders = orders
        .iter()
        .filter(|(log, _)| log.community == community && era.is_none_or(|it| it == log.era))
        .map(|(log, reason)| (*log, *reason))
        .collect();
    if lifted.is_empty() {
        let sentence = format!("Nothing was decided about {community}. Nothing was changed.");
        return Err(CommandError::failed("status.none", sentence));
    }
    orders.retain(|log, _| !lifted.contains_key(log));
    folder.keep_orders(&orders)?;
    let logs: Vec<String> = lifted.keys().map(ToString::to_string).collect();
    let text = format!(
        "{} is to be treated as any other. A running coordinator files that within seconds, one that is stopped at its next start.",
        logs.join(", ")
    );
    Ok(Said { json: json!({ "lifted": logs }), text })
}

/// What was decided beside what was filed: the two differ until the coordinator has taken it up.
async fn list(folder: &DataFolder) -> Result<Said, CommandError> {
    let own = folder.community()?;
    let orders = folder.orders()?;
    let file = folder.log_file();
    let filed = match file.exists() {
        true => store::statuses_of(&file, own).await.map_err(|error| unreadable(&error))?,
        false => Vec::new(),
    };
    let (mut rows, mut text) = (Vec::new(), String::new());
    for (log, reason) in &orders {
        let said = filed.iter().find(|it| it.log == *log && it.reason == Some(*reason));
        tell(&mut rows, &mut text, (*log, *reason), said);
    }
    for status in filed.iter().filter(|it| !orders.contains_key(&it.log)) {
        if let Some(reason) = status.reason {
            tell(&mut rows, &mut text, (status.log, reason), Some(status));
        }
    }
    if rows.is_empty() {
        text.push_str("Every log is treated as any other.");
    }
    Ok(Said { json: json!({ "statuses": rows }), text })
}

fn tell(
    rows: &mut Vec<Value>,
    text: &mut String,
    (log, reason): (LogName, Reason),
    said: Option<&Status>,
) {
    let standing = reason.standing();
    let lift = match reason.lift() {
        Lift::Time => "time",
        Lift::Appeal => "appeal",
        Lift::Recovery => "recovery",
        Lift::Epoch => "epoch",
        Lift::Nothing => "nothing",
    };
    let by_operators = matches!(standing, Standing::Withheld | Standing::Moved | Standing::Gone);
    rows.push(json!({
        "log": log.to_string(),
        "standing": standing.token(),
        "reason": reason.token(),
        "lifted_by": lift,
        "ordered": by_operators,
        "filed": said.is_some(),
        "since": said.map(|it| it.since),
        "until": said.and_then(|it| it.until),
    }));
    let filed = if said.is_some() { "" } else { " (not filed yet)" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{log}  {}{filed}\n  {}", standing.token(), reason.sentence());
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use record::{Network, name::Name};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: StatusCommand,
    }

    fn given(args: &[&str]) -> Result<Said, CommandError> {
        let line = Line::try_parse_from([&["status"], args].concat());
        run(line.map_err(|error| CommandError::usage(error.to_string()))?.command)
    }

    #[test]
    fn a_reason_is_given_with_withheld_alone_and_a_log_must_be_held() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("c");
        let network: Network = "test.folkmoot.example".parse().unwrap();
        let own = DataFolder::at(&dir).found(&network, &Name::parse("Office").unwrap()).unwrap();
        let (dir, other) = (dir.to_str().unwrap(), CommunityId::from_bytes([7; 32]).to_string());
        let reason = |args: &[&str]| given(&[args, &["--dir", dir]].concat()).unwrap_err();
        assert_eq!(reason(&["set", &other, "withheld"]).exit, Exit::Usage);
        assert_eq!(reason(&["set", &other, "withheld", "--reason", "whim"]).exit, Exit::Usage);
        assert_eq!(reason(&["set", &other, "gone", "--reason", "abuse"]).exit, Exit::Usage);
        let unknown = reason(&["set", &other, "withheld", "--reason", "abuse"]);
        assert_eq!((unknown.exit, unknown.reason), (Exit::Failed, "status.unknown_log"));
        let own = reason(&["set", &own.to_string(), "withheld", "--reason", "abuse"]);
        assert_eq!(own.reason, "status.own_log");
        assert_eq!(reason(&["lift", &other]).reason, "status.none");
        let listed = given(&["list", "--dir", dir]).unwrap();
        assert_eq!(listed.json, json!({ "statuses": [] }));
    }
}
