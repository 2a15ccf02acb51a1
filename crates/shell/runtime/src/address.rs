//! Addresses that a process listens on, checked before anything is started.
//!
//! Only the form is checked, and for [`PlainAddress`] that no other machine can reach it. Whether the
//! port is free and the address is this machine's is known when it is listened on.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Where to listen: `host:port`, the host an IP address (v6 in brackets) or a name; port 0 takes a
/// free one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(String);

/// Where to listen for this machine only: as [`ListenAddress`], the host a loopback address or
/// `localhost`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlainAddress(ListenAddress);

/// Why an address cannot be listened on. Its sentence has no full stop, as it ends that of a
/// configuration error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no colon with a port after it.
    #[error(
        "`{0}` has no port; expected host:port, such as 0.0.0.0:7443 (port 0 takes a free one)"
    )]
    NoPort(String),
    /// What stands after the last colon is no port.
    #[error(
        "`{0}` has no port from 0 to 65535 after its last colon; expected host:port, such as 0.0.0.0:7443"
    )]
    BadPort(String),
    /// What stands before the port is neither an IP address nor a name.
    #[error(
        "`{0}` names no host; expected host:port, the host being an IP address or a name, \
         such as 0.0.0.0:7443 or [::]:7443"
    )]
    BadHost(String),
    /// Other machines could reach a port that has no encryption.
    #[error(
        "`{0}` may be reached from other machines, and this port has no encryption; \
         expected an address of this machine only, such as 127.0.0.1:8080"
    )]
    NotLoopback(String),
}

enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl ListenAddress {
    /// The unspecified IPv4 address, which is every one of this machine, with this port.
    #[must_use]
    pub fn everywhere(port: u16) -> Self {
        Self(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).to_string())
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PlainAddress {
    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse_host(text).map(|_host| Self(text.to_owned()))
    }
}

impl FromStr for PlainAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let is_loopback = match parse_host(text)? {
            Host::Address(ip) => ip.to_canonical().is_loopback(),
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        };
        if is_loopback {
            return Ok(Self(ListenAddress(text.to_owned())));
        }
        Err(AddressError::NotLoopback(text.to_owned()))
    }
}

fn parse_host(text: &str) -> Result<Host<'_>, AddressError> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Host::Address(address.ip()));
    }
    let is_bare_address = text.parse::<IpAddr>().is_ok();
    let split = text.rsplit_once(':').filter(|_| !is_bare_address);
    let (host, port) = split.ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
    if !port.bytes().all(|it| it.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(AddressError::BadPort(text.to_owned()));
    }
    if !is_name(host) {
        return Err(AddressError::BadHost(text.to_owned()));
    }
    Ok(Host::Name(host))
}

/// A host name (RFC 1123, section 2.1): labels of letters, digits and hyphens. The last one is not
/// all digits, or the whole would be an IP address, and a wrong one.
fn is_name(host: &str) -> bool {
    let is_label = |it: &str| {
        !it.is_empty()
            && it.len() <= 63
            && !it.starts_with('-')
            && !it.ends_with('-')
            && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    host.len() <= 253
        && host.split('.').all(is_label)
        && !last.bytes().all(|it| it.is_ascii_digit())
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for PlainAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.0
    }
}

impl From<PlainAddress> for String {
    fn from(address: PlainAddress) -> Self {
        address.0.0
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PlainAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<ListenAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn addresses_and_names_with_a_port_can_be_listened_on() {
        for text in [
            "0.0.0.0:7443",
            "127.0.0.1:0",
            "[::]:7443",
            "[::1]:65535",
            "localhost:80",
            "node-1.example:7443",
        ] {
            assert_eq!(listen(text).map(|it| it.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(listen("0.0.0.0:7443"), Ok(ListenAddress::everywhere(7443)));
    }

    #[test]
    fn what_lacks_a_port_is_told_so() {
        for text in ["nonsense", "0.0.0.0", "", "::1", "fe80::7443"] {
            assert_eq!(listen(text), Err(AddressError::NoPort(text.to_owned())));
        }
        for text in ["localhost:", "0.0.0.0:65536", "localhost:+80", "localhost:http", "[::1]"] {
            assert_eq!(listen(text), Err(AddressError::BadPort(text.to_owned())));
        }
    }

    #[test]
    fn what_is_no_host_is_told_so() {
        let long_label = format!("{}.example:1", "a".repeat(64));
        for text in [
            ":7443",
            "300.1.1.1:7443",
            "1.2.3:7443",
            "http://node.example:7443",
            "two words:7443",
            "-node.example:7443",
            "node..example:7443",
            &long_label,
        ] {
            assert_eq!(listen(text), Err(AddressError::BadHost(text.to_owned())));
        }
        assert!(listen(&format!("{}.example:1", "a".repeat(63))).is_ok());
    }

    #[test]
    fn a_plain_address_is_of_this_machine_only() {
        for text in ["127.0.0.1:8080", "127.255.0.1:0", "[::1]:8080", "localhost:8080"] {
            assert!(text.parse::<PlainAddress>().is_ok(), "{text}");
        }
        for text in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "128.0.0.1:0", "a.example:80"] {
            let refused = text.parse::<PlainAddress>();
            assert_eq!(refused, Err(AddressError::NotLoopback(text.to_owned())));
        }
        let without_port = "127.0.0.1".parse::<PlainAddress>();
        assert_eq!(without_port, Err(AddressError::NoPort("127.0.0.1".to_owned())));
    }
}
