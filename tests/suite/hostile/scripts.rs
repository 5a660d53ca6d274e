//! Hostile scripts: real checks with something changed, programs that nobody would write, and every function of the language with arguments
//! that it does not expect.

use std::net::SocketAddr;

use quorate::adapters::script::entries;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const CHECKS: [&str; 6] = [
    include_str!("../../../checks/login.rhai"),
    include_str!("../../../checks/health.rhai"),
    include_str!("../../../checks/api-token.rhai"),
    include_str!("../../../checks/oidc-login.rhai"),
    include_str!("../../../checks/totp-login.rhai"),
    r##"let p = get("/"); step("s", #{retries: 2}, || { p.select_all("a").map(|e| e.attr("href")) }); defer(|| get("/out"));"##,
];

/// Statements that want too much, where `{}` is another one.
const BOMBS: [&str; 44] = [
    "loop { }",
    "while true { {} }",
    "for n in 0..1000000 { {} }",
    "let s = \"ab\"; loop { s += s; }",
    "let s = \"ab\"; for n in 0..30 { s += s; } {}",
    "let s = \"ab\"; for n in 0..19 { s += s; } s.replace(\"a\", s);",
    "let s = \"ab\"; for n in 0..19 { s += s; } s.split(\"\"); {}",
    "let s = \"ab\"; for n in 0..19 { s += s; } let a = []; a.pad(5000, 0); a.map(|| s + \"x\");",
    "let s = \"ab\"; for n in 0..19 { s += s; } s.matches(\"(a+)+$\"); s.capture_all(\"(a|ab)*\"); {}",
    "let s = \"ab\"; s.pad(100000000, \"\");",
    "let s = \"x\"; s.pad(9000000000000000000, \"yz\");",
    "let a = []; a.pad(5000, #{}); a == a; {}",
    "let a = [1]; loop { a += a; }",
    "let a = [1]; loop { a.push(a); }",
    "let a = []; for n in 0..4900 { a = [a]; } print(a); `${a}`; a == a; {}",
    "let a = #{}; for n in 0..4900 { let b = #{}; b.x = a; a = b; } to_json(a); {}",
    "let a = []; for n in 0..4000 { a.push(n * 7919 % 4001); } a.sort(|x, y| (x * 31 + y) % 3 - 1); {}",
    "let a = []; for n in 0..2000 { a.push(n); } let b = a; a.map(|x| b.map(|y| x * y));",
    "let a = []; for n in 0..900 { a.push(n); } let b = a; a.sort(|x, y| { b.sort(|v, w| 0); 0 });",
    "let a = [3, 1, 2]; a.sort(|x, y| { {} ; 0 });",
    "let a = [1.0, 0.0 / 0.0, -1.0, 0.0]; for n in 0..10 { a += a; } a.sort(); a.sort_desc(); {}",
    "fn f() { f() } f();",
    "fn f(x) { step(\"s\", || f([x])) } f(1);",
    "fn f() { defer(|| f()); } f(); {}",
    "defer(|| { loop { } });",
    "defer(|| get(\"/\")); defer(|| defer(|| fail(\"x\"))); {}",
    "try { {} } catch { loop { } }",
    "try { fail(\"x\") } catch (e) { throw e }",
    "try { [1].map(|x| fail(\"hidden\")) } catch { {} }",
    "step(\"s\", #{ retries: 10, pause: \"1ms\" }, || { {} ; fail(\"x\") });",
    "loop { step(\"s\", || { {} }); }",
    "loop { get(\"/\"); }",
    "loop { metric(\"m\", 1); }",
    "let f = || 1; loop { let g = f; f = || g.call(); }",
    "let f = || 1; for n in 0..3000 { let g = f; f = || g.call(); } f.call();",
    "get(\"/\").select_all(\"a:has(b:has(c)), div div div div p:not(:has(i))\"); {}",
    "get(\"/\").json_path_all(\"$..[?(@.a)]..*\"); {}",
    "let p = get(\"/\"); p.text.matches(\"^(([a-z])+.)+[A-Z]([a-z])+$\"); {}",
    "let p = get(\"/\"); for e in p.select_all(\"*\") { e.text; e.select_all(\"*\"); }",
    "submit(get(\"/\").form(\"form\"), #{ a: [1, \"\\0\"] }); {}",
    "parse_json(get(\"/\").text); {}",
    "import \"lib/none\" as x; {}",
    "switch get(\"/\").status { 200 => { {} }, _ => loop { } }",
    "let x = (1 + 2) * 9223372036854775807; {}",
];

