//! How many connections one address may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The addresses that are connected. Whoever comes from this machine is not
/// counted: that is a proxy, behind which everybody is.
#[derive(Debug)]
pub(crate) struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection of one, as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    peer: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    pub(crate) fn new(most: usize) -> Self {
        Peers { most, open: Arc::default() }
    }

    /// A place for one more; `None` inside: it needs none. The error: there is none.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Option<Place>, Full> {
        let peer = peer(address);
        if peer.is_loopback() {
            return Ok(None);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.most {
            return Err(Full);
        }
        *count += 1;
        Ok(Some(Place { peer, open: self.open.clone() }))
    }
}

/// A peer has as many connections as one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Whom an address belongs to: of IPv6, a whole /64 is one machine's to choose from.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(peers: &Peers, address: &str) -> Result<Option<Place>, Full> {
        peers.enter(address.parse().unwrap())
    }

    #[test]
    fn each_address_has_so_many_places_and_gets_them_back() {
        let peers = Peers::new(2);
        let first = enter(&peers, "192.0.2.1").unwrap();
        let _second = enter(&peers, "::ffff:192.0.2.1").unwrap();
        assert_eq!(enter(&peers, "192.0.2.1").unwrap_err(), Full);
        assert!(enter(&peers, "192.0.2.2").is_ok());
        drop(first);
        assert!(enter(&peers, "192.0.2.1").is_ok());
    }

    #[test]
    fn a_network_that_one_machine_can_choose_from_is_one_address() {
        let peers = Peers::new(1);
        let _first = enter(&peers, "2001:db8:0:1::1").unwrap();
        assert_eq!(enter(&peers, "2001:db8:0:1:ffff::2").unwrap_err(), Full);
        assert!(enter(&peers, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn a_proxy_on_this_machine_has_as_many_as_it_needs() {
        let peers = Peers::new(1);
        let places: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1"]
            .map(|a| enter(&peers, a))
            .into();
        assert!(places.iter().all(|place| matches!(place, Ok(None))));
    }

    #[test]
    fn whoever_is_gone_leaves_nothing_behind() {
        let peers = Peers::new(1);
        (0..1_000).for_each(|n| drop(peers.enter(IpAddr::from([10, 0, (n / 256) as u8, n as u8]))));
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
