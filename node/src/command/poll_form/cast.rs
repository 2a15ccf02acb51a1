//! `poll cast`: one ballot, or a file of them. Nothing here prints a choice.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use clap::Args;
use proto::clerk::{Ballot, CastBallotsRequest};
use runtime::exit::Exit;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    command::{CommandError, case_list, given, print::Said, reach::Client},
    look,
};

/// Ballots under way at once: those that arrive together share one write to the disk.
const UNDER_WAY: usize = 64;
/// Refused ballots told to a person; `--json` tells them all.
const SHOWN_REFUSED: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  folkmoot-node poll cast --poll fmr1… --member m-000001 --choice Yes
  folkmoot-node poll cast --poll fmr1… --member m-000002 --blank
  folkmoot-node poll cast --poll fmr1… --from ballots.csv

The file has a line for each ballot: m-000001,Yes. Several options are parted by semicolons; an empty one is a blank
ballot. Options are given by label or by number from 1, as `poll show` lists them.")]
pub(in crate::command) struct Cast {
    /// The poll.
    #[arg(long, value_name = "POLL")]
    poll: String,
    /// Whose ballot it is (m-000001).
    #[arg(long, value_name = "NUMBER", required_unless_present = "from", conflicts_with = "from")]
    member: Option<String>,
    /// An option by label or number; once for each in an approval poll.
    #[arg(long, value_name = "OPTION", conflicts_with_all = ["from", "blank"])]
    choice: Vec<String>,
    /// Hand in an unmarked ballot.
    #[arg(long, conflicts_with = "from")]
    blank: bool,
    /// Replace an earlier ballot of the same person.
    #[arg(long)]
    replace: bool,
    /// A file with a line for each ballot; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// What became of the ballots of a file.
#[derive(Default)]
struct Outcome {
    receipts: Vec<(usize, String)>,
    refused: Vec<(usize, CommandError)>,
}

impl Cast {
    pub(in crate::command) async fn run(self, mut client: Client) -> Result<Said, CommandError> {
        let case = case_list::one(&mut client, "poll", &self.poll).await?;
        let labels = labels_of(&case);
        match &self.from {
            Some(path) => {
                let file = given::text_file(path)?;
                let ballots = read_ballots(&file, &labels)?;
                self.cast_all(client, ballots).await
            }
            None => self.cast_one(client, &labels).await,
        }
    }

    async fn cast_one(self, mut client: Client, labels: &Labels) -> Result<Said, CommandError> {
        if self.choice.is_empty() && !self.blank {
            return Err(no_ballot("Give an option with --choice, or --blank"));
        }
        let options = self.choice.iter().map(|it| option_of(it, labels).ok_or_else(unknown_option));
        let options = options.collect::<Result<Vec<_>, _>>()?;
        let ballot = Ballot { member: self.member.unwrap_or_default(), options };
        let request =
            CastBallotsRequest { poll: self.poll, ballots: vec![ballot], replace: self.replace };
        let receipts = client.cast_ballots(request).await?.into_inner().receipts;
        let text = format!(
            "The ballot is in the box. Its receipt shows that it is there, never what it says:\n  {}",
            receipts.concat()
        );
        Ok(Said::new(json!({ "receipts": receipts }), text))
    }

    async fn cast_all(
        self,
        client: Client,
        ballots: Vec<(usize, Ballot)>,
    ) -> Result<Said, CommandError> {
        let (mut outcome, mut under_way) = (Outcome::default(), JoinSet::new());
        for (line, ballot) in ballots {
            if UNDER_WAY <= under_way.len() {
                outcome.note(under_way.join_next().await);
            }
            let mut client = client.clone();
            let poll = self.poll.clone();
            let request = CastBallotsRequest { poll, ballots: vec![ballot], replace: self.replace };
            under_way.spawn(async move { (line, client.cast_ballots(request).await) });
        }
        while let Some(done) = under_way.join_next().await {
            outcome.note(Some(done));
        }
        outcome.tell()
    }
}

type Done = (usize, Result<tonic::Response<proto::clerk::CastBallotsResponse>, tonic::Status>);

impl Outcome {
    fn note(&mut self, done: Option<Result<Done, tokio::task::JoinError>>) {
        match done {
            Some(Ok((line, Ok(answer)))) => {
                self.receipts.push((line, answer.into_inner().receipts.concat()));
            }
            Some(Ok((line, Err(status)))) => self.refused.push((line, status.into())),
            Some(Err(_)) | None => {}
        }
    }

