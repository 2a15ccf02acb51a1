use proptest::prelude::*;

use super::*;

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    let of_level = |wanted| tiles_of(70_000).filter(move |tile| tile.level() == wanted);
    let widths = |level| of_level(level).map(|tile| tile.width()).collect::<Vec<_>>();
    let level_0 = widths(0);
    assert_eq!(level_0.len(), 274);
    assert_eq!(level_0.iter().filter(|width| **width == 256).count(), 273);
    assert_eq!(level_0.last(), Some(&112));
    assert_eq!(widths(1), [256, 17]);
    assert_eq!(widths(2), [1]);
    assert_eq!(tiles_of(70_000).count(), 274 + 2 + 1);
}

#[test]
fn empty_tiles_do_not_exist() {
    assert_eq!(tiles_of(0).count(), 0);
    let paths = |size| tiles_of(size).map(|tile| tile.path()).collect::<Vec<_>>();
    assert_eq!(paths(255), ["tile/0/000.p/255"]);
    assert_eq!(paths(256), ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(paths(257), ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
}

#[test]
fn the_largest_tree_reaches_level_seven() {
    // 2^63 - 1 leaves are 127 whole hashes of 256^7 leaves each.
    let edge: Vec<_> =
        edge_tiles(crate::MAX_TREE_SIZE).iter().map(|tile| (tile.level(), tile.width())).collect();
    let expected: Vec<_> = (0..7).map(|level| (level, 255)).chain([(7, 127)]).collect();
    assert_eq!(edge, expected);
}

#[test]
fn paths_group_the_index_by_three_digits() {
    for (level, index, width, path) in [
        (0, 0, 256, "tile/0/000"),
        (0, 67, 112, "tile/0/067.p/112"),
        (0, 999, 256, "tile/0/999"),
        (0, 1_000, 256, "tile/0/x001/000"),
        (63, 1_234_067, 1, "tile/63/x001/x234/067.p/1"),
        (1, u64::MAX, 255, "tile/1/x018/x446/x744/x073/x709/x551/615.p/255"),
    ] {
        let tile = TileRef::new(level, index, width).unwrap();
        assert_eq!(tile.path(), path);
        assert_eq!(TileRef::parse_path(path), Ok(tile));
    }
    assert_eq!(BundleRef::new(273, 112).unwrap().path(), "tile/entries/273.p/112");
    assert_eq!(BundleRef::parse_path("tile/entries/273.p/112"), BundleRef::new(273, 112));
}

#[test]
fn refuses_every_other_spelling_of_a_path() {
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/256/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/+00",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/0/X001/067",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.p/1/",
        "tile/entries/000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(TileRef::parse_path(path), Err(TileError::Path), "{path}");
        let bundle = path.replace("tile/0/", "tile/entries/");
        assert!(bundle == "tile/entries/000" || BundleRef::parse_path(&bundle).is_err());
    }
}

#[test]
fn a_tile_is_one_to_256_wide_and_at_most_at_level_63() {
    assert!(TileRef::new(63, 0, 1).is_ok() && TileRef::new(63, 0, 256).is_ok());
    assert_eq!(TileRef::new(64, 0, 1), Err(TileError::Level { level: 64 }));
    for width in [0, 257] {
        assert_eq!(TileRef::new(0, 0, width), Err(TileError::Width { width }));
        assert_eq!(BundleRef::new(0, width), Err(TileError::Width { width }));
    }
}

#[test]
fn a_tiles_content_fits_its_width_or_is_refused() {
    let tile = TileRef::new(0, 0, 2).unwrap();
    let hashes = vec![Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])];
    let bytes = TileRef::encode(&hashes);
    assert_eq!(tile.decode(&bytes), Ok(hashes));
    for n_bytes in [0, 32, 63, 65, 96] {
        assert_eq!(tile.decode(&vec![0; n_bytes]), Err(TileError::Content { width: 2 }));
    }
}

#[test]
fn new_bundles_stand_beside_the_tiles_of_level_zero() {
    for (old, new) in [(0, 0), (0, 1), (255, 256), (256, 257), (256, 256), (300, 900), (9, 3)] {
        let tiles: Vec<_> = new_tiles(old, new)
            .filter(|tile| tile.level() == 0)
            .map(|tile| (tile.index(), tile.width()))
            .collect();
        let bundles: Vec<_> =
            new_bundles(old, new).map(|bundle| (bundle.index(), bundle.width())).collect();
        assert_eq!(tiles, bundles, "{old} to {new}");
    }
}

proptest! {
    #[test]
    fn new_tiles_are_those_of_the_new_tree_that_the_old_one_has_not(
        old in 0..200_000_u64, added in 0..70_000_u64,
    ) {
        let before: BTreeSet<_> = tiles_of(old).collect();
        let after: BTreeSet<_> = tiles_of(old + added).collect();
        let expected: Vec<_> = after.difference(&before).copied().collect();
        prop_assert_eq!(new_tiles(old, old + added).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn paths_go_there_and_back(level in 0..=63_u8, index in any::<u64>(), width in 1..=256_u16) {
        let tile = TileRef::new(level, index, width).unwrap();
        prop_assert_eq!(TileRef::parse_path(&tile.path()), Ok(tile));
        let bundle = BundleRef::new(index, width).unwrap();
        prop_assert_eq!(BundleRef::parse_path(&bundle.path()), Ok(bundle));
    }

    #[test]
    fn whatever_path_is_read_is_written_back(path in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,3}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = TileRef::parse_path(&path) {
            prop_assert_eq!(tile.path(), path);
        }
    }

    #[test]
    fn reading_an_arbitrary_path_never_panics(path in "\\PC*") {
        let _ = (TileRef::parse_path(&path), BundleRef::parse_path(&path));
    }
}
