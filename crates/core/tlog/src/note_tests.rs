use proptest::prelude::*;

use super::*;
use crate::{cosignature::cosign, hash::Hash};

#[test]
fn a_note_by_a_known_key_opens() {
    let note = signer("a", 1).sign_note(TEXT.to_owned()).unwrap();
    let opened = open(note.render().as_bytes(), &[key("a", 1)]).unwrap();
    assert_eq!(opened.text(), TEXT);
    assert_eq!(opened.verified(), [VerifiedSignature { key: key("a", 1), cosigned_at_secs: None }]);
}

#[test]
fn unknown_keys_are_ignored_even_with_a_known_name_or_id() {
    let by_stranger = signer("a", 2).sign(TEXT);
    let with_id_of_known =
        NoteSignature::new(name("b"), key("a", 1).id(), vec![0; 64]).expect("not empty");
    let note = note_of(vec![by_stranger.clone(), with_id_of_known, signer("a", 1).sign(TEXT)]);
    assert_eq!(note.verify(&[key("a", 1)]).map(|verified| verified.len()), Ok(1));

    let unknown_only = note_of(vec![by_stranger]);
    assert_eq!(unknown_only.verify(&[key("a", 1)]), Err(NoteError::NoKnownSignature));
    assert_eq!(unknown_only.verify(&[]), Err(NoteError::NoKnownSignature));
}

#[test]
fn a_known_key_whose_signature_fails_rejects_the_whole_note() {
    let of_other_text = signer("b", 2).sign("another text\n");
    let note = note_of(vec![signer("a", 1).sign(TEXT), of_other_text]);
    assert!(note.verify(&[key("a", 1)]).is_ok());
    let refusal = NoteError::BadSignature { name: name("b"), id: key("b", 2).id() };
    assert_eq!(note.verify(&[key("a", 1), key("b", 2)]), Err(refusal));
}

#[test]
fn a_signature_of_another_length_is_bad() {
    for n_bytes in [1, 63, 65, 72] {
        let line = NoteSignature::new(name("a"), key("a", 1).id(), vec![0; n_bytes]).unwrap();
        let refusal = NoteError::BadSignature { name: name("a"), id: key("a", 1).id() };
        assert_eq!(note_of(vec![line]).verify(&[key("a", 1)]), Err(refusal));
    }
}

#[test]
fn a_key_that_signed_twice_is_reported_once_and_each_line_must_verify() {
    let good = signer("a", 1).sign(TEXT);
    let twice = note_of(vec![good.clone(), good.clone()]);
    assert_eq!(twice.verify(&[key("a", 1)]).map(|verified| verified.len()), Ok(1));

    let bad = signer("a", 1).sign("another text\n");
    for lines in [vec![good.clone(), bad.clone()], vec![bad, good]] {
        let refusal = note_of(lines).verify(&[key("a", 1)]);
        assert!(matches!(refusal, Err(NoteError::BadSignature { .. })));
    }
}

#[test]
fn of_two_cosignatures_by_one_key_the_later_time_is_reported() {
    let checkpoint = Checkpoint { origin: name("log"), size: 1, root: Hash::from_bytes([1; 32]) };
    let at = |secs| cosign(&checkpoint, &name("w"), &signing(3), secs).unwrap();
    let witness = VerifierKey::cosignature(name("w"), &signing(3).verifying_key()).unwrap();
    for lines in [vec![at(5), at(9)], vec![at(9), at(5)]] {
        let note = Note::new(checkpoint.to_text(), lines).unwrap();
        let verified = note.verify(std::slice::from_ref(&witness)).unwrap();
        let expected = VerifiedSignature { key: witness.clone(), cosigned_at_secs: Some(9) };
        assert_eq!(verified, [expected]);
    }
}

#[test]
fn an_ml_dsa_line_is_ignored() {
    let ml_dsa = VerifierKey::new(name("w"), KeyType::MlDsa44, &[5; 1_312]).unwrap();
    let line = NoteSignature::new(name("w"), ml_dsa.id(), vec![1; 8 + 2_420]).unwrap();
    let note = note_of(vec![line, signer("a", 1).sign(TEXT)]);
    let verified = note.verify(&[ml_dsa.clone(), key("a", 1)]).unwrap();
    assert_eq!(verified.len(), 1);
    let alone = note_of(vec![note.signatures()[0].clone()]);
    assert_eq!(alone.verify(&[ml_dsa]), Err(NoteError::NoKnownSignature));
}

