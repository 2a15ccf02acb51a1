//! What OCDS 1.1.5 lets each field be (release-schema.json), as far as a checker refuses another thing.
//!
//! A field that is not listed is an additional field, which the standard allows.

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// A text or whole number, never empty.
    Id,
    /// A text, never empty, even where the publisher wrote a number.
    TextId,
    /// A BCP 47 tag in lower case.
    Language,
    /// RFC 3339.
    Date,
    /// RFC 3339; a date alone means its end.
    EndDate,
    /// RFC 3986.
    Uri,
    Number,
    Integer,
    Boolean,
    /// A text of a closed codelist.
    Code(&'static [&'static str]),
    /// A code of [`CURRENCIES`].
    Currency,
    /// A list of texts.
    Texts,
    /// A list of texts of a closed codelist.
    Codes(&'static [&'static str]),
    Object(&'static [Field]),
    Objects(&'static [Field], Ids),
    /// An object whose members are free.
    Anything,
}

/// What the elements of a list need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// An id each; elements with one id and different content get different ids.
    Required,
    /// Organisations: elements with one id are one organisation.
    Merged,
    /// Mentions: one id is mentioned once.
    Mentioned,
    /// None.
    Free,
}

pub(super) type Field = (&'static str, Shape);

use Shape::*;

const TAGS: &[&str] = &[
    "planning",
    "planningUpdate",
    "tender",
    "tenderAmendment",
    "tenderUpdate",
    "tenderCancellation",
    "award",
    "awardUpdate",
    "awardCancellation",
    "contract",
    "contractUpdate",
    "contractAmendment",
    "implementation",
    "implementationUpdate",
    "contractTermination",
    "compiled",
];
const TENDER_STATUS: &[&str] =
    &["planning", "planned", "active", "cancelled", "unsuccessful", "complete", "withdrawn"];
const METHOD: &[&str] = &["open", "selective", "limited", "direct"];
const CATEGORY: &[&str] = &["goods", "works", "services"];
const AWARD_STATUS: &[&str] = &["pending", "active", "cancelled", "unsuccessful"];
const CONTRACT_STATUS: &[&str] = &["pending", "active", "cancelled", "terminated"];
const MILESTONE_STATUS: &[&str] = &["scheduled", "met", "notMet", "partiallyMet"];

pub(super) const RELEASE: &[Field] = &[
    ("ocid", TextId),
    ("id", TextId),
    ("date", Date),
    ("tag", Codes(TAGS)),
    ("initiationType", Code(&["tender"])),
    ("parties", Objects(ORGANISATION, Ids::Merged)),
    ("buyer", Object(REFERENCE)),
    ("planning", Object(PLANNING)),
    ("tender", Object(TENDER)),
    ("awards", Objects(AWARD, Ids::Required)),
    ("contracts", Objects(CONTRACT, Ids::Required)),
    ("language", Language),
    ("relatedProcesses", Objects(RELATED_PROCESS, Ids::Required)),
    ("title", Text),
    ("description", Text),
];
const PLANNING: &[Field] = &[
    ("rationale", Text),
    ("budget", Object(BUDGET)),
    ("documents", Objects(DOCUMENT, Ids::Required)),
    ("milestones", Objects(MILESTONE, Ids::Required)),
];
const BUDGET: &[Field] = &[
    ("id", Id),
    ("description", Text),
    ("amount", Object(VALUE)),
    ("project", Text),
    ("projectID", Id),
    ("uri", Uri),
    ("source", Uri),
];
const TENDER: &[Field] = &[
    ("id", Id),
    ("title", Text),
    ("description", Text),
    ("status", Code(TENDER_STATUS)),
    ("procuringEntity", Object(REFERENCE)),
    ("items", Objects(ITEM, Ids::Required)),
    ("value", Object(VALUE)),
    ("minValue", Object(VALUE)),
    ("procurementMethod", Code(METHOD)),
    ("procurementMethodDetails", Text),
    ("procurementMethodRationale", Text),
    ("mainProcurementCategory", Code(CATEGORY)),
    ("additionalProcurementCategories", Texts),
    ("awardCriteria", Text),
    ("awardCriteriaDetails", Text),
    ("submissionMethod", Texts),
    ("submissionMethodDetails", Text),
    ("tenderPeriod", Object(PERIOD)),
    ("enquiryPeriod", Object(PERIOD)),
    ("hasEnquiries", Boolean),
    ("eligibilityCriteria", Text),
    ("awardPeriod", Object(PERIOD)),
    ("contractPeriod", Object(PERIOD)),
    ("numberOfTenderers", Integer),
    ("tenderers", Objects(REFERENCE, Ids::Mentioned)),
    ("documents", Objects(DOCUMENT, Ids::Required)),
    ("milestones", Objects(MILESTONE, Ids::Required)),
    ("amendments", Objects(AMENDMENT, Ids::Free)),
    ("amendment", Object(AMENDMENT)),
    ("lots", Objects(LOT, Ids::Required)),
];
/// Of the lots extension; checked where it is declared.
const LOT: &[Field] = &[
    ("id", TextId),
    ("title", Text),
    ("description", Text),
    ("status", Code(TENDER_STATUS)),
    ("value", Object(VALUE)),
    ("minValue", Object(VALUE)),
    ("contractPeriod", Object(PERIOD)),
];
const AWARD: &[Field] = &[
    ("id", Id),
    ("title", Text),
    ("description", Text),
    ("status", Code(AWARD_STATUS)),
    ("date", Date),
    ("value", Object(VALUE)),
    ("suppliers", Objects(REFERENCE, Ids::Mentioned)),
    ("items", Objects(ITEM, Ids::Required)),
    ("contractPeriod", Object(PERIOD)),
    ("documents", Objects(DOCUMENT, Ids::Required)),
    ("amendments", Objects(AMENDMENT, Ids::Free)),
    ("amendment", Object(AMENDMENT)),
];
const CONTRACT: &[Field] = &[
    ("id", Id),
    ("awardID", Id),
    ("title", Text),
    ("description", Text),
    ("status", Code(CONTRACT_STATUS)),
    ("period", Object(PERIOD)),
    ("value", Object(VALUE)),
    ("items", Objects(ITEM, Ids::Required)),
    ("dateSigned", Date),
    ("documents", Objects(DOCUMENT, Ids::Required)),
    ("implementation", Object(IMPLEMENTATION)),
    ("relatedProcesses", Objects(RELATED_PROCESS, Ids::Required)),
    ("milestones", Objects(MILESTONE, Ids::Required)),
    ("amendments", Objects(AMENDMENT, Ids::Free)),
    ("amendment", Object(AMENDMENT)),
];
const IMPLEMENTATION: &[Field] = &[
    ("transactions", Objects(TRANSACTION, Ids::Required)),
    ("milestones", Objects(MILESTONE, Ids::Required)),
    ("documents", Objects(DOCUMENT, Ids::Required)),
];
const MILESTONE: &[Field] = &[
    ("id", Id),
    ("title", Text),
    ("type", Text),
    ("description", Text),
    ("code", Text),
    ("dueDate", EndDate),
    ("dateMet", Date),
    ("dateModified", Date),
    ("status", Code(MILESTONE_STATUS)),
    ("documents", Objects(DOCUMENT, Ids::Required)),
];
const DOCUMENT: &[Field] = &[
    ("id", Id),
    ("documentType", Text),
    ("title", Text),
    ("description", Text),
    ("url", Uri),
    ("datePublished", Date),
    ("dateModified", Date),
    ("format", Text),
    ("language", Language),
];
const TRANSACTION: &[Field] = &[
    ("id", Id),
    ("source", Uri),
    ("date", Date),
    ("value", Object(VALUE)),
    ("payer", Object(REFERENCE)),
    ("payee", Object(REFERENCE)),
    ("uri", Uri),
    ("amount", Object(VALUE)),
    ("providerOrganization", Object(IDENTIFIER)),
    ("receiverOrganization", Object(IDENTIFIER)),
];
const REFERENCE: &[Field] = &[
    ("name", Text),
    ("id", Id),
    ("identifier", Object(IDENTIFIER)),
    ("address", Object(ADDRESS)),
    ("additionalIdentifiers", Objects(IDENTIFIER, Ids::Mentioned)),
];
const ORGANISATION: &[Field] = &[
    ("name", Text),
    ("id", TextId),
    ("identifier", Object(IDENTIFIER)),
    ("additionalIdentifiers", Objects(IDENTIFIER, Ids::Mentioned)),
    ("address", Object(ADDRESS)),
    ("roles", Texts),
    ("details", Anything),
];
const ITEM: &[Field] = &[
    ("id", Id),
    ("description", Text),
    ("classification", Object(CLASSIFICATION)),
    ("additionalClassifications", Objects(CLASSIFICATION, Ids::Mentioned)),
    ("quantity", Number),
    ("unit", Object(UNIT)),
    ("relatedLot", TextId),
];
const UNIT: &[Field] =
    &[("scheme", Text), ("id", TextId), ("name", Text), ("value", Object(VALUE)), ("uri", Uri)];
const AMENDMENT: &[Field] = &[
    ("date", Date),
    ("rationale", Text),
    ("id", TextId),
    ("description", Text),
    ("amendsReleaseID", TextId),
    ("releaseID", TextId),
    ("changes", Objects(CHANGE, Ids::Free)),
];
const CHANGE: &[Field] = &[("property", Text), ("former_value", Text)];
const CLASSIFICATION: &[Field] =
    &[("scheme", Text), ("id", Id), ("description", Text), ("uri", Uri)];
const IDENTIFIER: &[Field] = &[("scheme", Text), ("id", Id), ("legalName", Text), ("uri", Uri)];
const ADDRESS: &[Field] = &[
    ("streetAddress", Text),
    ("locality", Text),
    ("region", Text),
    ("postalCode", Text),
    ("countryName", Text),
];
const VALUE: &[Field] = &[("amount", Number), ("currency", Currency), ("amountGross", Number)];
const PERIOD: &[Field] = &[
    ("startDate", Date),
    ("endDate", EndDate),
    ("maxExtentDate", EndDate),
    ("durationInDays", Integer),
];
const RELATED_PROCESS: &[Field] = &[
    ("id", TextId),
    ("relationship", Texts),
    ("title", Text),
    ("scheme", Text),
    ("identifier", TextId),
    ("uri", Uri),
];

/// The codelist currency.csv: ISO 4217, current and historic.
pub(super) const CURRENCIES: &str = "\
    ADP AED AFA AFN ALK ALL AMD ANG AOA AOK AON AOR ARA ARP ARS ARY ATS AUD AWG AYM AZM AZN \
    BAD BAM BBD BDT BEC BEF BEL BGJ BGK BGL BGN BHD BIF BMD BND BOB BOP BOV BRB BRC BRE BRL \
    BRN BRR BSD BTN BUK BWP BYB BYN BYR BZD CAD CDF CHC CHE CHF CHW CLF CLP CNY COP COU CRC \
    CSD CSJ CSK CUC CUP CVE CYP CZK DDM DEM DJF DKK DOP DZD ECS ECV EEK EGP ERN ESA ESB ESP \
    ETB EUR FIM FJD FKP FRF GBP GEK GEL GHC GHP GHS GIP GMD GNE GNF GNS GQE GRD GTQ GWE GWP \
    GYD HKD HNL HRD HRK HTG HUF IDR IEP ILP ILR ILS INR IQD IRR ISJ ISK ITL JMD JOD JPY KES \
    KGS KHR KMF KPW KRW KWD KYD KZT LAJ LAK LBP LKR LRD LSL LSM LTL LTT LUC LUF LUL LVL LVR \
    LYD MAD MDL MGA MGF MKD MLF MMK MNT MOP MRO MRU MTL MTP MUR MVQ MVR MWK MXN MXP MXV MYR \
    MZE MZM MZN NAD NGN NIC NIO NLG NOK NPR NZD OMR PAB PEH PEI PEN PES PGK PHP PKR PLN PLZ \
    PTE PYG QAR RHD ROK ROL RON RSD RUB RUR RWF SAR SBD SCR SDD SDG SDP SEK SGD SHP SIT SKK \
    SLL SOS SRD SRG SSP STD STN SUR SVC SYP SZL THB TJR TJS TMM TMT TND TOP TPE TRL TRY TTD \
    TWD TZS UAH UAK UGS UGW UGX USD USN USS UYI UYN UYP UYU UYW UZS VEB VEF VES VNC VND VUV \
    WST XAF XAG XAU XBA XBB XBC XBD XCD XDR XEU XFO XFU XOF XPD XPF XPT XRE XSU XTS XUA XXX \
    YDD YER YUD YUM YUN ZAL ZAR ZMK ZMW ZRN ZRZ ZWC ZWD ZWL ZWN ZWR";
