//! Where a process stands, from the tags and statuses of a release (OCDS 1.1.5 codelists releaseTag, tenderStatus,
//! awardStatus, contractStatus). The first line that holds decides:
//!
//! | the release says | stage |
//! |---|---|
//! | tag `contractTermination`; or contracts, none but `terminated` and `cancelled`, at least one `terminated` | terminated |
//! | tag `implementation`, `implementationUpdate` | implemented |
//! | a contract `active`; or a contract tag and no contract status | contracted |
//! | a contract `pending` | awarded |
//! | an award `active` | awarded |
//! | tag `tenderCancellation`, `awardCancellation` | cancelled |
//! | awards, none but `unsuccessful` and `cancelled`, at least one `unsuccessful` | unsuccessful |
//! | awards or contracts, all `cancelled` | cancelled |
//! | an award `pending` | closed |
//! | tender `cancelled`, `withdrawn` | cancelled |
//! | tender `unsuccessful` | unsuccessful |
//! | tag `award`, `awardUpdate`; or awards without a status | awarded |
//! | tender `complete` | closed |
//! | tender `active` | open |
//! | tender `planning`, `planned` | planned |
//! | no tender status: a tender tag; or a tender and no planning tag | open |
//! | anything else | planned |
//!
//! A tender stays `open` here after its deadline: deadlines are judged by the rules of the case, with a clock.

use record::payload::opportunity::Stage;
use serde_json::Value;

use super::find;

/// Where the process stands according to one release.
#[must_use]
pub fn stage_of(release: &Value) -> Stage {
    let said = Said::of(release);
    said.by_contracts().or_else(|| said.by_awards()).unwrap_or_else(|| said.by_tender())
}

struct Said<'v> {
    tags: Vec<&'v str>,
    awards: Vec<&'v str>,
    contracts: Vec<&'v str>,
    n_awards: usize,
    tender: Option<&'v str>,
    has_tender: bool,
}

impl<'v> Said<'v> {
    fn of(release: &'v Value) -> Self {
        let statuses = |name| {
            find::list(release, &[name])
                .iter()
                .filter_map(|one| find::text(one, &["status"]))
                .collect()
        };
        let alone = find::text(release, &["tag"]);
        Self {
            tags: find::list(release, &["tag"])
                .iter()
                .filter_map(Value::as_str)
                .chain(alone)
                .collect(),
            awards: statuses("awards"),
            contracts: statuses("contracts"),
            n_awards: find::list(release, &["awards"]).len(),
            tender: find::text(release, &["tender", "status"]),
            has_tender: find::at(release, &["tender"]).is_some(),
        }
    }

    fn tagged(&self, tags: &[&str]) -> bool {
        self.tags.iter().any(|tag| tags.contains(tag))
    }

    fn by_contracts(&self) -> Option<Stage> {
        let contract_tags = ["contract", "contractUpdate", "contractAmendment"];
        if self.tagged(&["contractTermination"])
            || ended(&self.contracts, "terminated", &["terminated", "cancelled"])
        {
            return Some(Stage::Terminated);
        }
        if self.tagged(&["implementation", "implementationUpdate"]) {
            return Some(Stage::Implemented);
        }
        if self.contracts.contains(&"active")
            || (self.contracts.is_empty() && self.tagged(&contract_tags))
        {
            return Some(Stage::Contracted);
        }
        self.contracts.contains(&"pending").then_some(Stage::Awarded)
    }

    fn by_awards(&self) -> Option<Stage> {
        if self.awards.contains(&"active") {
            return Some(Stage::Awarded);
        }
        if self.tagged(&["tenderCancellation", "awardCancellation"]) {
            return Some(Stage::Cancelled);
        }
        if ended(&self.awards, "unsuccessful", &["unsuccessful", "cancelled"]) {
            return Some(Stage::Unsuccessful);
        }
        if all(&self.awards, &["cancelled"]) || all(&self.contracts, &["cancelled"]) {
            return Some(Stage::Cancelled);
        }
        self.awards.contains(&"pending").then_some(Stage::Closed)
    }

