use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::{Checkpoint, sign_checkpoint},
    cosignature::cosign,
    hash::Hash,
    key::KeyName,
    note::Signer,
};

#[test]
fn two_coordinators_and_two_of_five_neighbours() {
    let policy = Policy::parse(&two_levels()).unwrap();
    let by = |seeds: &[u8]| seeds.iter().map(|seed| witness(*seed)).collect::<Vec<_>>();
    for (seeds, is_enough) in [
        (vec![1, 2, 11, 12], true),
        (vec![15, 14, 2, 1], true),
        (vec![1, 2, 11, 12, 13, 14, 15], true),
        (vec![1, 2, 11], false),
        (vec![1, 2, 11, 11], false),
        (vec![1, 11, 12, 13, 14, 15], false),
        (vec![1, 2, 11, 99], false),
        (vec![], false),
    ] {
        assert_eq!(policy.is_satisfied(&by(&seeds)), is_enough, "{seeds:?}");
    }
}

#[test]
fn a_quorum_may_be_one_witness_or_none() {
    let one = Policy::parse(&format!("witness w {}\nquorum w\n", witness(1))).unwrap();
    assert!(one.is_satisfied(&[witness(1)]));
    assert!(!one.is_satisfied(&[witness(2)]) && !one.is_satisfied(&[]));
    let none = Policy::parse("quorum none\n").unwrap();
    assert!(none.is_satisfied(&[]));
}

#[test]
fn any_is_one_and_all_is_every_member() {
    let of = |threshold: &str| {
        let text = format!(
            "witness a {}\nwitness b {}\ngroup g {threshold} a b\nquorum g\n",
            witness(1),
            witness(2)
        );
        let policy = Policy::parse(&text).unwrap();
        (policy.is_satisfied(&[witness(1)]), policy.is_satisfied(&[witness(1), witness(2)]))
    };
    assert_eq!(of("any"), (true, true));
    assert_eq!(of("1"), (true, true));
    assert_eq!(of("2"), (false, true));
    assert_eq!(of("all"), (false, true));
}

#[test]
fn spaces_tabs_comments_and_addresses_change_nothing() {
    let plain = format!("log {}\nwitness w {}\nquorum w\n", log("log.example", 7), witness(1));
    let spaced = format!(
        "# whom we trust\n\n \t\n  log\t{}  https://log.example/ \n\t# the library\n\
         witness w {} https://w.example/\nquorum  w\n",
        log("log.example", 7),
        witness(1)
    );
    assert_eq!(Policy::parse(&spaced), Policy::parse(&plain));
}

#[test]
fn an_ml_dsa_witness_is_read_and_never_counts() {
    let key = VerifierKey::new(KeyName::parse("m").unwrap(), KeyType::MlDsa44, &[5; 1_312]);
    let text = format!(
        "witness m {}\nwitness w {}\ngroup g any m w\nquorum g\n",
        key.unwrap(),
        witness(1)
    );
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.witnesses().count(), 2);
    assert!(policy.is_satisfied(&[witness(1)]));
}

#[test]
fn names_the_line_and_what_is_wrong_with_it() {
    let unknown = |name: &str| PolicyProblem::UnknownName { name: name.to_owned() };
    let twice = |name: &str| PolicyProblem::MemberTwice { name: name.to_owned() };
    for (third_line, problem) in [
        ("wittness w key".to_owned(), PolicyProblem::Keyword),
        ("Log key".to_owned(), PolicyProblem::Keyword),
        ("log".to_owned(), PolicyProblem::WordCount),
        (format!("log {} url more", log("x", 1)), PolicyProblem::WordCount),
        ("group g any".to_owned(), PolicyProblem::WordCount),
        ("quorum a b".to_owned(), PolicyProblem::WordCount),
        ("log key".to_owned(), PolicyProblem::Key(KeyError::Format)),
        (format!("log {}", witness(3)), PolicyProblem::KeyType),
        (format!("witness c {}", log("x", 1)), PolicyProblem::KeyType),
        (format!("witness c {}", witness(1)), PolicyProblem::DuplicateKey),
        (format!("witness a {}", witness(3)), PolicyProblem::NameTaken),
        (format!("witness none {}", witness(3)), PolicyProblem::NameTaken),
        ("group a any b".to_owned(), PolicyProblem::NameTaken),
        ("group none any b".to_owned(), PolicyProblem::NameTaken),
        ("group g any c".to_owned(), unknown("c")),
        ("group g any g".to_owned(), unknown("g")),
        ("group g any none".to_owned(), unknown("none")),
        ("group g any a a".to_owned(), twice("a")),
        ("group g 0 a b".to_owned(), PolicyProblem::Threshold),
        ("group g 3 a b".to_owned(), PolicyProblem::Threshold),
        ("group g 02 a b".to_owned(), PolicyProblem::Threshold),
        ("group g some a b".to_owned(), PolicyProblem::Threshold),
        ("quorum c".to_owned(), unknown("c")),
        ("# a\rb".to_owned(), PolicyProblem::ControlCharacter),
        ("# a\u{7f}b".to_owned(), PolicyProblem::ControlCharacter),
    ] {
        let text =
            format!("witness a {}\nwitness b {}\n{third_line}\nquorum a\n", witness(1), witness(2));
        let refusal = Err(PolicyError { line: 3, problem });
        assert_eq!(Policy::parse(&text), refusal, "{third_line}");
    }
}

