//! The addresses at which clients reach the ICE port: what becomes ICE candidates.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::config::Host;

/// The configured hosts, names resolved, or the addresses of the interfaces that `bound` covers; each with `bound`'s
/// port, without repetition.
///
/// # Errors
/// What the operating system says about its interfaces.
pub async fn addresses(hosts: &[Host], bound: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    let mut found: Vec<IpAddr> = Vec::new();
    for host in hosts {
        match host {
            Host::Address(address) => found.push(*address),
            Host::Name(name) => match tokio::net::lookup_host((name.as_str(), bound.port())).await {
                Ok(addresses) => found.extend(addresses.map(|address| address.ip())),
                Err(error) => {
                    tracing::warn!(host = name, %error, "public_hosts: the name is not known; left out")
                }
            },
        }
    }
    if found.is_empty() {
        found = of_interfaces(bound.ip())?;
    }
    let mut unique = Vec::new();
    for ip in found {
        let address = SocketAddr::new(ip, bound.port());
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    Ok(unique)
}

fn of_interfaces(bound: IpAddr) -> io::Result<Vec<IpAddr>> {
    if !bound.is_unspecified() {
        return Ok(vec![bound]);
    }
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .filter(|ip| bound.is_ipv6() || ip.is_ipv4())
        .collect();
    // A machine without a network still serves itself.
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    // Browsers try candidates in this order of preference: what every network has, first.
    addresses.sort_by_key(|ip| !ip.is_ipv4());
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn configured_hosts_are_taken_in_order_and_once() {
        let host = |text: &str| Host::Address(text.parse().unwrap());
        let hosts = [host("203.0.113.7"), host("10.0.0.4"), host("203.0.113.7")];
        let found = addresses(&hosts, "0.0.0.0:8189".parse().unwrap()).await.unwrap();
        assert_eq!(found, ["203.0.113.7:8189", "10.0.0.4:8189"].map(|text| text.parse().unwrap()));
    }

    #[tokio::test]
    async fn a_socket_on_one_address_is_reached_there() {
        let bound = "127.0.0.1:8189".parse().unwrap();
        assert_eq!(addresses(&[], bound).await.unwrap(), [bound]);
    }

    #[tokio::test]
    async fn without_configuration_there_is_always_an_address() {
        let found = addresses(&[], "0.0.0.0:8189".parse().unwrap()).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|address| address.is_ipv4() && address.port() == 8189));
    }
}
