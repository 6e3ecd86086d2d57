//! The network of a resource: nobody else is in it, and every container has an address of its own for good.
//!
//! An address that the engine picks is another one after a restart, and may then be somebody else's. So the
//! network gets a range of ours, free of every other network and route of this machine, and each container a
//! fixed address in it.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name};

use crate::engine::{Engine, EngineError};
use crate::names::LABEL_OWNER;

/// The ranges that are handed out: 10.180.0.0/24 to 10.199.255.0/24.
const FIRST: u32 = u32::from_be_bytes([10, 180, 0, 0]);
const RANGES: u32 = 20 * 256;
/// How often another range is tried when somebody else was quicker.
const TRIES: u32 = 8;

/// An IPv4 range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    network: u32,
    prefix: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Self { network: u32::from(address.parse::<Ipv4Addr>().ok()?), prefix })
    }

    fn overlaps(self, other: Self) -> bool {
        let shared = self.prefix.min(other.prefix);
        let mask = u32::MAX.checked_shl(32 - shared).unwrap_or(0);
        self.network & mask == other.network & mask
    }
}

/// A network's range, and what of it somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ground {
    base: Ipv4Addr,
    /// Running containers' addresses, also those of containers that somebody else has put there.
    taken: BTreeSet<Ipv4Addr>,
}

impl Ground {
    /// The lowest address that nobody has: neither a container that runs nor one of `kept`, running or not. The first
    /// is the gateway's.
    pub(crate) fn free_address(&self, kept: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let mut addresses = (2..=254).map(|host| Ipv4Addr::from(u32::from(self.base) + host));
        addresses.find(|address| !kept.contains(address) && !self.taken.contains(address))
    }
}

/// The range of a network that is there, or of a new one.
pub(crate) async fn ensure(
    engine: &Engine,
    owner: &Name,
    name: &str,
    labels: HashMap<String, String>,
) -> Result<Ground, Failure> {
    for attempt in 0..TRIES {
        if let Some(ground) = existing(engine, owner, name).await? {
            return Ok(ground);
        }
        let taken = taken(engine).await?;
        let range = free(name, attempt, &taken).ok_or_else(|| {
            Failure::new(FailureCode::StartRefused, "no range of addresses is left for a network")
        })?;
        let request = request(name, range, labels.clone());
        match engine.change(|docker| async move { docker.create_network(request).await }).await {
            // Made by us a moment ago, or the range is somebody else's by now: look again.
            Ok(_) | Err(EngineError::Conflict(_) | EngineError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(FailureCode::StartRefused, format!("the network {name} could not be made")))
}

async fn existing(engine: &Engine, owner: &Name, name: &str) -> Result<Option<Ground>, Failure> {
    let found = engine
        .read(|docker| async move { docker.inspect_network(name, None::<InspectNetworkOptions>).await })
        .await;
    let network = match found {
        Ok(network) => network,
        Err(EngineError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let ours = network.labels.as_ref().and_then(|labels| labels.get(LABEL_OWNER));
    if ours.map(String::as_str) != Some(owner.as_str()) {
        return Err(Failure::new(FailureCode::NameTaken, format!("the network {name} is not ours")));
    }
    let endpoints = network.containers.unwrap_or_default().into_values();
    let taken = endpoints.filter_map(|endpoint| endpoint.ipv4_address?.split('/').next()?.parse().ok());
    let taken = taken.collect();
    let subnets = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let range = subnets.iter().find_map(|config| Range::parse(config.subnet.as_deref()?));
    match range.filter(|range| range.prefix == 24) {
        Some(range) => Ok(Some(Ground { base: Ipv4Addr::from(range.network), taken })),
        None => Err(Failure::new(FailureCode::NameTaken, format!("the network {name} has no range of ours"))),
    }
}

/// Removes a network of ours; one that is not there, not ours or still used is left alone.
pub(crate) async fn remove(engine: &Engine, owner: &Name, name: &str) -> Result<(), Failure> {
    match existing(engine, owner, name).await {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(()),
        Err(failure) if failure.code == FailureCode::NameTaken => return Ok(()),
        Err(failure) => return Err(failure),
    }
    match engine.change(|docker| async move { docker.remove_network(name).await }).await {
        Ok(()) | Err(EngineError::NotFound(_) | EngineError::Conflict(_) | EngineError::Refused { .. }) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn request(name: &str, range: Ipv4Addr, labels: HashMap<String, String>) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig { subnet: Some(format!("{range}/24")), ..IpamConfig::default() }]),
            ..Ipam::default()
        }),
        ..NetworkCreateRequest::default()
    }
}

