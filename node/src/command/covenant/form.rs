//! The options and the file of `covenant propose`, and the request that they make.

use std::path::PathBuf;

use clap::Args;
use proto::{
    clerk::ProposeCovenantRequest,
    kinds::{
        covenant::{Commitment, CovenantType, Domain, Level, Party, PartyRole, Power, Proposal},
        text::{Text, Wording},
    },
    types,
};
use serde::Deserialize;

use crate::command::{
    CommandError,
    given::{self, Translation},
};

const HELP: &str = "Example:
  folkmoot-node covenant propose --title \"Harbour Baths\" --text covenant.txt --sign-by 30d \\
      --party fm1…:community --party fm1…:parish \\
      --commitment 'fm1…|Keeps the baths open six days a week|money=1200.00|hours=20|due=2027-03-01'
  folkmoot-node covenant propose --from covenant.toml

The file:
  title = \"Harbour Baths\"
  text = \"\"\"The words of the covenant.\"\"\"
  sign_by = \"30d\"
  [[parties]]
  id = \"fm1…\"
  role = \"parish\"      # community, parish, forum, anchor-body, local-authority, public-body, regional
  [[powers]]
  domain = \"services\"  # economy, services, assets, planning-and-housing, spending
  level = \"delegated\"  # informed, consulted, co-decide, delegated, community-held
  budget = \"1200.00\"
  [[commitments]]
  party = \"fm1…\"
  words = \"Keeps the baths open six days a week\"
  money = \"1200.00\"
  hours = 20
  due = \"2027-03-01\"
  [[translations]]
  language = \"cy\"
  title = \"…\"
  labels = [\"…\"]       # the commitments in this language, in order";

#[derive(Debug, Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(after_help = HELP)]
pub(in crate::command) struct Propose {
    /// A TOML file with the same names; options stand above it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    from: Option<PathBuf>,
    /// What the covenant is called, in one line.
    #[arg(long)]
    title: Option<String>,
    /// A file with its words; `-` for standard input.
    #[arg(long = "text", value_name = "FILE")]
    #[serde(skip)]
    text_file: Option<PathBuf>,
    #[arg(skip)]
    text: String,
    /// The language of title and words (en if not given).
    #[arg(long)]
    lang: Option<String>,
    /// The title in Welsh.
    #[arg(long)]
    #[serde(skip)]
    title_cy: Option<String>,
    /// A file with its words in Welsh.
    #[arg(long, value_name = "FILE", requires = "title_cy")]
    #[serde(skip)]
    text_cy: Option<PathBuf>,
    /// What a commitment says in Welsh; once for each, in their order.
    #[arg(long, value_name = "WORDS", requires = "title_cy")]
    #[serde(skip)]
    commitment_cy: Vec<String>,
    /// A party and its role: fm1…:parish (community if no role is given); once for each.
    #[arg(long = "party", value_name = "COMMUNITY[:ROLE]")]
    #[serde(skip)]
    party: Vec<String>,
    #[arg(skip)]
    parties: Vec<PartyForm>,
    /// Until when parties may sign: 2027-03-03T17:00:00Z, or from now on 30d.
    #[arg(long, value_name = "WHEN")]
    sign_by: Option<String>,
    /// A commitment: fm1…|words|money=1200.00|hours=20|due=2027-03-01; once for each.
    #[arg(long = "commitment", value_name = "COMMITMENT")]
    #[serde(skip)]
    commitment: Vec<String>,
    #[arg(skip)]
    commitments: Vec<CommitmentForm>,
    /// What sort of agreement (community-covenant if not given).
    #[arg(long = "type", value_name = "TYPE")]
    #[serde(rename = "type")]
    covenant_type: Option<String>,
    /// Months between reviews (12 if not given).
    #[arg(long, value_name = "MONTHS")]
    review_months: Option<u32>,
    /// Months it runs; until ended if not given.
    #[arg(long, value_name = "MONTHS")]
    term_months: Option<u32>,
    #[arg(skip)]
    powers: Vec<PowerForm>,
    #[arg(skip)]
    area: Vec<PlaceForm>,
    #[arg(skip)]
    translations: Vec<Translation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartyForm {
    id: String,
    #[serde(default = "community_role")]
    role: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitmentForm {
    party: String,
    words: String,
    money: Option<String>,
    #[serde(default)]
    hours: u32,
    due: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PowerForm {
    domain: String,
    level: String,
    budget: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceForm {
    code: String,
    vintage: u32,
}

fn community_role() -> String {
    "community".to_owned()
}

impl Propose {
    /// The options, with what the file says below them.
    pub(super) fn complete(mut self) -> Result<Self, CommandError> {
        if let Some(path) = self.from.take() {
            let file: Self = given::toml_file(&path)?;
            self.title = self.title.or(file.title);
            self.text = file.text;
            self.lang = self.lang.or(file.lang);
            self.sign_by = self.sign_by.or(file.sign_by);
            self.covenant_type = self.covenant_type.or(file.covenant_type);
            self.review_months = self.review_months.or(file.review_months);
            self.term_months = self.term_months.or(file.term_months);
            self.parties = file.parties;
            self.commitments = file.commitments;
            self.powers = file.powers;
            self.area = file.area;
            self.translations = file.translations;
        }
        self.parties.extend(self.party.drain(..).map(|it| party_form(&it)));
        for text in std::mem::take(&mut self.commitment) {
            self.commitments.push(commitment_form(&text).map_err(nothing_proposed)?);
        }
        Ok(self)
    }

    pub(super) fn request(self, now: u64) -> Result<ProposeCovenantRequest, CommandError> {
        let missing = |name: &str| nothing_proposed(format!("--{name} is missing"));
        let sign_by = self.sign_by.as_deref().ok_or_else(|| missing("sign-by"))?;
        if self.title.is_none() {
            return Err(missing("title"));
        }
        let proposal = self.proposal(sign_by, now).map_err(nothing_proposed)?;
        let wordings = self.wordings()?;
        let text = Some(Text { wordings });
        Ok(ProposeCovenantRequest { proposal: Some(proposal), text })
    }

    fn proposal(&self, sign_by: &str, now: u64) -> Result<Proposal, String> {
        let covenant_type = self.covenant_type.as_deref().unwrap_or("community-covenant");
        Ok(Proposal {
            region: Vec::new(),
            covenant_type: given::listed(
                covenant_type,
                "COVENANT_TYPE",
                CovenantType::from_str_name,
            )?,
            parties: self.parties.iter().map(party).collect::<Result<_, _>>()?,
            area: self
                .area
                .iter()
                .map(|it| types::Place { code: it.code.clone(), vintage: it.vintage })
                .collect(),
            powers: self.powers.iter().map(power).collect::<Result<_, _>>()?,
            commitments: self.commitments.iter().map(commitment).collect::<Result<_, _>>()?,
            sign_before: given::when(sign_by, now)?,
            review_months: self.review_months.unwrap_or(12),
            term_months: self.term_months,
            texts: Vec::new(),
        })
    }

    fn wordings(self) -> Result<Vec<Wording>, CommandError> {
        let text = match self.text_file {
            Some(path) => given::text_file(&path)?,
            None => self.text,
        };
        let labels = self.commitments.into_iter().map(|it| it.words).collect();
        let language = self.lang.unwrap_or_else(|| "en".to_owned());
        let title = self.title.unwrap_or_default();
        let mut wordings = vec![Wording { language, title, text, labels }];
        if let Some(title) = self.title_cy {
            let text = self.text_cy.map(|it| given::text_file(&it)).transpose()?;
            wordings.push(Wording {
                language: "cy".to_owned(),
                title,
                text: text.unwrap_or_default(),
                labels: self.commitment_cy,
            });
        }
        wordings.extend(self.translations.into_iter().map(Wording::from));
        Ok(wordings)
    }
}

fn nothing_proposed(told: String) -> CommandError {
    CommandError::usage(format!("{told}. Nothing was proposed."))
}

fn party_form(text: &str) -> PartyForm {
    let (id, role) = text.split_once(':').unwrap_or((text, "community"));
    PartyForm { id: id.to_owned(), role: role.to_owned() }
}

/// `fm1…|words|money=1200.00|hours=20|due=2027-03-01`.
fn commitment_form(text: &str) -> Result<CommitmentForm, String> {
    let mut parts = text.split('|').map(str::trim);
    let (party, words) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if words.is_empty() {
        return Err(format!("the commitment `{text}` has no words: write fm1…|what it undertakes"));
    }
    let (party, words) = (party.to_owned(), words.to_owned());
    let mut form = CommitmentForm { party, words, money: None, hours: 0, due: None };
    for part in parts {
        match part.split_once('=') {
            Some(("money", amount)) => form.money = Some(amount.to_owned()),
            Some(("due", date)) => form.due = Some(date.to_owned()),
            Some(("hours", hours)) => {
                form.hours =
                    hours.parse().map_err(|_error| format!("`{hours}` is no number of hours"))?;
            }
            _ => return Err(format!("`{part}` is not known: write money=, hours= or due=")),
        }
    }
    Ok(form)
}

fn party(form: &PartyForm) -> Result<Party, String> {
    let role = given::listed(&form.role, "PARTY_ROLE", PartyRole::from_str_name)?;
    Ok(Party { community: given::community(&form.id)?, role })
}

fn power(form: &PowerForm) -> Result<Power, String> {
    Ok(Power {
        domain: given::listed(&form.domain, "DOMAIN", Domain::from_str_name)?,
        level: given::listed(&form.level, "LEVEL", Level::from_str_name)?,
        budget: form.budget.as_deref().map(given::money).transpose()?,
    })
}

fn commitment(form: &CommitmentForm) -> Result<Commitment, String> {
    Ok(Commitment {
        party: given::community(&form.party)?,
        money: form.money.as_deref().map(given::money).transpose()?,
        staff_hours: form.hours,
        due: form.due.as_deref().map(given::date).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

    #[test]
    fn a_commitment_is_a_party_words_and_what_pays_for_it() {
        let form =
            commitment_form("fm1x | Keeps it open|money=12.50|hours=20|due=2027-03-01").unwrap();
        assert_eq!((form.party.as_str(), form.words.as_str()), ("fm1x", "Keeps it open"));
        assert_eq!((form.money.as_deref(), form.hours), (Some("12.50"), 20));
        assert!(commitment_form("fm1x").unwrap_err().contains("no words"));
        assert!(commitment_form("fm1x|w|pay=1").unwrap_err().contains("money="));
        assert!(commitment_form("fm1x|w|hours=many").is_err());
    }

    #[test]
    fn a_file_says_the_same_as_options_and_options_stand_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("covenant.toml");
        let text = format!(
            "title = \"Baths\"\ntext = \"Words.\"\nsign_by = \"30d\"\n[[parties]]\nid = \"{A}\"\nrole = \"parish\"\n\
             [[powers]]\ndomain = \"services\"\nlevel = \"co-decide\"\n[[commitments]]\nparty = \"{A}\"\nwords = \"Opens\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let options = Propose {
            from: Some(path),
            title: Some("Harbour Baths".to_owned()),
            party: vec![format!("{A}:forum")],
            ..Propose::default()
        };
        let request = options.complete().unwrap().request(5).unwrap();
        let (proposal, text) = (request.proposal.unwrap(), request.text.unwrap());
        assert_eq!(text.wordings[0].title, "Harbour Baths");
        assert_eq!(text.wordings[0].labels, ["Opens"]);
        let roles: Vec<_> = proposal.parties.iter().map(|it| it.role).collect();
        assert_eq!(roles, [i32::from(PartyRole::Parish), i32::from(PartyRole::Forum)]);
        assert_eq!(proposal.sign_before, 5 + 30 * 86_400_000);
        assert_eq!(proposal.powers[0].level, i32::from(Level::CoDecide));
    }

    #[test]
    fn a_wrong_key_in_a_file_names_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("covenant.toml");
        std::fs::write(&path, "titel = \"Baths\"\n").unwrap();
        let options = Propose { from: Some(path), ..Propose::default() };
        let told = options.complete().unwrap_err().to_string();
        assert!(told.contains("`title`"), "{told}");
    }
}
