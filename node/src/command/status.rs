//! `status`: how the node is.

use std::fmt::Write as _;

use proto::clerk::GetStatusRequest;
use serde_json::Value;

use super::{
    CommandError,
    print::{Said, instant},
    reach::Client,
};
use crate::look;

pub(super) async fn status(mut client: Client) -> Result<Said, CommandError> {
    let answer = client.get_status(GetStatusRequest {}).await?.into_inner();
    let status = json_of(&answer.status_json)?;
    let text = sentences(&status);
    Ok(Said::new(status, text))
}

/// JSON that the node answered.
pub(super) fn json_of(text: &str) -> Result<Value, CommandError> {
    serde_json::from_str(text).map_err(|_error| {
        let sentence =
            "The node's answer cannot be read: it is of another version than this program.";
        CommandError::failed("node.other_version", sentence)
    })
}

fn sentences(status: &Value) -> String {
    let text_of = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "{} in {} ({})\n  {}\n\nLog: {} records. Members: {}.\n",
        text_of(look::at(status, "/name")),
        text_of(look::at(status, "/region_name")),
        text_of(look::at(status, "/network")),
        text_of(look::at(status, "/community")),
        look::at(status, "/log/size"),
        look::at(status, "/members"),
    );
    // Writing to a string cannot fail.
    if look::at(status, "/log/settled") == false {
        let _ = writeln!(
            text,
            "Since it was started this node has met too few others to be sure that its log is the newest. {} records wait to be signed and published; nothing is lost meanwhile.",
            look::at(status, "/log/unsigned"),
        );
    }
    if let Some(frozen_size) = look::at(status, "/forked/frozen_size").as_u64() {
        let _ = writeln!(
            text,
            "This log has two histories: this node's keys signed heads that contradict each other, as when a backup runs beside the original. Its first {frozen_size} records count for ever; what comes after them is kept and does not count.\n  Stop whichever copy is not this one. Your officers end it by a recovery. The evidence is record {} of {}.",
            look::at(status, "/forked/evidence/index"),
            text_of(look::at(status, "/forked/evidence/log")),
        );
    }
    text.push_str(&backup_line(look::at(status, "/last_backup/made_at")));
    for link in look::at(status, "/coordinators").as_array().into_iter().flatten() {
        let state =
            if look::at(link, "/connected") == true { "connected" } else { "not connected" };
        let _ = writeln!(
            text,
            "Coordinator {}: {state}, holds {} of our records.",
            text_of(look::at(link, "/id")),
            look::at(link, "/acked_size")
        );
        let skew_millis = look::at(link, "/clock_skew_millis").as_i64().unwrap_or_default();
        let skew_minutes = skew_millis.unsigned_abs() / 60_000;
        if 5 <= skew_minutes {
            let _ = writeln!(
                text,
                "  Its clock and this machine's differ by {skew_minutes} minutes. Check this one."
            );
        }
        if let Some(region) = look::at(link, "/other_region").as_str() {
            let _ = writeln!(
                text,
                "  Its charter is that of another region, {region}: neither sees the other's cases. Compare the two charter files."
            );
        }
        text.push_str(&standing_lines(link));
        if let Some(refusal) = look::at(link, "/last_refusal").as_str() {
            let _ = writeln!(text, "  It refused something: {refusal}");
        }
    }
    if look::at(status, "/coordinators").as_array().is_some_and(Vec::is_empty) {
        text.push_str(
            "The charter names no coordinator: this node writes its own log and waits.\n",
        );
    }
    for (kind, states) in look::at(status, "/register").as_object().into_iter().flatten() {
        let counts = states.as_object().into_iter().flatten();
        let counts: Vec<String> = counts.map(|(state, n)| format!("{n} {state}")).collect();
        if !counts.is_empty() {
            let _ = writeln!(text, "{kind}: {}", counts.join(", "));
        }
    }
    text
}

/// When the folder was last copied.
fn backup_line(made_at: &Value) -> String {
    if made_at.is_null() {
        return "No backup is known; make one with `folkmoot-node backup`.\n".to_owned();
    }
    format!("Last backup: {}.\n", instant(made_at))
}

/// How a coordinator treats our log, and what it owes us: nothing where all is well.
fn standing_lines(link: &Value) -> String {
    let mut lines = String::new();
    if let Some(standing) = look::at(link, "/standing/standing").as_str() {
        let detail = look::text(link, "/standing/detail");
        let _ = writeln!(lines, "  It treats our log as {standing}. {detail}");
        if look::at(link, "/standing/until").is_u64() {
            let until = instant(look::at(link, "/standing/until"));
            let _ = writeln!(lines, "  This ends by itself at {until}.");
        }
    }
    let since = || instant(look::at(link, "/silence/since"));
    let told = match look::at(link, "/silence/reason").as_str() {
        Some("silence.no_ack") => "has not acknowledged our newest records",
        Some(_) => "has not indexed what it acknowledged",
        None => return lines,
    };
    let _ = writeln!(
        lines,
        "  It is silent: it {told} since {}. Records go to every other coordinator that is seated.",
        since()
    );
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_of_a_fork_and_what_still_counts_and_else_says_nothing_of_it() {
        let evidence = json!({ "log": "fm1abc/0", "index": 7 });
        let told = sentences(&json!({ "forked": { "frozen_size": 5, "evidence": evidence } }));
        assert!(told.contains("first 5 records count") && told.contains("7 of fm1abc/0"), "{told}");
        assert!(!sentences(&json!({ "forked": null })).contains("two histories"));
    }

    #[test]
    fn tells_how_a_coordinator_treats_our_log_and_that_it_is_silent() {
        let told = |link: Value| sentences(&json!({ "coordinators": [link] }));
        let standing = json!({
            "standing": "throttled", "reason": "quota.records_per_minute",
            "detail": "The rest is taken later.", "since": 1, "until": 1_800_000_000_000_u64,
        });
        let throttled = told(json!({ "standing": standing }));
        assert!(throttled.contains("as throttled. The rest is taken later."), "{throttled}");
        assert!(throttled.contains("ends by itself at 2027-01-15"), "{throttled}");
        let silence = json!({ "reason": "silence.no_ack", "since": 1_800_000_000_000_u64 });
        let silent = told(json!({ "silence": silence }));
        assert!(
            silent.contains("not acknowledged our newest records since 2027-01-15"),
            "{silent}"
        );
        assert!(!told(json!({})).contains("silent"));
    }

    #[test]
    fn tells_when_the_last_backup_was_made_or_that_there_was_none() {
        let made = json!({ "last_backup": { "made_at": 1_800_000_000_000_u64, "records": 3 } });
        assert!(sentences(&made).contains("Last backup: 2027-01-15"));
        assert!(sentences(&json!({ "last_backup": null })).contains("No backup is known"));
    }

    #[test]
    fn tells_of_a_coordinator_of_another_region_and_else_says_nothing_of_it() {
        let told = |region: Value| {
            sentences(&json!({ "coordinators": [{ "connected": true, "other_region": region }] }))
        };
        assert!(told(json!("fmg1abc")).contains("that of another region, fmg1abc"));
        assert!(!told(Value::Null).contains("another region"));
    }
}
