//! Frames as they cross the wire, to and from the steps of `replica`.

use std::{borrow::Cow, sync::Arc};

use proto::{
    payload::{PayloadError, status},
    replication::{LengthError, community_from, hashes_from},
    v1::{self, frame::Step},
};
use record::{
    CommunityId, LogName, Payload, RecordId, commitment::Salt, kind::Known,
    limits::MAX_EVIDENCE_BYTES, payload::ForkEvidence, verified::Content,
};
use replica::{Ack, Batch, Frame, Head, RawRecord, Refusal, Want};

/// Why a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It has no step.
    #[error("the frame holds nothing that is known here")]
    Empty,
    /// A second Hello.
    #[error("a Hello belongs at the beginning of the stream only")]
    LateHello,
    /// An id or hash of the wrong length.
    #[error(transparent)]
    Length(#[from] LengthError),
    /// A status or evidence that contradicts itself.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Evidence above its limit.
    #[error("the evidence has {n_bytes} bytes; the limit is {MAX_EVIDENCE_BYTES}")]
    EvidenceTooLarge {
        /// Its size.
        n_bytes: usize,
    },
}

/// What a frame says; a Hello is not expected any more.
///
/// # Errors
///
/// [`FrameError`] says what is wrong.
pub fn parse_frame(frame: v1::Frame) -> Result<Frame, FrameError> {
    let v1::Frame { step } = frame;
    Ok(match step.ok_or(FrameError::Empty)? {
        Step::Hello(_) => return Err(FrameError::LateHello),
        Step::Heads(v1::Heads { heads }) => {
            Frame::Heads(heads.into_iter().map(parse_head).collect::<Result<_, _>>()?)
        }
        Step::Want(v1::Want { community, era, start, end, credit }) => {
            Frame::Want(Want { log: parse_log(&community, era)?, start, end, credit })
        }
        Step::Batch(batch) => Frame::Batch(parse_batch(batch)?),
        Step::Ack(v1::Ack { community, era, size, cosignatures }) => {
            Frame::Ack(Ack { log: parse_log(&community, era)?, size, cosignatures })
        }
        Step::Refusal(v1::Refusal { log, reason, detail, evidence }) => {
            let log = log.map(|it| parse_log(&it.community, it.era)).transpose()?;
            let evidence = parse_evidence(&evidence)?;
            Frame::Refusal(Refusal { log, reason: Cow::Owned(reason), detail, evidence })
        }
        Step::Status(told) => Frame::Status(status::parse_frame(told)?),
        Step::Offered(v1::Offered {}) => Frame::Offered,
    })
}

/// The evidence beside a refusal; `None` if there is none.
fn parse_evidence(bytes: &[u8]) -> Result<Option<ForkEvidence>, FrameError> {
    match bytes.len() {
        0 => Ok(None),
        n_bytes if MAX_EVIDENCE_BYTES < n_bytes => Err(FrameError::EvidenceTooLarge { n_bytes }),
        _ => {
            let read = proto::payload::decode(Known::Evidence, bytes)?;
            let Payload::Evidence(evidence) = read else { return Ok(None) };
            Ok(Some(evidence))
        }
    }
}

fn parse_log(community: &[u8], era: u32) -> Result<LogName, FrameError> {
    Ok(LogName { community: community_from(community)?, era })
}

fn parse_head(head: v1::Head) -> Result<Head, FrameError> {
    let v1::Head { community, era, checkpoint, identity, pushed_from } = head;
    Ok(Head {
        log: parse_log(&community, era)?,
        checkpoint: checkpoint.into(),
        identity: identity.into(),
        pushed_from,
    })
}

fn parse_batch(batch: v1::Batch) -> Result<Batch, FrameError> {
    let v1::Batch { community, era, start, records, tree_size, proof } = batch;
    Ok(Batch {
        log: parse_log(&community, era)?,
        start,
        records: records.into_iter().map(parse_record).collect::<Result<_, _>>()?,
        tree_size,
        proof: hashes_from(&proof)?,
    })
}

fn parse_record(record: v1::RawRecord) -> Result<RawRecord, FrameError> {
    let v1::RawRecord { header, content, erased_by } = record;
    let content = content.map(|v1::Content { salt, payload }| {
        let found = salt.len();
        let salt = salt.try_into().map_err(|_bytes| LengthError { what: "a salt", found })?;
        Ok::<_, FrameError>(Content { salt: Salt(salt), payload })
    });
    let erased_by = match erased_by.len() {
        0 => None,
        found => {
            let id = RecordId::from_slice(&erased_by);
            Some(id.ok_or(LengthError { what: "the id of an erase record", found })?)
        }
    };
    Ok(RawRecord { header, content: content.transpose()?, erased_by })
}

/// The frame that says this.
#[must_use]
pub fn render_frame(frame: Frame) -> v1::Frame {
    let step = match frame {
        Frame::Heads(heads) => {
            Step::Heads(v1::Heads { heads: heads.into_iter().map(render_head).collect() })
        }
        Frame::Want(Want { log, start, end, credit }) => Step::Want(v1::Want {
            community: bytes(log.community),
            era: log.era,
            start,
            end,
            credit,
        }),
        Frame::Batch(batch) => Step::Batch(render_batch(batch)),
        Frame::Ack(Ack { log, size, cosignatures }) => {
            Step::Ack(v1::Ack { community: bytes(log.community), era: log.era, size, cosignatures })
        }
        Frame::Refusal(Refusal { log, reason, detail, evidence }) => Step::Refusal(v1::Refusal {
            log: log.map(|it| v1::LogName { community: bytes(it.community), era: it.era }),
            reason: reason.into_owned(),
            detail,
            evidence: evidence
                .map(|it| proto::payload::encode(&Payload::Evidence(it)))
                .unwrap_or_default(),
        }),
        Frame::Status(told) => Step::Status(status::render_frame(&told)),
        Frame::Offered => Step::Offered(v1::Offered {}),
    };
    v1::Frame { step: Some(step) }
}

