//! `folkmoot follow`: the public events of a region as a coordinator tells them, for ever, from where reading ended.
//!
//! ```text
//! address ─▶ TLS ─▶ key ─┐
//! identity bundle ───────┴▶ pin: given, remembered, or trusted on first use (and said so)
//! Subscribe(cursor) ─▶ items ─▶ one line each ─▶ cursor file
//!        ▲                │
//!        └── lost: wait ◀─┘
//! ```
//!
//! A coordinator cannot forge a record, but it can leave one out: follow two to notice. When it is lost, another one that
//! the region's members have seated is followed, by the region's certificate alone.

mod line;
mod memory;
pub(crate) mod pin;
mod region;
pub(crate) mod server;
mod session;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use record::place::GssCode;
use runtime::{exit::Exit, stop::StopSignal};

use self::{
    memory::Memory,
    pin::GivenKey,
    session::{Ended, Session},
};
use crate::{Console, Failure};

/// Options of `folkmoot follow`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// The coordinator: HOST:PORT, or https://HOST:PORT.
    #[arg(value_name = "URL")]
    pub url: String,
    /// A file that remembers the coordinator's key and the place in its feed; made if it is not there.
    #[arg(long, value_name = "FILE")]
    pub cursor: Option<PathBuf>,
    /// Only cases of this kind; may be repeated.
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Vec<CaseKind>,
    /// Only items about this place, a GSS code such as E05001234; may be repeated.
    #[arg(long, value_name = "CODE", value_parser = parse_place)]
    pub place: Vec<GssCode>,
    /// Only cases of this region, of those that the coordinator reads: its id, or `all`; may be repeated. The coordinator's
    /// own if left out.
    #[arg(long, value_name = "fmg1…|all", value_parser = parse_region)]
    pub region: Vec<String>,
    /// Whom to trust: the coordinator's id, or its transport key in hexadecimal.
    #[arg(long, value_name = "fm1…|HEX")]
    pub key: Option<GivenKey>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Leave once everything so far has been told.
    #[arg(long)]
    pub once: bool,
}

const HELP: &str = "\
Examples:
  folkmoot follow coordinator.example:7443
  folkmoot follow coordinator.example:7443 --cursor region.json --key fm1…
  folkmoot follow coordinator.example:7443 --kind covenant --place E07000223 --json
  folkmoot follow coordinator.example:7443 --cursor region.json --once

Without --key and without a cursor file the coordinator's key is trusted on first use.
A cursor file also remembers the region: when the coordinator is lost, another that the members
have seated is followed instead, as the region's certificate shows.
Items may come twice, with the same id. Times are in the zone of TZ, or of Britain.

Exit codes:
  0 done · 1 refused · 4 cannot be reached now, try later · 6 the coordinator's key or identity does not hold, or the region has two epochs of one number";

/// A kind of case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each variant is the kind of the same name")]
pub enum CaseKind {
    Covenant,
    Opportunity,
    Pool,
    Poll,
}

impl CaseKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Covenant => "covenant",
            Self::Opportunity => "opportunity",
            Self::Pool => "pool",
            Self::Poll => "poll",
        }
    }
}

fn parse_place(text: &str) -> Result<GssCode, String> {
    let told = || "a GSS code is one of E W S N K J and eight digits, such as E07000223".to_owned();
    GssCode::parse(text).ok_or_else(told)
}

fn parse_region(text: &str) -> Result<String, String> {
    let is_region = text == "all" || text.parse::<record::RegionId>().is_ok();
    let told = || "a region is `all`, or an id that begins with fmg1".to_owned();
    is_region.then(|| text.to_owned()).ok_or_else(told)
}

/// The first wait after a connection is lost; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Follows until it is stopped, or with `--once` until everything so far has been told.
///
/// # Errors
///
/// [`Failure`] if the coordinator cannot be reached the first time, is not the one that is trusted, or refuses.
pub async fn run(options: Options, console: &Console) -> Result<Exit, Failure> {
    let stop = StopSignal::on_signals().map_err(|error| {
        Failure::new(
            Exit::Failed,
            "signal.failed",
            format!("The system will not tell us when to stop: {error}."),
        )
    })?;
    follow(&options, console, &stop).await
}

/// As [`run`], until the signal given here.
///
/// # Errors
///
/// As [`run`].
pub async fn follow(
    options: &Options,
    console: &Console,
    stop: &StopSignal,
) -> Result<Exit, Failure> {
    let address = address_of(&options.url)?;
    let memory = Memory::open(options.cursor.as_deref())?;
    let mut session = Session::new(address, options, memory, console);
    let mut wait = FIRST_WAIT;
    loop {
        let ended = tokio::select! {
            ended = session.follow() => ended,
            () = stop.stopped() => {
                session.keep_place()?;
                return Ok(Exit::Ok);
            }
        };
        session.keep_place()?;
        let lost = match ended {
            Ended::CaughtUp => return Ok(Exit::Ok),
            Ended::Failed(failure) => return Err(failure),
            Ended::Lost(lost) => lost,
        };
        let switched = tokio::select! {
            switched = session.look_elsewhere() => switched?,
            () = stop.stopped() => return Ok(Exit::Ok),
        };
        if !switched && (options.once || !session.was_ever_open()) {
            return Err(lost);
        }
        if session.heard_since_last_asked() {
            wait = FIRST_WAIT;
        }
        console.remark(&format!("{lost} Trying again in {} s.", wait.as_secs_f32()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.stopped() => return Ok(Exit::Ok),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// `host:port` of what a person writes.
fn address_of(url: &str) -> Result<String, Failure> {
    if url.starts_with("http://") {
        let detail =
            "Feeds are followed over TLS: write https://HOST:PORT, or HOST:PORT. Nothing was sent.";
        return Err(Failure::new(Exit::Usage, "url.http", detail));
    }
    Ok(url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_from_a_url_and_plain_http_is_refused() {
        assert_eq!(address_of("https://a.example:7443/"), Ok("a.example:7443".into()));
        assert_eq!(address_of("a.example:7443"), Ok("a.example:7443".into()));
        assert_eq!(address_of("http://a.example:7443").map_err(|it| it.exit()), Err(Exit::Usage));
    }

    #[test]
    fn a_region_is_an_id_or_all() {
        assert!(parse_region("all").is_ok());
        assert!(parse_region(&record::RegionId::from_bytes([1; 32]).to_string()).is_ok());
        assert!(parse_region("Kent").unwrap_err().contains("fmg1"));
    }

    #[test]
    fn a_place_is_a_gss_code() {
        assert!(parse_place("E07000223").is_ok());
        assert!(parse_place("Brighton").unwrap_err().contains("E07000223"));
    }
}
