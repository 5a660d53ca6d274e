//! A zone at BIND or Knot with one service's records in it, and a relay in between that loses, repeats and spoils messages.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use quorate::adapters::clock::SystemClock;
use quorate::adapters::rfc2136::Rfc2136;
use quorate::domain::{
    Answer, ClusterName, Fence, MovedName, OwnedRecords, RecordSet, RecordType, Role, Routing, Service,
};
use quorate::ports::{DnsProvider, PortError};
use quorate::runtime::zone;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::dns_world::{self, FIRST_TOKEN, MARK, NAME, PRIMARY, STANDBY};
use super::name_servers::{NameServer, Program, ZONE, key};

/// Another name of the service, of another type.
pub(crate) const ALSO: &str = "also.example.test";

/// What happens to an update.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mishap {
    /// Delivered twice; the second answer comes back.
    DeliverTwice,
    /// Delivered, and not answered.
    LoseAnswer,
    /// Delivered, and answered with what nobody can read.
    GarbleAnswer,
    /// Kept, undelivered and unanswered.
    LoseRequest,
}

#[derive(Debug, Default)]
struct State {
    on_updates: VecDeque<Mishap>,
    cut_reads: usize,
    updates: Vec<(Vec<u8>, Option<u8>)>,
}

/// The relay. It ends when dropped.
pub(crate) struct DnsWire {
    address: SocketAddr,
    upstream: SocketAddr,
    state: Arc<Mutex<State>>,
    _closing: DropGuard,
}

impl DnsWire {
    /// Relays to the server there.
    pub(crate) async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let serve = {
            let (state, tasks) = (Arc::clone(&state), tasks.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let state = Arc::clone(&state);
                    tasks.spawn(async move { relay(client, upstream, &state).await.ok() });
                }
            }
        };
        tasks.spawn(closing.clone().run_until_cancelled_owned(serve));
        Self { address, upstream, state, _closing: closing.drop_guard() }
    }

    /// What happens to the next update that nothing was planned for yet.
    pub(crate) fn on_update(&self, mishap: Mishap) {
        self.state.lock().unwrap().on_updates.push_back(mishap);
    }

    /// Cuts the next so many connections that ask.
    pub(crate) fn cut_reads(&self, count: usize) {
        self.state.lock().unwrap().cut_reads = count;
    }

    /// The codes that the updates so far were answered with; none for those that were not delivered.
    pub(crate) fn updates(&self) -> Vec<Option<u8>> {
        self.state.lock().unwrap().updates.iter().map(|(_, code)| *code).collect()
    }

    /// Delivers an update of the past (again), and returns the answer's code.
    pub(crate) async fn deliver(&self, update: usize) -> u8 {
        let bytes = self.state.lock().unwrap().updates[update].0.clone();
        let mut server = TcpStream::connect(self.upstream).await.unwrap();
        code(&exchange(&mut server, &bytes).await.unwrap())
    }
}

fn code(answer: &[u8]) -> u8 {
    answer[3] & 0x0f
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[length.as_slice(), bytes].concat()).await
}

async fn exchange(server: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    send(server, bytes).await?;
    receive(server).await
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    loop {
        let request = receive(&mut client).await?;
        // The operation, bits 1 to 4 of the third octet: 5 is an update.
        let is_update = (request[2] >> 3) & 0x0f == 5;
        if !is_update {
            let cut = {
                let mut state = state.lock().unwrap();
                let cut = state.cut_reads > 0;
                state.cut_reads = state.cut_reads.saturating_sub(1);
                cut
            };
            if cut {
                return Ok(());
            }
            let answer = exchange(&mut server, &request).await?;
            send(&mut client, &answer).await?;
            continue;
        }
        let (mishap, place) = {
            let mut state = state.lock().unwrap();
            state.updates.push((request.clone(), None));
            (state.on_updates.pop_front(), state.updates.len() - 1)
        };
        if matches!(mishap, Some(Mishap::LoseRequest)) {
            return Ok(());
        }
        if matches!(mishap, Some(Mishap::DeliverTwice)) {
            exchange(&mut server, &request).await?;
        }
        let mut answer = exchange(&mut server, &request).await?;
        state.lock().unwrap().updates[place].1 = Some(code(&answer));
        match mishap {
            Some(Mishap::LoseAnswer) => return Ok(()),
            Some(Mishap::GarbleAnswer) => {
                let last = answer.len() - 20;
                answer[last] ^= 0x55;
            }
            _ => {}
        }
        send(&mut client, &answer).await?;
    }
}

