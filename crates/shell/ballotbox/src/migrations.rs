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
const STEPS: [(i64, &str, &str); 1] =
    [(1, "people rolls ballots", include_str!("../migrations/0001_people_rolls_ballots.sql"))];

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
