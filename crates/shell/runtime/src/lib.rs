//! What every Folkmoot process needs around its work: configuration, addresses, logs and metrics, the clock,
//! private files, health, and an orderly start and stop.
//!
//! ```text
//! config::load ─> telemetry::init ─> files::DirLock ─> Supervisor: tasks ─> ready::ReadyLine
//!                                                         ^   │
//!                SIGTERM, SIGINT, parent's pipe ──────────┘   └─> exit::Exit
//! ```
//!
//! Nothing here knows what a node or a coordinator does.

pub mod address;
pub mod clock;
pub mod config;
pub mod disk;
pub mod exit;
pub mod files;
pub mod health;
pub mod ready;
pub mod stop;
pub mod supervisor;
pub mod telemetry;

mod process;

/// An error of any kind, with its cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
