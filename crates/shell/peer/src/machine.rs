//! What a process takes from the machine it runs on. A simulation gives all of it instead: time, randomness, connections
//! and the way in which the disk is waited for.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use proto::v1;
use runtime::clock::{Clock, SystemClock};
use store::Waits;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::Status;
use transport::{DialError, PeerKey, TransportKey};

use crate::{
    dialler::Grpc,
    folder::{FolderError, Seed, fresh_seed},
};

/// What a process takes from the machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The one source of time.
    pub clock: Arc<dyn Clock>,
    /// Where salts and keys come from.
    pub randomness: Arc<dyn Randomness>,
    /// Reaches others whose address is known.
    pub caller: Arc<dyn Caller>,
    /// How the disk is waited for.
    pub waits: Waits,
}

impl Machine {
    /// The machine itself.
    #[must_use]
    pub fn real() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// The machine itself, with this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, randomness: Arc::new(Fresh), caller: Arc::new(Grpc), waits: Waits::default() }
    }
}

/// Gives random bytes.
pub trait Randomness: fmt::Debug + Send + Sync {
    /// 32 bytes that nobody can guess.
    ///
    /// # Errors
    ///
    /// [`FolderError::Randomness`] if there are none.
    fn seed(&self) -> Result<Seed, FolderError>;
}

/// The randomness of the system.
#[derive(Debug, Clone, Copy)]
pub struct Fresh;

impl Randomness for Fresh {
    fn seed(&self) -> Result<Seed, FolderError> {
        fresh_seed()
    }
}

/// What comes in on a replication stream.
pub type Frames = Pin<Box<dyn Stream<Item = Result<v1::Frame, Status>> + Send>>;
/// A connection on its way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Line, DialError>> + Send + 'a>>;
/// A replication stream on its way.
pub type Opening = Pin<Box<dyn Future<Output = Result<Frames, Status>> + Send>>;

/// Reaches others whose address is known.
pub trait Caller: fmt::Debug + Send + Sync {
    /// Connects to an address as the holder of this key.
    fn call<'a>(&'a self, own: &'a TransportKey, address: &'a str) -> Calling<'a>;
}

/// A connection to another process.
pub struct Line {
    /// The key that it has proved.
    pub server_key: PeerKey,
    /// Opens a replication stream; takes what goes out.
    pub exchange: Box<dyn FnOnce(ReceiverStream<v1::Frame>) -> Opening + Send>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("server_key", &self.server_key).finish_non_exhaustive()
    }
}
