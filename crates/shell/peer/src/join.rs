//! Joining a region: its certificate is fetched from anybody who serves it, verified, and kept in the data folder.
//!
//! Nobody need be believed: a certificate shows every epoch from the charter on, and the charter's hash is the region's
//! id. Only that id must come from somebody who is trusted.

use std::{path::PathBuf, time::Duration};

use data_encoding::BASE64;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use record::{
    CommunityId, RegionId,
    region::{Certificate, CertificateError, EpochNumber, MAX_CERTIFICATE_BYTES, VerifiedRegion},
};
use runtime::files;
use serde::Deserialize;
use transport::{DialLimits, Expect, dial_anonymous};

use crate::{
    folder::{DataFolder, FolderError},
    known_region::{KnownRegion, Shown, TwoEpochs},
};

/// Where everybody serves the certificate.
pub const REGION_PAGE: &str = "/.well-known/folkmoot/region";
/// For the whole page: a megabyte over a very bad line.
const PAGE_TIME_OUT: Duration = Duration::from_secs(60);

/// Why a region was not joined. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The other side cannot be reached.
    #[error(transparent)]
    Dial(#[from] transport::DialError),
    /// It does not give the page.
    #[error("{address} does not give the region's certificate: {what}. Nothing was changed.")]
    Page {
        /// Who was asked.
        address: String,
        /// What came instead.
        what: String,
    },
    /// What it gave does not hold.
    #[error(
        "The certificate that {address} gave does not hold: {source}. Nothing was changed; ask somebody else."
    )]
    Certificate {
        /// Who was asked.
        address: String,
        /// What is wrong.
        source: CertificateError,
    },
    /// The community was founded in another network.
    #[error(
        "The region is of the network {network}, and the community in this folder was founded in another, which can never \
         change. Nothing was changed. Ask for the address of a region in the community's own network, or found a \
         community in this one (`init`, with another folder)."
    )]
    OtherNetwork {
        /// The region's network.
        network: String,
    },
    /// The folder keeps the certificate of another region.
    #[error(
        "The community in this folder has joined the region {kept}, and this is {shown}, another one. Nothing was changed. \
         If its members want to change over, move {} away first, and join again with --region {shown}.",
        .file.display()
    )]
    OtherRegion {
        /// The region that was joined.
        kept: RegionId,
        /// The one that is shown.
        shown: RegionId,
        /// Where the certificate is kept.
        file: PathBuf,
    },
    /// The certificate ends before what is known.
    #[error(
        "The certificate that was shown ends at epoch {shown}, and epoch {kept} of the region is known here: nobody goes \
         back. Nothing was changed. Ask somebody else of the region."
    )]
    Earlier {
        /// The newest epoch that is known.
        kept: EpochNumber,
        /// The newest that was shown.
        shown: EpochNumber,
    },
    /// The certificate contradicts what is known.
    #[error("{0} Nothing was changed.")]
    TwoEpochs(#[from] TwoEpochs),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl JoinError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Dial(_) => "join.unreachable",
            Self::Page { .. } => "join.no_certificate",
            Self::Certificate { source, .. } => source.reason(),
            Self::OtherNetwork { .. } => "join.other_network",
            Self::OtherRegion { .. } => "region.other_region",
            Self::Earlier { .. } => "join.earlier_epoch",
            Self::TwoEpochs(_) => "region.two_epochs",
            Self::Folder(_) => "join.folder",
        }
    }
}

#[derive(Deserialize)]
struct Page {
    certificate: String,
}

/// Fetches the certificate of a region from `host:port`, and verifies it from the charter on.
///
/// # Errors
///
/// [`JoinError`] if it cannot be fetched or does not hold.
pub async fn fetch_certificate(
    address: &str,
    expected: Option<RegionId>,
) -> Result<(Certificate, VerifiedRegion), JoinError> {
    let told = |what: String| JoinError::Page { address: address.to_owned(), what };
    let fetched = tokio::time::timeout(PAGE_TIME_OUT, fetch_page(address)).await;
    let body = fetched.map_err(|_elapsed| told("it did not answer in time".to_owned()))??;
    let page: Page = serde_json::from_slice(&body)
        .map_err(|_error| told("the page is of another form".to_owned()))?;
    let bytes = BASE64
        .decode(page.certificate.as_bytes())
        .map_err(|_error| told("the page is of another form".to_owned()))?;
    let refused = |source| JoinError::Certificate { address: address.to_owned(), source };
    let certificate = Certificate::decode(&bytes).map_err(refused)?;
    let verified = certificate.verify(expected).map_err(refused)?;
    Ok((certificate, verified))
}

