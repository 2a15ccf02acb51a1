//! What tests of the clerk's calls begin with.

use std::sync::Arc;

use peer::{CharterFile, DataFolder, Peer, Role};
use record::name::Name;
use runtime::clock::SystemClock;

/// A community that is alone in its region, and the folder that it lives in.
pub(super) async fn founded() -> (tempfile::TempDir, Peer) {
    let folder = tempfile::tempdir().unwrap();
    let home = DataFolder::at(&folder.path().join("home"));
    let network = "test.folkmoot.example".parse().unwrap();
    let id = home.found(&network, &Name::parse("Harbour Baths Society").unwrap()).unwrap();
    let charter = folder.path().join("charter.toml");
    let text =
        format!("network = \"{network}\"\nname = \"Estuary\"\n[[founders]]\nid = \"{id}\"\n");
    std::fs::write(&charter, text).unwrap();
    let charter = CharterFile::read(&charter).unwrap();
    let clock = Arc::new(SystemClock::new());
    let peer = Peer::open(&home, charter, Role::Node, clock).await.unwrap();
    (folder, peer)
}
