//! The thin binary.

use mimalloc::MiMalloc;

/// A coordinator makes and frees many small texts on many threads at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> runtime::exit::Exit {
    coordinator::command::main(std::env::args_os())
}
