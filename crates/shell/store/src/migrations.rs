//! The steps by which a file came to this release's form.
//!
//! They are listed here, and not read by sqlx's macro while this crate compiles: for that macro, sqlx, its driver and
//! SQLite would be compiled a second time for the compiler's own use.

use std::sync::LazyLock;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

/// Version, what it is about, and the statements, as in the folder `migrations`.
const STEPS: [(i64, &str, &str); 12] = [
    (1, "logs and register", include_str!("../migrations/0001_logs_and_register.sql")),
    (2, "items by case", include_str!("../migrations/0002_items_by_case.sql")),
    (3, "region", include_str!("../migrations/0003_region.sql")),
    (4, "erasures", include_str!("../migrations/0004_erasures.sql")),
    (5, "receipts and indexes", include_str!("../migrations/0005_receipts_and_indexes.sql")),
    (6, "forks", include_str!("../migrations/0006_forks.sql")),
    (7, "kept sizes", include_str!("../migrations/0007_kept_sizes.sql")),
    (8, "settling", include_str!("../migrations/0008_settling.sql")),
    (9, "neighbours", include_str!("../migrations/0009_neighbours.sql")),
    (10, "branches", include_str!("../migrations/0010_branches.sql")),
    (11, "neighbours put off", include_str!("../migrations/0011_neighbours_put_off.sql")),
    (12, "counted receipts", include_str!("../migrations/0012_counted_receipts.sql")),
];

/// The steps, each with the checksum that a file keeps of those it took.
pub(crate) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let steps = STEPS.map(|(version, about, statements)| {
        let statements = statements.into_sql_str();
        Migration::new(version, about.into(), MigrationType::Simple, statements, false)
    });
    Migrator::with_migrations(steps.into())
});

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::STEPS;

    #[test]
    fn every_step_in_the_folder_is_listed_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let listed: Vec<_> = STEPS
            .iter()
            .map(|(version, about, _)| format!("{version:04}_{}.sql", about.replace(' ', "_")))
            .collect();
        assert_eq!(listed, names);
        for ((_, _, statements), name) in STEPS.iter().zip(&names) {
            assert_eq!(*statements, std::fs::read_to_string(folder.join(name)).unwrap());
        }
    }
}