/// Values that a function may not expect.
const VALUES: [&str; 44] = [
    "()",
    "true",
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775807",
    "1.5",
    "(0.0 / 0.0)",
    "(1.0 / 0.0)",
    "'x'",
    "\"\"",
    "\"a\"",
    "\"\\0\\r\\n\"",
    "\"😀é\"",
    "\"/\"",
    "\"//\"",
    "\"?\"",
    "\"http://\"",
    "\"http://localhost:PORT/\"",
    "\"http://127.0.0.1:1/\"",
    "\"http://169.254.169.254/\"",
    "\"file:///etc/passwd\"",
    "\"127.0.0.1\"",
    "\"200ms\"",
    "\"$..*\"",
    "\"$[?(@.a == 1)]\"",
    "\"(a+)+$\"",
    "\"[\"",
    "\"a:has(b)\"",
    "\"*\"",
    "\"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.\"",
    "[]",
    "[1, [2, [3]]]",
    "[(), \"x\", || 1]",
    "#{}",
    "#{ a: 1, \"b c\": [()] }",
    "secret(\"s\")",
    "param(\"host\", \"127.0.0.1\")",
    "HOSTPORT",
    "get(\"/\")",
    "(|| 1)",
    "(|x| fail(\"x\"))",
    "(|x, y| x)",
];

/// Names of options, and values that fit some of them.
const OPTIONS: [&str; 34] = [
    "headers: #{ a: \"b\" }",
    "headers: #{ \"\\n\": \"\\n\" }",
    "headers: #{ \"content-length\": 9, \"transfer-encoding\": \"chunked\" }",
    "headers: #{ host: \"x\", connection: \"upgrade\", te: \"x\" }",
    "query: #{ q: [1, 2] }",
    "follow: false",
    "timeout: \"20ms\"",
    "timeout: \"0s\"",
    "basic: #{ user: \"u\", password: secret(\"s\") }",
    "bearer: secret(\"s\")",
    "content_type: \"\\u0000\"",
    "form: #{ a: 1 }",
    "json: [1]",
    "multipart: #{ f: #{ file: \"x\", content: \"y\" } }",
    "body: \"text\"",
    "http: \"2\"",
    "http: \"1.1\"",
    "ca: \"x\"",
    "client_certificate: #{ certificate: \"x\", key: \"y\" }",
    "server_name: \"\"",
    "connect_to: \"169.254.169.254\"",
    "connect_to: \"127.0.0.1\"",
    "proxy: \"http://HOSTNAME:NUMBER/\"",
    "tls: true",
    "server: \"127.0.0.1:1\"",
    "retries: 1",
    "pause: \"1ms\"",
    "user: \"u\"",
    "host: \"127.0.0.1\"",
    "port: NUMBER",
    "timeout: \"50ms\", subject: \"x\"",
    "digits: 99",
    "algorithm: \"none\"",
    "a: ()",
];

/// The scripts, one after the other.
pub(super) struct Scripts {
    chance: StdRng,
    site: SocketAddr,
    /// A port that no script may ask: at a host out of reach.
    forbidden: u16,
    signatures: Vec<&'static str>,
}

impl Scripts {
    pub(super) fn new(seed: u64, site: SocketAddr, forbidden: u16) -> Self {
        let signatures = entries().into_iter().map(|entry| entry.signature).collect();
        Self { chance: StdRng::seed_from_u64(seed), site, forbidden, signatures }
    }

    /// The next script.
    pub(super) fn next(&mut self) -> String {
        let script = match self.below(10) {
            0..=2 => self.changed(),
            3..=4 => self.bomb(3),
            5..=8 => (0..=self.below(3)).map(|_| self.call() + ";\n").collect(),
            _ => self.nested(),
        };
        self.placed(&script)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.chance.random_range(0..limit)
    }

