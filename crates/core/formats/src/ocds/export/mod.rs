//! Writing OCDS 1.1.5: release packages that an independent checker accepts without a fault.
//!
//! An imported process keeps its ocid; its re-publication is a release of ours, whose id is the record's, and which names
//! the original under [`REPUBLICATION`], an additional field that the standard allows. What a community writes itself has
//! an ocid of the region, and names nothing.

mod local;
mod pool;
mod shapes;
mod tidy;
mod uri;

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
pub use local::LocalRelease;
pub use pool::{PartyName, PoolError, PoolExport, PoolStatus};
use record::{RecordId, UnixMillis};
use serde_json::{Map, Value, json};

use crate::ocds::instant;

/// The member of a release in which a re-publication names its origin: `recordId`, `sourceUrl`, `originalId`, `sha256`.
pub const REPUBLICATION: &str = "folkmoot";

/// What a package says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageMeta {
    /// Where the package is served; identifies it.
    pub uri: String,
    /// When it was published.
    pub published_at: UnixMillis,
    /// Who publishes it.
    pub publisher_name: String,
    /// The publisher's address.
    pub publisher_uri: Option<String>,
    /// The address of the licence.
    pub license: Option<String>,
    /// The address of the publication policy.
    pub publication_policy: Option<String>,
    /// The addresses of the extensions declared.
    pub extensions: Vec<String>,
}

/// A release to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportRelease {
    /// A notice from outside, published again.
    Imported(ImportedRelease),
    /// A contracting process that a community wrote itself.
    Local(LocalRelease),
    /// A pooled purchase of our own.
    Pool(PoolExport),
}

/// A notice from outside and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedRelease {
    /// The notice, without contact details.
    pub notice_json: Vec<u8>,
    /// The record that imported it; becomes the release's id.
    pub record: RecordId,
    /// Where it was read; may be empty.
    pub source_url: String,
    /// The id that its publisher gave it; empty where none.
    pub original_id: String,
    /// SHA-256 of the original release.
    pub sha256: [u8; 32],
    /// The release's own date.
    pub released_at: UnixMillis,
}

/// Why a release cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The notice is not a JSON object with an ocid.
    #[error("the notice of record {record} is not an OCDS release")]
    NotARelease {
        /// The record.
        record: RecordId,
    },
    /// See [`PoolError`].
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl ExportRelease {
    /// The release, valid by OCDS 1.1.5.
    ///
    /// # Errors
    ///
    /// [`ExportError`] if the notice is no release, or a pool's values do not add up.
    pub fn render(&self) -> Result<Map<String, Value>, ExportError> {
        match self {
            Self::Imported(imported) => imported.render(),
            Self::Local(local) => Ok(local.render()),
            Self::Pool(pool) => Ok(pool.render()?),
        }
    }
}

impl ImportedRelease {
    fn render(&self) -> Result<Map<String, Value>, ExportError> {
        let refusal = ExportError::NotARelease { record: self.record };
        let parsed = serde_json::from_slice(&self.notice_json).ok();
        let Some(Value::Object(notice)) = parsed else {
            return Err(refusal);
        };
        let mut release = tidy::tidy_release(notice);
        if !release.contains_key("ocid") {
            return Err(refusal);
        }
        release.insert("id".to_owned(), self.record.to_string().into());
        release.insert("date".to_owned(), instant::render(self.released_at).into());
        release.insert(REPUBLICATION.to_owned(), self.origin());
        Ok(release)
    }

    fn origin(&self) -> Value {
        let mut origin = Map::new();
        origin.insert("recordId".to_owned(), self.record.to_string().into());
        origin.insert("sha256".to_owned(), HEXLOWER.encode(&self.sha256).into());
        for (name, text) in [("sourceUrl", &self.source_url), ("originalId", &self.original_id)] {
            if !text.is_empty() {
                origin.insert(name.to_owned(), text.as_str().into());
            }
        }
        Value::Object(origin)
    }
}

/// Writes a package piece by piece, so that it need not fit in memory: [`PackageWriter::head`], then each
/// [`PackageWriter::release`], then [`PackageWriter::TAIL`].
#[derive(Debug, Default)]
pub struct PackageWriter {
    /// (ocid, id) of what was written; a checker refuses a pair twice.
    written: BTreeSet<(String, String)>,
}

impl PackageWriter {
    /// The end of every package.
    pub const TAIL: &str = "]}\n";

