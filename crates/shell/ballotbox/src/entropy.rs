//! Where salts and credentials come from.

use std::fmt;

/// The source of randomness answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine gave no random numbers")]
pub struct NoEntropy;

type Fill = dyn FnMut(&mut [u8]) -> Result<(), NoEntropy> + Send;

/// A source of random bytes, drawn from in the order in which ballots and rolls are stored.
pub struct Entropy(Box<Fill>);

impl Entropy {
    /// The operating system's generator: the only one for real ballots.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|bytes| getrandom::fill(bytes).or(Err(NoEntropy)))
    }

    /// A source that fills each slice by calling `fill`; a simulation gives a seeded one.
    pub fn from_fn(fill: impl FnMut(&mut [u8]) -> Result<(), NoEntropy> + Send + 'static) -> Self {
        Self(Box::new(fill))
    }

    /// 32 bytes that nobody can guess.
    pub(crate) fn draw(&mut self) -> Result<[u8; 32], NoEntropy> {
        let mut bytes = [0; 32];
        (self.0)(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
