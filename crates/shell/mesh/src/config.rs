//! What a mesh is started with.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use crate::{address::Address, limits::Limits};

/// What a mesh is started with.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// The network; nodes of two networks speak no common protocol.
    pub network: String,
    /// The region, whose doorbells are heard.
    pub region: String,
    /// Where to listen; port 0 takes a free one. A circuit address is reserved at its relay.
    pub listen: Vec<Address>,
    /// Where others reach this node, if that differs from where it listens.
    pub external: Vec<Address>,
    /// Where to look for others first.
    pub peers: Vec<Address>,
    /// Whether to look for others on the local network.
    pub mdns: bool,
    /// Whether to relay for members of the region.
    pub relay: bool,
    /// The key without which no connection is possible; TCP alone then.
    pub region_key: Option<RegionKey>,
    /// The largest frame of a stream, in bytes.
    pub max_frame_bytes: usize,
    /// What others may take.
    pub limits: Limits,
}

impl MeshConfig {
    /// A mesh of this network and region that listens nowhere and knows nobody.
    #[must_use]
    pub fn new(
        network: impl Into<String>,
        region: impl Into<String>,
        max_frame_bytes: usize,
    ) -> Self {
        Self {
            network: network.into(),
            region: region.into(),
            listen: Vec::new(),
            external: Vec::new(),
            peers: Vec::new(),
            mdns: false,
            relay: false,
            region_key: None,
            max_frame_bytes,
            limits: Limits::default(),
        }
    }
}

/// A key that every node of a private region has; connections without it fail.
#[derive(Clone)]
pub struct RegionKey(Zeroizing<[u8; 32]>);

/// The text is no region key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a region key file has three lines: /key/swarm/psk/1.0.0/, /base16/, and 64 hexadecimal digits"
)]
pub struct RegionKeyError;

impl RegionKey {
    /// The key in a file as other libp2p programs write it (`swarm.key`).
    ///
    /// # Errors
    ///
    /// [`RegionKeyError`] if the text has another form.
    pub fn parse(text: &str) -> Result<Self, RegionKeyError> {
        let mut lines = text.lines().map(str::trim_end);
        if (lines.next(), lines.next()) != (Some("/key/swarm/psk/1.0.0/"), Some("/base16/")) {
            return Err(RegionKeyError);
        }
        let digits = lines.next().ok_or(RegionKeyError)?;
        let decoded = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
        let bytes = Zeroizing::new(decoded.map_err(|_error| RegionKeyError)?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_error| RegionKeyError)?;
        Ok(Self(Zeroizing::new(key)))
    }

    pub(crate) fn pre_shared(&self) -> libp2p::pnet::PreSharedKey {
        libp2p::pnet::PreSharedKey::new(*self.0)
    }
}

impl fmt::Debug for RegionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_key_is_read_and_never_shown() {
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "ab".repeat(32));
        let key = RegionKey::parse(&text).unwrap();
        assert_eq!(*key.0, [0xab; 32]);
        assert_eq!(format!("{key:?}"), "RegionKey");
    }

    #[test]
    fn a_region_key_of_another_form_is_refused() {
        for wrong in
            ["", "/key/swarm/psk/1.0.0/\n/base16/\n", "/key/swarm/psk/1.0.0/\n/base64/\nAA"]
        {
            assert!(RegionKey::parse(wrong).is_err(), "{wrong}");
        }
        let short = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "ab".repeat(31));
        assert!(RegionKey::parse(&short).is_err());
    }
}
