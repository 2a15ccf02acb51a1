//! People who go on working while things break: each node opens pools, one after another.

use std::cell::{Cell, RefCell};

use anyhow::Result;

use super::{
    ground::{Ground, Seat},
    look::{LOOK_EVERY, until},
};
use crate::demo::{
    process::args,
    summary::{number, text},
};

/// A record that a node acknowledged to its clerk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) community: String,
    pub(super) index: u64,
    pub(super) id: String,
}

/// Work that goes on until it is told to stop.
#[derive(Debug)]
pub(super) struct Load<'g> {
    ground: &'g Ground<'g>,
    seats: Vec<Seat>,
    is_stopped: Cell<bool>,
    written: RefCell<Vec<Written>>,
}

impl<'g> Load<'g> {
    pub(super) fn new(ground: &'g Ground<'g>, seats: &[Seat]) -> Self {
        let (is_stopped, written) = (Cell::new(false), RefCell::default());
        Self { ground, seats: seats.to_vec(), is_stopped, written }
    }

    /// Writes at every node at once, until the stop.
    pub(super) async fn run(&self) -> Result<()> {
        let mut turn = self.seats.iter().cycle();
        while !self.is_stopped.get() {
            let Some(seat) = turn.next() else { break };
            match open_pool(self.ground, seat, "Lamps for the hall").await {
                Ok(written) => self.written.borrow_mut().push(written),
                // Its node was killed: what was under way was not acknowledged.
                Err(_) if self.is_stopped.get() => break,
                Err(error) => return Err(error),
            }
            // People pause; otherwise a small machine would do nothing but start commands.
            tokio::time::sleep(LOOK_EVERY / 2).await;
        }
        Ok(())
    }

    /// Tells everybody to stop when what is under way is done.
    pub(super) fn stop(&self) {
        self.is_stopped.set(true);
    }

    /// What has been acknowledged so far.
    pub(super) fn written(&self) -> Vec<Written> {
        self.written.borrow().clone()
    }

    /// Waits until so many more records have been acknowledged.
    pub(super) async fn until_more(&self, n_more: usize) -> Result<()> {
        let wanted = self.written.borrow().len() + n_more;
        let has_come = async || Ok((wanted <= self.written.borrow().len()).then_some(()));
        until("for nodes to write", has_come).await
    }
}

/// Opens a pool at a node.
pub(super) async fn open_pool(ground: &Ground<'_>, seat: &Seat, title: &str) -> Result<Written> {
    let line = args![
        "pool",
        "open",
        "--title",
        title,
        "--unit",
        "each",
        "--threshold",
        "1000",
        "--closes",
        "30d",
    ];
    let opened = ground.command(seat, &line).await?;
    let (index, id) = (number(&opened, "index"), text(&opened, "record"));
    Ok(Written { community: seat.id.clone(), index, id })
}
