//! A pooled purchase as a contracting process: RECORDS.md, OCDS.
//!
//! The lead is buyer and procuring entity, every other community is a party with the role of buyer; one lot and one item
//! for each community; the lots' values add up to the tender's to the penny. It is no statutory notice: it has no notice
//! type and no procurement method.

use record::{CommunityId, Money, UnixMillis, org::OrgId};
use serde_json::{Map, Value, json};

use crate::ocds::{amount, instant};

/// A community as it is named in a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyName {
    /// The community.
    pub id: CommunityId,
    /// Its name.
    pub name: String,
    /// Its identifier as an organisation, where it has one.
    pub organisation: Option<OrgId>,
}

impl PartyName {
    /// The party id: that of the organisation, or of the community.
    #[must_use]
    pub fn party_id(&self) -> String {
        self.organisation.as_ref().map_or_else(|| self.id.to_string(), OrgId::to_string)
    }

    pub(super) fn reference(&self) -> Value {
        json!({ "id": self.party_id(), "name": self.name })
    }

    pub(super) fn party(&self, roles: &[&str]) -> Value {
        let mut party = json!({ "id": self.party_id(), "name": self.name, "roles": roles });
        if let (Some(org), Some(members)) = (&self.organisation, party.as_object_mut()) {
            let identifier =
                json!({ "scheme": org.scheme(), "id": org.id(), "legalName": self.name });
            members.insert("identifier".to_owned(), identifier);
        }
        party
    }
}

/// Where a pool stands (RECORDS.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum PoolStatus {
    Forming,
    ThresholdMet,
    Locked,
    Ordered,
    Delivered,
    Settled,
    Expired,
}

impl PoolStatus {
    /// The code of tenderStatus.
    const fn code(self) -> &'static str {
        match self {
            Self::Forming | Self::ThresholdMet => "active",
            Self::Locked | Self::Ordered | Self::Delivered | Self::Settled => "complete",
            Self::Expired => "unsuccessful",
        }
    }
}

/// A pool and its firm pledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolExport {
    /// The configured prefix and the pool's id.
    pub ocid: String,
    /// The release's id: the record that brought the pool where it stands.
    pub id: String,
    /// The release's date.
    pub date: UnixMillis,
    /// The lead; it may pledge as well.
    pub lead: PartyName,
    /// Who pledged how much, in the pool's unit. Pledges of one community are added.
    pub members: Vec<(PartyName, u64)>,
    /// The unit of all quantities.
    pub unit: String,
    /// The price of one, without tax.
    pub unit_price: Option<Money>,
    /// What it is, as a CPV code.
    pub cpv: Option<u32>,
    /// One line.
    pub title: String,
    /// Any number of lines; may be empty.
    pub description: String,
    /// When pledges close.
    pub closes_at: UnixMillis,
    /// Where it stands.
    pub status: PoolStatus,
}

/// Why a pool cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A quantity or value exceeds what can be added up.
    #[error("the quantities or values of pool {ocid} are too large to be added up")]
    TooLarge {
        /// The pool.
        ocid: String,
    },
}

impl PoolExport {
    /// The release, valid by OCDS 1.1.5.
    ///
    /// # Errors
    ///
    /// [`PoolError::TooLarge`] if quantities or values overflow.
    pub fn render(&self) -> Result<Map<String, Value>, PoolError> {
        let too_large = || PoolError::TooLarge { ocid: self.ocid.clone() };
        let lots = self.lots().ok_or_else(too_large)?;
        let tender = self.tender(&lots).ok_or_else(too_large)?;
        let release = json!({
            "ocid": self.ocid,
            "id": self.id,
            "date": instant::render(self.date),
            "tag": ["tender"],
            "initiationType": "tender",
            "parties": self.parties(&lots),
            "buyer": self.lead.reference(),
            "tender": tender,
        });
        Ok(release.as_object().cloned().unwrap_or_default())
    }

