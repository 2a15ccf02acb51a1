use proptest::prelude::*;

use super::*;
use crate::{cosignature::cosign, note::MAX_NOTE_BYTES};

#[test]
fn a_signed_checkpoint_opens_under_its_logs_key() {
    let signed = sign_checkpoint(&checkpoint(), &signing(7));
    let opened = open_checkpoint(&signed.to_bytes(), &log_key()).unwrap();
    assert_eq!(opened, signed);
    assert_eq!(opened.checkpoint(), &checkpoint());
    assert_eq!(Checkpoint::parse_text(opened.text()), Ok(checkpoint()));
}

#[test]
fn refuses_another_logs_key_and_another_type_of_key() {
    let bytes = sign_checkpoint(&checkpoint(), &signing(7)).to_bytes();
    let key =
        |text, seed| VerifierKey::ed25519(name(text), &signing(seed).verifying_key()).unwrap();
    let other_origin = CheckpointError::OtherOrigin { stated: name(ORIGIN) };
    assert_eq!(open_checkpoint(&bytes, &key("other.example/log", 7)), Err(other_origin));
    assert_eq!(open_checkpoint(&bytes, &key(ORIGIN, 8)), Err(CheckpointError::NotSignedByLog));
    assert_eq!(open_checkpoint(&bytes, &witness_key(ORIGIN, 7)), Err(CheckpointError::NotALogKey));
}

#[test]
fn a_cosignature_alone_does_not_make_a_checkpoint() {
    let line = cosign(&checkpoint(), &name("w"), &signing(9), 5).unwrap();
    let note = Note::new(checkpoint().to_text(), vec![line]).unwrap();
    let refusal = open_note(note, &log_key(), &[witness_key("w", 9)]);
    assert_eq!(refusal, Err(CheckpointError::NotSignedByLog));
}

#[test]
fn a_log_and_a_witness_may_share_a_name() {
    let line = cosign(&checkpoint(), &name(ORIGIN), &signing(9), 5).unwrap();
    let signed = sign_checkpoint(&checkpoint(), &signing(7)).with_signature_line(line).unwrap();
    assert_eq!(signed.note().signatures().len(), 2);
    let (_, cosignatures) =
        open_cosigned(&signed.to_bytes(), &log_key(), &[witness_key(ORIGIN, 9)]).unwrap();
    assert_eq!(cosignatures.len(), 1);
}

#[test]
fn cosignatures_are_reported_for_known_cosigners_only() {
    let mut signed = sign_checkpoint(&checkpoint(), &signing(7));
    for seed in [1, 2, 3] {
        let line = cosign(&checkpoint(), &name("w"), &signing(seed), seed.into()).unwrap();
        signed = signed.with_signature_line(line).unwrap();
    }
    let known = [witness_key("w", 3), witness_key("w", 1), witness_key("w", 4)];
    let (opened, cosignatures) = open_cosigned(&signed.to_bytes(), &log_key(), &known).unwrap();
    assert_eq!(opened, signed);
    let times: Vec<_> = cosignatures.iter().map(|it| it.cosigned_at_secs).collect();
    assert_eq!(times, [Some(1), Some(3)]);
}

#[test]
fn a_witness_that_cosigns_anew_is_named_once() {
    let signed = sign_checkpoint(&checkpoint(), &signing(7));
    let at = |secs| cosign(&checkpoint(), &name("w"), &signing(9), secs).unwrap();
    let once = signed.with_signature_line(at(5)).unwrap();
    let twice = once.with_signature_line(at(9)).unwrap();
    assert_eq!(twice.note().signatures()[1..], [at(9)]);
    assert_eq!(twice.with_signature_line(at(9)).unwrap(), twice);
}

#[test]
fn the_logs_own_line_never_changes() {
    let signed = sign_checkpoint(&checkpoint(), &signing(7));
    let forged = NoteSignature::new(name(ORIGIN), log_key().id(), vec![0; 64]).unwrap();
    assert_eq!(signed.with_signature_line(forged.clone()).unwrap(), signed);
    let copy = Note::new(signed.text().to_owned(), vec![forged]).unwrap();
    assert_eq!(signed.merged_with(&copy).unwrap(), signed);
}

#[test]
fn two_copies_merge_without_doubling() {
    let signed = sign_checkpoint(&checkpoint(), &signing(7));
    let by = |seed| cosign(&checkpoint(), &name("w"), &signing(seed), 5).unwrap();
    let ours = signed.with_signature_line(by(1)).unwrap().with_signature_line(by(2)).unwrap();
    let theirs = signed.with_signature_line(by(2)).unwrap().with_signature_line(by(3)).unwrap();

    let merged = ours.merged_with(theirs.note()).unwrap();

    let log_line = signed.note().signatures()[0].clone();
    assert_eq!(merged.note().signatures(), [log_line, by(1), by(2), by(3)]);
    assert_eq!(merged.merged_with(theirs.note()).unwrap(), merged);

    let other = Checkpoint { size: 601, ..checkpoint() };
    let other = sign_checkpoint(&other, &signing(7));
    assert_eq!(ours.merged_with(other.note()), Err(CheckpointError::DifferentText));
}

