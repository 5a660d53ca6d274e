//! Where every connection and every datagram's way begins: whether the check may ask the host, names to addresses, and a socket to one that
//! a probe may connect to. The rules themselves stand where HTTP's are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};

use super::Outcome;
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::http::{self, Trouble};
use crate::adapters::script::resolve;

/// A connection to the host, by the first of its addresses that takes one.
pub(super) fn dial(flow: &Flow, host: &str, port: u16) -> Outcome<TcpStream> {
    Ok(timed(flow, host, port)?.0)
}

/// The same, with the time from the first packet to the connection: names were resolved before it.
pub(super) fn timed(flow: &Flow, host: &str, port: u16) -> Outcome<(TcpStream, Duration)> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let stray = |c: char| c.is_whitespace() || c.is_control() || "/@[]".contains(c);
    if bare.is_empty() || bare.contains(stray) || (bare.contains(':') && bare.parse::<IpAddr>().is_err()) {
        return Err(Ending::Inconclusive(format!("'{host}' is no host name")));
    }
    flow.connects(bare)?;
    let addresses: Vec<SocketAddr> =
        addresses(flow, bare)?.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let peer = shown(host, port);
    flow.progress().set(format!("no connection to {peer}"));
    flow.wait(http::connect(&addresses))?.map_err(|trouble| prefixed(&peer, ending(trouble)))
}

/// A socket for datagrams to and from one address, at a port of its own. `own` is for a resolver that this machine is set up with: clouds
/// have theirs at link-local addresses.
pub(super) async fn datagrams(address: SocketAddr, own: bool) -> Outcome<UdpSocket> {
    permitted(address, own)?;
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

/// A connection to one address; `own` as for [`datagrams`].
pub(super) async fn connect(address: SocketAddr, own: bool) -> Outcome<TcpStream> {
    permitted(address, own)?;
    TcpStream::connect(address).await.map_err(|error| broken(&error))
}

fn permitted(address: SocketAddr, own: bool) -> Outcome<()> {
    let why = match address.port() {
        0 => Some("port 0 is none"),
        _ => http::refusal(address.ip()).filter(|_| !own),
    };
    why.map_or(Ok(()), |why| Err(Ending::Inconclusive(format!("a probe may not connect to {address}: {why}"))))
}

/// The addresses of a host, as the probe resolves names.
fn addresses(flow: &Flow, host: &str) -> Outcome<Vec<IpAddr>> {
    flow.progress().set_ours(format!("no answer about the name '{host}' from the resolver"));
    flow.wait(resolve::addresses(host, &flow.request.resolution))?.map_err(ending)
}

/// What a broken connection says of the site, and what of this vantage.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> Ending {
    ending(Trouble::of(error))
}

fn ending(trouble: Trouble) -> Ending {
    match trouble {
        Trouble::Site(kind, words) => Ending::Fail(kind, words),
        Trouble::Vantage(words) => Ending::Inconclusive(words),
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