/// One test's server.
pub(crate) struct World {
    /// The server.
    pub(crate) server: NameServer,
    /// Between the provider and the server.
    pub(crate) wire: DnsWire,
    /// The provider under test, through the wire.
    pub(crate) provider: Rfc2136,
    /// Our cluster.
    pub(crate) cluster: ClusterName,
    /// The service.
    pub(crate) service: Service,
}

/// The service with simple records in the zone.
pub(crate) fn simple() -> Service {
    let mut service = dns_world::service(ZONE);
    service.dns.routing = Routing::Simple;
    service
}

/// The service with a second name.
pub(crate) fn with_also(mut service: Service) -> Service {
    let answer = |value: &str| Answer { value: value.to_owned(), alias_zone: None };
    service.dns.also.push(MovedName {
        name: ALSO.to_owned(),
        kind: RecordType::Aaaa,
        primary: answer("2001:db8::1"),
        standby: answer("2001:db8:ffff::1"),
    });
    service
}

/// The zone's lines for a service that is ours and whole.
pub(crate) fn owned(token: &str) -> String {
    format!("login 30 A {PRIMARY}\n_quorate.login 60 TXT \"{token}\"\nalso 30 AAAA 2001:db8::1\n")
}

impl World {
    /// Ours and whole.
    pub(crate) async fn owned(program: Program) -> Self {
        Self::with(program, &owned(FIRST_TOKEN)).await
    }

    /// With these lines.
    pub(crate) async fn with(program: Program, lines: &str) -> Self {
        let server = NameServer::primary(program, lines, None).await;
        let wire = DnsWire::to(server.address()).await;
        let provider = Rfc2136::new(wire.address, Some(key()), Arc::new(SystemClock::new()))
            .with_servers(vec![server.address()]);
        Self { server, wire, provider, cluster: ClusterName::new("demo").unwrap(), service: simple() }
    }

    /// Takes over under that epoch.
    pub(crate) async fn lead(&self, epoch: u64) -> (Fence, OwnedRecords) {
        let fence = dns_world::World::fence(epoch);
        let taken = self.take_over(&fence).await.unwrap();
        (fence, taken.records)
    }

    /// Takes over.
    pub(crate) async fn take_over(&self, fence: &Fence) -> Result<zone::TakenOver, PortError> {
        zone::take_over(&self.provider, fence, &self.cluster, &self.service).await
    }

    /// Flips.
    pub(crate) async fn flip(
        &self,
        fence: &Fence,
        present: &OwnedRecords,
        to: Role,
    ) -> Result<zone::Flipped, PortError> {
        let intent = dns_world::World::intent(present, fence, to);
        zone::flip(&self.provider, fence, &self.cluster, &self.service, present, &intent).await
    }

    /// The service's records as the provider reads them.
    pub(crate) async fn records(&self) -> Result<OwnedRecords, PortError> {
        zone::read_records(&self.provider, &self.cluster, &self.service).await
    }

    /// What the zone has, past the wire, in a fixed order.
    pub(crate) async fn now(&self) -> Vec<RecordSet> {
        let mut sets = self.server.provider().read(ZONE, &self.service.names()).await.unwrap();
        sets.sort_by_key(|set| (set.name.clone(), set.kind));
        sets
    }

    /// The token and the address, as `dig` sees them.
    pub(crate) fn seen(&self) -> (String, String) {
        (self.server.dig(MARK, "TXT").trim_matches('"').to_owned(), self.server.dig(NAME, "A"))
    }

    /// The address that the name has.
    pub(crate) fn serving(&self) -> String {
        self.seen().1
    }
}

/// What `seen` gives for that token and site.
pub(crate) fn at(token: &str, role: Role) -> (String, String) {
    (token.to_owned(), if role == Role::Primary { PRIMARY.to_owned() } else { STANDBY.to_owned() })
}
