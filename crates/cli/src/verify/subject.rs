//! What is to be verified: told by its form, never by its name.

use std::path::{Path, PathBuf};

use record::{LogName, identity::MAX_BUNDLE_BYTES};
use runtime::exit::Exit;
use tlog::proof_file::MAX_TLOG_PROOF_BYTES;

use super::source::Source;
use crate::Failure;

/// The largest file that is verified as a whole: an identity bundle; a proof is smaller.
pub(super) const MAX_FILE_BYTES: usize =
    if MAX_BUNDLE_BYTES < MAX_TLOG_PROOF_BYTES { MAX_TLOG_PROOF_BYTES } else { MAX_BUNDLE_BYTES };

/// What every `.tlog-proof` begins with, whatever its version.
const PROOF_PREFIX: &[u8] = b"c2sp.org/tlog-proof@";

/// What is to be verified.
#[derive(Debug)]
pub(super) enum Subject {
    /// A whole log, and which one if the address says so.
    Log { source: Source, name: Option<LogName> },
    /// One page of a log: a proof or an identity.
    Page { source: Source, path: String },
    /// A file.
    File(PathBuf),
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A C2SP tlog-proof.
    Proof,
    /// An identity bundle, or nothing that is known.
    Identity,
}

impl Subject {
    /// What the argument names.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("https://") {
            let detail = "Pages are read over http:// only, from this machine or through a tunnel: \
                          everything in them is verified here. Nothing was verified.";
            return Err(Failure::new(Exit::Usage, "url.https", detail));
        }
        if text.starts_with("http://") {
            return Self::of_url(text);
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Log { source: Source::folder(path), name: None });
        }
        Ok(Self::File(path.to_owned()))
    }

    fn of_url(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            let detail = format!(
                "`{url}` is no address of a log. One reads http://HOST:PORT/log/fm1…/ERA, \
                 with /identity or /proof/NUMBER behind it for one page. Nothing was verified."
            );
            Failure::new(Exit::Usage, "url.malformed", detail)
        };
        let (root, place) = url.rsplit_once("/log/").ok_or_else(wrong)?;
        let mut parts = place.trim_end_matches('/').splitn(3, '/');
        let (community, era) = (parts.next(), parts.next());
        let community = community.and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let era = era.and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let name = LogName { community, era };
        let source = Source::http(&format!("{root}/log/{name}")).ok_or_else(wrong)?;
        match parts.next() {
            None => Ok(Self::Log { source, name: Some(name) }),
            Some(page) if page == "identity" || page.starts_with("proof/") => {
                Ok(Self::Page { source, path: page.to_owned() })
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// What these bytes are, by their beginning.
pub(super) fn form_of(bytes: &[u8]) -> Result<Form, Failure> {
    if bytes.is_empty() {
        return Err(Failure::does_not_hold("file.empty", "The file is empty: it proves nothing."));
    }
    Ok(if bytes.starts_with(PROOF_PREFIX) { Form::Proof } else { Form::Identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

    fn parse(text: &str) -> Result<String, &'static str> {
        let told = |it: Subject| match it {
            Subject::Log { name, .. } => format!("log {}", name.map(|it| it.era).unwrap_or(99)),
            Subject::Page { path, .. } => format!("page {path}"),
            Subject::File(path) => format!("file {}", path.display()),
        };
        Subject::parse(text).map(told).map_err(|it| it.reason())
    }

    #[test]
    fn an_address_names_a_log_or_one_of_its_two_pages() {
        let id: record::CommunityId = record::CommunityId::from_bytes([1; 32]);
        let url = |rest: &str| format!("http://127.0.0.1:8080/log/{id}/3{rest}");
        assert_eq!(parse(&url("")), Ok("log 3".into()));
        assert_eq!(parse(&url("/")), Ok("log 3".into()));
        assert_eq!(parse(&url("/proof/7")), Ok("page proof/7".into()));
        assert_eq!(parse(&url("/identity")), Ok("page identity".into()));
        assert_eq!(parse(&url("/tile/0/000")), Err("url.malformed"));
        assert_eq!(parse("http://127.0.0.1:8080/"), Err("url.malformed"));
        assert_eq!(parse(&format!("http://127.0.0.1:8080/log/{ID}x/0")), Err("url.malformed"));
        assert_eq!(parse(&format!("https://example.org/log/{id}/0")), Err("url.https"));
    }

    #[test]
    fn everything_else_is_a_folder_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(parse(folder.path().to_str().unwrap()), Ok("log 99".into()));
        assert_eq!(parse("a.tlog-proof"), Ok("file a.tlog-proof".into()));
    }

    #[test]
    fn a_proof_is_known_by_its_first_line_and_nothing_proves_nothing() {
        assert_eq!(form_of(b"c2sp.org/tlog-proof@v1\n"), Ok(Form::Proof));
        assert_eq!(form_of(b"c2sp.org/tlog-proof@v9\n"), Ok(Form::Proof));
        assert_eq!(form_of(&[10, 0]), Ok(Form::Identity));
        assert_eq!(form_of(&[]).map_err(|it| it.exit()), Err(Exit::Verification));
    }
}
