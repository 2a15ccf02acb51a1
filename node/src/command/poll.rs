//! `poll`: asking the members of several communities.

use std::fmt::Write as _;

use clap::Subcommand;
use proto::clerk::ClosePollRequest;
use serde_json::{Value, json};

use super::{
    CommandError, case_list, now_millis,
    poll_form::{Cast, Open},
    print::{Said, instant, title, words},
    reach::Client,
};
use crate::look;

/// What is not claimed about a vote (VOTES.md, what is said to voters).
pub(super) const WHAT_IS_NOT_CLAIMED: &str = "\
What is not claimed: whoever runs this node can see who has voted, and what the ballots in the box say. They cannot \
change or drop a ballot with a receipt, exceed the roll, or publish two tallies, without its being noticed. A receipt \
shows that a ballot is in the box, never what it says. Do not use this for statutory elections, trade-union ballots or \
neighbourhood-plan referendums.";

#[derive(Debug, Subcommand)]
pub(super) enum Poll {
    /// Open a poll in one community or several.
    Open(Box<Open>),
    /// Put ballots into this community's box.
    Cast(Cast),
    /// Do now what the clock allows (close the box, file counts, declare), and say what is awaited. The node does it by
    /// itself.
    #[command(after_help = "Example:\n  folkmoot-node poll close --poll fmr1…")]
    Close {
        /// The poll.
        #[arg(long, value_name = "POLL")]
        poll: String,
    },
    /// Show a poll: its options, who has counted, the result.
    #[command(after_help = "Example:\n  folkmoot-node poll show fmr1…")]
    Show {
        /// The poll.
        #[arg(value_name = "POLL")]
        poll: String,
    },
    /// List the polls of the region.
    #[command(after_help = "Example:\n  folkmoot-node poll list --json")]
    List(case_list::Page),
}

pub(super) async fn run(mut client: Client, command: Poll) -> Result<Said, CommandError> {
    match command {
        Poll::Open(open) => {
            let request = open.complete()?.request(now_millis())?;
            let written = client.open_poll(request).await?.into_inner().written;
            let said = Said::written(written, |id| {
                format!("The poll is open.\n  {id}\n\n{WHAT_IS_NOT_CLAIMED}")
            });
            Ok(with_claims(said))
        }
        Poll::Cast(cast) => cast.run(client).await,
        Poll::Close { poll } => close(client, poll).await,
        Poll::Show { poll } => {
            let case = case_list::one(&mut client, "poll", &poll).await?;
            let text = sentences(&case);
            Ok(with_claims(Said::new(case, text)))
        }
        Poll::List(page) => case_list::list(client, "poll", page).await,
    }
}

fn with_claims(mut said: Said) -> Said {
    if let Some(json) = said.json.as_object_mut() {
        json.insert("not_claimed".to_owned(), json!(WHAT_IS_NOT_CLAIMED));
    }
    said
}

async fn close(mut client: Client, poll: String) -> Result<Said, CommandError> {
    let answer = client.close_poll(ClosePollRequest { poll }).await?.into_inner();
    let written: Vec<Value> =
        answer.written.iter().map(|it| json!({ "record": it.record, "index": it.index })).collect();
    let mut text = match written.len() {
        0 => "Nothing was to be filed now.".to_owned(),
        1 => "One record was filed.".to_owned(),
        n_records => format!("{n_records} records were filed."),
    };
    if answer.awaiting.is_empty() {
        text.push_str(" This community's part is done.");
    } else {
        let _ = write!(text, " {}", answer.awaiting);
    }
    Ok(Said::new(json!({ "written": written, "awaiting": answer.awaiting }), text))
}

fn sentences(case: &Value) -> String {
    let state = words(look::text(case, "/state"));
    let mut text = format!("{}\n{state}", title(case));
    if look::at(case, "/provisional") == true {
        text.push_str(" (provisional)");
    }
    let _ = writeln!(
        text,
        "; voting from {} to {}.",
        instant(look::at(case, "/opens_at")),
        instant(look::at(case, "/closes_at"))
    );
    let labels = look::at(case, "/words/0/labels").as_array();
    let votes = look::at(case, "/sums/counts/by_option").as_array();
    for (index, label) in labels.into_iter().flatten().enumerate() {
        let label = label.as_str().unwrap_or_default();
        let _ = match votes.and_then(|it| it.get(index)) {
            Some(votes) => writeln!(text, "  {}. {label}: {votes}", index + 1),
            None => writeln!(text, "  {}. {label}", index + 1),
        };
    }
    let n_tallies = look::at(case, "/tallies").as_array().map_or(0, Vec::len);
    let n_communities = look::at(case, "/electorate").as_array().map_or(0, Vec::len);
    let _ = writeln!(
        text,
        "{n_tallies} of {n_communities} communities have tallied ({}): {} ballots of {} on the rolls.",
        look::text(case, "/level"),
        look::at(case, "/ballots"),
        look::at(case, "/roll")
    );
    let without = look::at(case, "/without_ballots").as_u64().unwrap_or_default();
    if 0 < without {
        let _ = writeln!(
            text,
            "The sums are without {without} ballots of communities too small to publish their counts."
        );
    }
    if !look::at(case, "/outcome").is_null() {
        let _ = writeln!(text, "Outcome: {}.", outcome(look::at(case, "/outcome"), labels));
    }
    let _ = writeln!(text, "\n{WHAT_IS_NOT_CLAIMED}");
    text
}

fn outcome(outcome: &Value, labels: Option<&Vec<Value>>) -> String {
    match look::at(outcome, "/won/option").as_u64() {
        Some(option) => {
            let label = usize::try_from(option).ok().and_then(|it| labels?.get(it)?.as_str());
            let number = option + 1;
            label.map_or(format!("option {number} won"), |label| format!("{label} won"))
        }
        None => words(outcome.as_str().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_shown_with_what_is_not_claimed() {
        let case = json!({
            "state": "declared", "provisional": true, "opens_at": 0, "closes_at": 60_000,
            "words": [{ "title": "Open on Sundays?", "labels": ["Yes", "No"] }],
            "sums": { "counts": { "by_option": [12, 5] } },
            "tallies": [{}], "electorate": [{}], "level": "self-declared", "ballots": 17, "roll": 20,
            "without_ballots": 0, "outcome": "carried",
        });
        let text = sentences(&case);
        assert!(text.contains("1. Yes: 12"), "{text}");
        assert!(text.contains("Outcome: carried."), "{text}");
        assert!(text.contains("self-declared"), "{text}");
        assert!(text.trim_end().ends_with(WHAT_IS_NOT_CLAIMED), "{text}");
    }

    #[test]
    fn the_winner_is_named_by_its_label() {
        let labels = vec![json!("Baths"), json!("Library")];
        let won = json!({ "won": { "option": 1 } });
        assert_eq!(outcome(&won, Some(&labels)), "Library won");
        assert_eq!(outcome(&won, None), "option 2 won");
        assert_eq!(outcome(&json!("no_decision"), None), "no decision");
    }
}
