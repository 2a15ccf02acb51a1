//! `covenant`: signed agreements between communities, councils and public bodies.

mod form;

use std::fmt::Write as _;

use clap::Subcommand;
use proto::{clerk::SignCovenantRequest, kinds::covenant::Minute};
use serde_json::Value;

use super::{
    CommandError, case_list, given, now_millis,
    print::{Said, instant, title, words},
    reach::Client,
};
use crate::look;
use form::Propose;

#[derive(Debug, Subcommand)]
pub(super) enum Covenant {
    /// Propose a covenant to its parties.
    Propose(Box<Propose>),
    /// Sign a covenant for this community, as its words stand here; or decline it.
    #[command(
        after_help = "Example:\n  folkmoot-node covenant sign --covenant fmr1… --minute \"12/2027\" --meeting 2027-03-03\n  folkmoot-node covenant sign --covenant fmr1… --decline"
    )]
    Sign {
        /// The covenant.
        #[arg(long, value_name = "COVENANT")]
        covenant: String,
        /// Say no: the covenant cannot come into force then.
        #[arg(long, conflicts_with_all = ["minute", "poll_result"])]
        decline: bool,
        /// The number of the decision in the minute book.
        #[arg(long, requires = "meeting", value_name = "NUMBER")]
        minute: Option<String>,
        /// The date of the meeting.
        #[arg(long, requires = "minute", value_name = "DATE")]
        meeting: Option<String>,
        /// The result of the members' ratifying poll (fmr1…).
        #[arg(long, value_name = "RESULT")]
        poll_result: Option<String>,
    },
    /// Show a covenant with its words.
    #[command(after_help = "Example:\n  folkmoot-node covenant show fmr1…")]
    Show {
        /// The covenant.
        #[arg(value_name = "COVENANT")]
        covenant: String,
    },
    /// List the covenants of the region.
    #[command(after_help = "Example:\n  folkmoot-node covenant list --json")]
    List(case_list::Page),
}

pub(super) async fn run(mut client: Client, command: Covenant) -> Result<Said, CommandError> {
    match command {
        Covenant::Propose(propose) => {
            let request = propose.complete()?.request(now_millis())?;
            let written = client.propose_covenant(request).await?.into_inner().written;
            Ok(Said::written(written, |id| {
                format!(
                    "The covenant is proposed.\n  {id}\n\
                     Every party signs this id in its own log. Sign for your own community with `covenant sign --covenant {id}`."
                )
            }))
        }
        Covenant::Sign { covenant, decline, minute, meeting, poll_result } => {
            let minute = match (minute, meeting) {
                (Some(reference), Some(meeting)) => {
                    let meeting = given::date(&meeting).map_err(CommandError::usage)?;
                    Some(Minute { reference, meeting })
                }
                (None | Some(_), _) => None,
            };
            let poll_result = poll_result.unwrap_or_default();
            let request =
                SignCovenantRequest { covenant: covenant.clone(), decline, minute, poll_result };
            let written = client.sign_covenant(request).await?.into_inner().written;
            let case = case_list::one(&mut client, "covenant", &covenant).await?;
            Ok(Said::written(written, |_| signed(decline, &case)))
        }
        Covenant::Show { covenant } => {
            let case = case_list::one(&mut client, "covenant", &covenant).await?;
            let text = sentences(&case);
            Ok(Said::new(case, text))
        }
        Covenant::List(page) => case_list::list(client, "covenant", page).await,
    }
}

fn signed(decline: bool, case: &Value) -> String {
    let said = if decline { "declined" } else { "signed" };
    format!(
        "The covenant is {said}. It is {}: {} of {} parties have signed.",
        words(look::text(case, "/state")),
        look::at(case, "/n_signed"),
        look::at(case, "/n_parties")
    )
}

fn sentences(case: &Value) -> String {
    let mut text = format!(
        "{}\n{}: {} of {} parties have signed; signing ends {}.\n",
        title(case),
        words(look::text(case, "/state")),
        look::at(case, "/n_signed"),
        look::at(case, "/n_parties"),
        instant(look::at(case, "/sign_before")),
    );
    // Writing to a string cannot fail.
    for party in look::at(case, "/parties").as_array().into_iter().flatten() {
        let answer = match (look::at(party, "/signed"), look::at(party, "/declined")) {
            (Value::Bool(true), _) => "signed",
            (_, Value::Bool(true)) => "declined",
            _ => "has not answered",
        };
        let community = look::text(party, "/community");
        let role = words(look::text(party, "/role"));
        let _ = writeln!(text, "  {community} ({role}): {answer}");
    }
    for wording in look::at(case, "/words").as_array().into_iter().flatten() {
        let _ = writeln!(text, "\n{}", look::text(wording, "/text"));
        let labels = look::at(wording, "/labels").as_array().into_iter().flatten();
        for (number, label) in (1..).zip(labels) {
            let _ = writeln!(text, "{number}. {}", label.as_str().unwrap_or_default());
        }
    }
    if 0 < look::at(case, "/unresourced").as_u64().unwrap_or_default() {
        let _ = writeln!(
            text,
            "\n{} commitments name nothing that pays for them. Volunteers are not a budget.",
            look::at(case, "/unresourced")
        );
    }
    text
}
