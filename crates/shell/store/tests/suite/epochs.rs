//! Epochs that come, by and by, into a register that is there: what they leave folded is what folding anew would give.

use proptest::prelude::*;
use record::{
    LogName, Payload, RecordId, UnixMillis,
    payload::{Receipt, receipt::HeldHead},
    region::{Epoch, RegionAction, Roster},
};
use serde_json::Value;
use store::{Draft, Store};
use tlog::Hash;

use crate::world::*;

/// Something that happens in the region, after so many minutes.
#[derive(Debug, Clone)]
struct Step {
    later: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// A community opens a pool.
    Open { by: usize },
    /// A community pledges to one of the pools.
    Pledge { by: usize, pool: usize, quantity: u64 },
    /// A coordinator receives a log, so long ago.
    Receive { by: usize, of: usize, ago: u64 },
    /// One, two or all of three members file the next epoch, which 101, 102 or both receive.
    File { n_filers: usize, members: u8, seats: usize, needed: u32, received_by: usize },
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        2 => (0..5_usize).prop_map(|by| What::Open { by }),
        4 => (0..5_usize, 0..4_usize, 1..9_u64)
            .prop_map(|(by, pool, quantity)| What::Pledge { by, pool, quantity }),
        4 => (0..2_usize, 0..5_usize, 0..9_u64).prop_map(|(by, of, ago)| What::Receive { by, of, ago }),
        3 => (1..4_usize, 3..6_u8, 0..3_usize, 1..3_u32, 0..4_usize).prop_map(
            |(n_filers, members, seats, needed, received_by)| What::File {
                n_filers, members, seats, needed, received_by,
            }
        ),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_u64, what()).prop_map(|(later, what)| Step { later, what });
    proptest::collection::vec(step, 4..40)
}

/// Members 1 to 5, coordinators 101 and 102, and somebody who reads all of it as it comes.
struct World {
    members: Vec<Place>,
    seats: Vec<Place>,
    reader: Place,
    pools: Vec<RecordId>,
    at: u64,
}

impl World {
    async fn new() -> Self {
        let (mut members, mut seats) = (Vec::new(), Vec::new());
        for n in 1..=5 {
            members.push(place(n).await);
        }
        for n in [101, 102] {
            seats.push(place(n).await);
        }
        Self { members, seats, reader: place(6).await, pools: Vec::new(), at: NOON }
    }

    async fn write(&self, by: &Place, draft: Draft) -> RecordId {
        let id = append(&by.store, draft).await.id;
        carry(&by.store, &self.reader.store, by.log).await;
        id
    }

    async fn receive(&self, by: usize, of: LogName, at: u64) {
        let size = size(&self.reader.store, of).await;
        if 0 < size {
            self.write(&self.seats[by], receipt(of, size, at)).await;
        }
    }

    async fn go(&mut self, Step { later, what }: Step) {
        self.at += later * 60_000;
        match what {
            What::Open { by } => {
                let opened = self.write(&self.members[by], pool(10)).await;
                self.pools.push(opened);
            }
            What::Pledge { by, pool, quantity } => {
                if let Some(pool) = self.pools.get(pool) {
                    self.write(&self.members[by], pledge(*pool, quantity)).await;
                }
            }
            What::Receive { by, of, ago } => {
                let at = self.at - ago.min(self.at - NOON);
                self.receive(by, self.members[of].log, at).await;
            }
            What::File { n_filers, members, seats, needed, received_by } => {
                let seats = [&[101][..], &[102], &[101, 102]][seats];
                let seated = seats.iter().copied().map(community).collect();
                let needed = needed.min(u32::try_from(seats.len()).unwrap());
                let members = (1..=members).map(community).collect();
                let roster = Roster::new(members, seated, needed).unwrap();
                let filing = filing(next(&self.reader.store, roster));
                for filer in 0..n_filers {
                    self.write(&self.members[filer], filing.clone()).await;
                    for seat in (0..2).filter(|seat| received_by & (1 << seat) != 0) {
                        self.receive(seat, self.members[filer].log, self.at).await;
                    }
                }
            }
        }
    }
}

/// The epoch after the newest that a store knows.
fn next(store: &Store, roster: Roster) -> Epoch {
    let region = store.region();
    let view = region.borrow();
    let newest = view.newest();
    Epoch { region: view.region(), number: newest.number + 1, previous: newest.hash, roster }
}

fn filing(epoch: Epoch) -> Draft {
    draft(&Payload::RegionEpoch(RegionAction::File { epoch, addresses: vec![] }), Vec::new())
}

fn receipt(log: LogName, size: u64, at: u64) -> Draft {
    let root = Hash::from_bytes([0; 32]);
    let heads = vec![HeldHead { community: log.community, era: log.era, size, root }];
    draft(&Payload::Receipt(Receipt { received_at: UnixMillis(at), heads }), Vec::new())
}

/// Compares every case of the register with its records folded at this moment.
async fn must_be_as_folded_anew(store: &Store) -> Result<(), TestCaseError> {
    for (id, view) in views(store).await {
        let view: Value = serde_json::from_str(&view).unwrap();
        let case = store.fold(id).await.unwrap().expect("its opening is here");
        prop_assert_eq!(&view["state"], case.state);
        prop_assert_eq!(&view["provisional"], case.provisional);
        let refused: Vec<_> = case
            .judgements
            .iter()
            .filter_map(|it| match &it.verdict {
                civic::Verdict::Refused(refusal) => Some((it.record.to_string(), refusal.reason())),
                civic::Verdict::Counts | civic::Verdict::Repeat => None,
            })
            .collect();
        let told = view["refused"].as_array().unwrap().iter();
        let told: Vec<_> = told
            .map(|it| (it["record"].as_str().unwrap().to_owned(), it["reason"].as_str().unwrap()))
            .collect();
        prop_assert_eq!(told, refused);
        let body = serde_json::to_value(&case.body).unwrap();
        for (key, value) in body.as_object().unwrap().values().next().unwrap().as_object().unwrap()
        {
            prop_assert_eq!(&view[key], value, "{}", key);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_register_through_epochs_is_the_one_that_folding_everything_anew_gives(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.go(step).await;
                must_be_as_folded_anew(&world.reader.store).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
