//! One release: its numbers and ids, and its notice.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use record::{
    UnixMillis,
    org::OrgId,
    payload::opportunity::{Release, Source},
    place::{GssCode, Place},
};
use serde_json::{Value, value::RawValue};
use sha2::{Digest as _, Sha256};

use super::{
    AcceptedRelease, MAX_CODES, MAX_ID_BYTES, MAX_NOTICE_BYTES, Note, Refusal, find, redact, shown,
    stage, value, wording,
};
use crate::ocds::{
    export::REPUBLICATION,
    instant::{self, Day},
};

/// The release's name, as far as it is known, beside what is wrong with it.
type Quarantine = (Option<String>, Refusal);

pub(super) fn read(
    raw: &RawValue,
    file: &str,
    number: usize,
) -> Result<AcceptedRelease, Quarantine> {
    let mut parsed: Value = serde_json::from_str(raw.get()).map_err(|cause| {
        (None, Refusal::new("release.unreadable", format!("The release cannot be read: {cause}.")))
    })?;
    if !parsed.is_object() {
        let detail = "A release is a JSON object; something else stands in its place.";
        return Err((None, Refusal::new("release.not_an_object", detail)));
    }
    let mut notes = Vec::new();
    let release =
        release_of(raw, &parsed, file, &mut notes).map_err(|refusal| (label(&parsed), refusal))?;
    let name = label(&parsed);
    redact::redact(&mut parsed);
    if let Some(members) = parsed.as_object_mut() {
        members.remove(REPUBLICATION);
        // Even where an ocid looks like a mail address, it is the process's name.
        members.insert("ocid".to_owned(), release.ocid.as_str().into());
    }
    let notice_json = notice_of(&parsed).map_err(|refusal| (name, refusal))?;
    let title = wording::title_of(&parsed, &release.ocid);
    Ok(AcceptedRelease { number, release, notice_json, title, notes })
}

fn label(release: &Value) -> Option<String> {
    let ocid = find::text(release, &["ocid"]).map(shown);
    let id = find::id(release, &["id"]).map(|id| shown(&id));
    match (ocid, id) {
        (Some(ocid), Some(id)) => Some(format!("{ocid} {id}")),
        (one, other) => one.or(other),
    }
}

fn release_of(
    raw: &RawValue,
    release: &Value,
    file: &str,
    notes: &mut Vec<Note>,
) -> Result<Release, Refusal> {
    let ocid = ocid_of(release)?;
    let (release_id, source) = origin_of(raw, release, file, notes)?;
    Ok(Release {
        ocid,
        release_id,
        released_at: released_at(release, notes)?,
        stage: stage::stage_of(release),
        buyer: buyer_of(release),
        cpv: cpv_of(release, notes),
        value: value::value_of(raw, notes)?,
        tender_ends: tender_ends(release, notes)?,
        places: places_of(release, notes),
        n_lots: u32::try_from(find::list(release, &["tender", "lots"]).len()).unwrap_or(u32::MAX),
        suits_vcse: suits_vcse(release),
        source: Some(source),
    })
}

fn ocid_of(release: &Value) -> Result<String, Refusal> {
    let Some(value) = find::at(release, &["ocid"]) else {
        return Err(Refusal::new("ocid.missing", "The release has no ocid."));
    };
    let malformed = |why: &str| Err(Refusal::new("ocid.malformed", format!("The ocid {why}.")));
    match value.as_str() {
        None => malformed("is not a text"),
        Some("") => Err(Refusal::new("ocid.missing", "The ocid is empty.")),
        Some(ocid) if ocid.len() > MAX_ID_BYTES => malformed("is longer than 128 bytes"),
        Some(ocid) if ocid.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            malformed("holds a space or a control character")
        }
        Some(ocid) => Ok(ocid.to_owned()),
    }
}

/// The original release id and where the release came from. What was published again by a node or coordinator names its
/// origin, and keeps it: the same release, read twice, is one release.
fn origin_of(
    raw: &RawValue,
    release: &Value,
    file: &str,
    notes: &mut Vec<Note>,
) -> Result<(String, Source), Refusal> {
    if let Some(original) = republished(release) {
        let detail = "Original id, source and hash are those that the re-publication states.";
        notes.push(Note { what: "release.republished", detail: detail.to_owned() });
        return Ok(original);
    }
    let release_id = find::id(release, &["id"]).unwrap_or_default();
    if !is_sound_id(&release_id) {
        let detail = "The release id is longer than 128 bytes or holds a control character.";
        return Err(Refusal::new("release_id.malformed", detail));
    }
    let sha256 = Sha256::digest(raw.get().as_bytes()).into();
    Ok((release_id, Source { url: file.to_owned(), sha256 }))
}

