//! The node as its operator meets it: the binary, run as processes over a data folder of its own.

mod cases;
mod founding;
mod import;
mod logs;
mod polls;
mod running;
mod world;
