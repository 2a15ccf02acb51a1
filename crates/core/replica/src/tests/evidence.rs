//! Evidence as anybody checks it: with the identity of the log, and nothing else.

use ed25519_dalek::SigningKey;
use record::{
    fork::{EvidenceError, Standing, VerifiedFork, open_evidence, verify_evidence},
    payload::{ForkEvidence, evidence::Beginning},
};
use tlog::{
    Checkpoint, KeyName, Note, Policy, VerifierKey, consistency_proof, cosign, prove::leaf_lookup,
    sign_checkpoint,
};

use super::author::{Author, RECORDED_AT, network};

/// Two histories of one log that part at `at`.
fn forked(at: usize, one: usize, other: usize) -> [Author; 2] {
    let trunk = Author::of(1, at);
    [(one, "one"), (other, "other")].map(|(size, words)| {
        let mut branch = trunk.clone();
        branch.grow_saying(size, words);
        branch
    })
}

/// How the tree of an author began.
fn beginning(author: &Author, size: u64, tree_size: u64) -> Beginning {
    let proof = consistency_proof(size, tree_size, &leaf_lookup(&author.leaves())).unwrap();
    Beginning { root: author.checkpoint_at(size).root, proof }
}

/// Evidence of a head of each, the smaller first.
fn evidence(one: (&Author, u64), other: (&Author, u64)) -> ForkEvidence {
    let ((small, size), (large, tree_size)) = (one, other);
    ForkEvidence {
        community: small.log.community,
        era: 0,
        one: small.note_at(size).to_vec(),
        other: large.note_at(tree_size).to_vec(),
        beginning: (size < tree_size).then(|| beginning(large, size, tree_size)),
    }
}

fn verify_against(
    evidence: &ForkEvidence,
    identity: &crate::head::LogIdentity,
) -> Result<VerifiedFork, EvidenceError> {
    verify_evidence(&network(), evidence, identity.identity(), None)
}

fn verify(evidence: &ForkEvidence, author: &Author) -> Result<VerifiedFork, EvidenceError> {
    verify_against(evidence, &author.identity())
}

#[test]
fn two_contradicting_heads_are_evidence_at_every_pair_of_sizes() {
    let branches = forked(5, 20, 20);
    let identity = branches[0].identity();
    for (small, large) in (6..=20).flat_map(|large| (6..=large).map(move |small| (small, large))) {
        let [one, other] = &branches;
        let mut heads = [(one, small), (other, large)];
        if small == large {
            heads.sort_by_key(|(author, size)| author.checkpoint_at(*size).root);
        }
        let [one, other] = heads;
        let fork = verify_against(&evidence(one, other), &identity).unwrap();
        assert_eq!(fork.heads.map(|it| it.size), [small, large]);
    }
}

#[test]
fn two_heads_that_agree_are_no_evidence_whatever_is_said_of_them() {
    let author = Author::of(1, 20);
    let honest = evidence((&author, 7), (&author, 20));
    assert_eq!(verify(&honest, &author), Err(EvidenceError::NoContradiction));
    let without = ForkEvidence { beginning: None, ..honest.clone() };
    assert_eq!(verify(&without, &author), Err(EvidenceError::NoContradiction));
    // A proof of another beginning does not hold.
    let mut stranger = Author::of(1, 5);
    stranger.grow_saying(20, "another");
    let forged = ForkEvidence { beginning: Some(beginning(&stranger, 7, 20)), ..honest };
    assert!(matches!(verify(&forged, &author), Err(EvidenceError::Proof(_))));
}

#[test]
fn one_head_twice_and_heads_out_of_order_are_no_evidence() {
    let [one, other] = forked(5, 20, 20);
    let doubled = evidence((&one, 20), (&one, 20));
    assert_eq!(verify(&doubled, &one), Err(EvidenceError::NotTwo));
    let ordered = evidence((&one, 10), (&other, 20));
    let ForkEvidence { one: small, other: large, .. } = ordered.clone();
    let reversed = ForkEvidence { one: large, other: small, ..ordered };
    assert_eq!(verify(&reversed, &one), Err(EvidenceError::NotTwo));
}

#[test]
fn a_proof_beside_heads_of_one_size_is_self_contradicting() {
    let mut branches = forked(5, 20, 20);
    branches.sort_by_key(|it| it.checkpoint_at(20).root);
    let [one, other] = &branches;
    let plain = evidence((one, 20), (other, 20));
    assert!(verify(&plain, one).is_ok());
    let beginning = Some(Beginning { root: other.checkpoint_at(20).root, proof: Vec::new() });
    let decorated = ForkEvidence { beginning, ..plain };
    assert_eq!(verify(&decorated, one), Err(EvidenceError::NoContradiction));
}

