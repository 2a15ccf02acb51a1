//! A covenant as the register shows it.

use record::{
    CommunityId, RecordId, RegionId, UnixMillis,
    payload::{
        covenant::{Commitment, CovenantType, Minute, Party, PartyRole, Power, Proposal},
        words::{Language, TextHash},
    },
    place::Place,
};

use super::{Answer, Covenant};

/// A covenant's public content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CovenantView {
    /// The region.
    pub region: RegionId,
    /// Who proposed it.
    pub proposer: CommunityId,
    /// What sort of agreement.
    #[serde(rename = "type")]
    pub covenant_type: CovenantType,
    /// Who is to sign, in ascending order of id.
    pub parties: Vec<PartyView>,
    /// How many have signed.
    pub n_signed: usize,
    /// How many are to sign.
    pub n_parties: usize,
    /// Signatures count when received before this instant.
    pub sign_before: UnixMillis,
    /// Powers given or kept.
    pub powers: Vec<Power>,
    /// What each party undertakes, in the order of the labels of the text.
    pub commitments: Vec<CommitmentView>,
    /// How many commitments name nothing that pays for them: volunteers are not a budget.
    pub unresourced: usize,
    /// The neighbourhood area.
    pub area: Vec<Place>,
    /// The wordings that are signed, in ascending order of language.
    pub texts: Vec<TextView>,
    /// Months between reviews.
    pub review_months: u32,
    /// Months it runs; none until ended.
    pub term_months: Option<u32>,
}

/// A party and its answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PartyView {
    /// Who.
    pub community: CommunityId,
    /// In what capacity.
    pub role: PartyRole,
    /// Whether its signature counts.
    pub signed: bool,
    /// Whether it said no.
    pub declined: bool,
    /// The record that signed.
    pub signed_record: Option<RecordId>,
    /// When the answer was received.
    pub answered_at: Option<UnixMillis>,
    /// Where the decision is minuted.
    pub minute: Option<Minute>,
    /// The result of the members' ratifying poll.
    pub poll_result: Option<RecordId>,
}

/// A commitment, and whether it names what pays for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommitmentView {
    /// The commitment.
    #[serde(flatten)]
    pub commitment: Commitment,
    /// Whether money or paid hours go with it.
    pub names_resources: bool,
}

/// One language's wording, by hash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TextView {
    /// The language.
    pub language: Language,
    /// The hash, in hexadecimal.
    #[serde(serialize_with = "crate::instant::hex")]
    pub sha256: [u8; 32],
}

pub(super) fn view(covenant: &Covenant<'_>) -> CovenantView {
    let Proposal {
        region,
        covenant_type,
        parties,
        area,
        powers,
        commitments,
        sign_before,
        review_months,
        term_months,
        texts,
    } = covenant.proposal;
    let commitments: Vec<_> = commitments
        .iter()
        .map(|it| CommitmentView { commitment: it.clone(), names_resources: it.names_resources() })
        .collect();
    let text = |it: &TextHash| TextView { language: it.language.clone(), sha256: it.sha256 };
    CovenantView {
        region: *region,
        proposer: covenant.opening.community,
        covenant_type: *covenant_type,
        parties: parties.iter().map(|party| party_view(covenant, *party)).collect(),
        n_signed: covenant.n_signed(),
        n_parties: parties.len(),
        sign_before: *sign_before,
        powers: powers.clone(),
        unresourced: commitments.iter().filter(|it| !it.names_resources).count(),
        commitments,
        area: area.clone(),
        texts: texts.iter().map(text).collect(),
        review_months: *review_months,
        term_months: *term_months,
    }
}

fn party_view(covenant: &Covenant<'_>, Party { community, role }: Party) -> PartyView {
    let answer = covenant.answers.get(&community).copied();
    let (signed, signature) = match answer {
        Some(Answer::Signed(record, signature)) => (Some(record), Some(signature)),
        Some(Answer::Declined(_)) | None => (None, None),
    };
    PartyView {
        community,
        role,
        signed: signed.is_some(),
        declined: answer.is_some() && signed.is_none(),
        signed_record: signed.map(|record| record.id),
        answered_at: answer.and_then(|it| it.record().received_at),
        minute: signature.and_then(|it| it.minute.clone()),
        poll_result: signature.and_then(|it| it.poll_result),
    }
}
