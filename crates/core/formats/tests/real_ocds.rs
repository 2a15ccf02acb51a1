//! Real releases of three publishers: every one is accepted or quarantined for a reason that holds, comes out without
//! contact details, passes the independent checker, and reads back as the same release.
//!
//! The releases lie beside the project, in `../shared/data/ocds`; where they are absent the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may fail, and says what it skips"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use formats::ocds::{
    export::{
        ExportRelease, ImportedRelease, LocalRelease, PackageMeta, PartyName, PoolExport,
        PoolStatus, release_package,
    },
    import::{AcceptedRelease, FileReport, read},
};
use record::{CommunityId, Money, RecordId, UnixMillis, payload::opportunity::Release};
use serde_json::Value;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared");

/// Each file's name and text, in the order of their paths; `None` where there are none.
fn real_files() -> Option<Vec<(String, String)>> {
    let folder = Path::new(SHARED).join("data/ocds");
    if !folder.is_dir() {
        eprintln!("skipped: there are no real releases at ../shared/data/ocds");
        return None;
    }
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    Some(
        paths
            .iter()
            .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
            .collect(),
    )
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "ext") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
}

fn reports() -> Option<Vec<(String, String, FileReport)>> {
    let report = |(name, text): (String, String)| {
        let report = read(&name, text.as_bytes()).unwrap();
        (name, text, report)
    };
    Some(real_files()?.into_iter().map(report).collect())
}

fn all_accepted() -> Option<Vec<AcceptedRelease>> {
    Some(reports()?.into_iter().flat_map(|(_, _, report)| report.accepted).collect())
}

#[test]
fn schemas_and_descriptions_of_extensions_are_no_releases() {
    let folders = ["data/ocds/ext/uk", "data/ocds/ext/lots", "checks/jsonfeed"];
    let folders = folders.map(|it| Path::new(SHARED).join(it));
    if folders.iter().any(|it| !it.is_dir()) {
        eprintln!("skipped: there are no schemas at ../shared");
        return;
    }
    let mut paths = Vec::new();
    folders.iter().for_each(|it| collect(it, &mut paths));
    assert!(7 <= paths.len(), "{paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let refusal = read(&path.display().to_string(), text.as_bytes()).unwrap_err();
        assert_eq!(refusal.reason(), "import.not_releases", "{}", path.display());
    }
}

#[test]
fn a_real_release_that_lacks_its_ocid_is_still_known_as_one() {
    let Some(files) = real_files() else { return };
    for (name, text) in files {
        let mut release: Value = serde_json::from_str(&text).unwrap();
        if release.as_object_mut().unwrap().remove("ocid").is_some() {
            let report = read(&name, release.to_string().as_bytes()).unwrap();
            assert_eq!(report.quarantined[0].reason, "ocid.missing", "{name}");
        }
    }
}

/// What is wrong with a release, found without the importer's code.
fn holds(reason: &str, release: &Value) -> bool {
    let is_date =
        |date: &Value| date.as_str().is_some_and(|d| d.parse::<jiff::Timestamp>().is_ok());
    match reason {
        "release.not_an_object" => !release.is_object(),
        "ocid.missing" => release["ocid"].as_str().is_none_or(str::is_empty),
        "ocid.malformed" => {
            !release["ocid"].as_str().is_some_and(|o| o.len() <= 128 && !o.contains(' '))
        }
        "date.malformed" => {
            !is_date(&release["date"]) || !is_date(&release["tender"]["tenderPeriod"]["endDate"])
        }
        "value.negative" => release.to_string().contains("\"amount\":-"),
        "release.too_large" => release.to_string().len() > 250_000,
        _ => false,
    }
}

#[test]
fn every_real_release_is_accepted_or_quarantined_for_a_reason_that_holds() {
    let Some(reports) = reports() else { return };
    let (mut n_accepted, mut n_quarantined) = (0_usize, 0_usize);
    let mut notes: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, text, report) in &reports {
        let whole: Value = serde_json::from_str(text).unwrap();
        let releases = whole["releases"].as_array().cloned().unwrap_or_else(|| vec![whole.clone()]);
        assert_eq!(report.n_releases, releases.len(), "{name}");
        assert_eq!(report.n_releases, report.accepted.len() + report.quarantined.len(), "{name}");
        for refused in &report.quarantined {
            assert!(
                releases.iter().any(|release| holds(refused.reason, release)),
                "{name}: {refused:?}"
            );
        }
        n_accepted += report.accepted.len();
        n_quarantined += report.quarantined.len();
        for note in report.accepted.iter().flat_map(|taken| &taken.notes) {
            *notes.entry(note.what).or_default() += 1;
        }
    }
    eprintln!(
        "{} files: {n_accepted} accepted, {n_quarantined} quarantined; notes {notes:?}",
        reports.len()
    );
    assert!(n_accepted > 9 * n_quarantined, "nearly everything is accepted");
}