    fn lots(&self) -> Option<Vec<Lot<'_>>> {
        let mut lots: Vec<Lot<'_>> = Vec::with_capacity(self.members.len());
        for (party, quantity) in &self.members {
            match lots.iter_mut().find(|lot| lot.party.id == party.id) {
                Some(lot) => lot.quantity = lot.quantity.checked_add(*quantity)?,
                None => lots.push(Lot { party, quantity: *quantity, value: None }),
            }
        }
        for lot in &mut lots {
            lot.value = match self.unit_price {
                Some(price) => Some(price.checked_mul(lot.quantity)?),
                None => None,
            };
        }
        Some(lots)
    }

    fn parties(&self, lots: &[Lot<'_>]) -> Vec<Value> {
        let lead = self.lead.party(&["buyer", "procuringEntity"]);
        let others = lots.iter().filter(|lot| lot.party.id != self.lead.id);
        std::iter::once(lead).chain(others.map(|lot| lot.party.party(&["buyer"]))).collect()
    }

    /// `None` when the values do not add up or cannot be written exactly.
    fn tender(&self, lots: &[Lot<'_>]) -> Option<Value> {
        let status = self.status.code();
        let numbered = || lots.iter().zip(1_u32..);
        let items: Option<Vec<Value>> = numbered().map(|(lot, n)| self.item(lot, n)).collect();
        let parts: Option<Vec<Value>> = numbered().map(|(lot, n)| lot.render(n, status)).collect();
        let mut tender = json!({
            "id": self.ocid,
            "title": self.title,
            "status": status,
            "procurementMethodDetails": "Joint purchase by community bodies; not a statutory notice",
            "procuringEntity": self.lead.reference(),
            "tenderPeriod": { "endDate": instant::render(self.closes_at) },
        });
        let members = tender.as_object_mut()?;
        if !lots.is_empty() {
            members.insert("items".to_owned(), items?.into());
            members.insert("lots".to_owned(), parts?.into());
        }
        if !self.description.is_empty() {
            members.insert("description".to_owned(), self.description.as_str().into());
        }
        if let Some(code) = self.cpv {
            members.insert("mainProcurementCategory".to_owned(), category(code).into());
        }
        if let Some(total) = total(lots)? {
            members.insert("value".to_owned(), value(total)?);
        }
        Some(tender)
    }

    fn item(&self, lot: &Lot<'_>, n: u32) -> Option<Value> {
        let id = n.to_string();
        let mut unit = json!({ "name": self.unit });
        if let Some(price) = self.unit_price {
            unit.as_object_mut()?.insert("value".to_owned(), value(price)?);
        }
        let mut item = json!({
            "id": id, "description": self.title, "quantity": lot.quantity, "unit": unit, "relatedLot": id,
        });
        if let Some(code) = self.cpv {
            let classification = json!({ "scheme": "CPV", "id": format!("{code:08}") });
            item.as_object_mut()?.insert("classification".to_owned(), classification);
        }
        Some(item)
    }
}

/// What one community buys.
struct Lot<'p> {
    party: &'p PartyName,
    quantity: u64,
    value: Option<Money>,
}

impl Lot<'_> {
    fn render(&self, n: u32, status: &str) -> Option<Value> {
        let mut lot = json!({ "id": n.to_string(), "title": self.party.name, "status": status });
        if let Some(money) = self.value {
            lot.as_object_mut()?.insert("value".to_owned(), value(money)?);
        }
        Some(lot)
    }
}

