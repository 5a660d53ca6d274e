//! `mail_wait`, `mail_mark`, `smtp_check` and `smtp_send` against aiosmtpd and pymap, and against servers that misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use quorate::domain::FailureKind;

use super::world::{
    self, Authority, PASSWORD, Program, USER, assert_fails, assert_in_time, assert_inconclusive, assert_passes,
    patience, reason, run, run_for,
};

const MAIL: &str = "aiosmtpd==1.4.6 pymap==0.36.7";

/// The mail server of one test.
pub(super) struct Post {
    program: Program,
    authority: Authority,
}

impl Post {
    pub(super) fn start() -> Self {
        let authority = Authority::new();
        let pair = authority.issue(&["localhost", "127.0.0.1"], 2099);
        let login = [std::path::Path::new(USER), std::path::Path::new(PASSWORD)];
        let program = Program::start("mail_server.py", MAIL, &[&pair.cert, &pair.key, login[0], login[1]]);
        Self { program, authority }
    }

    /// What scripts are told of it.
    pub(super) fn params(&self) -> Vec<(String, String)> {
        let ports = ["imap", "imap_plain", "imaps", "smtp", "smtp_plain", "smtps"];
        let mut params: Vec<(String, String)> =
            ports.iter().map(|name| ((*name).to_owned(), self.program.named_port(name))).collect();
        params.push(("ca".to_owned(), self.authority.pem().to_owned()));
        params
    }

    async fn run(&self, source: &str, deadline: Duration) -> quorate::domain::ProbeReport {
        let params = self.params();
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let head = r#"
            let login = #{ user: "ada", password: secret("password"), ca: param("ca"), host: "localhost" };
            fn also(map, more) { map.mixin(more); map }
        "#;
        run_for(&format!("{head}{source}"), &params, deadline).await
    }
}

