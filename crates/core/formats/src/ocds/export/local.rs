//! A contracting process that a community of the region wrote itself, as a release of ours: RECORDS.md, OCDS.
//!
//! The ocid, the id, the date and what the record says in numbers are the record's. A notice that the record refers to
//! adds what numbers cannot say; its contact details are left out, as from every notice.
//!
//! Not here: whether the ocid is the region's to give.

use record::{
    RecordId,
    payload::opportunity::{Release, Stage},
};
use serde_json::{Map, Value, json};

use super::{
    PartyName, REPUBLICATION,
    pool::value,
    tidy::{self, tidy_release},
};
use crate::ocds::{import::redact, instant};

/// A release of a process of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRelease {
    /// The process: the region's prefix, and what the community or the register put after it.
    pub ocid: String,
    /// The record that holds the release; becomes the release's id.
    pub record: RecordId,
    /// Who buys: the community that wrote the record.
    pub publisher: PartyName,
    /// One line; stands where the notice has no title.
    pub title: String,
    /// Any number of lines; may be empty. Stands where the notice has no description.
    pub description: String,
    /// The numbers and ids; its own ocid and release id are not looked at.
    pub release: Release,
    /// The notice that the record refers to, where there is one: one release as JSON. Anything else is passed over.
    pub notice_json: Option<Vec<u8>>,
}

impl LocalRelease {
    /// The release, valid by OCDS 1.1.5.
    pub(super) fn render(&self) -> Map<String, Value> {
        let mut release = self.notice();
        release.remove(REPUBLICATION);
        let tender = match release.remove("tender") {
            Some(Value::Object(tender)) => tender,
            Some(_) | None => Map::new(),
        };
        release.insert("tender".to_owned(), self.tender(tender).into());
        // Words from elsewhere may name people, too.
        let mut release = Value::Object(release);
        redact::redact(&mut release);
        let Value::Object(mut release) = release else { return Map::new() };
        let date = instant::render(self.release.released_at);
        let id = self.record.to_string();
        let said = [("ocid", self.ocid.clone()), ("id", id), ("date", date)];
        release.extend(said.map(|(name, text)| (name.to_owned(), text.into())));
        release.insert("tag".to_owned(), json!([tag(self.release.stage)]));
        release.insert("buyer".to_owned(), self.publisher.reference());
        let parties = release.entry("parties").or_insert_with(|| json!([]));
        let id = Value::from(self.publisher.party_id());
        if let Some(parties) = parties.as_array_mut()
            && !parties.iter().any(|it| it.get("id") == Some(&id))
        {
            parties.push(self.publisher.party(&["buyer", "procuringEntity"]));
        }
        tidy_release(release)
    }

    /// The notice without contact details; empty where there is none.
    fn notice(&self) -> Map<String, Value> {
        let parsed = self.notice_json.as_deref().and_then(|it| serde_json::from_slice(it).ok());
        let mut notice: Value = parsed.unwrap_or_default();
        redact::redact(&mut notice);
        // Tidied before anything is added, so that what has the wrong type does not stand in the way.
        notice
            .as_object()
            .cloned()
            .map(|it| tidy::object(it, super::shapes::RELEASE))
            .unwrap_or_default()
    }

    /// The notice's tender with what the record says of it.
    fn tender(&self, mut tender: Map<String, Value>) -> Map<String, Value> {
        let release = &self.release;
        tender.insert("status".to_owned(), status(release.stage).into());
        if let Some(ends) = release.tender_ends {
            let period = tender.entry("tenderPeriod").or_insert_with(|| json!({}));
            if let Some(period) = period.as_object_mut() {
                period.insert("endDate".to_owned(), instant::render(ends).into());
            }
        }
        if let Some(amount) = release.value.and_then(value) {
            tender.insert("value".to_owned(), amount);
        }
        if let Some(suits) = release.suits_vcse {
            tender.insert("suitability".to_owned(), json!({ "vcse": suits }));
        }
        let words = [("title", &self.title), ("description", &self.description)];
        for (name, text) in words.into_iter().filter(|(_, text)| !text.is_empty()) {
            tender.entry(name).or_insert_with(|| text.as_str().into());
        }
        if !tender.contains_key("items")
            && let Some(item) = self.item()
        {
            tender.insert("items".to_owned(), json!([item]));
        }
        tender
    }

    /// What is bought and where, as one item; `None` if the record does not say.
    fn item(&self) -> Option<Value> {
        let classified = |code: &u32| json!({ "scheme": "CPV", "id": format!("{code:08}") });
        let mut codes = self.release.cpv.iter().map(classified);
        let mut item = Map::new();
        if let Some(first) = codes.next() {
            item.insert("classification".to_owned(), first);
        }
        let others: Vec<Value> = codes.collect();
        if !others.is_empty() {
            item.insert("additionalClassifications".to_owned(), others.into());
        }
        let places = self.release.places.iter().map(|it| json!({ "region": it.code }));
        let places: Vec<Value> = places.collect();
        if !places.is_empty() {
            item.insert("deliveryAddresses".to_owned(), places.into());
        }
        if item.is_empty() {
            return None;
        }
        item.insert("id".to_owned(), "1".into());
        Some(Value::Object(item))
    }
}

/// The code of releaseTag that the importer reads as this stage.
const fn tag(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "planning",
        Stage::Open | Stage::Closed | Stage::Unsuccessful => "tender",
        Stage::Cancelled => "tenderCancellation",
        Stage::Awarded => "award",
        Stage::Contracted => "contract",
        Stage::Implemented => "implementation",
        Stage::Terminated => "contractTermination",
    }
}

