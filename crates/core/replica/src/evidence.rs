//! Fork evidence: two signed heads of one log that cannot both be true.

use record::{Network, payload::ForkEvidence};

use crate::{
    fault::Fault,
    frame::LogName,
    head::{LogIdentity, SignedHead},
};

/// Two heads of one log as evidence, both signatures verified anew.
///
/// Of heads of one size the roots must differ: that is seen from the two alone. Of heads of different
/// sizes it must be known already that the larger tree does not begin with the smaller: the caller has
/// compared the smaller root with the tree under the larger. Each note is reduced to the log's own
/// signature and the smaller head stands first, so that every party makes the same evidence.
///
/// # Errors
///
/// [`Fault::RetiredKey`] unless the log's newest key signed both: a retired key may be a stolen one,
/// and an innocent community must not be frozen by it. [`Fault::HeadMalformed`] if the two agree, and
/// any fault of [`SignedHead::open`].
pub fn fork_evidence(
    network: &Network,
    log: LogName,
    identity: &LogIdentity,
    heads: [&SignedHead; 2],
) -> Result<ForkEvidence, Fault> {
    let [one, other] = heads;
    let open = |head: &SignedHead| SignedHead::open(network, log, identity, head.bare());
    let (mut one, mut other) = (open(one)?, open(other)?);
    if (other.size(), other.root()) < (one.size(), one.root()) {
        std::mem::swap(&mut one, &mut other);
    }
    if (one.size(), one.root()) == (other.size(), other.root()) {
        return Err(Fault::HeadMalformed { detail: "the two heads are one".to_owned() });
    }
    if !(one.is_by_newest_key(log, identity) && other.is_by_newest_key(log, identity)) {
        return Err(Fault::RetiredKey);
    }
    let LogName { community, era } = log;
    Ok(ForkEvidence { community, era, one: one.bare().to_vec(), other: other.bare().to_vec() })
}
