//! Logs shown and exported.

use std::fs;

use tlog::{Frontier, Hash, TileRef};

use crate::world::Community;

#[test]
fn an_exported_log_has_the_root_that_its_checkpoint_signs() {
    let node = Community::found().run();
    node.enrol(2);
    node.written(&[
        "pool",
        "open",
        "--title",
        "Salt",
        "--unit",
        "bags",
        "--threshold",
        "1",
        "--closes",
        "1d",
    ]);
    let out = node.community.folder.path().join("export");
    node.ask(&["log", "export", "--out", out.to_str().unwrap()]);
    let checkpoint = fs::read_to_string(out.join("checkpoint")).unwrap();
    let lines: Vec<&str> = checkpoint.lines().collect();
    assert_eq!(lines[0], format!("test.folkmoot.example/log/{}/0", node.community.id));
    let size: u64 = lines[1].parse().unwrap();
    assert_eq!(size, 4);

    let tile = TileRef::at_size(0, 0, size).unwrap();
    let hashes = tile.decode(&fs::read(out.join(tile.path())).unwrap()).unwrap();
    let root = hashes.iter().copied().collect::<Frontier>().root();
    assert_eq!(data_encoding::BASE64.encode(root.as_bytes()), lines[2]);

    let bundle = tlog::BundleRef::at_size(0, size).unwrap();
    let entries = fs::read(out.join(bundle.path())).unwrap();
    let headers = tlog::tile::decode_bundle(bundle.width(), &entries).unwrap();
    let leaves: Vec<Hash> = headers.iter().map(|it| tlog::leaf_hash(it)).collect();
    assert_eq!(leaves, hashes);
    for index in 0..size {
        assert!(32 < fs::read(out.join(format!("payload/{index}"))).unwrap().len());
    }
    assert!(out.join("identity").exists());

    let again = node.refused(&["log", "export", "--out", out.to_str().unwrap()]);
    assert_eq!(again.json["error"]["reason"], "export.not_empty");
}

#[test]
fn a_log_is_shown_record_by_record_in_words() {
    let node = Community::found().run();
    node.enrol(2);
    let shown = node.ask(&["log", "show", "--start", "1"]);
    assert_eq!((&shown["size"], &shown["records"][0]["index"]), (&2.into(), &1.into()));
    assert_eq!(shown["records"][0]["payload"], "roll of 2 people");
    let unknown = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";
    let refused = node.refused(&["log", "show", "--community", unknown]);
    assert_eq!(refused.json["error"]["reason"], "log.unknown");
}