    /// The beginning of a package.
    #[must_use]
    pub fn head(meta: &PackageMeta) -> String {
        let mut publisher = json!({ "name": meta.publisher_name });
        let mut head = json!({
            "uri": uri::tidy(&meta.uri).unwrap_or_else(|| meta.uri.clone()),
            "version": "1.1",
            "publishedDate": instant::render(meta.published_at),
        });
        if let (Some(uri), Some(members)) = (&meta.publisher_uri, publisher.as_object_mut()) {
            members.insert("uri".to_owned(), uri.as_str().into());
        }
        if let Some(members) = head.as_object_mut() {
            members.insert("publisher".to_owned(), publisher);
            let links =
                [("license", &meta.license), ("publicationPolicy", &meta.publication_policy)];
            for (name, link) in links {
                if let Some(link) = link {
                    members.insert(name.to_owned(), link.as_str().into());
                }
            }
            if !meta.extensions.is_empty() {
                members.insert("extensions".to_owned(), meta.extensions.clone().into());
            }
        }
        let head = head.to_string();
        format!("{},\"releases\":[", head.trim_end_matches('}'))
    }

    /// The next release with the comma before it; empty for one that the package already holds.
    ///
    /// # Errors
    ///
    /// As [`ExportRelease::render`]; the package may go on without it.
    pub fn release(&mut self, release: &ExportRelease) -> Result<String, ExportError> {
        let rendered = release.render()?;
        let text =
            |name: &str| rendered.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let comma = if self.written.is_empty() { "" } else { "," };
        if !self.written.insert((text("ocid"), text("id"))) {
            return Ok(String::new());
        }
        Ok(format!("{comma}{}", Value::Object(rendered)))
    }
}

/// A whole package. OCDS wants at least one release in it.
///
/// # Errors
///
/// The first [`ExportError`].
pub fn release_package(
    meta: &PackageMeta,
    releases: impl IntoIterator<Item = ExportRelease>,
) -> Result<String, ExportError> {
    let mut writer = PackageWriter::default();
    let mut package = PackageWriter::head(meta);
    for release in releases {
        package.push_str(&writer.release(&release)?);
    }
    package.push_str(PackageWriter::TAIL);
    Ok(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> PackageMeta {
        PackageMeta {
            uri: "https://a.example/p 1".to_owned(),
            published_at: UnixMillis(0),
            publisher_name: "A {coordinator}".to_owned(),
            publisher_uri: Some("https://a.example/".to_owned()),
            license: None,
            publication_policy: None,
            extensions: Vec::new(),
        }
    }

    fn imported(notice: &str) -> ExportRelease {
        ExportRelease::Imported(ImportedRelease {
            notice_json: notice.as_bytes().to_vec(),
            record: RecordId::from_bytes([1; 32]),
            source_url: "https://a.example/x".to_owned(),
            original_id: String::new(),
            sha256: [7; 32],
            released_at: UnixMillis(1_000),
        })
    }

    #[test]
    fn a_republication_names_its_origin() {
        let release = imported(r#"{"ocid":"o","id":"theirs","tag":["tender"]}"#).render().unwrap();
        let record = RecordId::from_bytes([1; 32]).to_string();
        let origin = json!({"recordId": record, "sha256": "07".repeat(32), "sourceUrl": "https://a.example/x"});
        assert_eq!(release.get("id"), Some(&Value::from(record)));
        assert_eq!(release.get(REPUBLICATION), Some(&origin));
        assert_eq!(release.get("date"), Some(&Value::from("1970-01-01T00:00:01Z")));
    }

    #[test]
    fn what_is_no_release_is_not_written() {
        for notice in ["", "[]", "{}", r#"{"ocid":null}"#] {
            assert!(
                matches!(imported(notice).render(), Err(ExportError::NotARelease { .. })),
                "{notice}"
            );
        }
    }

    #[test]
    fn a_package_is_json_and_holds_a_release_once() {
        let twice =
            [imported(r#"{"ocid":"o"}"#), imported(r#"{"ocid":"o"}"#), imported(r#"{"ocid":"p"}"#)];
        let package: Value =
            serde_json::from_str(&release_package(&meta(), twice).unwrap()).unwrap();
        assert_eq!(package["releases"].as_array().unwrap().len(), 2);
        assert_eq!(package["uri"], "https://a.example/p%201");
        assert_eq!(package["publisher"]["uri"], "https://a.example/");
        assert_eq!(package["publisher"]["name"], "A {coordinator}");
    }
}
