//! Regions: what one is founded with, and how its members change it (ARCHITECTURE §6, Region).
//!
//! ```text
//! charter = epoch 0 ──named by──▶ epoch 1 ──named by──▶ epoch 2 …
//!   │ hash                           │ holds once more than half of epoch 0's members
//!   ▼                                ▼ filed it, each in its own log
//! RegionId                        certificate: those filings, with their proofs
//! ```
//!
//! A region has no log and no key, so nobody owns it. Whoever has the charter can check every epoch after it from the
//! filings of the members alone, see [`Certificate`]. Not here: which of the filings that a replica holds make an epoch
//! (`civic`), and addresses, which are hints.

mod certificate;
mod charter;
mod epoch;
mod filing;
mod ocid_prefix;
mod roster;
#[cfg(test)]
mod tests;

pub use certificate::{
    Certificate, CertificateError, CertifiedEpoch, FilingError, MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATE_EPOCHS, VerifiedEpoch, VerifiedRegion,
};
pub use charter::{Charter, CharterError};
pub use epoch::{Epoch, EpochError, EpochHash, EpochNumber};
pub use filing::{MAX_ADDRESS_BYTES, RegionAction, RegionActionError, SeatAddress};
pub use ocid_prefix::{OcidPrefix, OcidPrefixError};
pub use roster::{MAX_MEMBERS, MAX_SEATS, Quota, Roster, RosterError, Rules, USUAL_QUOTA};