/// The ranges of every network of the engine and every route of this machine.
async fn taken(engine: &Engine) -> Result<Vec<Range>, Failure> {
    let networks: Vec<Network> =
        engine.read(|docker| async move { docker.list_networks(None::<ListNetworksOptions>).await }).await?;
    let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
    let mut ranges: Vec<Range> = configs.filter_map(|config| Range::parse(&config.subnet?)).collect();
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    ranges.extend(routes.lines().skip(1).filter_map(route));
    Ok(ranges)
}

/// A line of the kernel's routing table: both numbers are in hexadecimal, in the machine's byte order. The
/// default route is no obstacle.
fn route(line: &str) -> Option<Range> {
    let number = |column: usize| {
        let field = line.split_whitespace().nth(column)?;
        Some(u32::from_be_bytes(u32::from_str_radix(field, 16).ok()?.to_ne_bytes()))
    };
    let (network, mask) = (number(1)?, number(7)?);
    (mask != 0).then(|| Range { network, prefix: mask.count_ones() })
}

/// The first free range, counted from a place that depends on the name: two networks that are made at once
/// rarely want the same.
fn free(name: &str, attempt: u32, taken: &[Range]) -> Option<Ipv4Addr> {
    let hash = u32::from_str_radix(&Digest::of(name.as_bytes()).hex()[..8], 16).unwrap_or(0);
    let start = hash.wrapping_add(attempt.wrapping_mul(257)) % RANGES;
    let range = |index: u32| Range { network: FIRST + ((start + index) % RANGES) * 256, prefix: 24 };
    let mut ranges = (0..RANGES).map(range);
    let found = ranges.find(|range| !taken.iter().any(|other| range.overlaps(*other)))?;
    Some(Ipv4Addr::from(found.network))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        Range::parse(text).expect(text)
    }

    #[test]
    fn ranges_overlap_when_one_holds_the_other() {
        assert!(range("10.180.1.0/24").overlaps(range("10.0.0.0/8")));
        assert!(range("10.0.0.0/8").overlaps(range("10.180.1.0/24")));
        assert!(range("10.180.1.0/24").overlaps(range("10.180.1.128/25")));
        assert!(!range("10.180.1.0/24").overlaps(range("10.180.2.0/24")));
        assert!(range("10.180.1.0/24").overlaps(range("0.0.0.0/0")));
    }

    #[test]
    fn a_free_range_overlaps_nothing_that_is_taken() {
        let taken = [range("10.180.0.0/14"), range("10.184.0.0/13"), range("10.192.0.0/14")];
        for name in ["a", "b", "c", "d"] {
            let found = free(name, 0, &taken).expect("a range");
            let found = range(&format!("{found}/24"));
            assert!(taken.iter().all(|other| !found.overlaps(*other)), "{found:?}");
        }
        assert_eq!(free("a", 0, &[range("10.0.0.0/8")]), None);
    }

    #[test]
    fn the_kernels_routes_are_read() {
        let line = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0";
        assert_eq!(route(line), Some(range("172.17.0.0/16")));
        let default = "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        assert_eq!(route(default), None);
    }

    #[test]
    fn an_address_is_given_once() {
        let taken = BTreeSet::from(["10.180.3.7".parse().expect("an address")]);
        let ground = Ground { base: "10.180.3.0".parse().expect("an address"), taken };
        let mut used = BTreeSet::new();
        while let Some(address) = ground.free_address(&used) {
            assert!(used.insert(address));
        }
        assert_eq!(used.len(), 252);
        assert!(used.is_disjoint(&ground.taken));
        assert!(!used.contains(&"10.180.3.1".parse().expect("an address")));
    }
}
