//! Where every connection and every datagram's way begins: names to addresses, and a socket to one of them. A rule about what a
//! probe may reach belongs into [`permitted`], and nowhere else in this folder.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Outcome, dns};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::trouble;
use crate::domain::FailureKind;
use crate::ports::Resolution;

/// How long one address may take while others are left: a host with a dead address among its addresses is still reached.
const ADDRESS_LIMIT: Duration = Duration::from_secs(3);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// A connection to the host, by the first of its addresses that takes one.
pub(super) fn dial(flow: &Flow, host: &str, port: u16) -> Outcome<TcpStream> {
    Ok(timed(flow, host, port)?.0)
}

/// The same, with the time from the first packet to the connection: names were resolved before it.
pub(super) fn timed(flow: &Flow, host: &str, port: u16) -> Outcome<(TcpStream, Duration)> {
    let addresses = addresses(flow, host)?;
    let peer = shown(host, port);
    flow.progress().set(format!("no connection to {peer}"));
    let began = flow.watch.elapsed();
    let stream = flow.wait(async {
        let mut last = None;
        for (at, address) in addresses.iter().take(MAX_ADDRESSES).enumerate() {
            let attempt = connect(flow, SocketAddr::new(*address, port));
            let others = at + 1 < addresses.len().min(MAX_ADDRESSES);
            let result = if others { timeout(ADDRESS_LIMIT, attempt).await } else { Ok(attempt.await) };
            match result {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(ending)) => last = Some(ending),
                Err(_) => last = last.or(Some(Ending::Fail(FailureKind::Network, "no connection".to_owned()))),
            }
        }
        Err(last.unwrap_or_else(|| Ending::Fail(FailureKind::Network, "there is no address".to_owned())))
    })?;
    let stream = stream.map_err(|ending| prefixed(&peer, ending))?;
    Ok((stream, flow.watch.elapsed().saturating_sub(began)))
}

/// A connection to one address.
pub(super) async fn connect(flow: &Flow, address: SocketAddr) -> Outcome<TcpStream> {
    permitted(flow, address)?;
    let stream = TcpStream::connect(address).await.map_err(|error| broken(&error))?;
    // Small questions must not wait for more; a socket that cannot be told so is only slower.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A socket for datagrams to and from one address, at a port of its own.
pub(super) async fn datagrams(flow: &Flow, address: SocketAddr) -> Outcome<UdpSocket> {
    permitted(flow, address)?;
    let local: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0)).await;
    let socket = socket
        .map_err(|error| Ending::Inconclusive(format!("this vantage has no port left for a question: {error}")))?;
    // Connected, so that the system drops what others send.
    socket.connect(address).await.map_err(|error| broken(&error))?;
    Ok(socket)
}

/// Whether a probe may reach this address. Port 0 and the unspecified address are nowhere.
fn permitted(_flow: &Flow, address: SocketAddr) -> Outcome<()> {
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err(Ending::Inconclusive(format!("{address} is no address to connect to")));
    }
    Ok(())
}

/// The addresses of a host, as the probe resolves names.
fn addresses(flow: &Flow, host: &str) -> Outcome<Vec<IpAddr>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    if bare.is_empty() || bare.contains(|c: char| c.is_whitespace() || c.is_control() || "/:@[]".contains(c)) {
        return Err(Ending::Inconclusive(format!("'{host}' is no host name")));
    }
    flow.progress().set(format!("'{host}' was not resolved"));
    match &flow.request.resolution {
        Resolution::System => system(flow, bare),
        Resolution::Through(server) => dns::addresses(flow, *server, bare),
    }
}

fn system(flow: &Flow, host: &str) -> Outcome<Vec<IpAddr>> {
    let found = flow.wait(tokio::net::lookup_host((host, 0)));
    let found = found.map_err(|ending| match ending {
        Ending::Fail(FailureKind::Timeout, words) => {
            Ending::Inconclusive(format!("{words}: this machine's resolver does not answer"))
        }
        other => other,
    })?;
    let addresses: Vec<IpAddr> = found.map_err(|error| unresolved(host, &error))?.map(|found| found.ip()).collect();
    if addresses.is_empty() {
        return Err(Ending::Fail(FailureKind::Network, format!("'{host}' has no address")));
    }
    Ok(addresses)
}

/// The C library says only in words whether the name is not there or the resolver is not.
fn unresolved(host: &str, error: &io::Error) -> Ending {
    let text = error.to_string();
    let why = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let reason = format!("cannot resolve '{host}' with this machine's resolver: {why}");
    let not_there = ["not known", "No address associated", "nodename nor servname"];
    if not_there.iter().any(|words| why.contains(words)) {
        Ending::Fail(FailureKind::Network, reason)
    } else {
        Ending::Inconclusive(reason)
    }
}

/// What a broken connection says of the site, and what of this vantage.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> Ending {
    if let Some(reason) = error.downcast_ref::<io::Error>().and_then(of_this_vantage) {
        return Ending::Inconclusive(reason.to_owned());
    }
    let (kind, words) =
        trouble::deepest_known(error).unwrap_or_else(|| (FailureKind::Network, trouble::last_words(error)));
    Ending::Fail(kind, words)
}

fn of_this_vantage(error: &io::Error) -> Option<&'static str> {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown, _) => {
            Some("this vantage's own network has no way there")
        }
        (io::ErrorKind::AddrNotAvailable, _) => Some("this vantage has no address or port left for it"),
        // ENFILE and EMFILE, which the standard library has no name for.
        (_, Some(23 | 24)) => Some("this vantage has too many files open"),
        _ => None,
    }
}

/// The ending with what it is about in front.
pub(super) fn prefixed(said: &str, ending: Ending) -> Ending {
    match ending {
        Ending::Fail(kind, words) => Ending::Fail(kind, format!("{said}: {words}")),
        Ending::Inconclusive(words) => Ending::Inconclusive(format!("{said}: {words}")),
    }
}

/// Host and port as people write them.
pub(super) fn shown(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