#[test]
fn the_thirty_third_line_and_the_last_byte_too_many_are_refused() {
    let mut signed = sign_checkpoint(&checkpoint(), &signing(7));
    let line = |n: usize, n_bytes: usize| {
        NoteSignature::new(name(&format!("w{n}")), log_key().id(), vec![1; n_bytes]).unwrap()
    };
    let too_large = signed.with_signature_line(line(0, MAX_NOTE_BYTES));
    assert!(matches!(too_large, Err(CheckpointError::Note(NoteError::TooLarge { .. }))));
    for n in 1..MAX_SIGNATURES {
        signed = signed.with_signature_line(line(n, 72)).unwrap();
    }
    let refusal = NoteError::TooManySignatures { n_signatures: 33 }.into();
    assert_eq!(signed.with_signature_line(line(0, 72)), Err(refusal));
}

#[test]
fn refuses_every_other_spelling_of_a_checkpoint() {
    let root = checkpoint().root.to_base64();
    for (wrong, refusal) in [
        (String::new(), CheckpointError::TooFewLines),
        ("\n".to_owned(), CheckpointError::TooFewLines),
        (format!("{ORIGIN}\n600\n"), CheckpointError::TooFewLines),
        (format!("{ORIGIN}\n600\n{root}"), CheckpointError::TooFewLines),
        (format!("{ORIGIN}\n600\n{root}\nextension\n"), CheckpointError::ExtensionLines),
        (format!("{ORIGIN}\n600\n{root}\n\n"), CheckpointError::ExtensionLines),
        (format!("\n600\n{root}\n"), CheckpointError::Origin),
        (format!("go.sum database tree\n600\n{root}\n"), CheckpointError::Origin),
        (format!("{ORIGIN}\n0600\n{root}\n"), CheckpointError::Size),
        (format!("{ORIGIN}\n+600\n{root}\n"), CheckpointError::Size),
        (format!("{ORIGIN}\n-1\n{root}\n"), CheckpointError::Size),
        (format!("{ORIGIN}\n\n{root}\n"), CheckpointError::Size),
        (format!("{ORIGIN}\n600 \n{root}\n"), CheckpointError::Size),
        (format!("{ORIGIN}\n600\n{root} \n"), CheckpointError::Root),
        (format!("{ORIGIN}\n600\n{}\n", root.trim_end_matches('=')), CheckpointError::Root),
    ] {
        assert_eq!(Checkpoint::parse_text(&wrong), Err(refusal), "{wrong:?}");
    }
}

#[test]
fn the_largest_tree_has_a_checkpoint_and_the_next_has_none() {
    let of = |size: u64| Checkpoint { size, ..checkpoint() };
    let largest = of(MAX_TREE_SIZE);
    assert_eq!(Checkpoint::parse_text(&largest.to_text()), Ok(largest));
    let refusal = Err(CheckpointError::Size);
    assert_eq!(Checkpoint::parse_text(&of(MAX_TREE_SIZE + 1).to_text()), refusal);
}

#[test]
fn an_empty_tree_has_the_empty_root_or_is_refused() {
    let empty = Checkpoint { size: 0, root: EMPTY_ROOT, ..checkpoint() };
    assert_eq!(Checkpoint::parse_text(&empty.to_text()), Ok(empty));
    let wrong = Checkpoint { size: 0, ..checkpoint() };
    assert_eq!(Checkpoint::parse_text(&wrong.to_text()), Err(CheckpointError::EmptyTreeRoot));
}

const ORIGIN: &str = "folkmoot.example/log/test/0";

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: name(ORIGIN), size: 600, root: Hash::from_bytes([3; 32]) }
}

fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log_key() -> VerifierKey {
    VerifierKey::ed25519(name(ORIGIN), &signing(7).verifying_key()).unwrap()
}

fn witness_key(text: &str, seed: u8) -> VerifierKey {
    VerifierKey::cosignature(name(text), &signing(seed).verifying_key()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn checkpoints_go_there_and_back(
        origin in "[a-z./é]{1,20}", size in 1..=MAX_TREE_SIZE, root in any::<[u8; 32]>(),
    ) {
        let checkpoint = Checkpoint { origin: name(&origin), size, root: Hash::from_bytes(root) };
        prop_assert_eq!(Checkpoint::parse_text(&checkpoint.to_text()), Ok(checkpoint));
    }

    #[test]
    fn one_flipped_bit_is_refused(bit in any::<proptest::sample::Index>()) {
        let mut bytes = sign_checkpoint(&checkpoint(), &signing(7)).to_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_checkpoint(&bytes, &log_key()).is_err());
    }

    #[test]
    fn whatever_checkpoint_is_read_is_written_back(text in "[a+ ]{1,2}\n[0-9+]{1,3}\n[A-Z]{42}[AE]=\n?") {
        if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
            prop_assert_eq!(checkpoint.to_text(), text);
        }
    }

    #[test]
    fn reading_an_arbitrary_text_never_panics(text in "[\\PC\n]*") {
        let _ = Checkpoint::parse_text(&text);
    }
}
