//! `pool`: joined demand.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use proto::{
    clerk::{ClosePoolRequest, MakePledgeRequest, OpenPoolRequest, WithdrawPledgeRequest},
    kinds::{
        pool::{LockRule, Opening},
        text::{Text, Wording},
    },
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    CommandError, case_list,
    given::{self, Translation},
    now_millis,
    print::{Said, instant, title, words},
    reach::Client,
};
use crate::look;

#[derive(Debug, Subcommand)]
pub(super) enum Pool {
    /// Open a pool; this community leads it.
    Open(Box<Open>),
    /// Pledge this community's share; a newer pledge replaces the older one.
    #[command(after_help = "Example:\n  folkmoot-node pool pledge --pool fmr1… --quantity 40")]
    Pledge {
        /// The pool.
        #[arg(long, value_name = "POOL")]
        pool: String,
        /// How much, in the pool's unit.
        #[arg(long)]
        quantity: u64,
        /// Show interest only: a soft pledge does not count towards the threshold.
        #[arg(long)]
        soft: bool,
    },
    /// Take this community's pledge back, as long as the pool is not locked.
    #[command(after_help = "Example:\n  folkmoot-node pool withdraw --pool fmr1…")]
    Withdraw {
        /// The pool.
        #[arg(long, value_name = "POOL")]
        pool: String,
    },
    /// Close a pool now, with every firm pledge that stands. At its closing time the node does it by itself.
    #[command(after_help = "Example:\n  folkmoot-node pool close --pool fmr1…")]
    Close {
        /// The pool.
        #[arg(long, value_name = "POOL")]
        pool: String,
    },
    /// List the pools of the region.
    #[command(after_help = "Example:\n  folkmoot-node pool list --json")]
    List(case_list::Page),
    /// Show one pool.
    #[command(after_help = "Example:\n  folkmoot-node pool show fmr1…")]
    Show {
        /// The pool.
        #[arg(value_name = "POOL")]
        pool: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Lock {
    /// As soon as the threshold is met.
    OnThreshold,
    /// Only once it has closed.
    AtClose,
}

#[derive(Debug, Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(
    after_help = "Example:\n  folkmoot-node pool open --title \"Solar panels\" --unit panels --threshold 100 --closes 30d --unit-price 185.00\n  \
folkmoot-node pool open --from pool.toml\n\nThe file has the same names (unit_price, text as words), and [[translations]] with language, title, text."
)]
pub(super) struct Open {
    /// A TOML file with the same names; options stand above it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    from: Option<PathBuf>,
    /// What is bought together, in one line.
    #[arg(long)]
    title: Option<String>,
    /// A file with more words; `-` for standard input.
    #[arg(long = "text", value_name = "FILE")]
    #[serde(skip)]
    text_file: Option<PathBuf>,
    #[arg(skip)]
    text: String,
    /// The title in Welsh.
    #[arg(long)]
    #[serde(skip)]
    title_cy: Option<String>,
    /// The unit that pledges are counted in, such as `panels`.
    #[arg(long)]
    unit: Option<String>,
    /// The quantity that makes the purchase worth while.
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u64>,
    /// When pledging ends: 2027-03-03T17:00:00Z, or from now on 30d.
    #[arg(long, value_name = "WHEN")]
    closes: Option<String>,
    /// The price hoped for, for each unit, in pounds without tax.
    #[arg(long, value_name = "POUNDS")]
    unit_price: Option<String>,
    /// The CPV code of the thing, eight digits.
    #[arg(long, value_name = "CODE")]
    cpv: Option<u32>,
    /// How long only this community may close it; then any may (7d if not given).
    #[arg(long, value_name = "LENGTH")]
    grace: Option<String>,
    /// When it may be locked (at-close if not given).
    #[arg(long)]
    lock: Option<Lock>,
    /// The opportunity it is for (fmr1…).
    #[arg(long, value_name = "OPPORTUNITY")]
    opportunity: Option<String>,
    #[arg(skip)]
    translations: Vec<Translation>,
}

impl Open {
    /// The options, with what the file says below them.
    fn complete(self) -> Result<Self, CommandError> {
        let Some(path) = &self.from else { return Ok(self) };
        let file: Self = given::toml_file(path)?;
        Ok(Self {
            from: None,
            title: self.title.or(file.title),
            text_file: self.text_file,
            text: file.text,
            title_cy: self.title_cy,
            unit: self.unit.or(file.unit),
            threshold: self.threshold.or(file.threshold),
            closes: self.closes.or(file.closes),
            unit_price: self.unit_price.or(file.unit_price),
            cpv: self.cpv.or(file.cpv),
            grace: self.grace.or(file.grace),
            lock: self.lock.or(file.lock),
            opportunity: self.opportunity.or(file.opportunity),
            translations: file.translations,
        })
    }