    fn by_tender(&self) -> Stage {
        let awarded = self.tagged(&["award", "awardUpdate"]) || self.n_awards > 0;
        let tender_tags = ["tender", "tenderAmendment", "tenderUpdate"];
        let planning = self.tagged(&["planning", "planningUpdate"]);
        match self.tender {
            Some("cancelled" | "withdrawn") => Stage::Cancelled,
            Some("unsuccessful") => Stage::Unsuccessful,
            _ if awarded => Stage::Awarded,
            Some("complete") => Stage::Closed,
            Some("active") => Stage::Open,
            Some("planning" | "planned") => Stage::Planned,
            _ if self.tagged(&tender_tags) || (self.has_tender && !planning) => Stage::Open,
            _ => Stage::Planned,
        }
    }
}

fn all(statuses: &[&str], allowed: &[&str]) -> bool {
    !statuses.is_empty() && statuses.iter().all(|status| allowed.contains(status))
}

fn ended(statuses: &[&str], needed: &str, allowed: &[&str]) -> bool {
    all(statuses, allowed) && statuses.contains(&needed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_line_of_the_table_holds() {
        let status = |status: &str| json!([{ "status": status }]);
        let lines = [
            (json!({"tag": ["contractTermination"]}), Stage::Terminated),
            (json!({"tag": ["contract"], "contracts": status("terminated")}), Stage::Terminated),
            (json!({"tag": ["implementation"], "contracts": status("active")}), Stage::Implemented),
            (json!({"tag": ["contract"], "contracts": status("active")}), Stage::Contracted),
            (json!({"tag": ["contractAmendment"]}), Stage::Contracted),
            (json!({"tag": ["contract"], "contracts": status("pending")}), Stage::Awarded),
            (json!({"tag": ["award"], "awards": status("active")}), Stage::Awarded),
            (
                json!({"tag": ["tenderCancellation"], "tender": {"status": "active"}}),
                Stage::Cancelled,
            ),
            (json!({"tag": ["awardCancellation"], "awards": status("pending")}), Stage::Cancelled),
            (json!({"tag": ["award"], "awards": status("unsuccessful")}), Stage::Unsuccessful),
            (json!({"tag": ["award"], "awards": status("cancelled")}), Stage::Cancelled),
            (json!({"tag": ["contract"], "contracts": status("cancelled")}), Stage::Cancelled),
            (json!({"tag": ["award"], "awards": status("pending")}), Stage::Closed),
            (json!({"tag": ["award"], "tender": {"status": "withdrawn"}}), Stage::Cancelled),
            (json!({"tag": ["award"], "tender": {"status": "unsuccessful"}}), Stage::Unsuccessful),
            (json!({"tag": ["awardUpdate"], "tender": {"status": "complete"}}), Stage::Awarded),
            (json!({"tag": ["compiled"], "awards": [{}]}), Stage::Awarded),
            (json!({"tag": ["tender"], "tender": {"status": "complete"}}), Stage::Closed),
            (json!({"tag": ["tenderAmendment"], "tender": {"status": "active"}}), Stage::Open),
            (json!({"tag": ["tender"], "tender": {"status": "planned"}}), Stage::Planned),
            (json!({"tag": ["tenderUpdate"]}), Stage::Open),
            (json!({"tag": "tenderUpdate"}), Stage::Open),
            (json!({"tag": ["compiled"], "tender": {"status": "unknown"}}), Stage::Open),
            (json!({"tag": ["planningUpdate"], "tender": {}}), Stage::Planned),
            (json!({}), Stage::Planned),
        ];
        for (release, stage) in lines {
            assert_eq!(stage_of(&release), stage, "{release}");
        }
    }

    #[test]
    fn one_active_award_outweighs_an_unsuccessful_one() {
        let awards = json!([{"status": "unsuccessful"}, {"status": "active"}]);
        assert_eq!(stage_of(&json!({"awards": awards})), Stage::Awarded);
    }
}
