//! Nodes that find each other on a local network, which is one of their own: a namespace of the kernel with one interface,
//! on which what is sent to many comes back.

use std::process::Command;

use mesh::MeshConfig;

use crate::support::{Node, config};

/// Makes the interface, and becomes the program that is named.
const SET_UP: &str = "ip link set lo up && ip link add lan type veth peer name far \
    && ip address add 192.0.2.1/24 dev lan && ip link set lan up && ip link set far up \
    && ip route add 224.0.0.0/4 dev lan && exec \"$0\" \"$@\"";
/// An address on that interface.
const ON_LAN: &str = "/ip4/192.0.2.1/tcp/0";

#[test]
fn two_nodes_of_one_local_network_find_each_other_and_no_others() {
    let this = std::env::current_exe().unwrap();
    let done = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", SET_UP])
        .arg(this)
        .args(["--exact", "lan::in_a_network_of_its_own", "--ignored"])
        .output();
    let done = done.expect("`unshare` (Debian: util-linux) and `ip` (iproute2) are needed here");
    let told =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && told.contains("1 passed"),
        "it did not pass in a namespace of its own; nothing is known of mDNS where the kernel allows none:\n{told}"
    );
}

#[tokio::test]
#[ignore = "run by the test above, in a namespace of its own"]
async fn in_a_network_of_its_own() {
    let on_lan = || MeshConfig { mdns: true, ..config(ON_LAN) };
    let mut a = Node::start(1, on_lan(), &[2]).await;
    // It is there as well, and does not look.
    let quiet = Node::start(3, config(ON_LAN), &[1, 2]).await;
    let mut b = Node::start(2, on_lan(), &[1]).await;
    a.connected_to(b.key).await;
    b.connected_to(a.key).await;
    assert_eq!(quiet.mesh.open(a.key).await.unwrap_err(), mesh::OpenError::NotConnected);
}