    fn request(self, now: u64) -> Result<OpenPoolRequest, CommandError> {
        let missing =
            |name: &str| CommandError::usage(format!("--{name} is missing. Nothing was opened."));
        let wrong = |told: String| CommandError::usage(format!("{told}. Nothing was opened."));
        let closes = self.closes.ok_or_else(|| missing("closes"))?;
        let grace = self.grace.as_deref().unwrap_or("7d");
        let opening = Opening {
            region: Vec::new(),
            unit: self.unit.ok_or_else(|| missing("unit"))?,
            threshold: self.threshold.ok_or_else(|| missing("threshold"))?,
            opportunity: self
                .opportunity
                .map(|it| given::record(&it))
                .transpose()
                .map_err(wrong)?,
            cpv: self.cpv,
            unit_price: self.unit_price.map(|it| given::money(&it)).transpose().map_err(wrong)?,
            closes_at: given::when(&closes, now).map_err(wrong)?,
            grace_millis: given::duration(grace).map_err(wrong)?,
            lock_rule: match self.lock.unwrap_or(Lock::AtClose) {
                Lock::AtClose => LockRule::AtClose.into(),
                Lock::OnThreshold => LockRule::OnThreshold.into(),
            },
        };
        let text = match self.text_file {
            Some(path) => given::text_file(&path)?,
            None => self.text,
        };
        let title = self.title.ok_or_else(|| missing("title"))?;
        let labels = Vec::new();
        let mut wordings =
            vec![Wording { language: "en".to_owned(), title, text, labels: labels.clone() }];
        wordings.extend(self.translations.into_iter().map(Wording::from));
        let welsh = self.title_cy.map(|title| Wording {
            language: "cy".to_owned(),
            title,
            text: String::new(),
            labels,
        });
        wordings.extend(welsh);
        Ok(OpenPoolRequest { opening: Some(opening), text: Some(Text { wordings }) })
    }
}

pub(super) async fn run(mut client: Client, command: Pool) -> Result<Said, CommandError> {
    match command {
        Pool::Open(open) => {
            let request = open.complete()?.request(now_millis())?;
            let written = client.open_pool(request).await?.into_inner().written;
            Ok(Said::written(written, |id| {
                format!("The pool is open.\n  {id}\nOther communities pledge with this id.")
            }))
        }
        Pool::Pledge { pool, quantity, soft } => {
            let request = MakePledgeRequest { pool, quantity, soft };
            let written = client.make_pledge(request).await?.into_inner().written;
            Ok(Said::written(written, |_| {
                let kind = if soft { "A soft pledge" } else { "A firm pledge" };
                format!(
                    "{kind} of {quantity} is made. It can be taken back until the pool is locked."
                )
            }))
        }
        Pool::Withdraw { pool } => {
            let request = WithdrawPledgeRequest { pool };
            let written = client.withdraw_pledge(request).await?.into_inner().written;
            Ok(Said::written(written, |_| "The pledge is taken back.".to_owned()))
        }
        Pool::Close { pool } => {
            let written = client.close_pool(ClosePoolRequest { pool: pool.clone() }).await?;
            let case = case_list::one(&mut client, "pool", &pool).await?;
            Ok(Said::written(written.into_inner().written, |_| {
                format!("The pool is closed: {}.", words(look::text(&case, "/state")))
            }))
        }
        Pool::List(page) => case_list::list(client, "pool", page).await,
        Pool::Show { pool } => {
            let case = case_list::one(&mut client, "pool", &pool).await?;
            let text = sentences(&case);
            Ok(Said::new(case, text))
        }
    }
}

fn sentences(case: &Value) -> String {
    let unit = look::text(case, "/unit");
    let mut text = format!(
        "{}\n{}: {} of {} {unit} pledged by {} communities; closes {}.\n",
        title(case),
        words(look::text(case, "/state")),
        look::at(case, "/quantity"),
        look::at(case, "/threshold"),
        look::at(case, "/communities"),
        instant(look::at(case, "/closes_at")),
    );
    for pledge in look::at(case, "/pledges").as_array().into_iter().flatten() {
        let firm = if look::at(pledge, "/firm") == true { "firm" } else { "soft" };
        let community = look::text(pledge, "/community");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {unit} ({firm})  {community}", look::at(pledge, "/quantity"));
    }
    text
}
