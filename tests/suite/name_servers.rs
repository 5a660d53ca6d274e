//! BIND and Knot, name servers that nobody here wrote, each started by the test that needs it: on loopback, with a folder and a
//! port of its own. `scripts/setup-tests` installs them.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::rfc2136::{Rfc2136, Tsig};
use quorate::domain::Secret;
use quorate::ports::DnsProvider;
use tempfile::TempDir;

/// The zone that they serve.
pub(crate) const ZONE: &str = "example.test";
/// The key that may change just the service's names.
pub(crate) const KEY: &str = "quorate";
/// Its value.
pub(crate) const KEY_VALUE: &str = "YSBrZXkgZm9yIHRlc3RzLCB3aGljaCBub2JvZHkga2VlcHM=";
/// The key that may change everything.
const CONSOLE: &str = "console";
const CONSOLE_VALUE: &str = "YW5vdGhlciBrZXkgZm9yIHRlc3RzLCBmb3IgcGVvcGxlLi4=";

/// How long one may take to start, on a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Ends the server when standard input does: the test process holds the pipe, so no server outlives it.
const RUN_WHILE_HELD: &str = "\"$@\" & child=$!; cat >/dev/null; kill -9 $child; wait $child";

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Bind,
    Knot,
}

/// A server with the zone.
pub(crate) struct NameServer {
    program: Program,
    folder: TempDir,
    port: u16,
    zone: String,
    child: Option<Child>,
}

/// A port that is free for UDP and TCP alike.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn program(name: &str) -> PathBuf {
    // Daemons lie where an ordinary user's PATH does not lead.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run scripts/setup-tests"))
}

/// The zone with these lines beside its own.
fn zone_file(lines: &str) -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n\
         www A 192.0.2.80\n{lines}\n"
    )
}

impl NameServer {
    /// A primary server whose zone has these lines, and which tells the server at `secondary` of every change.
    pub(crate) async fn primary(program: Program, lines: &str, secondary: Option<u16>) -> Self {
        let port = free_port();
        let folder = folder();
        fs::write(folder.path().join("zone"), zone_file(lines)).unwrap();
        let dir = folder.path().display();
        let config = match program {
            Program::Bind => {
                let notify = secondary.map_or_else(String::new, |port| format!("127.0.0.1 port {port};"));
                format!(
                    "{}\nzone \"{ZONE}\" {{ type primary; file \"zone\"; notify explicit; also-notify {{ {notify} }}; \
                     update-policy {{ grant {CONSOLE} zonesub ANY;\n\
                     grant {KEY} name login.{ZONE} A CNAME; grant {KEY} name _quorate.login.{ZONE} TXT;\n\
                     grant {KEY} name also.{ZONE} AAAA; }}; }};\n",
                    bind_options(&dir.to_string(), port)
                )
            }
            Program::Knot => {
                let notify = secondary.map_or_else(String::new, |port| {
                    format!("remote:\n  - id: secondary\n    address: 127.0.0.1@{port}\n")
                });
                let told = if secondary.is_some() { "    notify: [secondary]\n" } else { "" };
                format!(
                    "{}{notify}acl:\n  - id: people\n    key: {CONSOLE}\n    action: update\n  - id: names\n    key: {KEY}\n    \
                     action: update\n    update-owner: name\n    update-owner-name: [login.{ZONE}., _quorate.login.{ZONE}., also.{ZONE}.]\n    \
                     update-owner-match: equal\n    update-type: [A, AAAA, CNAME, TXT]\n  - id: copies\n    \
                     address: 127.0.0.1\n    action: transfer\nzone:\n  - domain: {ZONE}\n    file: zone\n    storage: \"{dir}\"\n    \
                     acl: [people, names, copies]\n    serial-policy: increment\n{told}",
                    knot_options(&dir.to_string(), port)
                )
            }
        };
        Self::start(program, folder, port, &config).await
    }

    /// A server that copies the zone from the primary at that port, and listens at this one.
    pub(crate) async fn secondary(program: Program, port: u16, primary: u16) -> Self {
        let folder = folder();
        let dir = folder.path().display();
        let config = match program {
            Program::Bind => format!(
                "{}\nzone \"{ZONE}\" {{ type secondary; file \"copy\"; primaries {{ 127.0.0.1 port {primary}; }}; \
                 allow-notify {{ 127.0.0.1; }}; }};\n",
                bind_options(&dir.to_string(), port)
            ),
            Program::Knot => format!(
                "{}remote:\n  - id: primary\n    address: 127.0.0.1@{primary}\nacl:\n  - id: told\n    address: 127.0.0.1\n    \
                 action: notify\nzone:\n  - domain: {ZONE}\n    file: copy\n    storage: \"{dir}\"\n    master: primary\n    acl: [told]\n",
                knot_options(&dir.to_string(), port)
            ),
        };
        Self::start(program, folder, port, &config).await
    }