#[test]
fn one_flipped_bit_in_any_part_makes_it_no_evidence() {
    let [one, other] = forked(5, 10, 20);
    let whole = evidence((&one, 10), (&other, 20));
    let identity = one.identity();
    for at in 0..whole.one.len() {
        let mut flipped = whole.clone();
        flipped.one[at] ^= 1;
        assert!(verify_against(&flipped, &identity).is_err(), "{at}");
    }
    let parts = whole.beginning.clone().unwrap();
    for at in 0..parts.proof.len() {
        let mut proof = parts.proof.clone();
        proof[at] = tlog::Hash::from_bytes([0; 32]);
        let beginning = Some(Beginning { root: parts.root, proof });
        assert!(verify(&ForkEvidence { beginning, ..whole.clone() }, &one).is_err());
    }
}

#[test]
fn a_head_that_a_stranger_signed_accuses_nobody() {
    let [one, other] = forked(5, 10, 20);
    let mut forged = evidence((&one, 10), (&other, 20));
    let key = SigningKey::from_bytes(&[77; 32]);
    forged.one = sign_checkpoint(&one.checkpoint_at(10), &key).to_bytes();
    assert_eq!(verify(&forged, &one), Err(EvidenceError::UnknownKey));
    let stranger = Author::of(2, 10);
    let other_log = ForkEvidence { one: stranger.note_at(10).to_vec(), ..forged.clone() };
    assert!(matches!(verify(&other_log, &one), Err(EvidenceError::OtherOrigin { .. })));
    assert_eq!(verify(&forged, &stranger), Err(EvidenceError::OtherCommunity));
    let other_era = ForkEvidence { era: 1, ..evidence((&one, 10), (&other, 20)) };
    assert!(matches!(verify(&other_era, &one), Err(EvidenceError::OtherOrigin { .. })));
}

/// An author who signed 50 records, whose first key was stolen, and who changed it; and the thief's history.
fn robbed() -> [Author; 2] {
    let mut author = Author::of(1, 50);
    author.rotate();
    author.grow_to(100);
    let mut thief = Author::of(1, 20);
    thief.grow_saying(50, "stolen");
    [author, thief]
}

#[test]
fn a_stolen_retired_key_makes_no_evidence_by_itself() {
    let [author, thief] = robbed();
    let accused = evidence((&thief, 40), (&author, 100));
    assert_eq!(verify(&accused, &author), Err(EvidenceError::RetiredKey));
    let opened = open_evidence(&network(), &accused, author.identity().identity(), None).unwrap();
    assert_eq!(opened.standing, Standing::UntilCovered { rotation_index: 50 });
    // Before anybody knew of the rotation it was a fork like any other.
    let before = Author::of(1, 50);
    let mut heads = [(&thief, 50), (&before, 50)];
    heads.sort_by_key(|(it, size)| it.checkpoint_at(*size).root);
    let [one, other] = heads;
    assert!(verify(&evidence(one, other), &before).is_ok());
    assert_eq!(verify(&evidence(one, other), &author), Err(EvidenceError::RetiredKey));
}

fn cosigner(n: u8) -> (KeyName, SigningKey) {
    (KeyName::parse(&format!("cosigner/{n}")).unwrap(), SigningKey::from_bytes(&[n; 32]))
}

/// Two of three cosigners.
fn quorum() -> Policy {
    let mut text = String::new();
    for n in 1..=3 {
        let (name, key) = cosigner(n);
        let key = VerifierKey::cosignature(name, &key.verifying_key()).unwrap();
        text.push_str(&format!("witness c{n} {}\n", key.render()));
    }
    Policy::parse(&(text + "group all 2 c1 c2 c3\nquorum all\n")).unwrap()
}

fn cosigned(note: &[u8], at_secs: &[(u8, u64)]) -> Vec<u8> {
    let note = Note::parse(note).unwrap();
    let checkpoint = Checkpoint::parse_text(note.text()).unwrap();
    let mut lines = note.signatures().to_vec();
    for (n, secs) in at_secs {
        let (name, key) = cosigner(*n);
        lines.push(cosign(&checkpoint, &name, &key, *secs).unwrap());
    }
    Note::new(note.text().to_owned(), lines).unwrap().render().into_bytes()
}

#[test]
fn a_fork_made_to_undo_a_signature_is_evidence_if_the_quorum_cosigned_it_before() {
    // What was signed stands at 50; the key is changed on a branch that lacks it.
    let mut undone = Author::of(1, 40);
    undone.rotate();
    undone.grow_saying(100, "undone");
    let mut signed = Author::of(1, 40);
    signed.grow_saying(41, "signed");
    let retired_at = RECORDED_AT / 1_000;
    let with = |times: &[(u8, u64)]| {
        let plain = evidence((&signed, 41), (&undone, 100));
        let evidence = ForkEvidence { one: cosigned(&plain.one, times), ..plain };
        verify_evidence(&network(), &evidence, undone.identity().identity(), Some(&quorum()))
    };
    let before = retired_at - 1;
    assert!(with(&[(1, before), (2, before)]).is_ok());
    let refused = Err(EvidenceError::RetiredKey);
    assert_eq!(with(&[(1, before)]), refused, "one of three is no quorum");
    assert_eq!(with(&[(1, before), (2, retired_at)]), refused, "one of the two came too late");
    assert_eq!(with(&[(1, before), (1, before)]), refused, "one cosigner counts once");
    assert_eq!(with(&[(1, before), (4, before)]), refused, "a stranger does not count");
}