    fn of(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len())]
    }

    fn placed(&self, text: &str) -> String {
        let (ip, port) = (self.site.ip().to_string(), self.site.port().to_string());
        let text =
            text.replace("HOSTPORT", &format!("\"{ip}\", {port}")).replace("HOSTNAME", &ip).replace("NUMBER", &port);
        text.replace("PORT", &self.forbidden.to_string())
    }

    /// A statement that wants too much, with others inside it.
    fn bomb(&mut self, depth: usize) -> String {
        let outer = self.of(&BOMBS);
        if !outer.contains("{}") {
            return outer.to_owned();
        }
        let inner = if depth == 0 { self.call() + ";" } else { self.bomb(depth - 1) };
        // `#{}` is a map; a lone `{}` is the place of another statement.
        let marked = outer.replace("#{}", "\u{1}");
        marked.replacen("{}", &inner, 1).replace("{}", "{ }").replace('\u{1}', "#{}")
    }

    /// A call of a function of the language, with as many arguments as it has, or not.
    fn call(&mut self) -> String {
        let chosen = self.below(self.signatures.len());
        let signature = self.signatures[chosen];
        let (called, rest) = signature.split_once(['(', ' ']).unwrap_or((signature, ""));
        let parameters = rest.split(')').next().unwrap_or_default();
        let is_property = !signature.contains('(') || signature.find(' ') < signature.find('(');
        let mut arguments: Vec<String> = Vec::new();
        if !is_property {
            for parameter in parameters.split(", ").filter(|text| !text.is_empty()) {
                arguments.push(self.argument(parameter));
            }
            match self.below(12) {
                0 => arguments.push(self.value()),
                1 => drop(arguments.pop()),
                _ => {}
            }
        }
        let list = arguments.join(", ");
        let call = |called: &str| if is_property { called.to_owned() } else { format!("{called}({list})") };
        match called.split_once('.') {
            None => call(called),
            Some((receiver, name)) => {
                let receiver = self.receiver(receiver);
                format!("let r = {receiver}; if r != () {{ r.{} }}", call(name))
            }
        }
    }

    /// Something that has the methods of that kind, or not.
    fn receiver(&mut self, kind: &str) -> String {
        if self.below(15) == 0 {
            return self.value();
        }
        match kind {
            "page" => "get(\"/\")".to_owned(),
            "document" => "get(\"/\").html()".to_owned(),
            "element" => "get(\"/\").select(\"p\")".to_owned(),
            "form" => "get(\"/\").form(\"form\")".to_owned(),
            "websocket" => "websocket(\"ws://HOSTNAME:NUMBER/\")".to_owned(),
            "text" => "get(\"/\").text".to_owned(),
            _ => self.value(),
        }
    }

    /// A value of the parameter's type, or another one.
    fn argument(&mut self, parameter: &str) -> String {
        if self.below(6) == 0 {
            return self.value();
        }
        match parameter.split(": ").nth(1).unwrap_or_default() {
            "map" => self.options(),
            "Page" => "get(\"/\")".to_owned(),
            "Form" => "get(\"/\").form(\"form\")".to_owned(),
            "closure" => format!("|| {{ {} }}", self.bomb(1)),
            "int" if parameter.starts_with("port") => "NUMBER".to_owned(),
            "string" if parameter.starts_with("host") => "\"127.0.0.1\"".to_owned(),
            "string" if parameter.contains("url") => {
                self.of(&["target + \"/\"", "\"ws://HOSTNAME:NUMBER/\"", "\"http://HOSTNAME:NUMBER/x\""]).to_owned()
            }
            "string" if parameter.starts_with("path") => "\"/\"".to_owned(),
            "string" if parameter.starts_with("method") => self.of(&["\"GET\"", "\"OPTIONS\"", "\"put\""]).to_owned(),
            "string" if parameter.starts_with("css") => {
                self.of(&["\"p\"", "\"form\"", "\"a:has(b)\"", "\"*\""]).to_owned()
            }
            "string" => self
                .of(&["\"a\"", "\"A\"", "\"$..*\"", "\"(a|b)*$\"", "get(\"/\").text", "secret(\"s\")", "\"hex\""])
                .to_owned(),
            _ => self.value(),
        }
    }

    fn value(&mut self) -> String {
        match self.below(20) {
            0 => self.options(),
            1 => format!("\"{}\"", "x".repeat(self.below(3_000))),
            2 => "[".repeat(self.below(60)) + "]",
            _ => self.of(&VALUES).to_owned(),
        }
    }

    fn options(&mut self) -> String {
        let mut options: Vec<&str> = (0..self.below(4)).map(|_| self.of(&OPTIONS)).collect();
        options.sort_unstable();
        options.dedup_by_key(|option| option.split(':').next());
        format!("#{{ {} }}", options.join(", "))
    }

    /// What the parser is to bear.
    fn nested(&mut self) -> String {
        let depth = 1 << self.below(11);
        let [open, close] = [
            ["(", ")"],
            ["[", "]"],
            ["{", "}"],
            ["!", ""],
            ["-", ""],
            ["|| ", ""],
            ["#{a:", "}"],
            ["if true {", "}"],
            ["f(", ")"],
        ][self.below(9)];
        let inside = self.value();
        let start = if self.below(2) == 0 { "let x = " } else { "" };
        format!("{start}{}{inside}{};", open.repeat(depth), close.repeat(depth))
    }

    /// A real check with something changed.
    fn changed(&mut self) -> String {
        let mut script = self.of(&CHECKS).to_owned();
        for _ in 0..=self.below(4) {
            let lines: Vec<&str> = script.split('\n').collect();
            let at = self.below(lines.len());
            let line = lines[at].to_owned();
            let new = match self.below(8) {
                0 => String::new(),
                1 => format!("{line}\n{line}"),
                2 => format!("{}\n{line}", self.bomb(2)),
                3 => format!("{line}\n{};", self.call()),
                4 => {
                    let digit = line.find(|c: char| c.is_ascii_digit());
                    digit.map_or(line.clone(), |digit| {
                        format!("{}9223372036854775807{}", &line[..digit], &line[digit + 1..])
                    })
                }
                5 => {
                    let value = self.value();
                    match (line.find('"'), line.rfind('"')) {
                        (Some(first), Some(last)) if first < last => {
                            format!("{}{value}{}", &line[..first], &line[last + 1..])
                        }
                        _ => format!("{line} {value};"),
                    }
                }
                6 => {
                    let mut words: Vec<&str> = line.split(' ').collect();
                    let (one, other) = (self.below(words.len()), self.below(words.len()));
                    words.swap(one, other);
                    words.join(" ")
                }
                _ => lines[self.below(lines.len())].to_owned(),
            };
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[at] = new;
            script = changed.join("\n");
        }
        script
    }
}