#[test]
fn a_member_of_two_groups_and_a_second_log_of_one_key_are_refused() {
    let text = format!("witness a {}\ngroup g any a\ngroup h any a\nquorum h\n", witness(1));
    let problem = PolicyProblem::MemberTwice { name: "a".to_owned() };
    assert_eq!(Policy::parse(&text), Err(PolicyError { line: 3, problem }));

    let text = format!("log {}\nlog {}\nquorum none\n", log("x", 1), log("y", 1));
    let problem = PolicyProblem::DuplicateKey;
    assert_eq!(Policy::parse(&text), Err(PolicyError { line: 2, problem }));
}

#[test]
fn exactly_one_quorum_line_and_a_finished_last_line() {
    let of = |text: &str| Policy::parse(text).map(|_| ()).map_err(|it| (it.line, it.problem));
    assert_eq!(of(""), Err((1, PolicyProblem::NoQuorum)));
    assert_eq!(of("# nothing\n"), Err((2, PolicyProblem::NoQuorum)));
    assert_eq!(of("quorum none\nquorum none\n"), Err((2, PolicyProblem::SecondQuorum)));
    assert_eq!(of("\nquorum none"), Err((2, PolicyProblem::UnfinishedLine)));
    assert_eq!(of("\nquorum none\n"), Ok(()));
}

#[test]
fn a_policy_of_256_kib_is_read_and_one_byte_more_refused() {
    let of = |n_bytes: usize| format!("{}\nquorum none\n", "#".repeat(n_bytes - 13));
    assert!(Policy::parse(&of(MAX_POLICY_BYTES)).is_ok());
    let refusal = Err(PolicyError { line: 1, problem: PolicyProblem::TooLarge });
    assert_eq!(Policy::parse(&of(MAX_POLICY_BYTES + 1)), refusal);
}

#[test]
fn a_checkpoint_needs_a_listed_log_and_the_quorum() {
    let policy = format!(
        "log {}\nlog {}\nwitness w {}\nquorum w\n",
        log("log.example", 7),
        log("log.example", 8),
        witness(1)
    );
    let policy = Policy::parse(&policy).unwrap();
    let signed_by = |origin: &str, seed: u8| {
        let origin = KeyName::parse(origin).unwrap();
        let checkpoint = Checkpoint { origin, size: 3, root: Hash::from_bytes([1; 32]) };
        let line = cosign(&checkpoint, &KeyName::parse("w1").unwrap(), &signing(1), 5).unwrap();
        let signed = sign_checkpoint(&checkpoint, &signing(seed));
        (signed.clone(), signed.with_signature_line(line).unwrap())
    };
    for seed in [7, 8] {
        let (alone, cosigned) = signed_by("log.example", seed);
        let (opened, cosignatures) = policy.open_note(cosigned.note().clone()).unwrap();
        assert_eq!(opened, cosigned);
        assert_eq!(cosignatures.len(), 1);
        let refusal = policy.open_note(alone.note().clone());
        assert_eq!(refusal, Err(TrustError::NoQuorum { cosignatures: vec![] }));
    }
    let (_, stranger) = signed_by("log.example", 9);
    let not_signed = Err(TrustError::Checkpoint(CheckpointError::NotSignedByLog));
    assert_eq!(policy.open_note(stranger.note().clone()), not_signed);
    let (_, other) = signed_by("other.example", 7);
    assert_eq!(policy.open_note(other.note().clone()), Err(TrustError::UnknownLog));
}

#[test]
fn one_listed_log_cannot_sign_for_another() {
    let text =
        format!("log {}\nlog {}\nquorum none\n", log("log.example", 7), log("other.example", 8));
    let origin = KeyName::parse("log.example").unwrap();
    let checkpoint = Checkpoint { origin, size: 3, root: Hash::from_bytes([1; 32]) };
    let other = Signer::new(KeyName::parse("other.example").unwrap(), signing(8));
    let note = other.sign_note(checkpoint.to_text()).unwrap();
    let refusal = Err(TrustError::Checkpoint(CheckpointError::NotSignedByLog));
    assert_eq!(Policy::parse(&text).unwrap().open_note(note), refusal);
}

fn two_levels() -> String {
    let mut text = format!("log {}\n", log("log.example", 7));
    for (prefix, seeds) in [("c", 1..=2), ("n", 11..=15)] {
        for seed in seeds {
            text.push_str(&format!("witness {prefix}{seed} {}\n", witness(seed)));
        }
    }
    text + "group coordinators all c1 c2\ngroup neighbours 2 n11 n12 n13 n14 n15\n\
            group both all coordinators neighbours\nquorum both\n"
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log(name: &str, seed: u8) -> VerifierKey {
    let name = KeyName::parse(name).unwrap();
    VerifierKey::ed25519(name, &signing(seed).verifying_key()).unwrap()
}

fn witness(seed: u8) -> VerifierKey {
    let name = KeyName::parse(&format!("w{seed}")).unwrap();
    VerifierKey::cosignature(name, &signing(seed).verifying_key()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_k_of_n_group_agrees_with_k_of_n(k in 1..=6_usize, chosen in proptest::collection::btree_set(1..=6_u8, 0..=6)) {
        let mut text: String = (1..=6).map(|n| format!("witness w{n} {}\n", witness(n))).collect();
        text.push_str(&format!("group g {k} w1 w2 w3 w4 w5 w6\nquorum g\n"));
        let cosigned_by: Vec<_> = chosen.iter().copied().map(witness).collect();
        let is_enough = Policy::parse(&text).unwrap().is_satisfied(&cosigned_by);
        prop_assert_eq!(is_enough, k <= chosen.len());
    }

    #[test]
    fn reading_an_arbitrary_policy_never_panics(
        text in "((log|witness|group|quorum|#)?[ \t](a|b|none|any|all|[0-9]|\\PC){0,4}\n){0,6}",
    ) {
        let _ = Policy::parse(&text);
    }
}