    async fn start(program: Program, folder: TempDir, port: u16, config: &str) -> Self {
        Self::start_with(program, folder, port, ZONE, config).await
    }

    async fn start_with(program: Program, folder: TempDir, port: u16, zone: &str, config: &str) -> Self {
        fs::write(folder.path().join("config"), config).unwrap();
        let mut server = Self { program, folder, port, zone: zone.to_owned(), child: None };
        server.resume().await;
        server
    }

    /// A server of that zone, with the whole of the zone's file as text, which both keys may change; `signing` is whether it signs the zone by
    /// itself, and whatever changes in it.
    pub(crate) async fn of_zone(program: Program, zone: &str, text: &str, signing: bool) -> Self {
        let port = free_port();
        let folder = folder();
        fs::write(folder.path().join("zone"), text).unwrap();
        let dir = folder.path().display().to_string();
        let config = match program {
            Program::Bind => {
                let signs = if signing { "dnssec-policy default; inline-signing yes; " } else { "" };
                format!(
                    "{}\nzone \"{zone}\" {{ type primary; file \"zone\"; {signs}update-policy {{ grant {CONSOLE} zonesub ANY; \
                     grant {KEY} zonesub ANY; }}; }};\n",
                    bind_options(&dir, port)
                )
            }
            Program::Knot => {
                let signs = if signing { "    dnssec-signing: on\n" } else { "" };
                format!(
                    "{}acl:\n  - id: all\n    key: [{CONSOLE}, {KEY}]\n    action: update\nzone:\n  - domain: {zone}\n    file: zone\n    \
                     storage: \"{dir}\"\n    acl: all\n    zonefile-sync: -1\n    journal-content: all\n    zonefile-load: difference-no-serial\n{signs}",
                    knot_options(&dir, port)
                )
            }
        };
        Self::start_with(program, folder, port, zone, &config).await
    }

    /// A resolver (BIND) that validates with that anchor, and asks these servers for these zones.
    pub(crate) async fn resolver(anchor: &str, forwards: &[(&str, SocketAddr)]) -> Self {
        let port = free_port();
        let folder = folder();
        let dir = folder.path().display().to_string();
        let zones: String = forwards
            .iter()
            .map(|(zone, at)| {
                let at = format!("{} port {}", at.ip(), at.port());
                format!("zone \"{zone}\" {{ type forward; forward only; forwarders {{ {at}; }}; }};\n")
            })
            .collect();
        let options = bind_options(&dir, port)
            .replace("recursion no; dnssec-validation no;", "recursion yes; dnssec-validation yes;");
        let words: Vec<&str> = anchor.split_whitespace().collect();
        let [zone, _, _, tag, algorithm, kind, digest @ ..] = words.as_slice() else { panic!("{anchor}") };
        let anchors =
            format!("trust-anchors {{ {zone} static-ds {tag} {algorithm} {kind} \"{}\"; }};\n", digest.concat());
        Self::start_with(Program::Bind, folder, port, "", &format!("{options}{anchors}{zones}")).await
    }

