//! SMTP, as far as a check goes: what a server says of itself, and handing a message in.

use data_encoding::BASE64;
use rhai::{Dynamic, Map, NativeCallContext};

use super::letter::{self, Letter};
use super::options::{self, Options};
use super::post::{Server, Talk, Tls};
use super::{Outcome, Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::domain::{FailureKind, Protocol};

/// The most of an answer that is kept unread; a line has at most 512 bytes (RFC 5321).
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The most lines of one answer: EHLO's has one for each extension, and servers have about fifteen.
const MAX_LINES: usize = 100;
/// Encrypted from the first byte, and otherwise: submission.
const SEND_PORTS: (u16, u16) = (465, 587);
const OPTIONS_OF_SEND: [&str; 11] =
    ["host", "port", "tls", "insecure", "ca", "helo", "user", "password", "from", "to", "subject"];

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("mail");
    shelf.add(
        "smtp_check(host: string, port: int) -> map",
        "Greets a mail server and says goodbye: `#{greeting, capabilities, tls, protocol}`. STARTTLS must be offered, and its certificate verify.",
        |context: NativeCallContext<'_>, host: &str, port: i64| check(&context, host, port, Map::new()),
    );
    shelf.add(
        "smtp_check(host: string, port: int, options: map) -> map",
        "The same with options: `tls` (`\"starttls\"`, `\"implicit\"` or `\"none\"`), `helo`, `ca`.",
        |context: NativeCallContext<'_>, host: &str, port: i64, options: Map| check(&context, host, port, options),
    );
    shelf.add(
        "smtp_send(options: map) -> map",
        "Hands a message in: `host`, `port`, `from`, `to`, `subject`, `text`, `user`, `password`, `tls`, `insecure`, `helo`, `ca`. Gives `#{message_id, reply}`.",
        |context: NativeCallContext<'_>, options: Map| send(&context, options),
    );
}

fn check(context: &NativeCallContext<'_>, host: &str, port: i64, map: Map) -> Result<Map> {
    let flow = flow::of(context)?;
    let mut options = Options::new("smtp_check", map, &["tls", "helo", "ca"])?;
    let server = Server::read("SMTP", host.to_owned(), Some(options::port(port)?), &mut options, SEND_PORTS)?;
    let helo = helo(options.text("helo")?)?;
    let greeted = flow.asks(Protocol::Smtp, "check", &format!("smtp://{}", server.place()), || {
        let opened = server.open(&flow)?;
        let greeted = flow.wait(async {
            let talk = server.begin(&flow, opened, MAX_ANSWER_BYTES).await?;
            let mut session = Session { flow: &flow, server: &server, talk };
            let greeting = session.greeting().await?;
            let capabilities = session.hello(&helo).await?;
            session.quit().await;
            Ok::<_, Ending>((greeting, capabilities, session.talk.protocol))
        })??;
        Ok((greeted, "greeted".to_owned()))
    });
    let (greeting, capabilities, protocol) = greeted?;
    Ok(options::map([
        ("greeting", greeting.into()),
        ("capabilities", options::texts(capabilities)),
        ("tls", protocol.is_some().into()),
        ("protocol", protocol.unwrap_or_default().into()),
    ]))
}

fn send(context: &NativeCallContext<'_>, map: Map) -> Result<Map> {
    let flow = flow::of(context)?;
    let known: Vec<&str> = OPTIONS_OF_SEND.into_iter().chain(["text"]).collect();
    let mut options = Options::new("smtp_send", map, &known)?;
    let (host, port) = (options.needed("host")?, options.port()?);
    let server = Server::read("SMTP", host, port, &mut options, SEND_PORTS)?;
    let helo = helo(options.text("helo")?)?;
    let login = match (options.text("user")?, options.text("password")?) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        _ => return Err(Ending::Inconclusive("smtp_send: 'user' and 'password' go together".to_owned()).into()),
    };
    let letter = Letter {
        from: letter::address(options.needed("from")?)?,
        to: letter::address(options.needed("to")?)?,
        subject: letter::line(options.text("subject")?.unwrap_or_default())?,
        text: options.text("text")?.unwrap_or_default(),
    };
    let (id, message) = letter.written()?;
    let taken = flow.asks(Protocol::Smtp, "send", &format!("smtp://{}", server.place()), || {
        let opened = server.open(&flow)?;
        let reply = flow.wait(async {
            let talk = server.begin(&flow, opened, MAX_ANSWER_BYTES).await?;
            let mut session = Session { flow: &flow, server: &server, talk };
            session.greeting().await?;
            let capabilities = session.hello(&helo).await?;
            if let Some((user, password)) = &login {
                session.log_in(&capabilities, user, password).await?;
            }
            session.expect(&format!("MAIL FROM:<{}>", letter.from), 250).await?;
            session.expect(&format!("RCPT TO:<{}>", letter.to), 250).await?;
            session.expect("DATA", 354).await?;
            session.talk.lines()?.send(&message).await?;
            let reply = session.answer("the message", 250).await?;
            session.quit().await;
            Ok::<_, Ending>(reply)
        })??;
        Ok((reply, "taken".to_owned()))
    });
    let reply = taken?;
    let said: Dynamic = flow.tidy(&reply.text(), MAX_EXCERPT_CHARS).into();
    Ok(options::map([("message_id", id.into()), ("reply", said)]))
}

/// The name that we say of ourselves; by default one that is nobody's, for a probe is no mail server.
fn helo(given: Option<String>) -> Outcome<String> {
    let name = given.unwrap_or_else(|| "probe.invalid".to_owned());
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.[]:_".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) {
        return Err(Ending::Inconclusive(format!("the option 'helo' is '{name}', and must be a host name")));
    }
    Ok(name)
}

