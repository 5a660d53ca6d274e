//! From a name to a connection: which addresses, which of them a probe may not reach, and how long it took.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;

use super::trouble::Trouble;
use crate::adapters::script::watch::now;
use crate::domain::FailureKind;

/// How long one address is tried before the next one is tried beside it (RFC 8305, section 5: 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Where Alibaba Cloud answers machines about themselves; the other clouds use link-local addresses.
const ALIBABA_METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200));
/// Where Azure's agent on a machine gets its configuration and keys.
const AZURE_WIRE_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));
/// The same of AWS, in IPv6.
const AWS_METADATA: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254));

/// Why a probe may not connect to the address; a script that could would read the credentials of the machine it runs on.
pub(in crate::adapters::script) fn refusal(ip: IpAddr) -> Option<&'static str> {
    let ip = embedded(ip.to_canonical());
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if link_local || [ALIBABA_METADATA, AZURE_WIRE_SERVER, AWS_METADATA].contains(&ip) {
        return Some("it is link-local, or where clouds answer machines about themselves");
    }
    if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Some("it is no address of one machine");
    }
    None
}

/// The IPv4 address that a translator would make of an address of its well-known prefix (RFC 6052, section 2.1).
fn embedded(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(six) if six.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) => {
            let [.., high, low] = six.segments();
            IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        other => other,
    }
}

/// Connects to the first of the addresses that answers, trying the next ones beside a slow one.
pub(in crate::adapters::script) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, Duration), Trouble> {
    if let Some((address, why)) = addresses.iter().find_map(|address| Some((address, refusal(address.ip())?))) {
        return Err(Trouble::Vantage(format!("a probe may not connect to {}: {why}", address.ip())));
    }
    let began = now();
    let (mut waiting, mut running) = (addresses.iter().copied().take(MAX_ADDRESSES), Vec::new());
    let mut last: Option<Trouble> = None;
    let mut head_start = Box::pin(tokio::time::sleep(Duration::ZERO));
    poll_fn(|context| {
        loop {
            let mut index = 0;
            while index < running.len() {
                let attempt: Option<&mut Attempt> = running.get_mut(index);
                match attempt.map(|attempt| attempt.as_mut().poll(context)) {
                    Some(Poll::Ready(Ok(stream))) => return Poll::Ready(Ok((stream, now().duration_since(began)))),
                    Some(Poll::Ready(Err(error))) => {
                        let trouble = Trouble::of_io(&error);
                        // A machine without IPv6 says nothing of a site that refuses on IPv4, and does not excuse it either.
                        if !matches!((&last, &trouble), (Some(Trouble::Site(..)), Trouble::Vantage(_))) {
                            last = Some(trouble);
                        }
                        drop(running.swap_remove(index));
                    }
                    Some(Poll::Pending) | None => index += 1,
                }
            }
            if !running.is_empty() && head_start.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    running.push(attempt(address));
                    head_start.as_mut().reset(tokio::time::Instant::now() + HEAD_START);
                }
                None if running.is_empty() => {
                    let none = || Trouble::Site(FailureKind::Network, "the name has no address".to_owned());
                    return Poll::Ready(Err(last.take().unwrap_or_else(none)));
                }
                // Nothing is left to start; what runs will wake us.
                None => return Poll::Pending,
            }
        }
    })
    .await
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

fn attempt(address: SocketAddr) -> Attempt {
    Box::pin(async move {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_spelling() {
        for refused in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "168.63.129.16",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
        ] {
            assert!(refusal(refused.parse().unwrap()).is_some(), "{refused}");
        }
        for allowed in ["64:ff9b::c000:201", "127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"] {
            assert!(refusal(allowed.parse().unwrap()).is_none(), "{allowed}");
        }
    }
}
