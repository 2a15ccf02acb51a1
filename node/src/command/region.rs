//! `region`: who votes, who is seated, and changing both by more than half of the members.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use proto::clerk::{FileEpochRequest, FileEpochResponse, NewSeat, ShowRegionRequest, VouchRequest};
use serde_json::{Value, json};

use super::{CommandError, print::Said, reach::Client, status::json_of};
use crate::look;

#[derive(Debug, Subcommand)]
pub(super) enum Region {
    /// Say who votes and who is seated, and what has been proposed.
    #[command(after_help = "Example:\n  folkmoot-node region show --dir harbour")]
    Show,
    /// Propose the next epoch, and file this community's vote for it. It holds once more than half of the members have
    /// filed the very same one; of each member only the first vote for a number counts.
    Propose(Box<Propose>),
    /// File this community's vote for an epoch that another has proposed.
    #[command(after_help = "Example:\n  folkmoot-node region support 5d41002c")]
    Support {
        /// The proposal's hash as `region show` gives it, or its beginning.
        hash: String,
    },
    /// Vouch for a community, so that its log is carried before it has a vote.
    #[command(
        after_help = "Examples:\n  folkmoot-node region vouch fm1…\n  folkmoot-node region vouch fm1… --withdraw"
    )]
    Vouch {
        /// Its id.
        community: String,
        /// Take an earlier word back.
        #[arg(long)]
        withdraw: bool,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  folkmoot-node region propose --seat fm1…=upriver.example:7443 --unseat fm1…\n  \
folkmoot-node region propose --admit fm1… --receipts-needed 2"
)]
pub(super) struct Propose {
    /// A community that is to vote. May be repeated, as all below.
    #[arg(long, value_name = "COMMUNITY")]
    admit: Vec<String>,
    /// A member that is to vote no more. What was agreed with it stays.
    #[arg(long, value_name = "COMMUNITY")]
    remove: Vec<String>,
    /// A coordinator to be seated, with its address: COMMUNITY=HOST:PORT.
    #[arg(long, value_name = "COMMUNITY[=ADDRESS]")]
    seat: Vec<String>,
    /// A coordinator that loses its seat.
    #[arg(long, value_name = "COMMUNITY")]
    unseat: Vec<String>,
    /// A witness to be seated.
    #[arg(long, value_name = "COMMUNITY")]
    seat_witness: Vec<String>,
    /// A witness that loses its seat.
    #[arg(long, value_name = "COMMUNITY")]
    unseat_witness: Vec<String>,
    /// How many coordinators must have received a record before its time counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    receipts_needed: u32,
    /// How many members must vouch for a community before its log is carried.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    vouches_needed: u32,
    /// How many records each community may send in a minute.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    records_per_minute: u32,
    /// How many bytes each community may send in a day.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    bytes_per_day: u64,
}

impl From<Propose> for FileEpochRequest {
    fn from(propose: Propose) -> Self {
        let Propose { admit, remove, seat, unseat, seat_witness, unseat_witness, .. } = propose;
        let new_seat = |text: String| {
            let (community, address) = text.split_once('=').unwrap_or((&text, ""));
            NewSeat { community: community.to_owned(), address: address.to_owned() }
        };
        Self {
            support: String::new(),
            admit,
            remove,
            seat: seat.into_iter().map(new_seat).collect(),
            unseat,
            seat_witness,
            unseat_witness,
            receipts_needed: propose.receipts_needed,
            vouches_needed: propose.vouches_needed,
            records_per_minute: propose.records_per_minute,
            bytes_per_day: propose.bytes_per_day,
        }
    }
}

pub(super) async fn run(mut client: Client, command: Region) -> Result<Said, CommandError> {
    match command {
        Region::Show => {
            let shown = client.show_region(ShowRegionRequest {}).await?.into_inner();
            let shown = json_of(&shown.region_json)?;
            Ok(Said::new(shown.clone(), sentences(&shown)))
        }
        Region::Propose(propose) => {
            let filed = client.file_epoch(FileEpochRequest::from(*propose)).await?.into_inner();
            Ok(said_of(&filed))
        }
        Region::Support { hash } => {
            let request = FileEpochRequest { support: hash, ..FileEpochRequest::default() };
            Ok(said_of(&client.file_epoch(request).await?.into_inner()))
        }
        Region::Vouch { community, withdraw } => {
            let request = VouchRequest { community: community.clone(), withdraw };
            let written = client.vouch(request).await?.into_inner().written.unwrap_or_default();
            let text = match withdraw {
                true => format!("This community no longer vouches for {community}."),
                false => format!(
                    "This community vouches for {community}. A vote comes with an epoch: `region propose --admit`."
                ),
            };
            Ok(Said::new(json!({ "record": written.record, "index": written.index }), text))
        }
    }
}