async fn fetch_page(address: &str) -> Result<Vec<u8>, JoinError> {
    let told = |what: String| JoinError::Page { address: address.to_owned(), what };
    let dialled = dial_anonymous(address, Expect::AnyEd25519, DialLimits::default()).await?;
    let url: Uri = format!("https://{address}{REGION_PAGE}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| told(error.to_string()))?;
    let answer =
        transport::get(&dialled.channel, url).await.map_err(|error| told(error.to_string()))?;
    if answer.status() != StatusCode::OK {
        return Err(told(format!("it answered {}", answer.status())));
    }
    // In base64 it is a third longer, and there is JSON around it.
    let limited = Limited::new(answer.into_body(), MAX_CERTIFICATE_BYTES / 3 * 4 + 1024 * 1024);
    let body = limited.collect().await.map_err(|error| told(error.to_string()))?;
    Ok(body.to_bytes().to_vec())
}

/// Keeps the certificate in the folder of a community, which then runs without a charter file. One that is kept already is
/// replaced by one of the same region that goes on from it, and by no other.
///
/// # Errors
///
/// [`JoinError::OtherNetwork`], [`JoinError::OtherRegion`], [`JoinError::Earlier`], [`JoinError::TwoEpochs`];
/// [`JoinError::Folder`] also while the community's process runs.
pub fn keep_certificate(
    folder: &DataFolder,
    (certificate, region): &(Certificate, VerifiedRegion),
) -> Result<CommunityId, JoinError> {
    let _lock = folder.lock()?;
    let community = folder.community()?;
    let network = region.charter.network();
    if folder.network()? != *network {
        return Err(JoinError::OtherNetwork { network: network.to_string() });
    }
    if let Some(kept) = folder.certified_region()? {
        check_follows(&kept, region, folder.region_file())?;
    }
    files::write_private_file(&folder.region_file(), &certificate.encode())
        .map_err(FolderError::from)?;
    Ok(community)
}

/// Checks that a certificate goes on from the one that is kept in this file.
fn check_follows(
    kept: &VerifiedRegion,
    shown: &VerifiedRegion,
    file: PathBuf,
) -> Result<(), JoinError> {
    if kept.region != shown.region {
        return Err(JoinError::OtherRegion { kept: kept.region, shown: shown.region, file });
    }
    match KnownRegion::of(kept).follow(shown)? {
        Shown::Same | Shown::Newer(_) => Ok(()),
        Shown::Earlier => {
            let (kept, shown) = (kept.newest().number, shown.newest().number);
            Err(JoinError::Earlier { kept, shown })
        }
    }
}

/// What a newcomer is told after joining: who the region is, and what comes next.
#[must_use]
pub fn describe(community: CommunityId, region: &VerifiedRegion) -> String {
    let newest = region.newest();
    let roster = &newest.roster;
    let next = if roster.everybody().any(|it| it == community) {
        "This community has its place in it: `run` needs no charter file.".to_owned()
    } else {
        format!(
            "This community has no place in it yet. Ask a member to vouch for it, and more than half of them to admit or \
             seat it:\n\n  folkmoot-node region vouch {community}\n  folkmoot-node region propose --admit {community}"
        )
    };
    format!(
        "{name}, epoch {number}: {n_members} members, {n_coordinators} coordinators.\n\n  {id}\n\n\
         Compare this id with what your neighbours have: everything else follows from it.\n{next}",
        name = region.charter.name().as_str(),
        number = newest.number,
        n_members = roster.members().len(),
        n_coordinators = roster.coordinators().len(),
        id = region.region,
    )
}
