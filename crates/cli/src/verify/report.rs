//! What was verified, for a person and for a program.

use record::CommunityId;
use serde_json::{Value, json};

use super::{
    evidence::{ForkReport, ForkedHead},
    identity::{IdentityReport, Who},
    log::LogReport,
    proof::RecordReport,
    trust::{Cosigner, Head},
};
use crate::{console::plain, time};

/// Something that holds.
#[derive(Debug)]
pub(super) enum Report {
    Record(RecordReport),
    Identity(IdentityReport),
    Log(LogReport),
    Fork(ForkReport),
}

impl Report {
    /// One object: `verified`, `what`, and what was found.
    pub(super) fn as_json(&self) -> Value {
        let (what, found) = match self {
            Self::Record(report) => ("record", serde_json::to_value(report)),
            Self::Identity(report) => ("identity", serde_json::to_value(report)),
            Self::Log(report) => ("log", serde_json::to_value(report)),
            Self::Fork(report) => ("fork", serde_json::to_value(report)),
        };
        let mut object = json!({ "verified": true, "what": what });
        if let (Some(object), Ok(Value::Object(found))) = (object.as_object_mut(), found) {
            object.extend(found);
        }
        object
    }

    /// Lines for a person.
    pub(super) fn render(&self) -> String {
        match self {
            Self::Record(report) => render_record(report),
            Self::Identity(report) => render_identity(report),
            Self::Log(report) => render_log(report),
            Self::Fork(report) => render_fork(report),
        }
    }
}

/// Lines of a name and a value.
struct Lines(Vec<String>);

impl Lines {
    fn new(title: &str) -> Self {
        Self(vec![title.to_owned()])
    }

    fn add(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.0.push(format!("  {name:<13} {}", plain(&value.to_string())));
        self
    }

    fn who(&mut self, who: &Who) -> &mut Self {
        match &who.name {
            Some(name) => self.add("community", format_args!("{name} ({})", who.community)),
            None => self.add("community", who.community),
        };
        self.add("network", &who.network)
    }

    fn head(&mut self, head: &Head) -> &mut Self {
        self.add("checkpoint", format_args!("{} records, root {}", head.size, head.root));
        let is_witnessed = head.witnessed == "under_policy";
        self.add(
            "witnessed",
            if is_witnessed { "witnessed under policy" } else { "signed, not witnessed" },
        );
        for cosigner in &head.cosigners {
            self.cosigner(cosigner);
        }
        self
    }

    fn cosigner(&mut self, Cosigner { name, checked, at_secs }: &Cosigner) {
        match (checked, at_secs) {
            (true, Some(secs)) => {
                let at = time::shown(secs.saturating_mul(1_000), &time::zone());
                self.add("cosigned by", format_args!("{name}, {at}"))
            }
            (true, None) => self.add("cosigned by", name),
            (false, _) => {
                self.add("cosigned by", format_args!("{name}: line present, not checked"))
            }
        };
    }

    fn finish(mut self, who: &Who) -> String {
        self.0.push(what_it_proves(who.community, who.known_before));
        self.0.join("\n")
    }
}

/// No arithmetic shows that an id is that of the people one means.
fn what_it_proves(community: CommunityId, is_known_before: bool) -> String {
    if is_known_before {
        return format!("This proves what {community} signed, whom you named.");
    }
    format!("This proves what {community} signed; compare this id with one that you trust.")
}

fn render_record(report: &RecordReport) -> String {
    let RecordReport { who, era, index, record, kind, time, payload, payload_bytes, checkpoint } =
        report;
    let mut lines = Lines::new("Verified: the record is in the log.");
    let payload = match *payload {
        "verified" => format!("{payload_bytes} bytes, as the author committed to them"),
        _ => "not in this file, so not checked; every other part holds without it".to_owned(),
    };
    let at = time::shown(time.0, &time::zone());
    lines
        .who(who)
        .add("record", record)
        .add("place", format_args!("number {index} of era {era}"))
        .add("kind", kind)
        .add("time", format_args!("{at}, says the author"))
        .add("payload", payload)
        .head(checkpoint);
    lines.finish(who)
}

fn render_identity(report: &IdentityReport) -> String {
    let IdentityReport {
        who,
        officers,
        threshold,
        era,
        epochs,
        transport_key,
        log_vkey,
        checkpoint,
    } = report;
    let mut lines = Lines::new("Verified: the identity holds.");
    lines
        .who(who)
        .add("officers", format_args!("{threshold} of {officers} act for it"))
        .add("era", era)
        .add("log key", log_vkey)
        .add("transport key", transport_key);
    for epoch in epochs {
        let place =
            format!("era {} from record {}: {}", epoch.era, epoch.from_index, epoch.log_vkey);
        lines.add("epoch", place);
    }
    lines.head(checkpoint);
    lines.finish(who)
}

fn render_fork(report: &ForkReport) -> String {
    let ForkReport { who, era, heads } = report;
    let mut lines =
        Lines::new("Verified: the log forked. It signed two heads that cannot both be true.");
    lines.who(who).add("era", era);
    for ForkedHead { size, root } in heads {
        lines.add("signed head", format_args!("{size} records, root {root}"));
    }
    lines.finish(who)
}

fn render_log(report: &LogReport) -> String {
    let LogReport { who, era, records, kinds, unknown_kinds, erased, tiles, checkpoint } = report;
    let mut lines = Lines::new("Verified: the log is what its community signed.");
    lines
        .who(who)
        .add("era", era)
        .add(
            "records",
            format_args!("{records}, every header compared, and every payload that is here"),
        )
        .add("tiles", format_args!("{tiles}, all as the records make them"))
        .add(
            "erased",
            format_args!("{erased} payloads are not here: erased, or left out of this copy"),
        );
    for (kind, n_records) in kinds {
        let unknown = if unknown_kinds.contains(kind) { " (unknown to this release)" } else { "" };
        lines.add("kind", format_args!("{n_records:>7} × {kind}{unknown}"));
    }
    lines.head(checkpoint);
    lines.finish(who)
}
