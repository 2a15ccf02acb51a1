//! The shapes that several payloads share, and the checks of single values and lists.

use record::{
    CommunityId, Money, RecordId, RegionId,
    limits::{MAX_BALLOTS, MAX_LANGUAGES, MAX_LIST_ENTRIES, MAX_PARTIES, MAX_POLL_OPTIONS},
    money::Currency,
    org::OrgId,
    payload::{
        poll::{Counts, RollCommitment},
        words::{Language, TextHash},
    },
    place::{GssCode, Place},
    time::CivilDate,
};

use super::error::{Fault, PayloadError, Within};
use crate::types as wire;

/// A limit with its reason in [`record::limits::TABLE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) reason: &'static str,
    pub(super) most: u64,
}

pub(super) const ENTRIES: Limit =
    Limit { reason: "record.list_too_long", most: MAX_LIST_ENTRIES as u64 };
pub(super) const LANGUAGES: Limit =
    Limit { reason: "record.too_many_languages", most: MAX_LANGUAGES as u64 };
pub(super) const PARTIES: Limit =
    Limit { reason: "covenant.too_many_parties", most: MAX_PARTIES as u64 };
pub(super) const OPTIONS: Limit =
    Limit { reason: "poll.too_many_options", most: MAX_POLL_OPTIONS as u64 };
pub(super) const BALLOTS: Limit = Limit { reason: "poll.too_many_ballots", most: MAX_BALLOTS };
pub(super) const NOTE: Limit =
    Limit { reason: "note.too_large", most: tlog::note::MAX_NOTE_BYTES as u64 };
pub(super) const PROOF: Limit =
    Limit { reason: "proof.too_long", most: tlog::MAX_CONSISTENCY_HASHES as u64 };

impl Limit {
    /// The number, if it is not above the limit.
    pub(super) fn admit<N: Copy + Into<u64>>(self, number: N) -> Result<N, Fault> {
        let (Self { reason, most }, found) = (self, number.into());
        (found <= most).then_some(number).ok_or(Fault::AboveLimit { reason, most, found })
    }
}

pub(super) fn array(bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes.try_into().ok().ok_or(Fault::Length { expected: 32, found: bytes.len() })
}

pub(super) fn community(bytes: &[u8]) -> Result<CommunityId, Fault> {
    array(bytes).map(CommunityId::from_bytes)
}

pub(super) fn region(bytes: &[u8]) -> Result<RegionId, Fault> {
    array(bytes).map(RegionId::from_bytes)
}

pub(super) fn record_id(bytes: &[u8]) -> Result<RecordId, Fault> {
    array(bytes).map(RecordId::from_bytes)
}

pub(super) fn optional_record_id(bytes: Option<Vec<u8>>) -> Result<Option<RecordId>, Fault> {
    bytes.map(|bytes| record_id(&bytes)).transpose()
}

/// Record ids in ascending order, each once.
pub(super) fn record_ids(all: Vec<Vec<u8>>) -> Result<Vec<RecordId>, PayloadError> {
    ascending(list(all, ENTRIES, |bytes| Ok(record_id(&bytes)?))?, |id| *id)
}

/// Every entry parsed, in order; no more than the limit.
pub(super) fn list<W, C>(
    all: Vec<W>,
    limit: Limit,
    parse: impl Fn(W) -> Result<C, PayloadError>,
) -> Result<Vec<C>, PayloadError> {
    limit.admit(all.len() as u64)?;
    let numbered = all.into_iter().enumerate();
    numbered.map(|(index, entry)| parse(entry).within(&format!("[{index}]"))).collect()
}

/// The same list, if the keys of its entries ascend.
pub(super) fn ascending<C, K: Ord>(
    all: Vec<C>,
    key: impl Fn(&C) -> K,
) -> Result<Vec<C>, PayloadError> {
    let pairs = all.iter().zip(all.iter().skip(1)).enumerate();
    for (index, (one, next)) in pairs {
        if key(next) <= key(one) {
            return Err(Fault::NotAscending).within(&format!("[{}]", index + 1));
        }
    }
    Ok(all)
}

/// The number, if it is in the range, ends included.
pub(super) fn in_range<N: Copy + Into<u64>>(number: N, least: u64, most: u64) -> Result<N, Fault> {
    let found = number.into();
    let inside = (least..=most).contains(&found);
    inside.then_some(number).ok_or(Fault::OutOfRange { least, most, found })
}

/// The text, if it has at most `most` bytes.
pub(super) fn no_longer_than(text: String, most: usize) -> Result<String, Fault> {
    if most < text.len() {
        return Err(Fault::TooLong { most, found: text.len() });
    }
    Ok(text)
}

pub(super) fn date(number: u32) -> Result<CivilDate, Fault> {
    CivilDate::from_number(number).ok_or(Fault::Form { expected: "a date written YYYYMMDD" })
}

/// Largest CPV code: eight digits without the check digit.
pub(super) const MAX_CPV: u64 = 99_999_999;

