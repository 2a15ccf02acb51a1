//! Reading OCDS as publishers really write it: tolerant, release by release.
//!
//! ```text
//! file ──split──▶ release ──┬─ accepted: numbers and ids, and the notice without contact details
//! package, records, array   └─ quarantined: reason and sentence; the rest of the file goes on
//! ```
//!
//! A file is refused as a whole only if no release can be told apart in it, or nothing in it looks like one. What is
//! doubtful but usable is accepted with a [`Note`]. The stage of a process is read from tags and statuses by the table in [`stage`].
//!
//! Not here: whether an ocid is ours to claim, and whether a release was seen before.

mod find;
pub(crate) mod redact;
mod release;
mod split;
pub mod stage;
mod value;
mod wording;

use record::{
    limits::{MAX_IMPORT_FILE_BYTES, MAX_IMPORT_RELEASES, MAX_JSON_DEPTH, MAX_PAYLOAD_BYTES},
    payload::opportunity::Release,
};
use serde_json::value::RawValue;

pub use record::limits::MAX_NOTICE_BYTES;
pub use wording::{wording_of, wordings_of};

/// The most releases taken from one file.
pub const MAX_RELEASES: usize = MAX_IMPORT_RELEASES;
/// The largest release that is parsed, in bytes, before contact details are left out: 16 of the largest payloads.
pub const MAX_RELEASE_BYTES: usize = 16 * MAX_PAYLOAD_BYTES;
/// The longest ocid and the longest release id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The most CPV codes, and the most places, kept of one release; the notice keeps all.
pub const MAX_CODES: usize = 200;
/// The longest title, in characters; the notice keeps all of it.
pub const MAX_TITLE_CHARS: usize = 300;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The releases an import takes, in the order of the file.
    pub accepted: Vec<AcceptedRelease>,
    /// The releases it leaves out, in the order of the file.
    pub quarantined: Vec<Quarantined>,
    /// Releases found: accepted and quarantined.
    pub n_releases: usize,
}

/// A release that an import takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRelease {
    /// Its place in the file, from 1.
    pub number: usize,
    /// The numbers and ids.
    pub release: Release,
    /// The release as it may be published again: JSON without contact details, at most [`MAX_NOTICE_BYTES`].
    pub notice_json: Vec<u8>,
    /// One line, canonical, without contact details; the ocid where the release has no title.
    pub title: String,
    /// What was supplied, cut or passed over.
    pub notes: Vec<Note>,
}

/// Something doubtful that did not keep a release out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Stable, `area.what`.
    pub what: &'static str,
    /// A sentence.
    pub detail: String,
}

/// A release that an import leaves out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quarantined {
    /// Its ocid and id as far as they are known, or `number 3`.
    pub release: String,
    /// Stable, `area.what`.
    pub reason: &'static str,
    /// A sentence that says what is wrong, and with which field.
    pub detail: String,
}

/// Why nothing in a file can be read. The file is named as the caller named it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// Whoever was to read its bytes could not.
    #[error("{file} could not be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        cause: String,
    },
    /// It exceeds [`MAX_IMPORT_FILE_BYTES`].
    #[error("{file} has {found_bytes} bytes; an import reads at most {MAX_IMPORT_FILE_BYTES}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        found_bytes: u64,
    },
    /// It is not UTF-8.
    #[error("{file} is not UTF-8: the byte at {at_bytes} begins no character")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Where the first wrong byte is, from 0.
        at_bytes: usize,
    },
    /// It is not JSON.
    #[error("{file} is not JSON: {cause}")]
    NotJson {
        /// The file.
        file: String,
        /// What the parser found, with line and column.
        cause: String,
    },
    /// It is JSON, but nothing in it looks like a release: a schema, say, or records with links in place of releases.
    /// A release that only lacks its ocid looks like one, and is quarantined.
    #[error(
        "{file} is JSON but not an OCDS release, release package or list of releases, nor a record package that holds its releases"
    )]
    NotReleases {
        /// The file.
        file: String,
    },
    /// It holds more than [`MAX_RELEASES`].
    #[error("{file} holds more than {MAX_RELEASES} releases; split it")]
    TooManyReleases {
        /// The file.
        file: String,
    },
}