fn is_sound_id(id: &str) -> bool {
    id.len() <= MAX_ID_BYTES && !id.contains(char::is_control)
}

fn republished(release: &Value) -> Option<(String, Source)> {
    let origin = find::at(release, &[REPUBLICATION])?;
    let hex = find::text(origin, &["sha256"])?;
    let sha256 = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
    let url = find::text(origin, &["sourceUrl"]).unwrap_or_default().to_owned();
    let release_id = find::text(origin, &["originalId"]).unwrap_or_default().to_owned();
    (is_sound_id(&release_id) && url.len() <= 2_048 && !url.contains(char::is_control))
        .then_some((release_id, Source { url, sha256 }))
}

fn released_at(release: &Value, notes: &mut Vec<Note>) -> Result<UnixMillis, Refusal> {
    let Some(text) = find::text(release, &["date"]) else {
        return Err(Refusal::new(
            "date.malformed",
            "The release has no date, or one that is not a text.",
        ));
    };
    date_at(text, "date", Day::Begins, notes)?.ok_or_else(|| {
        let detail = format!("The release's date, `{}`, lies before 1970.", shown(text));
        Refusal::new("date.out_of_range", detail)
    })
}

/// `None` also for a date before 1970, which some systems write for "none".
fn tender_ends(release: &Value, notes: &mut Vec<Note>) -> Result<Option<UnixMillis>, Refusal> {
    let Some(value) = find::at(release, &["tender", "tenderPeriod", "endDate"]) else {
        return Ok(None);
    };
    let name = "tender.tenderPeriod.endDate";
    match value.as_str().map(str::trim) {
        None => Err(Refusal::new("date.malformed", format!("{name} is not a text."))),
        Some("") => Ok(None),
        Some(text) => date_at(text, name, Day::Ends, notes),
    }
}

fn date_at(
    text: &str,
    name: &str,
    day: Day,
    notes: &mut Vec<Note>,
) -> Result<Option<UnixMillis>, Refusal> {
    let Some(reading) = instant::parse(text, day) else {
        let detail = format!("{name}, `{}`, is no RFC 3339 date.", shown(text));
        return Err(Refusal::new("date.malformed", detail));
    };
    if reading.supplied {
        let detail = format!("{name}, `{}`, was read as civil time of Europe/London.", shown(text));
        notes.push(Note { what: "date.no_offset", detail });
    }
    let at = reading.unix_millis();
    if at.is_none() {
        let detail = format!("{name}, `{}`, lies before 1970.", shown(text));
        notes.push(Note { what: "date.placeholder", detail });
    }
    Ok(at)
}

/// The buyer by identifier; never by name, and never by the publisher's own party id.
fn buyer_of(release: &Value) -> Option<OrgId> {
    let buyer = find::at(release, &["buyer"]);
    let parties = find::list(release, &["parties"]);
    let named: Vec<&Value> = match buyer.and_then(|buyer| find::id(buyer, &["id"])) {
        Some(id) => parties.iter().filter(|p| find::id(p, &["id"]).as_ref() == Some(&id)).collect(),
        None if buyer.is_some_and(|buyer| find::text(buyer, &["name"]).is_some()) => Vec::new(),
        None => {
            let role = |party: &&Value| find::list(party, &["roles"]).iter().any(|r| r == "buyer");
            let buyers: Vec<&Value> = parties.iter().filter(role).collect();
            if buyers.len() == 1 { buyers } else { Vec::new() }
        }
    };
    buyer.into_iter().chain(named).find_map(organisation)
}

fn organisation(party: &Value) -> Option<OrgId> {
    let one = |identifier: &Value| {
        OrgId::new(find::text(identifier, &["scheme"])?, &find::id(identifier, &["id"])?)
    };
    find::at(party, &["identifier"])
        .and_then(one)
        .or_else(|| find::list(party, &["additionalIdentifiers"]).iter().find_map(one))
}