fn said_of(filed: &FileEpochResponse) -> Said {
    let FileEpochResponse { written, number, hash, n_filed, needed } = filed;
    let written = written.clone().unwrap_or_default();
    let holds = needed <= n_filed;
    let json = json!({
        "record": written.record, "index": written.index, "epoch": number, "hash": hash,
        "n_filed": n_filed, "needed": needed, "holds": holds,
    });
    let text = if holds {
        format!(
            "Epoch {number} is filed by {n_filed} of the {needed} needed: it holds.\n\n  {hash}"
        )
    } else {
        format!(
            "Epoch {number} is filed by {n_filed} of the {needed} needed. Ask other members to look at it \
             (`region show`) and to file it:\n\n  folkmoot-node region support {hash}"
        )
    };
    Said::new(json, text)
}

/// What a region asks of records and communities, and how it is told.
const RULES: [(&str, &str); 4] = [
    ("/receipts_needed", "Coordinators that must have received a record before its time counts"),
    ("/rules/vouches_needed", "Members that must vouch for a community before its log is carried"),
    ("/rules/records_per_minute", "Records that each community may send in a minute"),
    ("/rules/bytes_per_day", "Bytes that each community may send in a day"),
];

fn sentences(shown: &Value) -> String {
    let text = |at: &str| look::at(shown, at).as_str().unwrap_or_default().to_owned();
    let number = |at: &str| look::at(shown, at).as_u64().unwrap_or_default();
    let mut out = format!(
        "{}, epoch {}\n  {}\n  {} of {} members can change it.\n",
        text("/name"),
        number("/epoch"),
        text("/region"),
        number("/votes_needed"),
        list(shown, "/members").len(),
    );
    for (title, at) in
        [("Members", "/members"), ("Coordinators", "/coordinators"), ("Witnesses", "/witnesses")]
    {
        let all = list(shown, at);
        if all.is_empty() {
            continue;
        }
        let _ = write!(out, "\n{title}\n");
        for one in all {
            let of = |key: &str| look::at(one, key).as_str().unwrap_or_default().to_owned();
            let _ = writeln!(out, "  {}  {} {}", of("/id"), of("/name"), of("/address"));
        }
    }
    for (nth, guest) in list(shown, "/guests").iter().enumerate() {
        let title = if nth == 0 { "\nGuests, whose logs are carried without a vote\n" } else { "" };
        let _ = writeln!(out, "{title}  {}", guest.as_str().unwrap_or_default());
    }
    out.push_str("\nRules\n");
    for (at, rule) in RULES {
        let _ = writeln!(out, "  {rule}: {}", number(at));
    }
    for proposal in list(shown, "/proposals") {
        out.push_str(&told_of(proposal, shown));
    }
    out
}

/// A proposal: everything in which it differs from what is in force.
fn told_of(proposal: &Value, in_force: &Value) -> String {
    let text = |of: &Value, at: &str| look::at(of, at).as_str().unwrap_or_default().to_owned();
    let mut out = format!(
        "\nProposed as epoch {}, filed by {}\n  {}\n",
        look::at(proposal, "/number"),
        list(proposal, "/filed_by").len(),
        text(proposal, "/hash"),
    );
    for what in ["members", "coordinators", "witnesses"] {
        for (change, sign) in [("added", '+'), ("removed", '-')] {
            for id in list(proposal, &format!("/{what}/{change}")) {
                let _ = writeln!(out, "  {sign} {what}: {}", id.as_str().unwrap_or_default());
            }
        }
    }
    for told in list(proposal, "/addresses") {
        let _ =
            writeln!(out, "  {} is said to be at {}", text(told, "/id"), text(told, "/address"));
    }
    for (at, rule) in RULES {
        let (was, is) = (look::at(in_force, at), look::at(proposal, at));
        if was != is {
            let _ = writeln!(out, "  {rule}: {was}, then {is}");
        }
    }
    out
}

fn list<'a>(of: &'a Value, at: &str) -> &'a [Value] {
    look::at(of, at).as_array().map_or(&[], Vec::as_slice)
}