    /// The DS records of the zone's key signing keys, in one line each, once it is signed.
    pub(crate) async fn ds(&self) -> String {
        let signed = async {
            loop {
                let keys = self.dig_all(&self.zone, "DNSKEY");
                // The zone is signed when its start of authority is.
                if self.dig_all(&self.zone, "SOA").contains("RRSIG") && keys.contains("DNSKEY\t257") {
                    return ds_of(&self.zone, &keys);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_LIMIT, signed).await.unwrap_or_else(|_| panic!("{} is not signed", self.zone))
    }

    /// All that `dig` is given of a name, signatures included, as a zone file has it.
    pub(crate) fn dig_all(&self, name: &str, kind: &str) -> String {
        let port = self.port.to_string();
        let question = ["@127.0.0.1", "-p", &port, name, kind];
        let output = Command::new(program("dig"))
            .args(["+noall", "+answer", "+dnssec", "+tcp"])
            .args(question)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the program (again), and waits until it answers for the zone.
    pub(crate) async fn resume(&mut self) {
        let config = self.folder.path().join("config");
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", RUN_WHILE_HELD, "sh"]);
        match self.program {
            Program::Bind => command.arg(program("named")).args(["-g", "-n", "1", "-c"]).arg(config),
            Program::Knot => command.arg(program("knotd")).arg("-c").arg(config),
        };
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let up = async {
            // Without a key: Knot calls a key bad that no rule of the zone names.
            let provider = Rfc2136::new(self.address(), None, Arc::new(SystemClock::new()));
            let serves = async || match self.zone.as_str() {
                // A resolver is up when it says anything.
                "" => self.says_anything(),
                zone => matches!(provider.has_zone(zone).await, Ok(true)),
            };
            while !serves().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START_LIMIT, up).await.is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            panic!("{:?} does not serve {}:\n{log}", self.program, self.zone);
        }
    }

    fn says_anything(&self) -> bool {
        let port = self.port.to_string();
        let mut dig = Command::new(program("dig"));
        dig.args(["+time=1", "+tries=1", "@127.0.0.1", "-p", &port, "version.bind", "CH", "TXT"]);
        dig.output().unwrap().status.success()
    }

    /// Kills it. What it has on disk stays.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The adapter, straight to it, with its key.
    pub(crate) fn provider(&self) -> Rfc2136 {
        Rfc2136::new(self.address(), Some(key()), Arc::new(SystemClock::new())).with_servers(vec![self.address()])
    }

    /// Changes records by hand: lines of `nsupdate`, which nobody here wrote either.
    pub(crate) fn by_hand(&self, lines: &[&str]) {
        let mut child = Command::new(program("nsupdate"))
            .args(["-y", &format!("hmac-sha256:{CONSOLE}:{CONSOLE_VALUE}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let head = format!("server 127.0.0.1 {}\nzone {}\n", self.port, self.zone);
        let text = format!("{head}{}\nsend\n", lines.join("\n"));
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `dig` sees of a name.
    pub(crate) fn dig(&self, name: &str, kind: &str) -> String {
        let output = Command::new(program("dig"))
            .args(["+short", "+norecurse", "+tcp", "@127.0.0.1", "-p", &self.port.to_string(), name, kind])
            .output()
            .unwrap();
        assert!(output.status.success(), "dig {name} {kind}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The DS records of those keys.
pub(crate) fn ds_of(zone: &str, keys: &str) -> String {
    let mut child = Command::new(program("dnssec-dsfromkey"))
        .args(["-2", "-f", "-", zone])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let only: String =
        keys.lines().filter(|line| line.contains("DNSKEY\t257")).map(|line| format!("{line}\n")).collect();
    child.stdin.take().unwrap().write_all(only.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "dnssec-dsfromkey {keys}");
    String::from_utf8(output.stdout).unwrap()
}

/// A zone file signed by hand, with new keys, and its DS records: from then until then, as `dnssec-signzone` writes times.
pub(crate) fn signed_by_hand(zone: &str, text: &str, from: &str, until: &str) -> (String, String) {
    signed_with(zone, text, from, until, &[])
}

/// The same with more arguments of `dnssec-signzone`.
pub(crate) fn signed_with(zone: &str, text: &str, from: &str, until: &str, more: &[&str]) -> (String, String) {
    let folder = folder();
    let run = |name: &str, arguments: &[&str]| {
        let output = Command::new(program(name)).current_dir(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.path().join("zone"), text).unwrap();
    run("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone]);
    run("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", zone]);
    // Unverified, because signatures of the past would not pass.
    let arguments = ["-q", "-S", "-P", "-x", "-s", from, "-e", until, "-o", zone];
    run("dnssec-signzone", &[&arguments, more, &["zone"]].concat());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    (read("zone.signed"), read(&format!("dsset-{}.", zone.trim_end_matches('.'))))
}

/// The key, as an operator would configure it.
pub(crate) fn key() -> Tsig {
    Tsig::new(KEY, "hmac-sha256", &Secret::new(KEY_VALUE)).unwrap()
}

fn folder() -> TempDir {
    let folder = TempDir::with_prefix_in("name-server-", env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Where Knot keeps its journal. It does not make this folder, and without a journal it takes no update.
    fs::create_dir(folder.path().join("db")).unwrap();
    folder
}

fn bind_options(dir: &str, port: u16) -> String {
    format!(
        "options {{ directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; \
         session-keyfile none; recursion no; dnssec-validation no; allow-transfer {{ 127.0.0.1; }}; }};\ncontrols {{ }};\n\
         key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{KEY_VALUE}\"; }};\n\
         key \"{CONSOLE}\" {{ algorithm hmac-sha256; secret \"{CONSOLE_VALUE}\"; }};\n"
    )
}

fn knot_options(dir: &str, port: u16) -> String {
    format!(
        "server:\n    rundir: \"{dir}\"\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n    \
         background-workers: 1\nlog:\n  - target: stderr\n    any: info\ndatabase:\n    storage: \"{dir}/db\"\nkey:\n  \
         - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {KEY_VALUE}\n  - id: {CONSOLE}\n    algorithm: hmac-sha256\n    \
         secret: {CONSOLE_VALUE}\n"
    )
}