/// The sum of the lots' values: `Some(None)` if there are none, `None` on overflow.
fn total(lots: &[Lot<'_>]) -> Option<Option<Money>> {
    lots.iter().filter_map(|lot| lot.value).try_fold(None, |sum: Option<Money>, value| {
        let added = match sum {
            None => value,
            Some(sum) => sum.checked_add(value)?,
        };
        Some(Some(added))
    })
}

/// An amount as OCDS writes it; `None` if it cannot be written exactly.
pub(super) fn value(money: Money) -> Option<Value> {
    let amount = amount::render_number(money)?;
    Some(json!({ "amount": amount, "currency": money.currency.code() }))
}

/// The CPV's divisions: 45 is works, 50 and above are services, the rest supplies.
const fn category(cpv: u32) -> &'static str {
    match cpv / 1_000_000 {
        45 => "works",
        50.. => "services",
        _ => "goods",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ocds::amount::parse_minor;

    fn party(n: u8) -> PartyName {
        PartyName {
            id: CommunityId::from_bytes([n; 32]),
            name: format!("Community {n}"),
            organisation: None,
        }
    }

    fn pool(price: Option<i64>, quantities: &[u64]) -> PoolExport {
        let members =
            quantities.iter().zip(1_u8..).map(|(quantity, n)| (party(n), *quantity)).collect();
        PoolExport {
            ocid: "ocds-213czf-pool-1".to_owned(),
            id: "fmr1x".to_owned(),
            date: UnixMillis(1_800_000_000_000),
            lead: party(1),
            members,
            unit: "each".to_owned(),
            unit_price: price.map(Money::pence),
            cpv: Some(31_500_000),
            title: "LED panels".to_owned(),
            description: String::new(),
            closes_at: UnixMillis(1_900_000_000_000),
            status: PoolStatus::Forming,
        }
    }

    fn release(pool: &PoolExport) -> Value {
        Value::Object(pool.render().unwrap())
    }

    #[test]
    fn the_lead_is_buyer_and_procuring_entity_and_the_others_are_buyers() {
        let release = release(&pool(Some(1_850), &[120, 40]));
        let roles: Vec<&Value> =
            release["parties"].as_array().unwrap().iter().map(|p| &p["roles"]).collect();
        assert_eq!(roles, [&json!(["buyer", "procuringEntity"]), &json!(["buyer"])]);
        assert_eq!(release["buyer"]["id"], json!(party(1).id.to_string()));
        assert_eq!(release["tender"]["procuringEntity"], release["buyer"]);
        assert_eq!(release["parties"][0].get("identifier"), None);
    }

    #[test]
    fn an_organisation_is_named_by_its_identifier() {
        let mut pool = pool(None, &[1, 2]);
        pool.lead.organisation = OrgId::new("GB-MPR", "8731");
        let party = &release(&pool)["parties"][0];
        assert_eq!(party["id"], "GB-MPR-8731");
        assert_eq!(party["identifier"]["scheme"], "GB-MPR");
    }

    #[test]
    fn every_community_has_one_lot_and_an_item_in_it() {
        let mut pool = pool(Some(1_850), &[120, 40]);
        pool.members.push((party(2), 5));
        let tender = release(&pool)["tender"].clone();
        assert_eq!(tender["lots"].as_array().unwrap().len(), 2);
        assert_eq!(tender["items"][1]["quantity"], 45);
        assert_eq!(tender["items"][1]["relatedLot"], tender["lots"][1]["id"]);
        assert_eq!(tender["items"][0]["unit"]["value"]["amount"], 18.5);
        assert_eq!(tender["mainProcurementCategory"], "goods");
    }

    #[test]
    fn it_is_no_statutory_notice() {
        let tender = release(&pool(None, &[1]))["tender"].clone();
        assert_eq!(tender.get("procurementMethod"), None);
        assert_eq!(tender.get("noticeType"), None);
        assert_eq!(tender.get("value"), None);
    }

    #[test]
    fn a_pool_without_pledges_has_no_lots() {
        let tender = release(&pool(Some(5), &[]))["tender"].clone();
        assert_eq!(
            (tender.get("lots"), tender.get("items"), tender.get("value")),
            (None, None, None)
        );
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
        let error = PoolError::TooLarge { ocid: "ocds-213czf-pool-1".to_owned() };
        assert_eq!(pool(Some(i64::MAX), &[2]).render(), Err(error.clone()));
        assert_eq!(pool(Some(i64::MAX / 2), &[1, 1, 1]).render(), Err(error));
    }

    proptest! {
        #[test]
        fn the_lots_add_up_to_the_penny(
            price in 1..10_000_000_i64,
            quantities in prop::collection::vec(1..100_000_u64, 1..20),
        ) {
            let tender = release(&pool(Some(price), &quantities))["tender"].clone();
            let pence = |value: &Value| parse_minor(&value["value"]["amount"].to_string(), 2).unwrap();
            let lots: i64 = tender["lots"].as_array().unwrap().iter().map(pence).sum();
            prop_assert_eq!(pence(&tender), lots);
            let n: u64 = quantities.iter().sum();
            prop_assert_eq!(u64::try_from(lots).unwrap(), n * u64::try_from(price).unwrap());
        }
    }
}