impl FileRefusal {
    /// The stable reason, `area.what`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "import.unreadable",
            Self::TooLarge { .. } => "import.file_too_large",
            Self::NotUtf8 { .. } => "import.not_utf8",
            Self::NotJson { .. } => "import.not_json",
            Self::NotReleases { .. } => "import.not_releases",
            Self::TooManyReleases { .. } => "import.too_many_releases",
        }
    }
}

/// Reads every release in a file: a release package, a record package, a record, a release, or an array of releases.
///
/// `file_name` names the file in a refusal, and becomes the source's URL: an http(s) URL as it is, of anything else the
/// part after the last slash.
/// Memory is bounded by a small multiple of the file's size.
///
/// # Errors
///
/// [`FileRefusal`] if no release can be told apart in the file.
pub fn read(file_name: &str, bytes: &[u8]) -> Result<FileReport, FileRefusal> {
    let (file, source) = (file_name.to_owned(), source_name(file_name));
    let text = text_of(&file, bytes)?;
    let (mut report, mut n_empty) = (FileReport::default(), 0_usize);
    let outcome = split::each_release(text, &mut |found| {
        report.n_releases += 1;
        n_empty += usize::from(matches!(found, split::Found::EmptyRecord));
        if report.n_releases > MAX_RELEASES {
            return false;
        }
        take(&source, found, &mut report);
        true
    });
    match outcome {
        Ok(()) if 0 < n_empty && n_empty == report.n_releases => {
            Err(FileRefusal::NotReleases { file })
        }
        Ok(()) => Ok(report),
        Err(_) if report.n_releases > MAX_RELEASES => Err(FileRefusal::TooManyReleases { file }),
        Err(split::SplitError::NotReleases) => Err(FileRefusal::NotReleases { file }),
        Err(split::SplitError::NotJson(cause)) => {
            Err(FileRefusal::NotJson { file, cause: cause.to_string() })
        }
    }
}

fn text_of<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, FileRefusal> {
    let found_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if found_bytes > MAX_IMPORT_FILE_BYTES {
        return Err(FileRefusal::TooLarge { file: file.to_owned(), found_bytes });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| FileRefusal::NotUtf8 {
        file: file.to_owned(),
        at_bytes: error.valid_up_to(),
    })
}

fn source_name(file_name: &str) -> String {
    if file_name.starts_with("https://") || file_name.starts_with("http://") {
        return file_name.to_owned();
    }
    file_name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

fn take(file: &str, found: split::Found<'_>, report: &mut FileReport) {
    let number = report.n_releases;
    let taken = match found {
        split::Found::Release { raw, depth } => check_size(raw, depth)
            .map_err(|refusal| (None, refusal))
            .and_then(|()| release::read(raw, file, number)),
        split::Found::EmptyRecord => Err((
            None,
            Refusal::new(
                "record.empty",
                "The record holds neither its releases nor a compiled one.",
            ),
        )),
    };
    match taken {
        Ok(accepted) => report.accepted.push(accepted),
        Err((label, Refusal { reason, detail })) => {
            let release = label.unwrap_or_else(|| format!("number {number}"));
            report.quarantined.push(Quarantined { release, reason, detail });
        }
    }
}

/// Why a release is quarantined.
struct Refusal {
    reason: &'static str,
    detail: String,
}

impl Refusal {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Before any of the release is parsed; `depth` levels lie around it.
fn check_size(raw: &RawValue, depth: usize) -> Result<(), Refusal> {
    let n_bytes = raw.get().len();
    if n_bytes > MAX_RELEASE_BYTES {
        let detail =
            format!("The release has {n_bytes} bytes; at most {MAX_RELEASE_BYTES} are read.");
        return Err(Refusal::new("release.too_large", detail));
    }
    let n_levels = split::nesting(raw.get()).saturating_add(depth);
    if n_levels > MAX_JSON_DEPTH {
        let detail =
            format!("The JSON nests {n_levels} levels; at most {MAX_JSON_DEPTH} are read.");
        return Err(Refusal::new("import.too_deep", detail));
    }
    Ok(())
}

/// Text from outside for a sentence: one line, at most 80 characters.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