pub(super) fn cpv(number: u32) -> Result<u32, Fault> {
    in_range(number, 0, MAX_CPV)
}

pub(super) fn parse_money(money: wire::Money) -> Result<Money, PayloadError> {
    let wire::Money { minor, currency } = money;
    let currency = Currency::parse(&currency)
        .ok_or(Fault::Form { expected: "a currency code of three upper-case letters" })
        .within("currency")?;
    Ok(Money { minor, currency })
}

pub(super) fn render_money(money: &Money) -> wire::Money {
    let Money { minor, currency } = *money;
    wire::Money { minor, currency: currency.code().to_owned() }
}

pub(super) fn parse_place(place: wire::Place) -> Result<Place, PayloadError> {
    let wire::Place { code, vintage } = place;
    let code = GssCode::parse(&code)
        .ok_or(Fault::Form { expected: "a GSS code such as E07000223" })
        .within("code")?;
    let vintage = in_range(vintage, 1, u64::from(u16::MAX)).within("vintage")?;
    let vintage = u16::try_from(vintage).ok().ok_or(Fault::Missing).within("vintage")?;
    Ok(Place { code, vintage })
}

pub(super) fn render_place(place: &Place) -> wire::Place {
    let Place { code, vintage } = *place;
    wire::Place { code: code.as_str().to_owned(), vintage: u32::from(vintage) }
}

pub(super) fn parse_organisation(organisation: wire::Organisation) -> Result<OrgId, PayloadError> {
    let wire::Organisation { scheme, id } = organisation;
    let expected = "an org-id.guide identifier in its normal form";
    let normal = OrgId::new(&scheme, &id).filter(|org| org.id() == id);
    Ok(normal.ok_or(Fault::Form { expected })?)
}

pub(super) fn render_organisation(organisation: &OrgId) -> wire::Organisation {
    let (scheme, id) = (organisation.scheme().to_owned(), organisation.id().to_owned());
    wire::Organisation { scheme, id }
}

pub(super) fn language(text: &str) -> Result<Language, Fault> {
    Language::parse(text).ok_or(Fault::Form { expected: "a lower-case language tag such as `cy`" })
}

pub(super) fn text_hashes(all: Vec<wire::TextHash>) -> Result<Vec<TextHash>, PayloadError> {
    ascending(list(all, LANGUAGES, parse_text_hash)?, |hash| hash.language.clone())
}

fn parse_text_hash(hash: wire::TextHash) -> Result<TextHash, PayloadError> {
    let wire::TextHash { language: tag, sha256 } = hash;
    Ok(TextHash {
        language: language(&tag).within("language")?,
        sha256: array(&sha256).within("sha256")?,
    })
}

pub(super) fn render_text_hash(hash: &TextHash) -> wire::TextHash {
    let TextHash { language, sha256 } = hash;
    wire::TextHash { language: language.as_str().to_owned(), sha256: sha256.to_vec() }
}

pub(super) fn parse_roll(
    roll: Option<wire::RollCommitment>,
) -> Result<RollCommitment, PayloadError> {
    let wire::RollCommitment { n_on_roll, roll_root } = roll.ok_or(Fault::Missing)?;
    Ok(RollCommitment { n_on_roll, roll_root: array(&roll_root).within("roll_root")? })
}

pub(super) fn render_roll(roll: &RollCommitment) -> wire::RollCommitment {
    let RollCommitment { n_on_roll, roll_root } = *roll;
    wire::RollCommitment { n_on_roll, roll_root: roll_root.to_vec() }
}

pub(super) fn parse_counts(counts: wire::Counts) -> Result<Counts, PayloadError> {
    let wire::Counts { n_ballots, n_blank, n_spoiled, by_option } = counts;
    let by_option = list(by_option, OPTIONS, Ok).within("by_option")?;
    Ok(Counts { n_ballots, n_blank, n_spoiled, by_option })
}

pub(super) fn render_counts(counts: &Counts) -> wire::Counts {
    let Counts { n_ballots, n_blank, n_spoiled, by_option } = counts;
    wire::Counts {
        n_ballots: *n_ballots,
        n_blank: *n_blank,
        n_spoiled: *n_spoiled,
        by_option: by_option.clone(),
    }
}

/// Writes `$parse` and `$render` for two lists of values with the same names, of which the wire's begins with
/// `Unspecified`.
macro_rules! same_names {
    ($parse:ident, $render:ident, $core:ty, $wire:ty, [$($name:ident),+ $(,)?]) => {
        fn $parse(number: i32) -> Result<$core, $crate::payload::Fault> {
            match <$wire>::try_from(number) {
                $(Ok(<$wire>::$name) => Ok(<$core>::$name),)+
                Ok(<$wire>::Unspecified) => Err($crate::payload::Fault::Missing),
                Err(prost::UnknownEnumValue(number)) => {
                    Err($crate::payload::Fault::UnknownValue { number })
                }
            }
        }

        fn $render(value: $core) -> i32 {
            match value {
                $(<$core>::$name => <$wire>::$name.into(),)+
            }
        }
    };
}
pub(super) use same_names;
