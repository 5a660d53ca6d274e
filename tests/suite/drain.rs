//! How users follow a move, with the real processes: agents ask resolvers that behave and one that does not.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use quorate::adapters::canary::NetworkCanaries;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::controller_http::ControllerHttp;
use quorate::adapters::resolver::own::Recursive;
use quorate::domain::{Answer, MovedName, RecordType as Kind, Said, ServiceName, VantageName};
use quorate::ports::{OwnResolvers, Resolution};
use quorate::runtime::agent::Agent;
use quorate::runtime::lookout::{Lookout, Watched};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::probing::{self, Site};
use super::servers::{Server, name_server, respond};
use super::world::{Options, VANTAGES, World};

/// A resolver before a name server. While it clings, it gives the first answer that it got, as good for an hour.
struct Resolver {
    addr: SocketAddr,
    clings: Arc<AtomicBool>,
    kept: Arc<Mutex<BTreeMap<String, Message>>>,
}

impl Resolver {
    fn before(upstream: SocketAddr, clings: bool) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = socket.local_addr().unwrap();
        let switch = Arc::new(AtomicBool::new(clings));
        let clings = Arc::clone(&switch);
        let answers: Arc<Mutex<BTreeMap<String, Message>>> = Arc::default();
        let kept = Arc::clone(&answers);
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let asked = &buffer[..length];
                let Ok(question) = Message::from_vec(asked) else { continue };
                assert!(question.metadata.recursion_desired, "a resolver is asked to resolve");
                let query = question.queries[0].clone();
                let key = query.name().to_ascii();
                let held = kept.lock().unwrap().get(&key).cloned();
                let held = held.filter(|_| clings.load(Ordering::SeqCst) && query.query_type() == RecordType::A);
                let answer = match held {
                    Some(mut held) => {
                        held.metadata.id = question.metadata.id;
                        held.answers.iter_mut().for_each(|record| record.ttl = 3_600);
                        held.to_vec().unwrap()
                    }
                    None => {
                        let Some(answer) = relay(asked, upstream) else { continue };
                        if let Ok(read) = Message::from_vec(&answer)
                            && query.query_type() == RecordType::A
                        {
                            kept.lock().unwrap().insert(key, read);
                        }
                        answer
                    }
                };
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { addr, clings: switch, kept: answers }
    }

    fn was_asked(&self) -> bool {
        !self.kept.lock().unwrap().is_empty()
    }

    fn let_go(&self) {
        self.clings.store(false, Ordering::SeqCst);
    }
}

fn relay(asked: &[u8], upstream: SocketAddr) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send_to(asked, upstream).ok()?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).ok()?;
    Some(buffer[..length].to_vec())
}

fn drain_of(service: &Value) -> &Value {
    &service["drain"]
}

#[tokio::test]
async fn a_move_is_followed_to_the_last_resolver_and_who_holds_on_is_named() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let honest = Resolver::before(world.name_server(), false);
    let clinging = Resolver::before(world.name_server(), true);
    let config = std::fs::read_to_string(world.config()).unwrap();
    let everybody = format!("system_resolvers = false\nresolvers = [\"{}\"]\n", honest.addr);
    let azure = format!("name = \"azure-1\"\nresolvers = [\"{}\", \"{}\"]\n", honest.addr, clinging.addr);
    let config = config.replace("system_resolvers = false\n", &everybody).replace("name = \"azure-1\"\n", &azure);
    std::fs::write(world.config(), config).unwrap();
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world.until_so("the clinging one was asked", async || clinging.was_asked()).await;
    world.break_primary().await;
    world.until_held().await;
    let some = world.until("most have moved", |service| drain_of(service)["moved"] == json!(3)).await;
    let drain = drain_of(&some);
    assert_eq!(
        (&drain["known"], &drain["end"], &drain["all_ms"]),
        (&json!(4), &Value::Null, &Value::Null),
        "{drain:#}"
    );
    assert!(drain["half_ms"].is_u64(), "{drain:#}");
    let status = world.cli(&["status"]).await;
    assert!(status.out.contains("3 of 4 resolvers moved"), "{status:?}");

    // Past the time to live of 30 s it is named, and then it lets go.
    let named =
        world.until("the clinging one is named", |service| drain_of(service)["stragglers"][0].is_object()).await;
    let straggler = &drain_of(&named)["stragglers"][0];
    assert_eq!(straggler["vantage"], "azure-1", "{straggler:#}");
    assert_eq!(straggler["resolver"], clinging.addr.to_string(), "{straggler:#}");
    assert_eq!(straggler["said_ttl_s"], 3_600, "{straggler:#}");
    clinging.let_go();
    let drained = world.until_history("drained").await;
    assert!(drained.contains("4 of 4 resolvers moved"), "{drained}");
    assert!(drained.contains(&format!("{} at azure-1 moved after", clinging.addr)), "{drained}");
    assert!(drained.contains("through the public name 3 of 3 vantages pass"), "{drained}");
    let explained = world.cli(&["explain", "login"]).await;
    assert!(explained.out.contains("logins through the public name: 3 of 3 vantages pass"), "{explained:?}");
    let kinds: Vec<String> = world.history().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "drained").count(), 1, "{kinds:?}");
}