fn assert_no_contacts(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let plain = name.to_lowercase();
                let personal = ["email", "telephone", "contactpoint", "faxnumber"];
                assert!(!personal.iter().any(|word| plain.contains(word)), "{name}");
                assert_no_contacts(value);
            }
        }
        Value::Array(list) => list.iter().for_each(assert_no_contacts),
        Value::String(text) => {
            for stand_in in ["@example.org", "1632 960"] {
                assert!(!text.contains(stand_in), "{text}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_contact_detail_is_left_in_a_notice_or_a_title() {
    let Some(accepted) = all_accepted() else { return };
    for taken in accepted {
        assert_no_contacts(&serde_json::from_slice(&taken.notice_json).unwrap());
        assert_no_contacts(&Value::from(taken.title));
    }
}

fn exported(number: usize, taken: &AcceptedRelease) -> ExportRelease {
    let source = taken.release.source.clone().unwrap();
    let mut id = [0; 32];
    id[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
    ExportRelease::Imported(ImportedRelease {
        notice_json: taken.notice_json.clone(),
        record: RecordId::from_bytes(id),
        source_url: source.url,
        original_id: taken.release.release_id.clone(),
        sha256: source.sha256,
        released_at: taken.release.released_at,
    })
}

fn meta() -> PackageMeta {
    PackageMeta {
        uri: "https://coordinator.example/ocds/releases".to_owned(),
        published_at: UnixMillis(1_800_000_000_000),
        publisher_name: "Example region".to_owned(),
        publisher_uri: Some("https://coordinator.example/".to_owned()),
        license: Some(
            "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/".to_owned(),
        ),
        publication_policy: None,
        extensions: Vec::new(),
    }
}

#[test]
fn an_export_read_again_gives_the_same_releases() {
    let Some(accepted) = all_accepted() else { return };
    let releases = accepted.iter().enumerate().map(|(number, taken)| exported(number, taken));
    let package = release_package(&meta(), releases).unwrap();
    let again = read("export.json", package.as_bytes()).unwrap();
    assert_eq!(again.quarantined, []);
    let parts = |all: Vec<AcceptedRelease>| -> Vec<(Release, String)> {
        all.into_iter().map(|taken| (taken.release, taken.title)).collect()
    };
    assert_eq!(parts(again.accepted), parts(accepted));
}

fn pool(n_members: u8, unit_price: Option<Money>, status: PoolStatus) -> ExportRelease {
    let party = |n: u8| PartyName {
        id: CommunityId::from_bytes([n; 32]),
        name: format!("Community {n}"),
        organisation: record::org::OrgId::new("GB-COH", &n.to_string())
            .filter(|_| n.is_multiple_of(2)),
    };
    ExportRelease::Pool(PoolExport {
        ocid: format!("ocds-213czf-pool-{n_members}"),
        id: format!("release-{n_members}"),
        date: UnixMillis(1_800_000_000_000),
        lead: party(1),
        members: (1..=n_members).map(|n| (party(n), u64::from(n) * 7)).collect(),
        unit: "each".to_owned(),
        unit_price,
        cpv: Some(31_500_000),
        title: "LED panels".to_owned(),
        description: "Two community businesses pool demand.".to_owned(),
        closes_at: UnixMillis(1_800_864_000_000),
        status,
    })
}

/// A real release as if a community of the region had written it, with its notice or without.
fn local(number: u8, taken: &AcceptedRelease, has_notice: bool) -> ExportRelease {
    ExportRelease::Local(LocalRelease {
        ocid: format!("ocds-a1b2c3-{number}"),
        record: RecordId::from_bytes([number; 32]),
        publisher: PartyName {
            id: CommunityId::from_bytes([number; 32]),
            name: format!("Community {number}"),
            organisation: taken.release.buyer.clone(),
        },
        title: taken.title.clone(),
        description: String::new(),
        release: taken.release.clone(),
        notice_json: has_notice.then(|| taken.notice_json.clone()),
    })
}

/// Writes a package and has the independent checker judge it; `false` where the checker cannot run.
fn judge(name: &str, package: &str) -> bool {
    let script = Path::new(SHARED).join("checks/ocds/check-ocds");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, package).unwrap();
    let Ok(output) = Command::new(&script).arg(&file).output() else {
        return false;
    };
    let verdict = String::from_utf8(output.stdout).unwrap();
    if !verdict.contains(name) {
        return false;
    }
    assert!(verdict.trim_end().ends_with(": ok"), "{verdict}");
    true
}

/// Puts something odd in one place of a release: another type, nothing, or a list where one thing stood.
fn spoil(value: &mut Value, seed: &mut u64) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let roll = usize::try_from(*seed >> 40).unwrap();
    let stop = roll.is_multiple_of(7);
    if let Some(members) = value.as_object_mut().filter(|members| !stop && !members.is_empty()) {
        let name = members.keys().nth(roll % members.len()).unwrap().clone();
        spoil(members.get_mut(&name).unwrap(), seed);
        return;
    }
    if let Some(list) = value.as_array_mut().filter(|list| !stop && !list.is_empty()) {
        let at = roll % list.len();
        spoil(&mut list[at], seed);
        if roll.is_multiple_of(3) {
            let again = list[at].clone();
            list.push(again);
        }
        return;
    }
    let kept = value.take();
    *value = match roll % 12 {
        0 => Value::Null,
        1 => 7.into(),
        2 => 1.5.into(),
        3 => "not a date nor a number".into(),
        4 => vec![kept.clone(), kept].into(),
        5 => Value::Object([("id".to_owned(), kept)].into_iter().collect()),
        6 => "".into(),
        7 => true.into(),
        8 => "http://a b/\u{e4}[".into(),
        9 => vec![Value::Null, 3.into(), "x".into()].into(),
        10 => "2025-02-03".into(),
        _ => kept.to_string().into(),
    };
}

/// Every real release, spoilt in several places.
fn spoilt() -> Option<Vec<AcceptedRelease>> {
    let mut seed = 42;
    let mut accepted = Vec::new();
    for (name, text) in real_files()? {
        let mut whole: Value = serde_json::from_str(&text).unwrap();
        let releases = match whole.get_mut("releases").and_then(Value::as_array_mut) {
            Some(releases) => std::mem::take(releases),
            None => vec![whole],
        };
        for mut release in releases {
            let (ocid, date) = (release["ocid"].clone(), release["date"].clone());
            for part in ["tender", "parties", "buyer", "awards", "tender", "parties", "awards"] {
                if let Some(part) = release.get_mut(part) {
                    spoil(part, &mut seed);
                }
            }
            for missing in ["tag", "initiationType", "language"] {
                spoil(&mut release[missing], &mut seed);
            }
            (release["ocid"], release["date"]) = (ocid, date);
            accepted.extend(read(&name, release.to_string().as_bytes()).unwrap().accepted);
        }
    }
    Some(accepted)
}

#[test]
fn the_independent_checker_finds_no_fault_in_what_is_exported_of_spoilt_releases() {
    let Some(accepted) = spoilt() else { return };
    assert!(accepted.len() > 100, "{}", accepted.len());
    eprintln!("{} spoilt releases are accepted", accepted.len());
    let releases = accepted.iter().enumerate().map(|(number, taken)| exported(number, taken));
    let package = release_package(&meta(), releases).unwrap();
    if !judge("ocds-spoilt.json", &package) {
        eprintln!("skipped: ../shared/checks/ocds/check-ocds cannot run here");
    }
}

#[test]
fn the_independent_checker_finds_no_fault_in_what_is_exported() {
    let Some(accepted) = all_accepted() else { return };
    let releases = accepted.iter().enumerate().map(|(number, taken)| exported(number, taken));
    let pools = [
        pool(4, Some(Money::pence(1_850)), PoolStatus::Forming),
        pool(1, None, PoolStatus::Locked),
        pool(0, Some(Money::pence(1)), PoolStatus::Expired),
    ];
    let some = accepted.iter().step_by(4).zip(1_u8..=40);
    let locals = some.map(|(taken, number)| local(number, taken, number.is_multiple_of(2)));
    let imported = release_package(&meta(), releases).unwrap();
    let pooled = release_package(&meta(), pools).unwrap();
    let local = release_package(&meta(), locals).unwrap();
    if !judge("ocds-imported.json", &imported)
        || !judge("ocds-pooled.json", &pooled)
        || !judge("ocds-local.json", &local)
    {
        eprintln!("skipped: ../shared/checks/ocds/check-ocds cannot run here");
    }
}