/// The things bought, wherever a release lists them.
fn items(release: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["awards", "contracts"].into_iter().flat_map(|name| find::list(release, &[name]));
    let tender = find::list(release, &["tender", "items"]).iter();
    tender.chain(lists.flat_map(|one| find::list(one, &["items"])))
}

/// The codes in the order in which they first appear: the tender's own first.
fn cpv_of(release: &Value, notes: &mut Vec<Note>) -> Vec<u32> {
    let tender = find::at(release, &["tender"]);
    let classified = tender.into_iter().chain(items(release)).flat_map(|thing| {
        let more = find::list(thing, &["additionalClassifications"]);
        find::at(thing, &["classification"]).into_iter().chain(more)
    });
    let mut seen = BTreeSet::new();
    let codes = classified.filter_map(cpv_code).filter(|code| seen.insert(*code)).collect();
    cut(codes, "CPV codes", notes)
}

/// A code of eight digits, with or without its check digit.
fn cpv_code(classification: &Value) -> Option<u32> {
    if !find::text(classification, &["scheme"])?.eq_ignore_ascii_case("CPV") {
        return None;
    }
    let id = find::at(classification, &["id"])?;
    // A code written as a number has lost its leading zeros.
    let text = match id.as_u64() {
        Some(number) => format!("{number:08}"),
        None => id.as_str()?.trim().to_owned(),
    };
    let (code, check) = text.split_once('-').unwrap_or((&text, "0"));
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    (digits(code, 8) && digits(check, 1)).then(|| code.parse().ok())?
}

/// Places of delivery that carry a GSS code, with the year of the release as the year of the code list.
fn places_of(release: &Value, notes: &mut Vec<Note>) -> Vec<Place> {
    let year = find::text(release, &["date"])
        .and_then(|date| instant::parse(date, Day::Begins))
        .map(|reading| reading.at.to_zoned(jiff::tz::TimeZone::UTC).year());
    let vintage = year.and_then(|year| u16::try_from(year).ok()).unwrap_or_default();
    let tender = find::at(release, &["tender"]);
    let lots = find::list(release, &["tender", "lots"]);
    let mut seen = BTreeSet::new();
    let codes = tender.into_iter().chain(lots).chain(items(release)).flat_map(delivery_codes);
    let places =
        codes.filter(|code| seen.insert(*code)).map(|code| Place { code, vintage }).collect();
    cut(places, "places", notes)
}

fn delivery_codes(thing: &Value) -> Vec<GssCode> {
    let addresses = find::list(thing, &["deliveryAddresses"]).iter();
    let regions = addresses
        .chain(find::at(thing, &["deliveryAddress"]))
        .filter_map(|address| find::text(address, &["region"]));
    let gazetteers = find::list(thing, &["deliveryLocations"])
        .iter()
        .chain(find::at(thing, &["deliveryLocation"]))
        .flat_map(|place| find::list(place, &["gazetteer", "identifiers"]))
        .filter_map(Value::as_str);
    regions.chain(gazetteers).filter_map(GssCode::parse).collect()
}

fn cut<T>(mut all: Vec<T>, what: &str, notes: &mut Vec<Note>) -> Vec<T> {
    let n_all = all.len();
    if n_all > MAX_CODES {
        all.truncate(MAX_CODES);
        let detail =
            format!("The first {MAX_CODES} of {n_all} {what} are kept; the notice has all.");
        notes.push(Note { what: "release.list_cut", detail });
    }
    all
}

/// The tender's word; where it has none, whether any of its lots is suitable.
fn suits_vcse(release: &Value) -> Option<bool> {
    let word = |thing: &Value| find::at(thing, &["suitability", "vcse"])?.as_bool();
    let tender = find::at(release, &["tender"])?;
    word(tender).or_else(|| {
        let lots = find::list(tender, &["lots"]).iter().filter_map(word);
        lots.reduce(|one, other| one || other)
    })
}

fn notice_of(redacted: &Value) -> Result<Vec<u8>, Refusal> {
    let notice = redacted.to_string().into_bytes();
    if notice.len() > MAX_NOTICE_BYTES {
        let n_bytes = notice.len();
        let detail = format!(
            "Without contact details the release has {n_bytes} bytes; a notice has at most {MAX_NOTICE_BYTES}."
        );
        return Err(Refusal::new("release.too_large", detail));
    }
    Ok(notice)
}
