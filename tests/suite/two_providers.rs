//! One name at two providers, with the real processes: the lab's Route 53, and BIND.

use std::fs;

use quorate::adapters::resolver::Hickory;
use quorate::domain::{ClusterName, RecordType};
use quorate::lab::FaultChange;
use quorate::ports::Resolver;
use serde_json::json;

use super::name_servers::{KEY, KEY_VALUE, NameServer, Program, ZONE};
use super::world::{Options, PRIMARY, STANDBY, VANTAGES, World};

const NAME: &str = "login.example.test";
const MARK: &str = "_quorate.login.example.test";
/// More requests than a test makes.
const ALL: u32 = 1_000_000;

/// A world whose name is at both.
struct Twin {
    world: World,
    bind: NameServer,
}

impl Twin {
    async fn healthy() -> Self {
        let lines = format!("login 30 A {PRIMARY}\n_quorate.login 60 TXT \"v1;c=e2e;e=0;s=0;t=primary;d=-\"\n");
        let bind = NameServer::primary(Program::Bind, &lines, None).await;
        let controller = &["--watch-every", "500ms", "--drift-after", "1s"];
        let mut world = World::prepared(Options { controller, ..Options::default() }).await;
        let path = world.config();
        let address = bind.address();
        let second = format!(
            "[service.dns.second]\nprovider = \"rfc2136\"\nzone = \"{ZONE}\"\nserver = \"{address}\"\nauthoritative = \
             [\"{address}\"]\ntsig = {{ name = \"{KEY}\", algorithm = \"hmac-sha256\", key = \"tsig-key\" }}\n\n[service.primary]"
        );
        let text = fs::read_to_string(&path).unwrap().replace("e2e.test", ZONE).replace("[service.primary]", &second);
        fs::write(&path, &text).unwrap();
        let secrets = world.dir.path().join("secrets.toml");
        fs::write(&secrets, format!("{}tsig-key = \"{KEY_VALUE}\"\n", fs::read_to_string(&secrets).unwrap()))
            .unwrap();
        let service = quorate::config::load(&path).unwrap().config.services.remove(0).service;
        let zone = world.lab.seed_service(&ClusterName::new("e2e").unwrap(), &service).unwrap();
        fs::write(&path, text.replace(&world.zone, &zone)).unwrap();
        world.zone = zone;
        world.start_controller().await;
        for vantage in VANTAGES {
            world.start_agent(vantage);
        }
        world.until_healthy().await;
        Self { world, bind }
    }

    /// What each answers for the name: the lab, BIND.
    async fn answers(&self) -> [String; 2] {
        let lab = Hickory::new().ask(self.world.name_server(), NAME, RecordType::A).await.unwrap().join(",");
        [lab, self.bind.dig(NAME, "A")]
    }

    async fn until_answers(&self, wanted: [&str; 2]) {
        let what = format!("they answer {wanted:?}");
        self.world.until_so(&what, async || self.answers().await == wanted).await;
    }

    /// Both hold one token, and it is the register's.
    async fn until_agreed(&self) {
        let one_token = async || {
            let register = self.world.service().await["token"].as_str().unwrap_or_default().to_owned();
            let lab = Hickory::new().ask(self.world.name_server(), MARK, RecordType::Txt).await.unwrap().join("");
            let bind = self.bind.dig(MARK, "TXT");
            [lab, bind].iter().all(|token| token.trim_matches('"') == register)
        };
        self.world.until_so("both hold the register's token", one_token).await;
        let in_order = |service: &serde_json::Value| service["drift"]["differences"] == json!([]);
        self.world.until("nothing differs", in_order).await;
    }

    async fn back(&self) {
        self.world.fault(&self.world.primary, json!({ "login": "ok" })).await;
        self.world.until_verdict(0, "healthy").await;
        let back = self.world.cli(&["failback", "login", "--reason", "it is repaired", "--yes"]).await;
        assert_eq!(back.code, Some(0), "{back:?}");
    }
}

#[tokio::test]
async fn a_failover_and_a_failback_move_the_name_at_both_and_both_agree_after() {
    let twin = Twin::healthy().await;
    assert_eq!(twin.answers().await, [PRIMARY, PRIMARY]);
    twin.world.break_primary().await;
    twin.world.until_held().await;
    assert_eq!(twin.answers().await, [STANDBY, STANDBY]);
    twin.until_agreed().await;
    twin.back().await;
    assert_eq!(twin.answers().await, [PRIMARY, PRIMARY]);
    twin.until_agreed().await;
}

#[tokio::test]
async fn with_the_second_provider_dead_the_first_is_moved_and_the_second_catches_up() {
    let mut twin = Twin::healthy().await;
    twin.bind.kill();
    twin.world.break_primary().await;
    let lab = async || Hickory::new().ask(twin.world.name_server(), NAME, RecordType::A).await.unwrap();
    twin.world.until_so("the first is moved", async || lab().await == [STANDBY]).await;
    // The dead one's servers are asked for half a minute, and then named instead of waited for.
    let held = twin.world.until_held().await;
    assert!(held["stuck"].is_null(), "{held}");
    twin.bind.resume().await;
    twin.until_answers([STANDBY, STANDBY]).await;
    twin.until_agreed().await;
}

#[tokio::test]
async fn with_the_first_providers_control_plane_dead_the_second_is_moved_and_the_first_catches_up() {
    let twin = Twin::healthy().await;
    twin.world.lab_faults(FaultChange { unavailable: Some(ALL), ..FaultChange::default() });
    twin.world.break_primary().await;
    twin.until_answers([PRIMARY, STANDBY]).await;
    twin.world.until_held().await;
    twin.world.lab_faults(FaultChange { unavailable: Some(0), ..FaultChange::default() });
    twin.until_answers([STANDBY, STANDBY]).await;
    twin.until_agreed().await;
}
