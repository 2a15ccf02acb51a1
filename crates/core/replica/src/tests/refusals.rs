//! What is refused, with its reason, and stores nothing.

use std::sync::Arc;

use record::{kind::Known, limits::MAX_BATCH_BYTES};
use tlog::Hash;

use super::{
    author::{Author, network},
    world::{Node, StoredLog},
};
use crate::{
    batch::{BatchPlace, verify_batch},
    exchange::{Exchange, Input, Output},
    fault::Fault,
    frame::{Ack, Batch, Frame, Head, LogName, Want},
};

/// The reasons of the refusals sent, and whether anything was handed to the store.
fn answer(outputs: &[Output]) -> (Vec<&str>, bool) {
    let refusals = outputs.iter().filter_map(|output| {
        let Output::Send(Frame::Refusal(refusal)) = output else { return None };
        Some(&*refusal.reason)
    });
    (refusals.collect(), outputs.iter().any(|it| matches!(it, Output::Store(_))))
}

fn head(author: &Author, size: u64) -> Head {
    Head {
        log: author.log,
        checkpoint: author.note_at(size),
        identity: author.bundle(),
        pushed_from: 0,
    }
}

fn offer(exchange: &mut Exchange, head: Head) -> Vec<Output> {
    exchange.handle(Input::Frame(Frame::Heads(vec![head])))
}

/// A stream of a node that holds nothing, which has been offered a log and wants it.
fn pulling(author: &Author) -> Exchange {
    let (mut exchange, _) = Node::default().open();
    let outputs = offer(&mut exchange, head(author, author.size()));
    let (start, end) = (0, author.size());
    let wants = |it: &Output| matches!(it, Output::Send(Frame::Want(want)) if (want.start, want.end) == (start, end));
    assert!(outputs.iter().any(wants), "{outputs:?}");
    exchange
}

fn batch(author: &Author, start: u64, n_records: u64) -> Batch {
    let max = (n_records, usize::MAX);
    StoredLog::of(author).load(author.log, start, max, author.size())
}

fn give(exchange: &mut Exchange, batch: Batch) -> Vec<Output> {
    exchange.handle(Input::Frame(Frame::Batch(batch)))
}

/// Gives a batch that has been altered to a stream that waits for its original.
fn refused(author: &Author, alter: impl FnOnce(&mut Batch)) -> String {
    let mut exchange = pulling(author);
    let mut altered = batch(author, 0, 256);
    alter(&mut altered);
    let outputs = give(&mut exchange, altered);
    let (reasons, is_stored) = answer(&outputs);
    assert!(!is_stored && reasons.len() == 1, "{reasons:?}");
    // The log rests: the original is not taken any more either.
    assert_eq!(give(&mut exchange, batch(author, 0, 256)), []);
    reasons.concat()
}

