//! How each neighbour is read at the moment, in words for whoever asks. Nothing in it is a text of the neighbour's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use peer::known_region::KnownRegion;
use record::{CommunityId, RegionId};
use serde_json::{Value, json};

use super::Neighbour;

/// Every neighbour's reading. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    all: Arc<Mutex<BTreeMap<RegionId, Reading>>>,
}

/// How one neighbour is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What its operator here calls it.
    pub(crate) name: String,
    state: State,
    n_coordinators: usize,
    /// How many of them have no address in its certificate.
    n_without_address: usize,
    n_put_off: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody of it has answered yet.
    Begun,
    /// This coordinator's feed is read.
    Read(CommunityId),
    /// What was tried last failed.
    Failed,
    /// It has two epochs of one number.
    Contradicted,
    /// As many items as may be are kept.
    Full,
}

impl Readings {
    /// These neighbours, and no others, none of them read yet.
    pub(super) fn begin(&self, neighbours: &[Neighbour]) {
        let reading = |it: &Neighbour| Reading {
            name: it.name.clone(),
            state: State::Begun,
            n_coordinators: 0,
            n_without_address: 0,
            n_put_off: 0,
        };
        *self.lock() = neighbours.iter().map(|it| (it.region, reading(it))).collect();
    }

    pub(super) fn note_state(&self, region: RegionId, state: State) {
        self.change(region, |it| it.state = state);
    }

    /// Notes how many of the coordinators that are seated can be read.
    pub(super) fn note_seats(&self, region: RegionId, known: &KnownRegion) {
        self.change(region, |it| {
            let distinct: BTreeSet<&str> = known.coordinators.iter().map(|it| &*it.id).collect();
            let without = known.coordinators.iter().filter(|it| it.address.is_none());
            (it.n_coordinators, it.n_without_address) = (distinct.len(), without.count());
        });
    }

    pub(super) fn note_put_off(&self, region: RegionId, n_put_off: usize) {
        self.change(region, |it| it.n_put_off = n_put_off);
    }

    /// Each of them, in ascending order of id.
    pub(crate) fn all(&self) -> Vec<(RegionId, Reading)> {
        self.lock().iter().map(|(region, reading)| (*region, reading.clone())).collect()
    }

    fn change(&self, region: RegionId, change: impl FnOnce(&mut Reading)) {
        self.lock().get_mut(&region).map(change);
    }

    /// A panic while this is held cannot leave it half-written.
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RegionId, Reading>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// The status line: what a person is told.
    pub(crate) fn status(&self) -> String {
        let mut line = match self.state {
            State::Begun => "Nobody of it has answered yet; it is tried again.".to_owned(),
            State::Read(coordinator) => format!("It is read at {coordinator}."),
            State::Failed => "It is not read now; it is tried again.".to_owned(),
            State::Contradicted => {
                "It has two epochs of one number, so it is not read; ask its members which one holds.".to_owned()
            }
            State::Full => "As many items of it as may be are kept, so it is read no further.".to_owned(),
        };
        match (self.n_coordinators, self.n_without_address) {
            (_, 0) => {}
            (1, 1) => line.push_str(" Its coordinator has no address in its certificate and cannot be read."),
            (n, without) if n == without => {
                line.push_str(&format!(" None of its {n} coordinators has an address in its certificate: they cannot be read."));
            }
            (n, 1) => line.push_str(&format!(
                " Of its {n} coordinators 1 has no address in its certificate and cannot be read."
            )),
            (n, without) => line.push_str(&format!(
                " Of its {n} coordinators {without} have no address in its certificate and cannot be read."
            )),
        }
        match self.n_put_off {
            0 => {}
            1 => line.push_str(" 1 item could not be proved yet and is asked for again."),
            n => line
                .push_str(&format!(" {n} items could not be proved yet and are asked for again.")),
        }
        line
    }

    /// `{"region", "name", "reading", "coordinator", "put_off", "status"}`.
    pub(crate) fn json(&self, region: RegionId) -> Value {
        let coordinator = match self.state {
            State::Read(coordinator) => Some(coordinator),
            State::Begun | State::Failed | State::Contradicted | State::Full => None,
        };
        json!({
            "region": region,
            "name": self.name,
            "reading": coordinator.is_some(),
            "coordinator": coordinator,
            "put_off": self.n_put_off,
            "status": self.status(),
        })
    }
}

#[cfg(test)]
mod tests {
    use peer::known_region::KnownSeat;

    use super::*;

    const REGION: RegionId = RegionId::from_bytes([1; 32]);

    fn readings() -> Readings {
        let readings = Readings::default();
        let name = "The Moors".to_owned();
        readings.begin(&[Neighbour { region: REGION, name, addresses: Vec::new() }]);
        readings
    }

    fn status(readings: &Readings) -> String {
        readings.all()[0].1.status()
    }

    #[test]
    fn a_seat_without_an_address_is_said_in_words() {
        let seats = |addresses: &[Option<&str>]| {
            let seat = |(nth, address): (u8, &Option<&str>)| KnownSeat {
                id: CommunityId::from_bytes([nth; 32]).to_string(),
                address: address.map(str::to_owned),
            };
            let known = KnownRegion {
                region: REGION.to_string(),
                epoch: 0,
                epoch_hash: String::new(),
                coordinators: (1..).zip(addresses).map(seat).collect(),
                members: Vec::new(),
            };
            let readings = readings();
            readings.note_seats(REGION, &known);
            status(&readings)
        };
        let there = Some("c.example:7443");
        assert!(!seats(&[there]).contains("address"));
        assert!(
            seats(&[None])
                .ends_with("Its coordinator has no address in its certificate and cannot be read.")
        );
        assert!(seats(&[there, None]).contains("Of its 2 coordinators 1 has no address"));
        assert!(seats(&[there, None, None]).contains("Of its 3 coordinators 2 have no address"));
        assert!(seats(&[None, None]).contains("None of its 2 coordinators has an address"));
    }

    #[test]
    fn what_waits_to_be_proved_is_counted_and_who_is_read_is_named() {
        let readings = readings();
        let by = CommunityId::from_bytes([3; 32]);
        readings.note_state(REGION, State::Read(by));
        assert_eq!(status(&readings), format!("It is read at {by}."));
        readings.note_put_off(REGION, 1);
        assert!(
            status(&readings).ends_with(" 1 item could not be proved yet and is asked for again.")
        );
        readings.note_put_off(REGION, 2);
        let told = readings.all()[0].1.json(REGION);
        assert!(told["status"].as_str().unwrap().contains("2 items"), "{told}");
        assert_eq!(
            (&told["reading"], &told["coordinator"]),
            (&true.into(), &by.to_string().into())
        );
        readings.note_state(REGION, State::Full);
        assert_eq!(readings.all()[0].1.json(REGION)["reading"], false);
    }
}
