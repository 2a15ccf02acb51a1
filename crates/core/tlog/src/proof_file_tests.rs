use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::{Checkpoint, sign_checkpoint},
    cosignature::cosign,
    key::KeyName,
    prove::{inclusion_proof, leaf_lookup},
    tree::Frontier,
};

#[test]
fn a_proof_leads_from_its_entry_to_the_checkpoint() {
    let proof = proof_of(5, 11);
    let read = TlogProof::parse(proof.render().as_bytes()).unwrap();
    assert_eq!(read, proof);
    let signed = read.verify(&entry(5), &log_key()).unwrap();
    assert_eq!(signed.checkpoint().size, 11);

    let refusal = Err(TlogProofError::Proof(ProofError::RootMismatch));
    assert_eq!(read.verify(&entry(6), &log_key()), refusal);
}

#[test]
fn the_only_entry_of_a_log_needs_no_hashes() {
    let proof = proof_of(0, 1);
    assert!(proof.render().starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example\n1\n"));
    let read = TlogProof::parse(proof.render().as_bytes()).unwrap();
    assert!(read.verify(&entry(0), &log_key()).is_ok());
}

#[test]
fn extra_bytes_travel_along_and_none_leave_no_line() {
    let proof = proof_of(1, 2).with_extra(b"context".to_vec()).unwrap();
    assert!(proof.render().contains("@v1\nextra Y29udGV4dA==\nindex 1\n"));
    assert_eq!(TlogProof::parse(proof.render().as_bytes()).unwrap().extra(), Some(&b"context"[..]));
    let without = proof.with_extra(vec![]).unwrap();
    assert_eq!(without, proof_of(1, 2));
}

#[test]
fn limits_hold_on_both_sides() {
    let n_bytes = MAX_EXTRA_BYTES + 1;
    let largest = proof_of(1, 2).with_extra(vec![7; MAX_EXTRA_BYTES]).unwrap();
    assert_eq!(TlogProof::parse(largest.render().as_bytes()), Ok(largest));
    let refusal = Err(TlogProofError::ExtraTooLarge { n_bytes });
    assert_eq!(proof_of(1, 2).with_extra(vec![7; n_bytes]), refusal);

    let hash = Hash::from_bytes([1; 32]);
    let with = |n_hashes| TlogProof::new(0, vec![hash; n_hashes], proof_of(1, 2).checkpoint_note);
    let longest = with(63).unwrap();
    assert_eq!(TlogProof::parse(longest.render().as_bytes()), Ok(longest.clone()));
    assert_eq!(with(64), Err(TlogProofError::TooManyHashes { n_hashes: 64 }));
    let longer = longest.render().replacen("index 0\n", &format!("index 0\n{hash}\n"), 1);
    let refusal = Err(TlogProofError::TooManyHashes { n_hashes: 64 });
    assert_eq!(TlogProof::parse(longer.as_bytes()), refusal);

    let n_bytes = MAX_TLOG_PROOF_BYTES + 1;
    let refusal = Err(TlogProofError::TooLarge { n_bytes });
    assert_eq!(TlogProof::parse(&vec![b'a'; n_bytes]), refusal);
}

#[test]
fn names_the_line_that_is_malformed() {
    let right = proof_of(5, 11).render();
    for (from, to, line) in [
        ("@v1", "@v2", 1),
        ("index 5", "index 05", 2),
        ("index 5", "Index 5", 2),
        ("index 5", "extra \nindex 5", 2),
        ("index 5", "extra AB==\nindex 5", 2),
        ("index 5", "extra AA==\nextra AA==\nindex 5", 3),
        ("index 5", "index 5\nindex 5", 3),
        ("index 5", "index 5\n ", 3),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right);
        let refusal = Err(TlogProofError::Line { line });
        assert_eq!(TlogProof::parse(wrong.as_bytes()), refusal, "{to:?}");
    }
    let without_checkpoint = right.split_once("\n\n").unwrap().0;
    let refusal = Err(TlogProofError::NoCheckpoint);
    assert_eq!(TlogProof::parse(without_checkpoint.as_bytes()), refusal);
    let only_first_line = b"c2sp.org/tlog-proof@v1\n\n";
    assert_eq!(TlogProof::parse(only_first_line), Err(TlogProofError::Line { line: 2 }));
}

#[test]
fn a_policy_asks_for_the_quorum_too() {
    let witness = SigningKey::from_bytes(&[9; 32]);
    let name = KeyName::parse("w").unwrap();
    let witness_key = VerifierKey::cosignature(name.clone(), &witness.verifying_key()).unwrap();
    let policy = format!("log {}\nwitness w {witness_key}\nquorum w\n", log_key());
    let policy = Policy::parse(&policy).unwrap();
    let proof = proof_of(5, 11);
    let leaf = leaf_hash(&entry(5));
    let refusal = proof.verify_under(leaf, &policy);
    let no_quorum = TlogProofError::Trust(TrustError::NoQuorum { cosignatures: vec![] });
    assert_eq!(refusal, Err(no_quorum));

    let signed = proof.verify_leaf(leaf, &log_key()).unwrap();
    let line = cosign(signed.checkpoint(), &name, &witness, 5).unwrap();
    let note = signed.with_signature_line(line).unwrap().note().clone();
    let proof = TlogProof::new(5, proof.hashes, note).unwrap();
    let (_, cosignatures) = proof.verify_under(leaf, &policy).unwrap();
    assert_eq!(cosignatures.len(), 1);
}

fn entry(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

fn log_key() -> VerifierKey {
    let name = KeyName::parse("log.example").unwrap();
    VerifierKey::ed25519(name, &SigningKey::from_bytes(&[7; 32]).verifying_key()).unwrap()
}

fn proof_of(index: u64, size: u64) -> TlogProof {
    let leaves: Vec<_> = (0..size).map(|n| leaf_hash(&entry(n))).collect();
    let root = leaves.iter().copied().collect::<Frontier>().root();
    let checkpoint = Checkpoint { origin: KeyName::parse("log.example").unwrap(), size, root };
    let signed = sign_checkpoint(&checkpoint, &SigningKey::from_bytes(&[7; 32]));
    let hashes = inclusion_proof(index, size, &leaf_lookup(&leaves)).unwrap();
    TlogProof::new(index, hashes, signed.note().clone()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_is_refused(bit in any::<proptest::sample::Index>()) {
        let mut bytes = proof_of(5, 11).render().into_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verified = TlogProof::parse(&bytes).and_then(|it| it.verify(&entry(5), &log_key()));
        prop_assert!(verified.is_err());
    }

    #[test]
    fn whatever_proof_is_read_is_written_back(
        head in "(extra [A-Z]{0,4}={0,2}\n)?index [0-9]{1,2}\n([A-Z]{42}[AE]=\n){0,3}\n{0,2}",
    ) {
        let note = proof_of(0, 1).checkpoint_note.render();
        let text = format!("c2sp.org/tlog-proof@v1\n{head}{note}");
        if let Ok(read) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(read.render(), text);
        }
    }

    #[test]
    fn reading_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = TlogProof::parse(&bytes);
        let _ = TlogProof::parse(&[b"c2sp.org/tlog-proof@v1\n", bytes.as_slice()].concat());
    }
}