#[tokio::test]
async fn a_message_that_is_sent_arrives_and_the_newest_link_is_read() {
    let post = Post::start();
    let source = r#"
        let imap = also(login, #{ port: param("imap", 0), tls: "starttls" });
        let smtp = #{ host: "localhost", port: param("smtp", 0), user: "ada", password: secret("password"), ca: param("ca"),
            from: "shop@example.test", to: "ada@example.test" };
        let link = |n| "Use https://shop.example.test/reset?t=" + n + ".\n.a line with a dot";
        // An old mail of the same thread, which must not be taken for the new one.
        smtp_send(also(smtp, #{ subject: "Reset your password", text: link.call(1) }));
        let first = mail_wait(also(imap, #{ subject: "reset your", newer_than_s: 60 }));
        expect(first.links == ["https://shop.example.test/reset?t=1"], `${first.links}`);

        let mark = mail_mark(imap);
        expect(mark > first.uid, "what comes is numbered after what was there");
        smtp_send(also(smtp, #{ subject: "Re: Reset your password", text: link.call(2), to: "eve@example.test" }));
        smtp_send(also(smtp, #{ subject: "Re: Reset your pässword", text: "no" }));
        let sent = smtp_send(also(smtp, #{ subject: "Re: Reset your password", text: link.call(3) }));
        expect(sent.reply == "OK queued as 42" && sent.message_id.ends_with("@example.test"), `${sent}`);
        let mail = mail_wait(also(imap, #{ to: "Ada@Example.Test", subject: "Reset your password", after: mark }));
        expect(mail.links == ["https://shop.example.test/reset?t=3"], `${mail.links}`);
        expect(mail.from == "shop@example.test" && mail.to == "ada@example.test", mail.from);
        expect(mail.subject == "Re: Reset your password" && mail.html == "", mail.subject);
        expect(mail.text.contains("\n.a line with a dot") && mail.date != "" && mail.received.ends_with("Z"), mail.text);
        // Two that fit: the newer one.
        let mail = mail_wait(also(imap, #{ subject: "password", newer_than_s: 60 }));
        expect(mail.links == ["https://shop.example.test/reset?t=3"], `${mail.links}`);
        let mail = mail_wait(also(imap, #{ subject: "PÄSSWORD", after: mark }));
        expect(mail.subject == "Re: Reset your pässword" && mail.links == [], mail.subject);
    "#;
    assert_passes(&post.run(source, world::LONG).await);
}

#[tokio::test]
async fn every_kind_of_encryption_is_spoken_and_verified() {
    let post = Post::start();
    let source = r#"
        let imaps = also(login, #{ port: param("imaps", 0), tls: "implicit" });
        let plain = also(login, #{ port: param("imap_plain", 0), tls: "none", host: "127.0.0.1" });
        expect(mail_mark(imaps) == mail_mark(plain), "the same mailbox");

        let seen = smtp_check("localhost", param("smtp", 0), #{ ca: param("ca") });
        expect(seen.greeting.contains("a test's SMTP") && seen.tls && seen.protocol == "TLSv1.3", `${seen}`);
        expect(seen.capabilities.contains("SMTPUTF8") && !seen.capabilities.contains("STARTTLS"), `${seen.capabilities}`);
        let seen = smtp_check("localhost", param("smtps", 0), #{ ca: param("ca"), tls: "implicit", helo: "probe.example.test" });
        expect(seen.tls, "encrypted from the beginning");
        let seen = smtp_check("localhost", param("smtp", 0), #{ tls: "none" });
        expect(!seen.tls && seen.protocol == "" && seen.capabilities.contains("STARTTLS"), "plain");

        let message = #{ host: "localhost", from: "a@example.test", to: "b@example.test", subject: "x", text: "y", ca: param("ca"),
            user: "ada", password: secret("password") };
        smtp_send(also(message, #{ port: param("smtps", 0), tls: "implicit" }));
        smtp_send(also(message, #{ port: param("smtp_plain", 0), tls: "none" }));
        expect(mail_wait(also(plain, #{ to: "b@example.test", newer_than_s: 60 })).text.contains("y"), "both came");
    "#;
    let report = post.run(source, world::LONG).await;
    assert_passes(&report);
    let rows = world::rows(&report);
    assert!(
        rows[0].starts_with("next ") && rows[0].ends_with(" | imap mark imap://localhost:PORT/INBOX"),
        "{rows:?}"
    );
    let rest = [
        "greeted | smtp check smtp://localhost:PORT",
        "taken | smtp send smtp://localhost:PORT",
        "taken | smtp send smtp://localhost:PORT",
        "found | imap wait imap://127.0.0.1:PORT/INBOX",
    ];
    assert_eq!(rows[4..], rest);
}

#[tokio::test]
async fn what_a_mail_server_refuses_is_told_apart_and_no_password_is_said() {
    let post = Post::start();
    let message = r#"#{ host: "localhost", port: param("smtp", 0), ca: param("ca"), from: "a@example.test", to: "b@example.test" }"#;
    let cases = [
        (
            r#"mail_mark(also(login, #{ port: param("imap", 0), password: "wrong" }))"#,
            FailureKind::Denied,
            "the login was refused",
        ),
        (
            r#"mail_mark(also(login, #{ port: param("imap", 0), mailbox: "None" }))"#,
            FailureKind::Assertion,
            "there is no mailbox 'None'",
        ),
        (
            r#"mail_mark(also(login, #{ port: param("imap_plain", 0), tls: "starttls" }))"#,
            FailureKind::Tls,
            "it does not offer STARTTLS",
        ),
        (r#"smtp_check("localhost", param("smtp_plain", 0))"#, FailureKind::Tls, "does not offer STARTTLS"),
        (r#"smtp_check("localhost", param("smtp", 0))"#, FailureKind::Tls, "UnknownIssuer"),
        (
            r#"smtp_send(also(message, #{ user: "ada", password: "wrong" }))"#,
            FailureKind::Denied,
            "answers 535 to the login",
        ),
        (
            r#"smtp_send(also(message, #{ to: "unknown@example.test" }))"#,
            FailureKind::Assertion,
            "answers 550 to RCPT TO:<unknown@example.test>: no such user here",
        ),
        (r#"smtp_send(also(message, #{ to: "later@example.test" }))"#, FailureKind::ServerError, "answers 451"),
    ];
    for (source, kind, saying) in cases {
        let report = post.run(&format!("let message = {message}; {source}"), world::LONG).await;
        assert_fails(&report, kind, saying);
        assert!(!format!("{report:?}").contains("zanz"), "{report:?}");
    }
}

#[tokio::test]
async fn a_mail_that_does_not_come_is_a_timeout_that_says_which() {
    let post = Post::start();
    let source = r#"
        smtp_send(#{ host: "localhost", port: param("smtp", 0), ca: param("ca"), from: "a@example.test", to: "nobody@example.test",
            subject: "Reset", text: "lost" });
        mail_wait(also(login, #{ port: param("imap", 0), to: "nobody@example.test", subject: "Reset", newer_than_s: 60 }))
    "#;
    let report = post.run(source, Duration::from_secs(5)).await;
    let saying = "no mail to nobody@example.test with \"Reset\" in its subject came to INBOX of IMAP at localhost";
    assert_fails(&report, FailureKind::Timeout, saying);
    assert_in_time(&report, Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_wrong_with_the_script_is_never_said_of_the_site() {
    let cases = [
        (r#"mail_mark(#{ host: "localhost" })"#, "mail_mark: the option 'user' is missing"),
        (r#"mail_wait(#{ host: "localhost", user: "a", password: "b" })"#, "mail_wait: say which mail is new"),
        (
            r#"mail_mark(#{ host: "localhost", user: "a", password: "b", tls: "yes" })"#,
            "there are implicit, starttls and none",
        ),
        (r#"smtp_send(#{ host: "localhost", from: "a", to: "b@c" })"#, "'a' is no mail address"),
        (r#"smtp_send(#{ host: "localhost", from: "a@b", to: "b@c>\r\nDATA" })"#, "is no mail address"),
        (
            r#"smtp_send(#{ host: "localhost", from: "a@b", to: "b@c", subject: "a\r\nBcc: x@y" })"#,
            "the subject must be one line",
        ),
        (
            r#"smtp_send(#{ host: "localhost", from: "a@b", to: "b@c", user: "a" })"#,
            "'user' and 'password' go together",
        ),
        (r#"smtp_check("localhost", 25, #{ helo: "a b" })"#, "the option 'helo' is 'a b', and must be a host name"),
    ];
    for (source, saying) in cases {
        assert_inconclusive(&run(source, &[]).await, saying);
    }
}

/// An IMAP server that answers each command as the closure says; it is given the tag and the command.
fn imap(answer: impl Fn(&str, &str) -> String + Send + Sync + Clone + 'static) -> String {
    let talk = move |mut stream: TcpStream| {
        let _ = stream.write_all(b"* OK ready\r\n");
        for line in BufReader::new(stream.try_clone().expect("a copy")).lines().map_while(Result::ok) {
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            let text = answer(tag, command).replace("TAG", tag);
            if text.is_empty() || stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    };
    world::listener(talk).port().to_string()
}

#[tokio::test]
async fn mail_servers_that_misbehave_are_told_apart_and_end_in_time() {
    let bad = world::bad();
    let mark = r#"mail_mark(#{ host: "127.0.0.1", port: param("port", 0), user: "ada", password: secret("password"), tls: "none" })"#;
    let check = r#"smtp_check("127.0.0.1", param("port", 0), #{ tls: "none" })"#;
    let bye = imap(|_, _| "* BYE too busy\r\n".to_owned());
    let endless = imap(|_, _| format!("* SEARCH {}\r\n", "1 ".repeat(40_000)).repeat(60));
    let news = imap(|_, _| "* OK still here\r\n".repeat(200_000));
    let literal = imap(|_, _| "* 1 FETCH (BODY[] {99999999999}\r\n".to_owned());
    let nested = imap(|_, _| format!("* {}\r\n", "(".repeat(1_000)));
    let cut = imap(|_, _| String::new());
    let echo = imap(|_, command| format!("TAG NO what is {command}?\r\n"));
    let early = world::listener(|mut stream| {
        let _ = stream.write_all(b"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n");
        std::thread::sleep(Duration::from_secs(2));
    });
    let early = early.port().to_string();
    let starttls = r#"smtp_check("127.0.0.1", param("port", 0), #{ tls: "starttls" })"#;
    let many = world::listener(|mut stream| while stream.write_all(b"220-x\r\n").is_ok() {}).port().to_string();
    let cases = [
        (mark, &bad.refuses, FailureKind::Network, "connection refused"),
        (mark, &bad.hangs, FailureKind::Timeout, "no greeting from IMAP at 127.0.0.1"),
        (mark, &bad.drips, FailureKind::Timeout, "no greeting from IMAP"),
        (mark, &bad.hangs_up, FailureKind::Network, "the server hung up without an answer"),
        (mark, &bad.babbles, FailureKind::Assertion, "what it says is no IMAP: \"%$! no protocol of yours\""),
        (mark, &bad.floods, FailureKind::Assertion, "the answer is larger than 1088 KiB"),
        (mark, &bye, FailureKind::ServerError, "it hangs up: too busy"),
        (mark, &endless, FailureKind::Assertion, "the answers to one command have more than 50000 values"),
        (mark, &news, FailureKind::Assertion, "the answer to one command is larger than 2048 KiB"),
        (mark, &literal, FailureKind::Assertion, "the answer to one command is larger than 2048 KiB"),
        (mark, &nested, FailureKind::Assertion, "what it says is no IMAP"),
        (mark, &cut, FailureKind::Network, "the server hung up without an answer"),
        (mark, &echo, FailureKind::Denied, "the login was refused"),
        (check, &bad.hangs, FailureKind::Timeout, "no answer from SMTP at 127.0.0.1"),
        (check, &bad.drips, FailureKind::Timeout, "no answer from SMTP"),
        (check, &bad.hangs_up, FailureKind::Network, "the server hung up without an answer"),
        (check, &bad.babbles, FailureKind::Assertion, "what it says is no SMTP: \"%$! no protocol of yours\""),
        (check, &bad.floods, FailureKind::Assertion, "the answer is larger than 16 KiB"),
        (check, &many, FailureKind::Assertion, "an answer has more than 100 lines"),
        (starttls, &early, FailureKind::Tls, "the server said more before the TLS handshake than it was asked for"),
    ];
    for (source, port, kind, saying) in cases {
        let report = run_for(source, &[("port", port)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
        assert!(!reason(&report).contains("zanz"), "{report:?}");
    }
}
