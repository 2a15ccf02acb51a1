//! Verdicts on what is known of the log, and of whoever a node speaks with.

use super::{
    Check,
    facts::{Cosigner, Facts, ForeignHead, LinkFacts, LogFacts, RunningFacts},
    span,
};

/// Clocks may differ by so much: 5 minutes, as WIRE.md has it.
pub(crate) const MOST_SKEW_MILLIS: u64 = 5 * 60 * 1_000;
/// A cosignature that is later than this is told: six receipts of 10 seconds.
pub(crate) const LATE_COSIGNATURE_MILLIS: u64 = 60 * 1_000;
/// If nobody cosigned for so long, what was written counts nowhere: one day.
pub(crate) const NO_COSIGNATURE_MILLIS: u64 = 24 * 3_600 * 1_000;

/// Everything that facts tell. What only a running node knows is left to be asked of one.
pub(crate) fn judge(facts: &Facts, version: &str, now: u64) -> Vec<Check> {
    let Facts { log, running } = facts;
    let mut checks = vec![node(running.as_ref(), version), forked(facts), settled(facts)];
    match running {
        Some(running) => checks.extend([clock(running), coordinators(&running.links)]),
        None => checks.extend(["clock", "coordinators"].map(unknown)),
    }
    checks.push(cosignatures(&log.cosigners, log.n_records, now));
    checks
}

/// What cannot be known of a folder whose log cannot be read now.
pub(crate) fn unreadable() -> Vec<Check> {
    ["forked", "settled", "clock", "coordinators", "cosignatures"].map(unknown).to_vec()
}

fn unknown(name: &'static str) -> Check {
    Check::warn(
        name,
        "This cannot be known while no node runs. Start it, and ask again in a minute.",
    )
}

fn node(running: Option<&RunningFacts>, version: &str) -> Check {
    const NAME: &str = "node";
    match running {
        None => {
            Check::warn(NAME, "No node runs on this folder. Start it with `folkmoot-node run`.")
        }
        Some(it) if it.version != version => {
            let theirs = &it.version;
            Check::warn(
                NAME,
                format!(
                    "The node that runs is version {theirs}, and this program is {version}. Restart the node."
                ),
            )
        }
        Some(_) => Check::ok(NAME, format!("A node runs, version {version}.")),
    }
}

/// "Am I forked?"
fn forked(facts: &Facts) -> Check {
    const NAME: &str = "forked";
    let Facts { log: LogFacts { frozen_size, foreign_heads, n_records, .. }, running } = facts;
    if let Some(frozen_size) = frozen_size {
        return Check::bad(
            NAME,
            format!(
                "Yes: there is evidence that this log has two histories. Its first {frozen_size} records count for ever; what comes after them does not. Stop whichever copy of this node is not this one. Your officers end it by `folkmoot-node recover`, in a new folder."
            ),
        );
    }
    if let Some(ForeignHead { by, size, .. }) = foreign_heads.iter().find(|it| it.contradicts) {
        return Check::bad(
            NAME,
            format!(
                "Perhaps: {by} states that it holds {size} records of this log, and they are not those here. Stop this node, look for a second machine with the same keys, and ask {by} what it holds before you start anything again."
            ),
        );
    }
    if let Some(ForeignHead { by, size, .. }) = foreign_heads.iter().max_by_key(|it| it.size) {
        let ahead = format!("{by} holds {size} records of this log, and {n_records} are here.");
        return match running {
            Some(RunningFacts { is_settled: true, .. }) => Check::bad(
                NAME,
                format!(
                    "Perhaps: {ahead} This node signs already, so a second machine writes with its keys, or this folder came from a backup that nobody could complete. Stop this node and look for another one."
                ),
            ),
            Some(_) => Check::warn(
                NAME,
                format!("Not yet to be told: {ahead} It fetches them before it signs anything."),
            ),
            None => Check::warn(
                NAME,
                format!(
                    "No, but this folder is behind: {ahead} The node fetches them when it runs, before it signs anything."
                ),
            ),
        };
    }
    Check::ok(NAME, "No: nobody whose log is here states another history of this log.")
}

fn settled(facts: &Facts) -> Check {
    const NAME: &str = "settled";
    let n_unsigned = facts.log.n_unsigned;
    let waiting =
        format!("{n_unsigned} records wait to be signed and published; nothing is lost meanwhile.");
    match &facts.running {
        Some(RunningFacts { is_settled: false, .. }) => Check::warn(
            NAME,
            format!(
                "Since it was started the node has met too few others to be sure that its log is the newest. {waiting} Look whether it reaches its coordinators and neighbours."
            ),
        ),
        _ if 0 < n_unsigned => Check::warn(
            NAME,
            format!("{waiting} That is done once the node runs and meets its peers."),
        ),
        Some(_) => Check::ok(NAME, "The log is signed to its last record."),
        None => Check::ok(
            NAME,
            "The log is signed to its last record. At its next start the node meets its peers before it signs more.",
        ),
    }
}

