//! The thin binary.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> runtime::exit::Exit {
    node::command::main(std::env::args_os())
}
