//! The options and files of `poll open` and `poll cast`.

mod cast;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use proto::{
    clerk::OpenPollRequest,
    kinds::{
        poll::{Constituency, DecidingSum, Method, Mode, Opening, Threshold, ThresholdBase},
        text::{Text, Wording},
    },
};
use serde::Deserialize;

use super::{
    CommandError,
    given::{self, Translation},
};
pub(super) use cast::Cast;

const HELP: &str = "Example:
  folkmoot-node poll open --question \"Open the baths on Sundays?\" --closes 14d
  folkmoot-node poll open --question \"What first?\" --method plurality --option Baths --option Library --closes 14d
  folkmoot-node poll open --from poll.toml

The file has the same names (question, options, communities, closing_hour, text as words), and [[translations]] with
language, title, text, labels.";

#[derive(Debug, Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MethodName {
    /// For or against.
    YesNo,
    /// One option each.
    Plurality,
    /// Any number of options each.
    Approval,
}

#[derive(Debug, Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeName {
    /// Nobody outside the community learns who voted how.
    Secret,
    /// Names and votes are public at the community.
    RollCall,
}

#[derive(Debug, Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BaseName {
    /// For and against.
    ForAndAgainst,
    /// Ballots cast.
    Ballots,
    /// People on the roll.
    Roll,
}

#[derive(Debug, Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SumName {
    /// All ballots together.
    Ballots,
    /// One community, one vote.
    Communities,
}

#[derive(Debug, Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(after_help = HELP)]
pub(super) struct Open {
    /// A TOML file with the same names; options stand above it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    from: Option<PathBuf>,
    /// The question, in one line.
    #[arg(long, visible_alias = "title")]
    #[serde(alias = "title")]
    question: Option<String>,
    /// The question in Welsh.
    #[arg(long)]
    #[serde(skip)]
    question_cy: Option<String>,
    /// A file with more words; `-` for standard input.
    #[arg(long = "text", value_name = "FILE")]
    #[serde(skip)]
    text_file: Option<PathBuf>,
    #[arg(skip)]
    text: String,
    /// An option; once for each, in order. Yes and No if not given in a yes-no poll.
    #[arg(long = "option", value_name = "LABEL")]
    options: Vec<String>,
    /// An option in Welsh; once for each, in the same order.
    #[arg(long = "option-cy", value_name = "LABEL", requires = "question_cy")]
    #[serde(skip)]
    options_cy: Vec<String>,
    /// How votes are counted (yes-no if not given).
    #[arg(long)]
    method: Option<MethodName>,
    /// Whether names are public (secret if not given).
    #[arg(long)]
    mode: Option<ModeName>,
    /// A community that votes (fm1…); once for each. All that published a roll if not given.
    #[arg(long = "community", value_name = "COMMUNITY")]
    communities: Vec<String>,
    /// When voting begins (at once if not given).
    #[arg(long, value_name = "WHEN")]
    opens: Option<String>,
    /// When voting ends everywhere: 2027-03-03T17:00:00Z, or from now on 14d.
    #[arg(long, value_name = "WHEN")]
    closes: Option<String>,
    /// How long communities have to close their boxes before counts are published (1h if not given).
    #[arg(long, value_name = "LENGTH")]
    closing_hour: Option<String>,
    /// How long after that tallies count (7d if not given).
    #[arg(long, value_name = "LENGTH")]
    tally_by: Option<String>,
    /// Turnout that the poll needs, in thousandths of all rolls (0 if not given).
    #[arg(long, value_name = "PERMILLE")]
    quorum: Option<u32>,
    /// For is carried by more than this share (1/2 if not given).
    #[arg(long, value_name = "SHARE")]
    threshold: Option<String>,
    /// What the share is of (for-and-against if not given).
    #[arg(long, value_name = "BASE")]
    threshold_of: Option<BaseName>,
    /// Which sum decides (ballots if not given).
    #[arg(long, value_name = "SUM")]
    decided_by: Option<SumName>,
    /// A community with fewer ballots publishes no counts, nor does one in which 1 to 4 chose the same (10 if not given).
    #[arg(long, value_name = "NUMBER")]
    smallest_cell: Option<u32>,
    /// How long the result may be challenged (14 if not given).
    #[arg(long, value_name = "DAYS")]
    challenge_days: Option<u32>,
    #[arg(skip)]
    translations: Vec<Translation>,
}

impl Open {
    /// The options, with what the file says below them.
    pub(super) fn complete(mut self) -> Result<Self, CommandError> {
        let Some(path) = self.from.take() else { return Ok(self) };
        let file: Self = given::toml_file(&path)?;
        let or_file =
            |mine: Vec<String>, files: Vec<String>| if mine.is_empty() { files } else { mine };
        Ok(Self {
            from: None,
            question: self.question.or(file.question),
            question_cy: self.question_cy,
            text_file: self.text_file,
            text: file.text,
            options: or_file(self.options, file.options),
            options_cy: self.options_cy,
            method: self.method.or(file.method),
            mode: self.mode.or(file.mode),
            communities: or_file(self.communities, file.communities),
            opens: self.opens.or(file.opens),
            closes: self.closes.or(file.closes),
            closing_hour: self.closing_hour.or(file.closing_hour),
            tally_by: self.tally_by.or(file.tally_by),
            quorum: self.quorum.or(file.quorum),
            threshold: self.threshold.or(file.threshold),
            threshold_of: self.threshold_of.or(file.threshold_of),
            decided_by: self.decided_by.or(file.decided_by),
            smallest_cell: self.smallest_cell.or(file.smallest_cell),
            challenge_days: self.challenge_days.or(file.challenge_days),
            translations: file.translations,
        })
    }