    /// Refused lines by their numbers: no member and no choice.
    fn tell(mut self) -> Result<Said, CommandError> {
        self.receipts.sort_unstable();
        self.refused.sort_unstable_by_key(|(line, _)| *line);
        let is_away = |(_, error): &(usize, CommandError)| error.exit == Exit::Unavailable;
        if let (true, Some(at)) = (self.receipts.is_empty(), self.refused.iter().position(is_away))
        {
            return Err(self.refused.swap_remove(at).1);
        }
        let n_refused = self.refused.len();
        let mut text = format!("{} ballots are in the box.", self.receipts.len());
        if 0 < n_refused {
            // Writing to a string cannot fail.
            let _ = write!(text, " {n_refused} were not added:");
        }
        for (line, error) in self.refused.iter().take(SHOWN_REFUSED) {
            let _ = write!(text, "\n  line {line}: {}", error.sentence);
        }
        if SHOWN_REFUSED < n_refused {
            text.push_str("\n  … and more; --json tells them all.");
        }
        let refused = |(line, error): &(usize, CommandError)| json!({ "line": line, "reason": error.reason, "detail": error.sentence });
        let refused: Vec<Value> = self.refused.iter().map(refused).collect();
        let receipts: Vec<String> = self.receipts.into_iter().map(|(_, receipt)| receipt).collect();
        let said = Said::new(json!({ "receipts": receipts, "refused": refused }), text);
        Ok(if n_refused == 0 { said } else { said.failed_in_part() })
    }
}

/// The labels of the options in every language, each with its number from 0, and how many options there are.
struct Labels {
    by_label: Vec<(String, u32)>,
    n_options: u32,
}

fn labels_of(case: &Value) -> Labels {
    let wordings = look::at(case, "/words").as_array().into_iter().flatten();
    let labels =
        wordings.flat_map(|it| (0..).zip(look::at(it, "/labels").as_array().into_iter().flatten()));
    let labels = labels.filter_map(|(number, it)| Some((it.as_str()?.to_lowercase(), number)));
    let n_options = look::at(case, "/options").as_u64().and_then(|it| u32::try_from(it).ok());
    Labels { by_label: labels.collect(), n_options: n_options.unwrap_or(0) }
}

/// The option with this label, whatever the case of its letters, or with this number from 1.
fn option_of(text: &str, labels: &Labels) -> Option<u32> {
    let text = text.trim();
    let wanted = text.to_lowercase();
    let labelled = labels.by_label.iter().find(|(label, _)| *label == wanted);
    labelled.map(|(_, number)| *number).or_else(|| {
        let number: u32 = text.parse().ok()?;
        number.checked_sub(1).filter(|it| *it < labels.n_options)
    })
}

fn no_ballot(told: &str) -> CommandError {
    CommandError::usage(format!("{told}. No ballot was added."))
}

fn unknown_option() -> CommandError {
    no_ballot("The poll has no such option; `poll show` lists them")
}

/// The ballots of a file, each with its line. A line that cannot be read stops everything before any ballot is cast.
fn read_ballots(file: &str, labels: &Labels) -> Result<Vec<(usize, Ballot)>, CommandError> {
    let (mut ballots, mut members) = (Vec::new(), BTreeSet::new());
    for (line, text) in (1..).zip(file.lines()) {
        let text = text.trim();
        if text.is_empty() || (line == 1 && text.starts_with("member")) {
            continue;
        }
        let wrong = |told: &str| no_ballot(&format!("Line {line} {told}"));
        let (member, choice) =
            text.split_once(',').ok_or_else(|| wrong("is not written like m-000001,Yes"))?;
        let choice = choice.trim().trim_matches('"');
        // A label may itself hold a semicolon.
        let options = match option_of(choice, labels) {
            Some(option) => vec![option],
            None => {
                let marked = choice.split(';').map(str::trim).filter(|it| !it.is_empty());
                let options = marked.map(|it| option_of(it, labels));
                let options = options.collect::<Option<Vec<_>>>();
                options.ok_or_else(|| wrong("names an option that the poll does not have"))?
            }
        };
        let member = member.trim().trim_matches('"').to_owned();
        if !members.insert(member.clone()) {
            return Err(wrong("is of a member who is in the file twice"));
        }
        ballots.push((line, Ballot { member, options }));
    }
    Ok(ballots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        labels_of(&json!({
            "options": 3,
            "words": [
                { "labels": ["Baths", "Library", "2"] },
                { "labels": ["Baddonau", "Llyfrgell", "2"] },
            ],
        }))
    }

    #[test]
    fn an_option_is_named_by_a_label_in_any_language_or_by_its_number_from_1() {
        let option = |text| option_of(text, &labels());
        assert_eq!(option("library"), Some(1));
        assert_eq!(option("Llyfrgell"), Some(1));
        assert_eq!(option("1"), Some(0));
        assert_eq!(option("2"), Some(2), "a label comes before a number");
        assert_eq!(option("3"), Some(2));
        for none in ["0", "4", "", "park"] {
            assert_eq!(option(none), None, "{none}");
        }
    }

    #[test]
    fn a_file_holds_a_ballot_a_line_and_an_empty_choice_is_a_blank_one() {
        let file = "member,choice\nm-000001,Baths\n\nm-000002,\"Baths;Library\"\nm-000003,\n";
        let ballots = read_ballots(file, &labels()).unwrap();
        let options: Vec<_> =
            ballots.iter().map(|(line, it)| (*line, it.options.clone())).collect();
        assert_eq!(options, [(2, vec![0]), (4, vec![0, 1]), (5, vec![])]);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_says_nothing_of_member_or_choice() {
        for (file, told) in [
            ("m-000001;Baths\n", "Line 1"),
            ("m-000001,Baths\nm-000002,Park\n", "Line 2"),
            ("m-000001,Baths\nm-000001,Library\n", "Line 2"),
        ] {
            let error = read_ballots(file, &labels()).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
            assert!(!error.contains("Park") && !error.contains("m-000002"), "{error}");
        }
    }
}
