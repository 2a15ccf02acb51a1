//! Laws of the payload codec, over payloads of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test file: a panic is the failure report"
)]

mod strategies;

use proptest::{prelude::*, sample::Index};
use proto::payload::{PayloadError, decode, encode};
use record::kind::Known;
use strategies::payload;

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(payload in payload()) {
        let bytes = encode(&payload);
        prop_assert_eq!(decode(payload.kind(), &bytes), Ok(payload));
    }

    #[test]
    fn a_truncated_payload_is_refused_or_is_another_whole_one(payload in payload(), at in any::<Index>()) {
        let whole = encode(&payload);
        prop_assume!(!whole.is_empty());
        let cut = &whole[..at.index(whole.len())];
        if let Ok(decoded) = decode(payload.kind(), cut) {
            prop_assert_ne!(&decoded, &payload);
            prop_assert_eq!(encode(&decoded), cut);
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_says_something_else(payload in payload(), at in any::<Index>(), bit in 0..8u8) {
        let mut bytes = encode(&payload);
        prop_assume!(!bytes.is_empty());
        let place = at.index(bytes.len());
        bytes[place] ^= 1u8 << bit;
        if let Ok(decoded) = decode(payload.kind(), &bytes) {
            prop_assert_ne!(&decoded, &payload);
            prop_assert_eq!(encode(&decoded), bytes);
        }
    }

    #[test]
    fn an_unknown_field_is_refused(payload in payload(), value in 0..128u8) {
        let mut bytes = encode(&payload);
        bytes.extend([15 << 3, value]);
        let refused = decode(payload.kind(), &bytes);
        let is_told = matches!(
            refused,
            Err(PayloadError::NotCanonicalOrUnknownFields | PayloadError::Region(_))
        );
        prop_assert!(is_told, "{refused:?}");
    }

    #[test]
    fn the_same_payload_twice_is_refused_or_says_something_else(payload in payload()) {
        let once = encode(&payload);
        prop_assume!(!once.is_empty());
        let twice = [once.clone(), once].concat();
        if let Ok(decoded) = decode(payload.kind(), &twice) {
            prop_assert_ne!(&decoded, &payload);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_have_two_meanings(
        kind in proptest::sample::select(Known::ALL),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        if let Ok(decoded) = decode(kind, &bytes) {
            prop_assert_eq!(encode(&decoded), bytes);
            prop_assert_eq!(decoded.kind(), kind);
        }
    }

    #[test]
    fn every_payload_is_described_in_one_line(payload in payload()) {
        let line = proto::describe::describe(&payload);
        prop_assert!(!line.is_empty());
        prop_assert!(!line.chars().any(char::is_control));
    }
}

#[test]
fn identity_and_recovery_are_left_to_the_record_crate() {
    for kind in [Known::Identity, Known::Recovery] {
        let refusal = decode(kind, &[]).unwrap_err();
        assert_eq!(refusal, PayloadError::OfIdentity(kind));
        assert_eq!(refusal.reason(), "payload.of_identity");
    }
}

#[test]
fn bytes_that_are_no_message_are_malformed() {
    let refusal = decode(Known::Pool, &[0xff]).unwrap_err();
    assert_eq!(refusal.reason(), "payload.malformed");
}

#[test]
fn an_empty_payload_says_nothing_and_is_refused() {
    for kind in Known::ALL {
        assert!(decode(*kind, &[]).is_err(), "{}", kind.package());
    }
}
