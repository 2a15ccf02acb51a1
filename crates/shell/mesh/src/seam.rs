//! The seam between a mesh and whoever uses it: commands one way, events the other.

use tokio::sync::{mpsc, oneshot, watch};

use crate::{address::Address, frames::FrameStream, key::NodeKey};

/// Commands that wait for the driver.
const WAITING_COMMANDS: usize = 256;
/// Events that wait to be taken.
const WAITING_EVENTS: usize = 64;

/// What a mesh is asked.
#[derive(Debug)]
pub enum Command {
    /// This key is a member's.
    Admit(NodeKey),
    /// This key is a member's no longer: it is a stranger, and its connections end.
    Expel(NodeKey),
    /// A node was seen at these addresses.
    Learn(NodeKey, Vec<Address>),
    /// Somebody may answer at these addresses.
    Look(Vec<Address>),
    /// Connect to the node with this key, wherever it is.
    Connect(NodeKey),
    /// Open a stream to a connected node.
    Open(NodeKey, oneshot::Sender<Result<FrameStream, OpenError>>),
    /// Tell everybody.
    Ring(Vec<u8>),
    /// What a doorbell was worth.
    Judge(Ticket, Verdict),
    /// End every connection of a node, and refuse it for a while.
    Cut(NodeKey, &'static str),
}

/// What a mesh tells.
#[derive(Debug)]
pub enum Event {
    /// A node is connected; it may be a stranger.
    Connected(NodeKey),
    /// A node's last connection has ended.
    Disconnected(NodeKey),
    /// A node that was to be connected cannot be reached.
    Unreachable(NodeKey),
    /// A node opened a stream.
    Opened(NodeKey, FrameStream),
    /// A doorbell of a member rang.
    Rung(Rung),
}

/// A doorbell that rang.
#[derive(Debug)]
pub struct Rung {
    /// The node that passed it on; not always the one that rang it.
    pub from: NodeKey,
    /// What it says: at most [`crate::MAX_DOORBELL_BYTES`].
    pub message: Vec<u8>,
    /// Under which the verdict is given.
    pub ticket: Ticket,
}

/// Names a doorbell until it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a doorbell is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Sound: it is passed on.
    Sound,
    /// Not to be judged here: it is not passed on, and nobody is blamed.
    Unknown,
    /// Malformed or forged: it is not passed on, and counts against whoever passed it on.
    Malformed,
}

/// Why no stream was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The node is not connected.
    #[error("the other side is not connected")]
    NotConnected,
    /// It did not answer in time.
    #[error("the other side did not open the stream in time")]
    Silent,
    /// It does not speak this protocol, or refused the stream.
    #[error("the other side refused the stream: {0}")]
    Refused(String),
    /// The mesh has ended.
    #[error("the mesh is stopping")]
    Stopping,
}

/// A mesh, as it is asked. Cheap to clone; the mesh ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Mesh {
    commands: mpsc::Sender<Command>,
    listening: watch::Receiver<Vec<Address>>,
}

/// The far end of a [`Mesh`]: what carries out the commands and tells the events.
#[derive(Debug)]
pub struct Switchboard {
    /// What is asked.
    pub commands: mpsc::Receiver<Command>,
    /// Takes what is to be told.
    pub events: mpsc::Sender<Event>,
    /// Where others reach this node.
    pub listening: watch::Sender<Vec<Address>>,
}

/// A mesh, its events, and their far end, for libp2p or for a network in memory.
#[must_use]
pub fn seam() -> (Mesh, mpsc::Receiver<Event>, Switchboard) {
    let (commands, asked) = mpsc::channel(WAITING_COMMANDS);
    let (events, told) = mpsc::channel(WAITING_EVENTS);
    let (listening, listens) = watch::channel(Vec::new());
    let far = Switchboard { commands: asked, events, listening };
    (Mesh { commands, listening: listens }, told, far)
}

impl Mesh {
    /// Asks; what is asked of a mesh that has ended is lost, as it would be in a network that is gone.
    async fn ask(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// This key is a member's.
    pub async fn admit(&self, key: NodeKey) {
        self.ask(Command::Admit(key)).await;
    }

    /// This key is a member's no longer: it is a stranger, and its connections end.
    pub async fn expel(&self, key: NodeKey) {
        self.ask(Command::Expel(key)).await;
    }

    /// A node was seen at these addresses: hints, which the key proves or disproves. At most 8 of a key are kept.
    pub async fn learn(&self, key: NodeKey, addresses: Vec<Address>) {
        self.ask(Command::Learn(key, addresses)).await;
    }

    /// Somebody may answer at these addresses. They are tried until somebody does.
    pub async fn look(&self, addresses: Vec<Address>) {
        self.ask(Command::Look(addresses)).await;
    }

    /// Connects to the node with this key: [`Event::Connected`] or [`Event::Unreachable`] follows, if it is not
    /// connected.
    pub async fn connect(&self, key: NodeKey) {
        self.ask(Command::Connect(key)).await;
    }

    /// Opens a stream to a connected node.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says why there is none.
    pub async fn open(&self, key: NodeKey) -> Result<FrameStream, OpenError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Open(key, answer)).await;
        answered.await.unwrap_or(Err(OpenError::Stopping))
    }

    /// Rings everybody's doorbell. A message longer than [`crate::MAX_DOORBELL_BYTES`] is not sent.
    pub async fn ring(&self, message: Vec<u8>) {
        self.ask(Command::Ring(message)).await;
    }

    /// Says what a doorbell was worth.
    pub async fn judge(&self, ticket: Ticket, verdict: Verdict) {
        self.ask(Command::Judge(ticket, verdict)).await;
    }

    /// Ends every connection of a node and refuses it for a while; the reason goes to our log.
    pub async fn cut(&self, key: NodeKey, reason: &'static str) {
        self.ask(Command::Cut(key, reason)).await;
    }

    /// Where others reach this node, as far as it is known.
    #[must_use]
    pub fn listening(&self) -> Vec<Address> {
        self.listening.borrow().clone()
    }
}
