//! How often somebody may ask.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::api::Limits;

/// Clients that are remembered at once, for each bound, and a few more until it is looked again.
const CLIENTS: usize = 10_000;

/// Who is counted: an address. An IPv6 network counts as one, as its owner has all of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(super) fn at(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                Self(std::net::Ipv6Addr::from(network).into())
            }
        }
    }
}

/// How often it is looked how many are remembered.
const LOOK: u32 = 256;

type Keyed = RateLimiter<Client, HashMapStateStore<Client>, DefaultClock>;

/// The two bounds: requests, and tokens that were refused.
pub(crate) struct Rates {
    requests: Keyed,
    refusals: Keyed,
    counted: AtomicU32,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let quota = |rate: NonZeroU32, burst| Quota::per_second(rate).allow_burst(burst);
        let requests = quota(limits.requests_per_second, limits.requests_burst);
        let refusals = Quota::per_minute(limits.refusals_per_minute);
        let (requests, refusals) = (RateLimiter::hashmap(requests), RateLimiter::hashmap(refusals));
        Self { requests, refusals, counted: AtomicU32::new(0) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The seconds after which it may be sent again.
    pub(super) fn request(&self, client: Client) -> Result<(), u32> {
        self.count(&self.requests, client)
    }

    /// Counts a token that was refused.
    ///
    /// # Errors
    /// The seconds after which the next one is looked at.
    pub(super) fn refusal(&self, client: Client) -> Result<(), u32> {
        self.count(&self.refusals, client)
    }

    fn count(&self, rates: &Keyed, client: Client) -> Result<(), u32> {
        if self.counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK) && rates.len() > CLIENTS {
            rates.retain_recent();
        }
        let clock = DefaultClock::default();
        rates.check_key(&client).map_err(|until| {
            let wait = until.wait_time_from(clock.now());
            u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_concerned() {
        let limits = Limits {
            requests_per_second: NonZeroU32::MIN,
            requests_burst: NonZeroU32::new(3).unwrap(),
            ..Limits::default()
        };
        let rates = Rates::new(&limits);
        let (one, other) = (Client::at([192, 0, 2, 1].into()), Client::at([192, 0, 2, 2].into()));
        let answers: Vec<_> = (0..4).map(|_| rates.request(one)).collect();
        assert_eq!(answers[..3], [Ok(()), Ok(()), Ok(())]);
        assert!((1..=3).contains(&answers[3].unwrap_err()));
        assert_eq!(rates.request(other), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}