fn bytes(community: CommunityId) -> Vec<u8> {
    community.as_bytes().to_vec()
}

fn render_head(head: Head) -> v1::Head {
    let Head { log, checkpoint, identity, pushed_from } = head;
    let of = |bytes: Arc<[u8]>| bytes.to_vec();
    v1::Head {
        community: bytes(log.community),
        era: log.era,
        checkpoint: of(checkpoint),
        identity: of(identity),
        pushed_from,
    }
}

fn render_batch(batch: Batch) -> v1::Batch {
    let Batch { log, start, records, tree_size, proof } = batch;
    v1::Batch {
        community: bytes(log.community),
        era: log.era,
        start,
        records: records.into_iter().map(render_record).collect(),
        tree_size,
        proof: proof.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
    }
}

fn render_record(record: RawRecord) -> v1::RawRecord {
    let RawRecord { header, content, erased_by } = record;
    let content =
        content.map(|Content { salt, payload }| v1::Content { salt: salt.0.to_vec(), payload });
    let erased_by = erased_by.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    v1::RawRecord { header, content, erased_by }
}

#[cfg(test)]
mod tests {
    use record::{
        UnixMillis,
        payload::{
            evidence::Beginning,
            status::{Reason, Status},
        },
    };

    use super::*;

    fn refusal(evidence: Option<ForkEvidence>) -> Frame {
        Frame::Refusal(Refusal {
            log: None,
            reason: "x.y".into(),
            detail: "z".to_owned(),
            evidence,
        })
    }

    fn evidence(note: Vec<u8>) -> ForkEvidence {
        let hash = tlog::Hash::from_bytes([8; 32]);
        ForkEvidence {
            community: CommunityId::from_bytes([7; 32]),
            era: 2,
            one: note.clone(),
            other: note,
            beginning: Some(Beginning { root: hash, proof: vec![hash; 63] }),
        }
    }

    #[test]
    fn the_largest_evidence_is_read_and_more_bytes_are_refused_unread() {
        let largest = refusal(Some(evidence(vec![7; tlog::note::MAX_NOTE_BYTES])));
        let rendered = render_frame(largest.clone());
        assert_eq!(parse_frame(rendered), Ok(largest));
        let with = |evidence| {
            let refusal = v1::Refusal { evidence, ..v1::Refusal::default() };
            parse_frame(v1::Frame { step: Some(Step::Refusal(refusal)) })
        };
        let n_bytes = MAX_EVIDENCE_BYTES + 1;
        assert_eq!(with(vec![0; n_bytes]), Err(FrameError::EvidenceTooLarge { n_bytes }));
        assert!(matches!(with(vec![0; MAX_EVIDENCE_BYTES]), Err(FrameError::Payload(_))));
        assert!(matches!(with(vec![1]), Err(FrameError::Payload(_))));
    }

    #[test]
    fn every_frame_reads_back_as_it_was_written() {
        let log = LogName { community: CommunityId::from_bytes([7; 32]), era: 2 };
        let record = RawRecord {
            header: vec![1, 2],
            content: Some(Content { salt: Salt([3; 32]), payload: vec![4] }),
            erased_by: None,
        };
        let erased_by = Some(RecordId::from_bytes([9; 32]));
        let erased = RawRecord { header: vec![5], content: None, erased_by };
        let frames = [
            Frame::Heads(vec![Head {
                log,
                checkpoint: vec![1].into(),
                identity: vec![].into(),
                pushed_from: 7,
            }]),
            Frame::Want(Want { log, start: 1, end: 9, credit: 3 }),
            Frame::Batch(Batch {
                log,
                start: 5,
                records: vec![record, erased],
                tree_size: 9,
                proof: vec![tlog::Hash::from_bytes([8; 32])],
            }),
            Frame::Ack(Ack { log, size: 7, cosignatures: vec!["— a b\n".to_owned()] }),
            refusal(None),
            refusal(Some(evidence(vec![7]))),
            Frame::Status(Status {
                log,
                since: UnixMillis(5),
                reason: Some(Reason::RecordsPerMinute),
                until: Some(UnixMillis(6)),
            }),
        ];
        for frame in frames {
            assert_eq!(parse_frame(render_frame(frame.clone())), Ok(frame));
        }
    }

    #[test]
    fn refuses_an_empty_frame_a_late_hello_and_an_id_of_31_bytes() {
        assert_eq!(parse_frame(v1::Frame { step: None }), Err(FrameError::Empty));
        let hello = Step::Hello(v1::Hello::default());
        assert_eq!(parse_frame(v1::Frame { step: Some(hello) }), Err(FrameError::LateHello));
        let want = v1::Want { community: vec![0; 31], ..v1::Want::default() };
        let short = parse_frame(v1::Frame { step: Some(Step::Want(want)) });
        assert!(matches!(short, Err(FrameError::Length(_))));
    }
}