/// One answer: its code, and its lines without it.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn text(&self) -> String {
        self.lines.join(" ")
    }
}

struct Session<'a> {
    flow: &'a Flow,
    server: &'a Server,
    talk: Talk,
}

impl Session<'_> {
    async fn greeting(&mut self) -> Outcome<String> {
        Ok(self.answer("its greeting", 220).await?.text())
    }

    /// EHLO, STARTTLS where it is wanted, and EHLO again: what was said before the encryption counts for nothing.
    async fn hello(&mut self, helo: &str) -> Outcome<Vec<String>> {
        let hello = format!("EHLO {helo}");
        let capabilities = self.expect(&hello, 250).await?.lines.split_off(1);
        if self.server.tls != Tls::Upgrade {
            return Ok(capabilities);
        }
        if !capabilities.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
            let reason = format!("{} does not offer STARTTLS", self.server.said);
            return Err(Ending::Fail(FailureKind::Tls, reason));
        }
        self.expect("STARTTLS", 220).await?;
        self.server.start_tls(self.flow, &mut self.talk, MAX_ANSWER_BYTES).await?;
        Ok(self.expect(&hello, 250).await?.lines.split_off(1))
    }

    async fn log_in(&mut self, capabilities: &[String], user: &str, password: &str) -> Outcome<()> {
        self.server.may_log_in(&self.talk)?;
        let mechanisms = capabilities.iter().find_map(|line| {
            let line = line.to_ascii_uppercase();
            line.strip_prefix("AUTH ").or_else(|| line.strip_prefix("AUTH=")).map(str::to_owned)
        });
        let offers = |wanted: &str| mechanisms.iter().any(|list| list.split_whitespace().any(|one| one == wanted));
        let (plain, login) = (offers("PLAIN"), offers("LOGIN"));
        let secrets = if plain {
            vec![BASE64.encode(format!("\0{user}\0{password}").as_bytes())]
        } else {
            vec![BASE64.encode(user.as_bytes()), BASE64.encode(password.as_bytes())]
        };
        if !plain && !login {
            let offered = mechanisms.unwrap_or_else(|| "no login at all".to_owned());
            let offered = self.flow.tidy(&offered, MAX_EXCERPT_CHARS);
            let reason = format!("{} offers neither AUTH PLAIN nor AUTH LOGIN, but {offered}", self.server.said);
            return Err(Ending::Fail(FailureKind::Assertion, reason));
        }
        let wrote = if plain { "AUTH PLAIN" } else { "AUTH LOGIN" };
        let mut reply = self.ask(wrote, wrote).await?;
        for secret in &secrets {
            if reply.code == 334 {
                reply = self.ask(secret, "the login").await?;
            }
        }
        if reply.code == 235 {
            return Ok(());
        }
        // A server may repeat what it was sent; base64 hides a secret from whoever strikes it out.
        for secret in &secrets {
            for line in &mut reply.lines {
                *line = line.replace(secret.as_str(), "[secret]");
            }
        }
        Err(self.refused("the login", &reply))
    }

    async fn quit(&mut self) {
        // All that was wanted is there; a server that hangs up without a goodbye is no worse.
        if let Ok(lines) = self.talk.lines() {
            let _ = lines.send(b"QUIT\r\n").await;
        }
    }

    async fn expect(&mut self, command: &str, code: u16) -> Outcome<Reply> {
        let reply = self.ask(command, command).await?;
        if reply.code == code || (code == 250 && reply.code == 251) {
            return Ok(reply);
        }
        Err(self.refused(command, &reply))
    }

    async fn answer(&mut self, to: &str, code: u16) -> Outcome<Reply> {
        let reply = self.reply(to).await?;
        if reply.code == code { Ok(reply) } else { Err(self.refused(to, &reply)) }
    }

    async fn ask(&mut self, command: &str, said: &str) -> Outcome<Reply> {
        self.talk.lines()?.send(format!("{command}\r\n").as_bytes()).await?;
        self.reply(said).await
    }

    async fn reply(&mut self, to: &str) -> Outcome<Reply> {
        self.flow.progress().set(format!("no answer from {} to {to}", self.server.said));
        let mut lines = Vec::new();
        loop {
            let line = self.talk.lines()?.line().await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let code =
                line.get(..3).and_then(|code| code.parse::<u16>().ok()).filter(|code| (200..600).contains(code));
            let (Some(code), more) = (code, line.as_bytes().get(3)) else { return Err(self.no_smtp(&line)) };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match more {
                None | Some(b' ') => return Ok(Reply { code, lines }),
                Some(b'-') if lines.len() < MAX_LINES => {}
                Some(b'-') => {
                    let reason = format!("{}: an answer has more than {MAX_LINES} lines", self.server.said);
                    return Err(Ending::Fail(FailureKind::Assertion, reason));
                }
                Some(_) => return Err(self.no_smtp(&line)),
            }
        }
    }

    fn no_smtp(&self, line: &str) -> Ending {
        let line = self.flow.tidy(line, MAX_EXCERPT_CHARS);
        Ending::Fail(FailureKind::Assertion, format!("{}: what it says is no SMTP: \"{line}\"", self.server.said))
    }

    /// 4yz is "not now", 53x a refused login, and any other a refusal for good.
    fn refused(&self, what: &str, reply: &Reply) -> Ending {
        let kind = match reply.code {
            400..=499 => FailureKind::ServerError,
            530 | 534 | 535 | 538 => FailureKind::Denied,
            _ => FailureKind::Assertion,
        };
        let text = self.flow.tidy(&reply.text(), MAX_EXCERPT_CHARS);
        let reason = format!("{} answers {} to {what}: {text}", self.server.said, reply.code);
        Ending::Fail(kind, reason.trim_end_matches([' ', ':']).to_owned())
    }
}