/// The code of tenderStatus.
const fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Open => "active",
        Stage::Unsuccessful => "unsuccessful",
        Stage::Cancelled => "cancelled",
        Stage::Closed
        | Stage::Awarded
        | Stage::Contracted
        | Stage::Implemented
        | Stage::Terminated => "complete",
    }
}

#[cfg(test)]
mod tests {
    use record::{
        CommunityId, Money, UnixMillis,
        org::OrgId,
        place::{GssCode, Place},
    };

    use super::*;
    use crate::ocds::import::read;

    const STAGES: [Stage; 9] = [
        Stage::Planned,
        Stage::Open,
        Stage::Closed,
        Stage::Awarded,
        Stage::Unsuccessful,
        Stage::Cancelled,
        Stage::Contracted,
        Stage::Implemented,
        Stage::Terminated,
    ];

    fn local(stage: Stage, notice: Option<&str>) -> LocalRelease {
        let place = |code| Place { code: GssCode::parse(code).unwrap(), vintage: 2027 };
        LocalRelease {
            ocid: "ocds-a1b2c3-baths".to_owned(),
            record: RecordId::from_bytes([1; 32]),
            publisher: PartyName {
                id: CommunityId::from_bytes([2; 32]),
                name: "Harbour Baths Society".to_owned(),
                organisation: OrgId::new("GB-MPR", "8731"),
            },
            title: "Roof works".to_owned(),
            description: "Slates.".to_owned(),
            release: Release {
                ocid: String::new(),
                release_id: "1".to_owned(),
                released_at: UnixMillis(1_800_000_000_000),
                stage,
                buyer: OrgId::new("GB-MPR", "8731"),
                cpv: vec![45_261_210, 3_000_000],
                value: Some(Money::pence(1_234_567)),
                tender_ends: Some(UnixMillis(1_800_864_000_000)),
                places: vec![place("E07000223")],
                n_lots: 0,
                suits_vcse: Some(true),
                source: None,
            },
            notice_json: notice.map(|it| it.as_bytes().to_vec()),
        }
    }

    #[test]
    fn what_is_written_reads_back_with_the_same_numbers_at_every_stage() {
        for stage in STAGES {
            let written = local(stage, None);
            let json = Value::Object(written.render()).to_string();
            let again = read("x", json.as_bytes()).unwrap();
            assert_eq!((&again.quarantined, again.accepted.len()), (&vec![], 1), "{json}");
            let taken = again.accepted.into_iter().next().unwrap();
            let expected = Release {
                ocid: written.ocid.clone(),
                release_id: written.record.to_string(),
                source: taken.release.source.clone(),
                ..written.release
            };
            assert_eq!(taken.release, expected, "{json}");
            assert_eq!((taken.title.as_str(), taken.notes), ("Roof works", vec![]));
        }
    }

    #[test]
    fn a_notice_adds_words_and_parts_and_the_record_decides() {
        let notice = r#"{"ocid": "", "id": "x", "tag": ["award"], "folkmoot": {"sha256": "00"},
            "parties": [{"id": "1", "name": "Baths", "roles": ["buyer"], "contactPoint": {"name": "A Person"}}],
            "buyer": {"id": "1", "name": "Baths"},
            "tender": {"title": "New roof", "status": "complete", "tenderPeriod": {"startDate": "2027-01-01T00:00:00Z"},
                "items": [{"id": "9"}], "value": "much", "description": "Ask person@a.example."}}"#;
        let release = Value::Object(local(Stage::Open, Some(notice)).render());
        assert_eq!(
            (&release["ocid"], &release["tag"]),
            (&"ocds-a1b2c3-baths".into(), &json!(["tender"]))
        );
        assert_eq!(release["id"], RecordId::from_bytes([1; 32]).to_string());
        assert_eq!(release["buyer"]["name"], "Harbour Baths Society");
        assert_eq!(release["parties"][1]["id"], release["buyer"]["id"]);
        let tender = &release["tender"];
        assert_eq!((&tender["title"], &tender["status"]), (&"New roof".into(), &"active".into()));
        assert_eq!(tender["value"]["amount"], 12_345.67);
        assert_eq!(tender["tenderPeriod"]["startDate"], "2027-01-01T00:00:00Z");
        assert_eq!(tender["tenderPeriod"]["endDate"], "2027-01-25T08:00:00Z");
        assert_eq!(tender["items"], json!([{"id": "9"}]));
        let text = release.to_string();
        for gone in ["A Person", "person@a.example", "folkmoot", "award"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }

    #[test]
    fn contact_details_are_left_out_of_words_that_come_from_elsewhere() {
        let told = LocalRelease {
            title: "Roof works, ring 020 7946 0000".to_owned(),
            description: "Ask person@a.example.".to_owned(),
            ..local(Stage::Open, None)
        };
        let text = Value::Object(told.render()).to_string();
        assert!(text.contains("Roof works") && text.contains("Ask "), "{text}");
        for gone in ["7946", "person@"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }

    #[test]
    fn whatever_stands_for_a_notice_a_release_comes_of_it() {
        let whole = Value::Object(local(Stage::Open, None).render());
        for notice in ["", "[]", "7", "{}", r#"{"tender": 3, "parties": "x", "buyer": []}"#] {
            assert_eq!(Value::Object(local(Stage::Open, Some(notice)).render()), whole, "{notice}");
        }
    }

    #[test]
    fn a_record_that_says_little_makes_a_release_without_empty_parts() {
        let mut bare = local(Stage::Planned, None);
        bare.release = Release {
            cpv: Vec::new(),
            value: None,
            tender_ends: None,
            places: Vec::new(),
            suits_vcse: None,
            ..bare.release
        };
        bare.description = String::new();
        let tender = bare.render().remove("tender").unwrap();
        let expected = json!({ "id": bare.ocid, "title": "Roof works", "status": "planned" });
        assert_eq!(tender, expected);
    }
}
