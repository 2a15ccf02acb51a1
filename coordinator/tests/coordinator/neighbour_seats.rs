//! A neighbour whose members seat another coordinator.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coordinator::neighbours::Bounds;
use peer::{CharterFile, Role, linker};
use record::{
    CommunityId, Payload,
    region::{Epoch, RegionAction, Roster, SeatAddress},
};
use runtime::{clock::SystemClock, stop::StopSignal};
use tokio::net::TcpListener;

use crate::{
    neighbours::{Region, ids},
    pages::{get, site},
    world::{NETWORK, found, open_as},
};

/// Beyond this something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A region of one community and a coordinator of its own: the office, which mirrors the ward's log, and the ward.
async fn office_and_ward() -> [Region; 2] {
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let [office_address, ward_address] = listeners.each_ref().map(|it| it.local_addr().unwrap());
    let parents = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (office, office_id) = found(parents[0].path(), "Office");
    let (ward, ward_id) = found(parents[1].path(), "Ward");
    let text = format!(
        "network = \"{NETWORK}\"\nname = \"There\"\n[[coordinators]]\nid = \"{office_id}\"\n\
         address = \"{office_address}\"\n[[founders]]\nid = \"{ward_id}\"\n"
    );
    let path = parents[0].path().join("charter.toml");
    std::fs::write(&path, text).unwrap();
    let charter = CharterFile::read(&path).unwrap();
    let clock = Arc::new(SystemClock::new());
    let office = open_as(Role::Coordinator, &office, charter.clone(), clock.clone()).await;
    let ward = open_as(Role::Node, &ward, charter, clock).await;
    for author in [&office, &ward] {
        tokio::spawn(author.peer.clone().spread_growth());
    }
    ward.peer.affiliate(&[ward_address.to_string()]).await.unwrap();
    tokio::spawn(linker::keep_linked_to_seats(ward.peer.clone()));
    let ([office_port, ward_port], [office_folder, ward_folder]) = (listeners, parents);
    let mut office = Region::over(office, office_port, office_folder);
    let ward = Region::over(ward, ward_port, ward_folder);
    office.serve_honestly().await;
    // Until the office knows where the ward is, and shows it in its certificate.
    let known = async {
        let mut commits = office.world.author.peer.store().commits();
        while !office.world.author.peer.addresses().await.unwrap().contains_key(&ward_id) {
            commits.recv().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    [office, ward]
}

/// Files the next epoch, in which this community alone coordinates.
async fn seat(ward: &Region, community: CommunityId) {
    let view = ward.world.author.peer.region();
    let newest = view.newest();
    let members = newest.roster.members().to_vec();
    let roster = Roster::new(members, vec![community], 1).unwrap();
    let (region, number, previous) = (ward.id(), newest.number + 1, newest.hash);
    let epoch = Epoch { region, number, previous, roster };
    let address = SeatAddress { community, address: ward.address.to_string() };
    let filed = RegionAction::File { epoch, addresses: vec![address] };
    ward.world.author.say(Payload::RegionEpoch(filed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_seats_another_coordinator_is_followed_by_its_certificate_alone() {
    let here = Region::named("Here").await;
    let [office, mut ward] = office_and_ward().await;
    let [office_id, ward_id] = [&office, &ward].map(|it| it.world.author.peer.community());
    ward.world.author.open_full_pool("One").await;
    let stop = StopSignal::new();
    // Nobody but the office is named to the reader.
    here.read_within(Bounds::default(), &[&office], &stop);
    let before = here.told_of(&office, 3).await;
    assert!(before.iter().all(|it| it.told_by == office_id.to_string()), "{before:?}");

    // The office is gone for ever; what shows who replaces it, only the ward has.
    office.world.author.peer.end_streams();
    office.world.stop.stop();
    seat(&ward, ward_id).await;
    ward.world.author.open_full_pool("Two").await;
    ward.serve_honestly().await;
    let told = here.told_of(&ward, 6).await;
    assert!(told[3..].iter().all(|it| it.told_by == ward_id.to_string()), "{told:?}");
    let distinct: BTreeSet<&str> = ids(&told).into_iter().collect();
    let home = ward.own_items().await;
    assert_eq!(distinct, ids(&home).into_iter().collect(), "no gap, and none twice");

    let page = get(&site(&here.world), "/register/regions").await.json();
    let line = &page["regions"][0];
    assert_eq!(
        (&line["reading"], &line["coordinator"]),
        (&true.into(), &ward_id.to_string().into())
    );
    let first = get(&site(&here.world), "/").await.body;
    assert!(first.contains(&format!("Next door: It is read at {ward_id}.")), "{first}");
    stop.stop();
}
