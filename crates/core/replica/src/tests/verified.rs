//! What was verified is not verified again, and nothing else passes for it.

use std::sync::Arc;

use super::author::{Author, network};
use crate::{fault::Fault, head::SignedHead, verified::Verified};

#[test]
fn the_same_bytes_under_other_keys_are_verified_anew() {
    let (verified, one, other) = (Verified::default(), Author::of(1, 3), Author::of(2, 3));
    let note = one.note_at(3);
    let opened = verified.head(&network(), one.log, &one.identity(), &note);
    assert_eq!(opened, SignedHead::open(&network(), one.log, &one.identity(), &note));
    assert!(opened.is_ok());
    assert_eq!(verified.head(&network(), one.log, &one.identity(), &note), opened);
    let under_other = verified.head(&network(), one.log, &other.identity(), &note);
    assert_eq!(under_other, Err(Fault::UnknownKey));
}

#[test]
fn a_flipped_bit_of_a_head_that_was_verified_is_found() {
    let (verified, author) = (Verified::default(), Author::of(1, 3));
    let note = author.note_at(3);
    let of = |note: &[u8]| {
        verified.head(&network(), author.log, &author.identity(), &note.to_vec().into())
    };
    assert!(of(&note).is_ok());
    for n in 0..note.len() {
        let mut flipped = note.to_vec();
        flipped[n] ^= 1;
        assert!(of(&flipped).is_err(), "byte {n}");
    }
}

#[test]
fn an_identity_is_not_anothers_because_it_was_verified() {
    let (verified, one, other) = (Verified::default(), Author::of(1, 3), Author::of(2, 3));
    let of = |community| verified.identity(&network(), community, &one.bundle());
    assert!(of(one.log.community).is_ok());
    assert!(Arc::ptr_eq(&of(one.log.community).unwrap(), &of(one.log.community).unwrap()));
    assert!(matches!(of(other.log.community), Err(Fault::IdentityInvalid { .. })));
}
