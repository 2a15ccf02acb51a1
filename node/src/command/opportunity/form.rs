//! The options of `opportunity open` and `opportunity update`, and the requests that they make.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use proto::{
    clerk::{OpenOpportunityRequest, UpdateOpportunityRequest},
    kinds::{
        opportunity as kind,
        text::{Text, Wording},
    },
    types,
};
use record::org::OrgId;

use crate::command::{CommandError, given};

/// Where a contracting process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// It is meant to come.
    Planned,
    /// Bids are taken.
    Open,
    /// Bids have ended.
    Closed,
    /// Somebody was chosen.
    Awarded,
    /// Nobody was.
    Unsuccessful,
    /// It was given up.
    Cancelled,
    /// The contract is signed.
    Contracted,
    /// What was bought is there.
    Implemented,
    /// The contract ended before its time.
    Terminated,
}

impl Stage {
    fn number(self) -> i32 {
        let stage = match self {
            Self::Planned => kind::Stage::Planned,
            Self::Open => kind::Stage::Open,
            Self::Closed => kind::Stage::Closed,
            Self::Awarded => kind::Stage::Awarded,
            Self::Unsuccessful => kind::Stage::Unsuccessful,
            Self::Cancelled => kind::Stage::Cancelled,
            Self::Contracted => kind::Stage::Contracted,
            Self::Implemented => kind::Stage::Implemented,
            Self::Terminated => kind::Stage::Terminated,
        };
        stage.into()
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node opportunity open --title \"Roof of the baths\" --text roof.txt --ends 30d \\\n      \
--value 12000.00 --cpv 45261210 --place E07000223:2023 --suits-vcse true\n\n\
Its ocid is the OCDS prefix of the region's charter and the id of the opportunity; where the charter has no prefix, the \
opportunity stands in the register and the feed, and in no OCDS package.\n\n\
Exit codes:\n  0 it is published · 1 it was refused · 2 a value was wrong · 4 the node cannot be reached"
)]
pub(in crate::command) struct Open {
    /// What is bought, in one line.
    #[arg(long)]
    title: String,
    /// A file with more words; `-` for standard input.
    #[arg(long = "text", value_name = "FILE")]
    text_file: Option<PathBuf>,
    /// The title in Welsh.
    #[arg(long)]
    title_cy: Option<String>,
    /// Where it stands.
    #[arg(long, value_name = "STAGE", default_value = "open")]
    stage: Stage,
    /// When bids end: 2027-03-03T17:00:00Z, or from now on 30d.
    #[arg(long, value_name = "WHEN")]
    ends: Option<String>,
    /// What it is worth, in pounds without tax.
    #[arg(long, value_name = "POUNDS")]
    value: Option<String>,
    /// The CPV code of what is bought, eight digits; once for each.
    #[arg(long, value_name = "CODE")]
    cpv: Vec<u32>,
    /// Where the work is: a GSS code and the year of its list, as E07000223:2023; once for each.
    #[arg(long, value_name = "CODE:YEAR")]
    place: Vec<String>,
    /// The buyer, if it has an identifier: its scheme and its number, as GB-COH:01234567.
    #[arg(long, value_name = "SCHEME:ID")]
    buyer: Option<String>,
    /// How many lots there are.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    lots: u32,
    /// Whether it suits voluntary, community and social enterprises.
    #[arg(long, value_name = "WHETHER")]
    suits_vcse: Option<bool>,
}

impl Open {
    pub(super) fn request(self, now: u64) -> Result<OpenOpportunityRequest, CommandError> {
        let wrong = |told: String| CommandError::usage(format!("{told}. Nothing was published."));
        let release = kind::Release {
            stage: self.stage.number(),
            buyer: self.buyer.map(|it| organisation(&it)).transpose().map_err(wrong)?,
            cpv: self.cpv,
            value: self.value.map(|it| given::money(&it)).transpose().map_err(wrong)?,
            tender_ends: self.ends.map(|it| given::when(&it, now)).transpose().map_err(wrong)?,
            places: self
                .place
                .iter()
                .map(|it| place(it))
                .collect::<Result<_, _>>()
                .map_err(wrong)?,
            n_lots: self.lots,
            suits_vcse: self.suits_vcse,
            ..kind::Release::default()
        };
        let text = self.text_file.as_deref().map(given::text_file).transpose()?.unwrap_or_default();
        let wording = |language: &str, title, text| Wording {
            language: language.to_owned(),
            title,
            text,
            labels: Vec::new(),
        };
        let mut wordings = vec![wording("en", self.title, text)];
        wordings.extend(self.title_cy.map(|title| wording("cy", title, String::new())));
        Ok(OpenOpportunityRequest { release: Some(release), text: Some(Text { wordings }) })
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node opportunity update fmr1… --stage awarded --value 11400.00\n\n\
What is not given stays as it is. What was imported is not updated so: import its publisher's next release.\n\n\
Exit codes:\n  0 it is said · 1 it was refused · 2 a value was wrong · 4 the node cannot be reached"
)]
pub(in crate::command) struct Update {
    /// The opportunity.
    #[arg(value_name = "OPPORTUNITY")]
    opportunity: String,
    /// Where it stands.
    #[arg(long, value_name = "STAGE")]
    stage: Stage,
    /// What it is worth, in pounds without tax.
    #[arg(long, value_name = "POUNDS")]
    value: Option<String>,
    /// When bids end: 2027-03-03T17:00:00Z, or from now on 30d.
    #[arg(long, value_name = "WHEN")]
    ends: Option<String>,
}

impl Update {
    pub(super) fn request(self, now: u64) -> Result<UpdateOpportunityRequest, CommandError> {
        let wrong = |told: String| CommandError::usage(format!("{told}. Nothing was changed."));
        Ok(UpdateOpportunityRequest {
            opportunity: self.opportunity,
            stage: self.stage.number(),
            value: self.value.map(|it| given::money(&it)).transpose().map_err(wrong)?,
            tender_ends: self.ends.map(|it| given::when(&it, now)).transpose().map_err(wrong)?,
        })
    }
}

/// A GSS code and the year of its list.
fn place(text: &str) -> Result<types::Place, String> {
    let wrong = || format!("`{text}` is no place: write it like E07000223:2023");
    let (code, year) = text.split_once(':').ok_or_else(wrong)?;
    let vintage = year.parse().ok().ok_or_else(wrong)?;
    Ok(types::Place { code: code.to_owned(), vintage })
}

/// An organisation by its identifier, in its normal form.
fn organisation(text: &str) -> Result<types::Organisation, String> {
    let wrong = || format!("`{text}` is no identifier: write it like GB-COH:01234567");
    let (scheme, id) = text.split_once(':').ok_or_else(wrong)?;
    let found = OrgId::new(scheme, id).ok_or_else(wrong)?;
    Ok(types::Organisation { scheme: found.scheme().to_owned(), id: found.id().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_year_and_an_organisation_a_scheme() {
        let expected = types::Place { code: "E07000223".to_owned(), vintage: 2023 };
        assert_eq!(place("E07000223:2023"), Ok(expected));
        for wrong in ["E07000223", "E07000223:", "E07000223:now", ""] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
        let found = organisation("GB-COH:1234567").map(|it| (it.scheme, it.id));
        assert_eq!(found, Ok(("GB-COH".to_owned(), "01234567".to_owned())));
        for wrong in ["GB-COH", "GB-COH:", "GB-COH:123456789"] {
            assert!(organisation(wrong).is_err(), "{wrong}");
        }
    }
}
