//! The Open Contracting Data Standard, 1.1.5: <https://standard.open-contracting.org/1.1/en/>.

pub mod amount;
pub mod export;
pub mod import;
pub mod instant;