    pub(super) fn request(mut self, now: u64) -> Result<OpenPollRequest, CommandError> {
        let wrong = |told: String| CommandError::usage(format!("{told}. Nothing was opened."));
        let question =
            self.question.take().ok_or_else(|| wrong("--question is missing".to_owned()))?;
        let method = self.method.unwrap_or(MethodName::YesNo);
        let is_yes_no = matches!(method, MethodName::YesNo);
        if self.options.is_empty() && is_yes_no {
            self.options = ["Yes", "No"].map(str::to_owned).to_vec();
        }
        if self.options_cy.is_empty() && is_yes_no {
            self.options_cy = ["Ie", "Na"].map(str::to_owned).to_vec();
        }
        let opening = self.opening(method, now).map_err(wrong)?;
        let text = match self.text_file {
            Some(path) => given::text_file(&path)?,
            None => self.text,
        };
        let mut wordings = vec![Wording {
            language: "en".to_owned(),
            title: question,
            text,
            labels: self.options,
        }];
        if let Some(title) = self.question_cy {
            let (language, labels) = ("cy".to_owned(), self.options_cy);
            wordings.push(Wording { language, title, text: String::new(), labels });
        }
        wordings.extend(self.translations.into_iter().map(Wording::from));
        Ok(OpenPollRequest { opening: Some(opening), text: Some(Text { wordings }) })
    }

    fn opening(&self, method: MethodName, now: u64) -> Result<Opening, String> {
        let closes = self.closes.as_deref().ok_or("--closes is missing")?;
        let closes_at = given::when(closes, now)?;
        let length =
            |it: &Option<String>, otherwise| given::duration(it.as_deref().unwrap_or(otherwise));
        let roots_before = closes_at.saturating_add(length(&self.closing_hour, "1h")?);
        let constituency =
            |it: &String| Ok(Constituency { community: given::community(it)?, roll: None });
        Ok(Opening {
            region: Vec::new(),
            method: method.wire(),
            n_options: u32::try_from(self.options.len()).unwrap_or(u32::MAX),
            mode: match self.mode.unwrap_or(ModeName::Secret) {
                ModeName::Secret => Mode::Secret.into(),
                ModeName::RollCall => Mode::RollCall.into(),
            },
            constituencies: self
                .communities
                .iter()
                .map(constituency)
                .collect::<Result<_, String>>()?,
            opens_at: self.opens.as_deref().map_or(Ok(now), |it| given::when(it, now))?,
            closes_at,
            roots_before,
            tallies_before: roots_before.saturating_add(length(&self.tally_by, "7d")?),
            threshold: Some(self.threshold()?),
            quorum_permille: self.quorum.unwrap_or(0),
            deciding_sum: match self.decided_by.unwrap_or(SumName::Ballots) {
                SumName::Ballots => DecidingSum::Ballots.into(),
                SumName::Communities => DecidingSum::Communities.into(),
            },
            smallest_cell: self.smallest_cell.unwrap_or(10),
            challenge_days: self.challenge_days.unwrap_or(14),
        })
    }

    fn threshold(&self) -> Result<Threshold, String> {
        let share = self.threshold.as_deref().unwrap_or("1/2");
        let parts = share.split_once('/');
        let numbers =
            parts.and_then(|(n, d)| Some((n.trim().parse().ok()?, d.trim().parse().ok()?)));
        let (numerator, denominator) =
            numbers.ok_or_else(|| format!("`{share}` is no share: write it like 1/2 or 2/3"))?;
        let base = match self.threshold_of.unwrap_or(BaseName::ForAndAgainst) {
            BaseName::ForAndAgainst => ThresholdBase::ForAndAgainst,
            BaseName::Ballots => ThresholdBase::Ballots,
            BaseName::Roll => ThresholdBase::Roll,
        };
        Ok(Threshold { numerator, denominator, base: base.into() })
    }
}

impl MethodName {
    fn wire(self) -> i32 {
        match self {
            Self::YesNo => Method::YesNo.into(),
            Self::Plurality => Method::Plurality.into(),
            Self::Approval => Method::Approval.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Open {
        let (question, closes) = (Some("Sundays?".to_owned()), Some("2s".to_owned()));
        Open { question, closes, ..Open::default() }
    }

    #[test]
    fn a_question_and_a_closing_time_make_a_poll_for_or_against() {
        let request = open().request(1_000).unwrap();
        let (opening, text) = (request.opening.unwrap(), request.text.unwrap());
        assert_eq!((opening.method, opening.n_options), (Method::YesNo.into(), 2));
        assert_eq!(text.wordings[0].labels, ["Yes", "No"]);
        assert_eq!((opening.opens_at, opening.closes_at), (1_000, 3_000));
        assert_eq!(opening.roots_before, 3_000 + 3_600_000);
        assert_eq!(opening.tallies_before, opening.roots_before + 7 * 86_400_000);
        assert_eq!((opening.smallest_cell, opening.challenge_days), (10, 14));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_nothing_is_opened() {
        let told = |open: Open| open.request(1_000).unwrap_err().to_string();
        assert!(told(Open { question: None, ..open() }).contains("--question"));
        assert!(told(Open { closes: None, ..open() }).contains("--closes"));
        let share = told(Open { threshold: Some("half".to_owned()), ..open() });
        assert!(share.contains("1/2") && share.ends_with("Nothing was opened."), "{share}");
        assert!(told(Open { communities: vec!["fm1x".to_owned()], ..open() }).contains("fm1x"));
    }

    #[test]
    fn a_question_in_welsh_has_its_own_options() {
        let request = Open { question_cy: Some("Sul?".to_owned()), ..open() }.request(1).unwrap();
        assert_eq!(request.text.unwrap().wordings[1].labels, ["Ie", "Na"]);
    }
}