#[test]
fn a_batch_as_it_should_be_is_stored() {
    let author = Author::of(1, 1000);
    let outputs = give(&mut pulling(&author), batch(&author, 0, 256));
    let [Output::Store(store)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((store.records.len(), store.frontier.size()), (256, 256));
    assert!(!store.completes_checkpoint() && store.identity.is_some());
}

#[test]
fn refuses_gaps_repeats_and_what_nobody_asked_for() {
    let author = Author::of(1, 1000);
    assert_eq!(refused(&author, |it| *it = batch(&author, 256, 256)), "replication.out_of_order");
    assert_eq!(refused(&author, |it| it.start = 1), "replication.batch_misaligned");
    let mut exchange = pulling(&author);
    assert!(answer(&give(&mut exchange, batch(&author, 0, 256))).1);
    let replayed = give(&mut exchange, batch(&author, 0, 256));
    assert_eq!(answer(&replayed), (vec!["replication.out_of_order"], false));

    let (mut exchange, _) = Node::default().open();
    let unasked = give(&mut exchange, batch(&author, 0, 256));
    assert_eq!(answer(&unasked), (vec!["replication.unsolicited"], false));
}

#[test]
fn refuses_a_batch_beyond_the_credit() {
    let author = Author::of(1, 256 * 20);
    let mut exchange = pulling(&author);
    for n in 0..8 {
        assert!(answer(&give(&mut exchange, batch(&author, n * 256, 256))).1);
    }
    let beyond = give(&mut exchange, batch(&author, 8 * 256, 256));
    assert_eq!(answer(&beyond), (vec!["replication.unsolicited"], false));
}

#[test]
fn credit_comes_back_when_batches_are_durable_and_not_before() {
    let author = Author::of(1, 256 * 20);
    let mut exchange = pulling(&author);
    for n in 0..8 {
        let outputs = give(&mut exchange, batch(&author, n * 256, 256));
        assert!(!outputs.iter().any(|it| matches!(it, Output::Send(_))));
    }
    let log = author.log;
    let outputs = exchange.handle(Input::Durable { log, size: 5 * 256, cosignatures: Vec::new() });
    let ack = Ack { log, size: 5 * 256, cosignatures: Vec::new() };
    let want = Want { log, start: 8 * 256, end: author.size(), credit: 5 };
    assert_eq!(outputs, [Frame::Ack(ack), Frame::Want(want)].map(Output::Send));
}

#[test]
fn refuses_batches_of_the_wrong_form() {
    let author = Author::of(1, 1000);
    assert_eq!(refused(&author, |it| it.records.clear()), "replication.batch_empty");
    let longer = |it: &mut Batch| it.records = batch(&author, 0, 257).records;
    assert_eq!(refused(&author, longer), "replication.batch_too_many");
    assert_eq!(refused(&author, |it| it.tree_size = 999), "replication.other_head");
    assert_eq!(refused(&author, |it| it.tree_size = 255), "replication.beyond_head");
    assert_eq!(refused(&author, |it| it.start = u64::MAX), "replication.beyond_head");
    let proof = |n: usize| move |it: &mut Batch| it.proof = vec![Hash::from_bytes([1; 32]); n];
    assert_eq!(refused(&author, proof(63)), "replication.bad_proof");
    assert_eq!(refused(&author, proof(64)), "proof.too_long");
}

#[test]
fn a_batch_of_one_mebibyte_is_taken_and_one_byte_more_is_refused() {
    let author_of = |n_bytes: usize| {
        let mut author = Author::of(1, 1);
        for _ in 0..4 {
            author.append(Known::Pool, vec![7; 250_000]);
        }
        let author_bytes =
            |it: &Author| it.records.iter().map(crate::RawRecord::n_bytes).sum::<usize>();
        let mut probe = author.clone();
        probe.append(Known::Pool, vec![7; 40_000]);
        let last = 40_000 + n_bytes - author_bytes(&probe);
        author.append(Known::Pool, vec![7; last]);
        assert_eq!(author_bytes(&author), n_bytes);
        author
    };
    let most = author_of(MAX_BATCH_BYTES);
    assert!(answer(&give(&mut pulling(&most), batch(&most, 0, 256))).1);
    let more = author_of(MAX_BATCH_BYTES + 1);
    let outputs = give(&mut pulling(&more), batch(&more, 0, 256));
    assert_eq!(answer(&outputs), (vec!["replication.batch_too_large"], false));
}

#[test]
fn refuses_a_batch_that_crosses_a_multiple_of_256() {
    let author = Author::of(1, 1000);
    let mut exchange = pulling(&author);
    assert!(answer(&give(&mut exchange, batch(&author, 0, 255))).1);
    let outputs = give(&mut exchange, batch(&author, 255, 2));
    assert_eq!(answer(&outputs), (vec!["replication.batch_misaligned"], false));
}

#[test]
fn refuses_records_that_are_oversize_truncated_non_canonical_or_out_of_order() {
    let author = Author::of(1, 300);
    let header = |alter: fn(&mut Vec<u8>)| move |it: &mut Batch| alter(&mut it.records[7].header);
    let oversize = header(|it| it.resize(8193, 0));
    assert_eq!(refused(&author, oversize), "record.header_too_large");
    assert_eq!(refused(&author, header(|it| it.truncate(20))), "record.header_malformed");
    let doubled = header(|it| it.splice(0..0, [8, 1]).for_each(drop));
    assert_eq!(refused(&author, doubled), "record.header_malformed");
    assert_eq!(refused(&author, |it| it.records.swap(3, 4)), "record.out_of_place");
    let payload = |it: &mut Batch| it.records[7].content.as_mut().unwrap().payload[0] ^= 1;
    assert_eq!(refused(&author, payload), "record.payload_mismatch");
    assert_eq!(refused(&author, |it| it.records[7].content = None), "record.payload_missing");
}

#[test]
fn refuses_a_text_that_is_missing_without_a_name_for_what_erased_it() {
    let mut author = Author::of(1, 3);
    author.append(Known::Text, b"gone".to_vec());
    assert_eq!(refused(&author, |it| it.records[3].content = None), "record.payload_missing");
}

#[test]
fn refuses_records_of_another_log_and_another_network() {
    let (author, other) = (Author::of(1, 300), Author::of(2, 300));
    let foreign = |it: &mut Batch| it.records[7] = other.records[7].clone();
    assert_eq!(refused(&author, foreign), "record.out_of_place");
    let mut elsewhere = Author::founded(1, "other.example".parse().unwrap());
    elsewhere.grow_to(300);
    let foreign = |it: &mut Batch| it.records[7] = elsewhere.records[7].clone();
    assert_eq!(refused(&author, foreign), "record.other_network");
}

#[test]
fn refuses_records_that_the_author_did_not_sign() {
    let author = Author::of(1, 300);
    let mut forged = Author::of(1, 100);
    forged.grow_saying(300, "forged");
    assert_eq!(refused(&author, |it| *it = batch(&forged, 0, 256)), "replication.bad_proof");
    let short = Author::of(1, 200);
    let mut forged_short = Author::of(1, 100);
    forged_short.grow_saying(200, "forged");
    let whole = |it: &mut Batch| *it = batch(&forged_short, 0, 256);
    assert_eq!(refused(&short, whole), "replication.bad_root");
}

#[test]
fn refuses_a_proof_that_is_wrong_short_or_not_needed() {
    let author = Author::of(1, 300);
    let flip = |it: &mut Batch| it.proof[0] = Hash::from_bytes([9; 32]);
    assert_eq!(refused(&author, flip), "replication.bad_proof");
    assert_eq!(refused(&author, |it| it.proof.truncate(0)), "replication.bad_proof");
    let short = Author::of(1, 200);
    let extra = |it: &mut Batch| it.proof.push(Hash::from_bytes([9; 32]));
    assert_eq!(refused(&short, extra), "proof.too_long");
}

#[test]
fn refuses_heads_of_an_unknown_key_another_network_or_another_log() {
    let author = Author::of(1, 10);
    let refused = |head: Head| {
        let (mut exchange, _) = Node::default().open();
        let outputs = offer(&mut exchange, head);
        answer(&outputs).0.join(" ")
    };
    let stranger = Author::of(2, 10);
    let of = |checkpoint, identity| Head { log: author.log, checkpoint, identity, pushed_from: 0 };
    let none: Arc<[u8]> = Arc::from([]);
    assert_eq!(refused(of(author.note_at(10), none)), "replication.identity_missing");
    let other_identity = of(author.note_at(10), stranger.bundle());
    assert_eq!(refused(other_identity), "replication.identity_invalid");
    let too_large = of(author.note_at(10), vec![0; 256 * 1024 + 1].into());
    assert_eq!(refused(too_large), "replication.identity_too_large");
    let other_log = of(stranger.note_at(10), author.bundle());
    assert_eq!(refused(other_log), "replication.other_origin");
    let mut impostor = stranger.clone();
    impostor.log = author.log;
    assert_eq!(refused(of(impostor.note_at(10), author.bundle())), "replication.unknown_key");
    let mut elsewhere = author.clone();
    elsewhere.network = "other.example".parse().unwrap();
    assert_eq!(refused(of(elsewhere.note_at(10), author.bundle())), "replication.other_origin");
    let founded_elsewhere = Author::founded(1, "other.example".parse().unwrap());
    assert_eq!(refused(head(&founded_elsewhere, 1)), "replication.identity_invalid");
    assert_eq!(refused(of(Arc::from(*b"x\n"), author.bundle())), "replication.head_malformed");
    let unknown_era = Head { log: LogName { era: 1, ..author.log }, ..head(&author, 10) };
    assert_eq!(refused(unknown_era), "replication.other_origin");
}

#[test]
fn refuses_a_head_whose_signature_does_not_verify() {
    let author = Author::of(1, 10);
    let other_text = String::from_utf8(author.note_at(9).to_vec()).unwrap();
    let text = String::from_utf8(author.note_at(10).to_vec()).unwrap();
    let (_, line) = other_text.rsplit_once("\n\n").unwrap();
    let (body, _) = text.rsplit_once("\n\n").unwrap();
    let checkpoint: Arc<[u8]> = format!("{body}\n\n{line}").into_bytes().into();
    let (mut exchange, _) = Node::default().open();
    let outputs = offer(&mut exchange, Head { checkpoint, ..head(&author, 10) });
    assert_eq!(answer(&outputs), (vec!["replication.bad_signature"], false));
}

#[test]
fn refuses_the_logs_of_those_who_are_not_admitted() {
    let (inside, outside) = (Author::of(1, 10), Author::of(2, 10));
    let admitted = Some([inside.log.community].into());
    let (mut exchange, _) = Node { admitted, ..Node::default() }.open();
    let outputs = offer(&mut exchange, head(&outside, 10));
    assert_eq!(answer(&outputs), (vec!["replication.not_admitted"], false));
    let outputs = offer(&mut exchange, head(&inside, 10));
    assert!(answer(&outputs).0.is_empty());
}

#[test]
fn refuses_a_head_signed_by_a_retired_key() {
    let mut author = Author::of(1, 10);
    author.rotate();
    author.grow_to(20);
    let (mut exchange, _) = Node::default().open();
    let checkpoint = author.note_by_first_key_at(20);
    let outputs = offer(&mut exchange, Head { checkpoint, ..head(&author, 20) });
    assert_eq!(answer(&outputs), (vec!["replication.unknown_key"], false));
}

#[test]
fn an_older_identity_does_not_bring_a_retired_key_back() {
    let before = Author::of(1, 10);
    let mut author = before.clone();
    author.rotate();
    author.grow_to(20);
    let (mut exchange, _) = Node::holding([&author]).open();
    let mut thief = before.clone();
    thief.grow_saying(30, "stolen");
    let outputs = offer(&mut exchange, head(&thief, 30));
    assert_eq!(answer(&outputs), (vec!["replication.unknown_key"], false));
}

#[test]
fn a_longer_identity_that_changes_a_known_key_is_not_learned() {
    let mut author = Author::of(1, 10);
    author.rotate();
    let mut other = Author::of(1, 5);
    other.rotate();
    other.rotate();
    for rival in [&mut author, &mut other] {
        rival.grow_to(20);
    }
    other.grow_to(30);
    let (mut exchange, _) = Node::holding([&author]).open();
    let outputs = offer(&mut exchange, head(&other, 30));
    assert_eq!(answer(&outputs), (vec!["replication.unknown_key"], false));
}

#[test]
fn refuses_wants_for_what_was_not_offered() {
    let author = Author::of(1, 300);
    let refused = |log, start, end| {
        let (mut exchange, _) = Node::holding([&author]).open();
        let want = Want { log, start, end, credit: 1 };
        let outputs = exchange.handle(Input::Frame(Frame::Want(want)));
        answer(&outputs).0.join(" ")
    };
    assert_eq!(refused(author.log, 0, 300), "");
    assert_eq!(refused(author.log, 300, 300), "");
    assert_eq!(refused(author.log, 0, 301), "replication.bad_want");
    assert_eq!(refused(author.log, 10, 9), "replication.bad_want");
    assert_eq!(refused(Author::of(2, 1).log, 0, 1), "replication.unknown_log");
}

#[test]
fn sends_no_more_batches_than_were_granted() {
    let author = Author::of(1, 256 * 20);
    let (mut exchange, _) = Node::holding([&author]).open();
    let want = Want { log: author.log, start: 0, end: author.size(), credit: u32::MAX };
    let mut outputs = exchange.handle(Input::Frame(Frame::Want(want)));
    let mut n_sent = 0;
    while let Some(Output::Load { start, max_records, .. }) = outputs.last() {
        outputs = exchange.handle(Input::Loaded(batch(&author, *start, *max_records)));
        n_sent += 1;
    }
    assert_eq!(n_sent, crate::limits::MAX_CREDIT_BATCHES);
}

#[test]
fn a_batch_that_the_store_cannot_give_is_refused_and_not_sent() {
    let author = Author::of(1, 300);
    let want = Want { log: author.log, start: 0, end: 300, credit: 1 };
    let give = |input: Input| {
        let (mut exchange, _) = Node::holding([&author]).open();
        let _ = exchange.handle(Input::Frame(Frame::Want(want)));
        exchange.handle(input)
    };
    let (log, detail) = (author.log, "the disk does not answer".to_owned());
    let outputs = give(Input::NotLoaded { log, reason: "store.unavailable", detail });
    assert_eq!(answer(&outputs).0, ["store.unavailable"]);
    let outputs = give(Input::Loaded(batch(&author, 256, 10)));
    assert_eq!(answer(&outputs).0, ["replication.unavailable"]);
}

#[test]
fn what_the_store_does_not_take_is_refused_and_never_acknowledged() {
    let author = Author::of(1, 1000);
    let mut exchange = pulling(&author);
    let _ = give(&mut exchange, batch(&author, 0, 256));
    let (log, detail) = (author.log, "the disk is full".to_owned());
    let outputs = exchange.handle(Input::NotStored { log, reason: "store.full", detail });
    assert_eq!(answer(&outputs), (vec!["store.full"], false));
    let late = exchange.handle(Input::Durable { log, size: 256, cosignatures: Vec::new() });
    assert!(late.is_empty());
}

#[test]
fn refuses_acks_beyond_what_was_offered_and_cosignatures_beyond_the_limits() {
    let author = Author::of(1, 10);
    let acked = |size, cosignatures: Vec<String>| {
        let (mut exchange, _) = Node::holding([&author]).open();
        let ack = Ack { log: author.log, size, cosignatures };
        let outputs = exchange.handle(Input::Frame(Frame::Ack(ack)));
        matches!(outputs[..], [Output::Acked { .. }])
    };
    assert!(acked(10, vec!["x".repeat(4096); 16]));
    assert!(!acked(11, Vec::new()));
    assert!(!acked(10, vec![String::new(); 17]));
    assert!(!acked(10, vec!["x".repeat(4097)]));
}

#[test]
fn a_batch_is_verified_without_a_stream() {
    let author = Author::of(1, 300);
    let place = BatchPlace {
        network: network(),
        log: author.log,
        frontier: tlog::Frontier::new(),
        tree_size: 300,
        tree_root: *author.head_at(300).root(),
    };
    let verified = verify_batch(&place, batch(&author, 0, 256)).unwrap();
    assert_eq!(verified.frontier.size(), 256);
    let log = LogName { era: 1, ..author.log };
    assert_eq!(
        verify_batch(&place, Batch { log, ..batch(&author, 0, 256) }),
        Err(Fault::Unsolicited)
    );
}