#[test]
fn the_same_key_given_twice_is_no_ambiguity() {
    let note = note_of(vec![signer("a", 1).sign(TEXT)]);
    assert!(note.verify(&[key("a", 1), key("a", 1)]).is_ok());
}

#[test]
fn two_keys_that_a_note_cannot_tell_apart_are_refused() {
    // Two seeds whose keys share the first four bytes of the hash.
    let of = |seed: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&seed.to_be_bytes());
        VerifierKey::ed25519(name("a"), &SigningKey::from_bytes(&bytes).verifying_key()).unwrap()
    };
    let (one, other) = (of(69_101), of(114_672));
    assert_eq!(one.id(), other.id());
    let note = note_of(vec![signer("a", 1).sign(TEXT)]);
    let refusal = NoteError::AmbiguousKey { name: name("a"), id: one.id() };
    assert_eq!(note.verify(&[key("a", 1), one.clone(), other]), Err(refusal));
    assert!(note.verify(&[key("a", 1), one]).is_ok());
}

#[test]
fn text_and_signatures_part_at_the_last_empty_line() {
    let text = "one\n\n— not a signature\n\ntwo\n";
    let note = signer("a", 1).sign_note(text.to_owned()).unwrap();
    let read = Note::parse(note.render().as_bytes()).unwrap();
    assert_eq!(read.text(), text);
    assert_eq!(read, note);
}

#[test]
fn thirty_two_signatures_are_accepted_and_one_more_refused() {
    let lines = |n: u8| (0..n).map(|seed| signer("a", seed).sign(TEXT)).collect::<Vec<_>>();
    let rendered = note_of(lines(32)).render();
    assert!(Note::parse(rendered.as_bytes()).is_ok());

    let refusal = Err(NoteError::TooManySignatures { n_signatures: 33 });
    assert_eq!(Note::new(TEXT.to_owned(), lines(33)), refusal);
    let longer = rendered + &lines(1)[0].render_line();
    assert_eq!(Note::parse(longer.as_bytes()), refusal);
    assert_eq!(Note::new(TEXT.to_owned(), vec![]), Err(NoteError::NoSignatures));
}

#[test]
fn a_note_of_64_kib_is_accepted_and_one_byte_more_refused() {
    let line = signer("a", 1).sign(TEXT);
    let n_text_bytes = MAX_NOTE_BYTES - line.render_line().len() - 1;
    let of = |n_bytes: usize| format!("{}\n", "x".repeat(n_bytes - 1));
    let largest = Note::new(of(n_text_bytes), vec![line.clone()]).unwrap();
    assert_eq!(largest.render().len(), MAX_NOTE_BYTES);
    assert_eq!(Note::parse(largest.render().as_bytes()), Ok(largest));

    let refusal = Err(NoteError::TooLarge { n_bytes: MAX_NOTE_BYTES + 1 });
    assert_eq!(Note::new(of(n_text_bytes + 1), vec![line.clone()]), refusal);
    let longer = format!("{}\n{}", of(n_text_bytes + 1), line.render_line());
    assert_eq!(Note::parse(longer.as_bytes()), refusal);
}

#[test]
fn refuses_every_other_spelling_of_a_note() {
    let right = note_of(vec![signer("a", 1).sign(TEXT)]).render();
    let (text, line) = right.rsplit_once("\n\n").unwrap();
    let encoded = line.trim_end().rsplit_once(' ').unwrap().1;
    for (wrong, refusal) in [
        (String::new(), NoteError::UnfinishedText),
        ("\n".to_owned(), NoteError::NoSignatures),
        (format!("{text}\n"), NoteError::NoSignatures),
        (format!("{text}\n{line}"), NoteError::NoSignatures),
        (format!("{text}\n\n"), NoteError::NoSignatures),
        (format!("{right}\n"), NoteError::NoSignatures),
        (right.trim_end().to_owned(), NoteError::UnfinishedText),
        (right.replace("line", "li\tne"), NoteError::ControlCharacter),
        (right.replace('\n', "\r\n"), NoteError::ControlCharacter),
        (format!("{text}\n\n\u{2014}  a {encoded}\n"), LINE_0),
        (format!("{text}\n\n- a {encoded}\n"), LINE_0),
        (format!("{text}\n\n\u{2013} a {encoded}\n"), LINE_0),
        (format!("{text}\n\n\u{2014} a+b {encoded}\n"), LINE_0),
        (format!("{text}\n\n\u{2014} a b {encoded}\n"), LINE_0),
        (format!("{text}\n\n\u{2014} a {encoded} \n"), LINE_0),
        (format!("{text}\n\n\u{2014} {encoded}\n"), LINE_0),
        (format!("{text}\n\n\u{2014} a {}\n", encoded.trim_end_matches('=')), LINE_0),
        (format!("{text}\n\n\u{2014} a AAAAAA==\n"), LINE_0),
        (format!("{right}any\n"), NoteError::SignatureLine { line: 1 }),
    ] {
        assert_eq!(Note::parse(wrong.as_bytes()), Err(refusal), "{wrong:?}");
    }
    let mut not_utf8 = right.into_bytes();
    not_utf8[0] = 0xff;
    assert_eq!(Note::parse(&not_utf8), Err(NoteError::NotUtf8));
}