fn clock(running: &RunningFacts) -> Check {
    const NAME: &str = "clock";
    let RunningFacts { links, clock_ahead_millis, .. } = running;
    if MOST_SKEW_MILLIS < *clock_ahead_millis {
        let by = span(*clock_ahead_millis);
        return Check::warn(
            NAME,
            format!(
                "This machine's clock was set back while the node ran. The node's time is {by} ahead of it, and goes at half its rate until the clock has caught up. Restart the node: it takes the clock's time then."
            ),
        );
    }
    let known = links.iter().filter_map(|it| Some((it, it.clock_skew_millis?)));
    let known: Vec<_> = known.collect();
    let is_off = |(_, skew): &&(&LinkFacts, i64)| MOST_SKEW_MILLIS < skew.unsigned_abs();
    let off: Vec<_> = known.iter().filter(is_off).collect();
    let Some((link, skew)) = off.first() else {
        return match known.len() {
            0 => Check::warn(
                NAME,
                "Nobody has told this node the time yet, so its clock cannot be compared.",
            ),
            n => Check::ok(
                NAME,
                format!("This machine's clock agrees with {n} of {n} others, within 5 minutes."),
            ),
        };
    };
    let (by, other) = (span(skew.unsigned_abs()), &link.community);
    if 1 < off.len() && known.len() < off.len().saturating_mul(2) {
        let (n_off, n_known) = (off.len(), known.len());
        return Check::bad(
            NAME,
            format!(
                "This machine's clock is wrong, by {by} and more: {n_off} of {n_known} others tell another time. Set it, and have it kept right (NTP). No deadline is judged by it, but this community's polls open and close by it."
            ),
        );
    }
    Check::warn(
        NAME,
        format!(
            "The clock of {other} and this machine's differ by {by}. Look whether this one is right."
        ),
    )
}

fn coordinators(links: &[LinkFacts]) -> Check {
    const NAME: &str = "coordinators";
    let seated: Vec<_> = links.iter().filter(|it| it.is_coordinator).collect();
    let told = |wanted: fn(&str) -> bool| {
        seated.iter().find_map(|link| {
            let (standing, detail) = link.standing.as_ref()?;
            wanted(standing)
                .then(|| format!("{} treats this log as {standing}. {detail}", link.community))
        })
    };
    // A pause ends by itself, and a new era goes on.
    let is_mild = |standing: &str| matches!(standing, "throttled" | "moved");
    if let Some(sentence) = told(|it| !matches!(it, "throttled" | "moved")) {
        return Check::bad(NAME, sentence);
    }
    if let Some(link) = seated.iter().find(|it| it.silent_since.is_some()) {
        return Check::warn(
            NAME,
            format!(
                "{} is silent: it does not say what it holds. Records go to every other coordinator; ask its operators.",
                link.community
            ),
        );
    }
    if let Some(link) = seated.iter().find(|it| !it.is_connected) {
        return Check::warn(
            NAME,
            format!(
                "{} is not reached. Records wait for it here, and travel by whoever is; `status` says why.",
                link.community
            ),
        );
    }
    if let Some(sentence) = told(is_mild) {
        return Check::warn(NAME, sentence);
    }
    match seated.len() {
        0 => Check::ok(NAME, "The region seats no coordinator: logs travel from node to node."),
        n => Check::ok(NAME, format!("All {n} are reached, and treat this log as any other.")),
    }
}

fn cosignatures(cosigners: &[Cosigner], n_records: u64, now: u64) -> Check {
    const NAME: &str = "cosignatures";
    let late_by = |it: &Cosigner| it.waiting_since.map_or(0, |since| now.saturating_sub(since));
    let Some(worst) = cosigners.iter().max_by_key(|it| late_by(it)) else {
        return Check::ok(NAME, "Nobody is known here who is to cosign this log.");
    };
    let Cosigner { community, size, .. } = worst;
    let lag = late_by(worst);
    let behind = format!(
        "{community} has cosigned {size} of {n_records} records, and owes the next for {}.",
        span(lag)
    );
    if lag <= LATE_COSIGNATURE_MILLIS {
        let n = cosigners.len();
        return Check::ok(
            NAME,
            format!("{n} of {n} who are to cosign this log have, to its last minute."),
        );
    }
    if cosigners.iter().all(|it| NO_COSIGNATURE_MILLIS < late_by(it)) {
        return Check::bad(
            NAME,
            format!(
                "Nobody cosigns what this node writes, so it counts nowhere else: {behind} Look whether the node reaches anybody."
            ),
        );
    }
    Check::warn(
        NAME,
        format!("{behind} Others may cosign meanwhile; if it lasts, ask its operators."),
    )
}

#[cfg(test)]
mod tests;
