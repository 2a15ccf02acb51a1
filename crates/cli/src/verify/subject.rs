//! What is to be verified: told by its form, never by its name.

use std::path::{Path, PathBuf};

use http::Uri;
use record::{LogName, identity::MAX_BUNDLE_BYTES};
use runtime::exit::Exit;
use tlog::proof_file::MAX_TLOG_PROOF_BYTES;

use super::{evidence::is_evidence, http::Http, source::Source};
use crate::{
    Console, Failure,
    follow::{
        pin::{GivenKey, Manner},
        server,
    },
};

/// The largest file that is verified as a whole: an identity bundle; a proof is smaller.
pub(super) const MAX_FILE_BYTES: usize =
    if MAX_BUNDLE_BYTES < MAX_TLOG_PROOF_BYTES { MAX_TLOG_PROOF_BYTES } else { MAX_BUNDLE_BYTES };

/// What every `.tlog-proof` begins with, whatever its version.
const PROOF_PREFIX: &[u8] = b"c2sp.org/tlog-proof@";

/// What is to be verified.
#[derive(Debug)]
pub(super) enum Subject {
    /// A whole log, and which one if the address says so.
    Log { site: Site, name: Option<LogName> },
    /// One page of a log: a proof, an identity, or evidence.
    Page { site: Site, path: String },
    /// A file.
    File(PathBuf),
}

/// Where the pages of a log are.
#[derive(Debug)]
pub(super) enum Site {
    /// In a folder.
    Folder(PathBuf),
    /// At a server, in the clear, below this address.
    Plain(String),
    /// At a server with a transport key.
    Pinned {
        /// `host:port`.
        address: String,
        /// The whole address of the log.
        root: String,
    },
}

/// What verifying says of its own where a server is trusted or refused.
const MANNER: Manner = Manner {
    option: "--server-key",
    safe: "Nothing was verified.",
    refused: "Nothing was read from it, and nothing was verified. Ask its operators by another way; a log is the same \
              at every server that holds it, so another one will do.",
};

impl Site {
    /// Opens it. A server with a transport key is met first, and must be the one that is given, if one is.
    pub(super) async fn open(
        self,
        server_key: Option<GivenKey>,
        console: &Console,
    ) -> Result<Source, Failure> {
        let (address, root) = match self {
            Self::Pinned { address, root } => (address, root),
            Self::Folder(path) => return unpinned(server_key).map(|()| Source::folder(&path)),
            Self::Plain(root) => {
                return unpinned(server_key).map(|()| Source::http(Http::plain(root)));
            }
        };
        let met = server::meet(&address, &MANNER, server_key, None).await?;
        met.tell(&MANNER, console);
        Ok(Source::http(Http::pinned(root, met.channel)))
    }
}

/// Whoever gives a key relies on it, and only TLS proves one.
pub(super) fn unpinned(server_key: Option<GivenKey>) -> Result<(), Failure> {
    if server_key.is_none() {
        return Ok(());
    }
    let detail = "--server-key says who must answer at an https:// address, and this is none: nobody would prove that \
                  key. Nothing was verified. Leave the option out, or read the log over https://.";
    Err(Failure::new(Exit::Usage, "server_key.not_https", detail))
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A C2SP tlog-proof.
    Proof,
    /// Evidence of a fork.
    Evidence,
    /// An identity bundle, or nothing that is known.
    Identity,
}

impl Subject {
    /// What the argument names.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Self::of_url(text);
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Log { site: Site::Folder(path.to_owned()), name: None });
        }
        Ok(Self::File(path.to_owned()))
    }

    fn of_url(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            let detail = format!(
                "`{url}` is no address of a log. One reads http://HOST:PORT/log/fm1…/ERA, or https://…, \
                 with /identity, /evidence or /proof/NUMBER behind it for one page. Nothing was verified."
            );
            Failure::new(Exit::Usage, "url.malformed", detail)
        };
        let (root, place) = url.rsplit_once("/log/").ok_or_else(wrong)?;
        let mut parts = place.trim_end_matches('/').splitn(3, '/');
        let (community, era) = (parts.next(), parts.next());
        let community = community.and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let era = era.and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let name = LogName { community, era };
        let pages = format!("{root}/log/{name}");
        let site = match root.strip_prefix("https://") {
            Some(address) => Site::Pinned { address: address.to_owned(), root: pages },
            None => Site::Plain(with_host(pages).ok_or_else(wrong)?),
        };
        match parts.next() {
            None => Ok(Self::Log { site, name: Some(name) }),
            Some(page)
                if ["identity", "evidence"].contains(&page) || page.starts_with("proof/") =>
            {
                Ok(Self::Page { site, path: page.to_owned() })
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// An address that names a host.
fn with_host(url: String) -> Option<String> {
    let uri: Option<Uri> = url.parse().ok();
    uri.filter(|it| it.host().is_some_and(|host| !host.is_empty())).map(|_| url)
}

/// What these bytes are, by their beginning.
pub(super) fn form_of(bytes: &[u8]) -> Result<Form, Failure> {
    if bytes.is_empty() {
        return Err(Failure::does_not_hold("file.empty", "The file is empty: it proves nothing."));
    }
    Ok(if bytes.starts_with(PROOF_PREFIX) {
        Form::Proof
    } else if is_evidence(bytes) {
        Form::Evidence
    } else {
        Form::Identity
    })
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
    fn an_address_names_a_log_or_one_of_its_three_pages() {
        let id: record::CommunityId = record::CommunityId::from_bytes([1; 32]);
        let url = |rest: &str| format!("http://127.0.0.1:8080/log/{id}/3{rest}");
        assert_eq!(parse(&url("")), Ok("log 3".into()));
        assert_eq!(parse(&url("/")), Ok("log 3".into()));
        assert_eq!(parse(&url("/proof/7")), Ok("page proof/7".into()));
        assert_eq!(parse(&url("/identity")), Ok("page identity".into()));
        assert_eq!(parse(&url("/evidence")), Ok("page evidence".into()));
        assert_eq!(parse(&url("/tile/0/000")), Err("url.malformed"));
        assert_eq!(parse("http://127.0.0.1:8080/"), Err("url.malformed"));
        assert_eq!(parse(&format!("http://127.0.0.1:8080/log/{ID}x/0")), Err("url.malformed"));
        assert_eq!(parse(&format!("https://example.org:7443/log/{id}/0")), Ok("log 0".into()));
        assert_eq!(parse("https://example.org:7443/"), Err("url.malformed"));
        assert_eq!(parse(&format!("http:///log/{id}/0")), Err("url.malformed"));
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
        assert_eq!(form_of(&[10, 32, 0]), Ok(Form::Evidence));
        assert_eq!(form_of(&[]).map_err(|it| it.exit()), Err(Exit::Verification));
    }
}