#[tokio::test]
async fn a_sighting_of_a_stranger_or_of_another_release_is_refused_with_the_reason() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    for (document, words) in [
        (json!({ "v": 1, "vantage": "mars-1", "lookups": [], "runs": [] }), "no vantage is called 'mars-1'"),
        (json!({ "v": 9, "vantage": "aws-1" }), "version 9"),
    ] {
        let (status, answer) = world.post("/v1/sightings", document.to_string()).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
    }
    let (status, answer) = world.post("/v1/sightings", json!({ "v": 1, "vantage": "aws-1" }).to_string()).await;
    assert_eq!((status, &answer["taken"]), (200, &json!(0)), "{answer}");
}

#[tokio::test]
async fn a_controller_of_an_older_release_is_told_its_observations_all_the_same() {
    let controller = Server::start(|request, stream| match request.path.split('?').next() {
        Some("/v1/observations") => {
            let batch: Value = serde_json::from_str(&request.body).unwrap();
            let last = batch["observations"].as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
            respond(stream, 200, &[], &json!({ "v": 1, "taken_up_to": last }).to_string());
        }
        _ => respond(stream, 404, &[], r#"{"v":1,"error":"there is nothing at this path; see /v1/status"}"#),
    });
    let site = Site::start(200);
    let sink = Arc::new(ControllerHttp::new(&controller.url(), None).unwrap());
    let answer = |value: &str| Answer { value: value.to_owned(), alias_zone: None };
    let watched = Watched {
        service: ServiceName::new("login").unwrap(),
        names: vec![MovedName {
            name: "login.old.test".to_owned(),
            kind: Kind::A,
            primary: answer("127.0.0.1"),
            standby: answer("127.0.0.2"),
        }],
        public_url: site.url(),
        checks: vec![probing::name()],
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
    };
    let resolver = name_server("login.old.test");
    let lookout = Lookout {
        watched: vec![watched],
        resolvers: Arc::new(Recursive::new(vec![resolver], false)),
        resolution: Resolution::Through(resolver),
        controllers: vec![sink.clone()],
    };
    let agent = Agent {
        vantage: VantageName::new("aws-1").unwrap(),
        assignments: vec![probing::assignment("login", &site.url(), 100, None)],
        probes: Arc::new(probing::runner()),
        canaries: Arc::new(NetworkCanaries::new(&[], 0).unwrap()),
        controllers: vec![sink],
        spool: 100,
        lookout: Some(lookout),
        clock: Arc::new(SystemClock::new()),
    };
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(agent.run(closing.clone()));
    tasks.close();
    let count = |path: &str| controller.seen().iter().filter(|request| request.path == path).count();
    let both = async {
        while count("/v1/sightings") == 0 || count("/v1/observations") < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("both are sent");
    let seen = controller.seen();
    let told = seen.iter().find(|request| request.path == "/v1/sightings").unwrap();
    let told: Value = serde_json::from_str(&told.body).unwrap();
    let lookup = &told["lookups"][0];
    assert_eq!((&lookup["answers"], &lookup["leads_to"]), (&json!(["127.0.0.1"]), &json!("primary")), "{told:#}");
    assert_eq!(told["runs"], json!([]), "nothing drains, so nothing is run through the name");
    closing.cancel();
    tasks.wait().await;
}

#[tokio::test]
async fn a_resolver_that_is_silent_or_knows_no_such_name_is_told_apart() {
    let resolver = name_server("known.test");
    let own = Recursive::new(vec![resolver, resolver], false);
    assert_eq!(own.list().await, (vec![resolver], None));
    let known = own.look_up(resolver, "known.test", Kind::A).await;
    assert_eq!(known, Said::Values { values: vec!["127.0.0.1".into()], ttl_s: Some(0) });
    let unknown = own.look_up(resolver, "unknown.test", Kind::A).await;
    assert_eq!(unknown, Said::Values { values: vec![], ttl_s: None });
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let said = own.look_up(silent.local_addr().unwrap(), "known.test", Kind::A).await;
    assert_eq!(said, Said::Nothing("no answer in time".into()));
}
