//! Which addresses may be connected to. It is the address that is judged, never its spelling or a name.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable from anywhere.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, carrier-grade NAT, IPv6 unique local.
    Private,
    /// This link only.
    LinkLocal,
    /// A service of a cloud provider that hands out credentials.
    Metadata,
    /// No address of one machine: unspecified, multicast, broadcast, documentation, reserved.
    Unusable,
}

/// Addresses of metadata services that are not link-local, or that a wider policy must not let in.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    // Alibaba Cloud, Oracle Cloud, and the wire server of Azure.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Amazon and Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// What kind of place an address is. An IPv6 address that only wraps an IPv4 address is that IPv4 address.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => match wrapped(address) {
            Some(inner) => classify_v4(inner),
            None => classify_v6(address),
        },
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if METADATA_V4.contains(&address) => AddressClass::Metadata,
        (127, _, _) => AddressClass::Loopback,
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => AddressClass::Private,
        (169, 254, _) => AddressClass::LinkLocal,
        // "This" network, protocol assignments, documentation, benchmarks, 6to4 relays, multicast, reserved.
        (0 | 224..=255, _, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => AddressClass::Unusable,
        _ => AddressClass::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [first, second, ..] = address.segments();
    match (first, second) {
        _ if METADATA_V6.contains(&address) => AddressClass::Metadata,
        _ if address.is_loopback() => AddressClass::Loopback,
        (0xfc00..=0xfdff, _) => AddressClass::Private,
        (0xfe80..=0xfebf, _) => AddressClass::LinkLocal,
        // Documentation and benchmarks, inside what is otherwise public.
        (0x2001, 0x0db8 | 0x0002) | (0x3fff, 0..=0x0fff) => AddressClass::Unusable,
        (0x2000..=0x3fff, _) => AddressClass::Public,
        // Everything else is not assigned, multicast, deprecated or discarded.
        _ => AddressClass::Unusable,
    }
}

/// The IPv4 address in one that is mapped, compatible, translated (NAT64) or tunnelled (6to4, Teredo, ISATAP).
fn wrapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(join(g, h)),
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => Some(join(g, h)),
        (0x64, 0xff9b, 0, 0, 0, 0) | (0x64, 0xff9b, 1, _, _, _) => Some(join(g, h)),
        (0x2002, ..) => Some(join(b, c)),
        (0x2001, 0, ..) => Some(join(!g, !h)),
        (_, _, _, _, 0 | 0x200, 0x5efe) => Some(join(g, h)),
        _ => None,
    }
}

/// Which addresses may be connected to. Link-local, metadata and unusable addresses never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Whether this machine may be.
    pub loopback: bool,
    /// Whether private networks may be.
    pub private: bool,
    /// Ports that may not be, wherever they are.
    pub refused_ports: BTreeSet<u16>,
}

impl AddressPolicy {
    /// For a person at a terminal, who could connect there anyway: this machine and private networks are fine.
    #[must_use]
    pub fn local() -> Self {
        Self { loopback: true, private: true, refused_ports: BTreeSet::new() }
    }

    /// For an address that came over the network: only public ones, and never the ports of the Docker engine.
    #[must_use]
    pub fn public_only() -> Self {
        Self { loopback: false, private: false, refused_ports: BTreeSet::from([2375, 2376]) }
    }

    /// This policy without another port, for example the engine's own.
    #[must_use]
    pub fn without_port(mut self, port: u16) -> Self {
        self.refused_ports.insert(port);
        self
    }

    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(&self, address: SocketAddr) -> bool {
        let class_allowed = match classify(address.ip()) {
            AddressClass::Public => true,
            AddressClass::Loopback => self.loopback,
            AddressClass::Private => self.private,
            AddressClass::LinkLocal | AddressClass::Metadata | AddressClass::Unusable => false,
        };
        class_allowed && address.port() != 0 && !self.refused_ports.contains(&address.port())
    }
}