#[test]
fn refuses_a_text_that_no_note_can_have() {
    let of = |text: &str| signer("a", 1).sign_note(text.to_owned()).map(|_| ());
    assert_eq!(of("\n"), Ok(()));
    assert_eq!(of(""), Err(NoteError::UnfinishedText));
    assert_eq!(of("line"), Err(NoteError::UnfinishedText));
    assert_eq!(of("li\u{1f}ne\n"), Err(NoteError::ControlCharacter));
    assert_eq!(of("li\u{7f}ne\n"), Ok(()));
}

#[test]
fn lines_of_an_answer_are_read_one_by_one() {
    let lines = [signer("a", 1).sign(TEXT), signer("b", 2).sign(TEXT)];
    let text: String = lines.iter().map(NoteSignature::render_line).collect();
    assert_eq!(NoteSignature::parse_lines(&text).unwrap(), lines);
    assert_eq!(NoteSignature::parse_lines(""), Err(NoteError::NoSignatures));
    let refusal = Err(NoteError::SignatureLine { line: 1 });
    assert_eq!(NoteSignature::parse_lines(text.trim_end()), refusal);
    assert!(NoteSignature::new(name("a"), key("a", 1).id(), vec![]).is_none());
}

#[test]
fn a_signers_debug_does_not_show_its_key() {
    let shown = format!("{:?}", signer("a", 0xab));
    assert_eq!(shown, "Signer { name: KeyName(\"a\"), .. }");
}

#[test]
fn a_signer_knows_its_verifier_key() {
    assert_eq!(signer("a", 1).verifier_key(), Ok(key("a", 1)));
}

const TEXT: &str = "a line\nanother\n";
const LINE_0: NoteError = NoteError::SignatureLine { line: 0 };

fn note_of(signatures: Vec<NoteSignature>) -> Note {
    Note::new(TEXT.to_owned(), signatures).unwrap()
}

fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn signer(text: &str, seed: u8) -> Signer {
    Signer::new(name(text), signing(seed))
}

fn key(text: &str, seed: u8) -> VerifierKey {
    VerifierKey::ed25519(name(text), &signing(seed).verifying_key()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn notes_go_there_and_back(text in "(\\PC{0,20}\n){1,4}", seeds in proptest::collection::vec(any::<u8>(), 1..4)) {
        let lines = seeds.iter().map(|seed| signer("é/1", *seed).sign(&text)).collect();
        let note = Note::new(text, lines).unwrap();
        prop_assert_eq!(Note::parse(note.render().as_bytes()).unwrap(), note);
    }

    #[test]
    fn one_flipped_bit_is_refused(bit in any::<proptest::sample::Index>()) {
        let mut bytes = note_of(vec![signer("a", 1).sign(TEXT)]).render().into_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&bytes, &[key("a", 1)]).is_err());
    }

    #[test]
    fn reading_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Note::parse(&bytes);
    }

    #[test]
    fn whatever_note_is_read_is_written_back(
        note in "([a-z]{0,3}\n){0,4}\n(— [a-z+ ]{0,3} [A-Za-b0/]{8,9}={0,2}\n){0,3}",
    ) {
        if let Ok(read) = Note::parse(note.as_bytes()) {
            prop_assert_eq!(read.render(), note);
        }
    }
}
