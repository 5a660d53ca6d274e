//! Waiting for a message. The one that is read is the newest that fits, by when the server took it in: a mail client that shows the
//! first of a thread shows an old link.

use std::collections::BTreeSet;
use std::time::Duration;

use rhai::{Map, NativeCallContext};
use tokio::time::sleep;

use super::imap::{self, Listed, Login, Session};
use super::letter::Received;
use super::options::Options;
use super::post::Server;
use super::{Outcome, Result, Shelf, now_s};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow;
use crate::domain::{FailureKind, Protocol, WallTime};

/// Encrypted from the first byte, and otherwise.
const PORTS: (u16, u16) = (993, 143);
/// How long to rest between two looks into the mailbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many of the newest messages are looked at: a mailbox for probes has a few an hour.
const MAX_CANDIDATES: usize = 200;
/// How many are listed with one command, so that its answers stay below their cap.
const LISTED_AT_ONCE: usize = 25;
/// The longest time back that a message may be from, a week.
const MAX_AGE_S: i64 = 7 * 24 * 3600;
/// What is kept unread of a connection: a message, and the answer around it.
const MAX_UNREAD_BYTES: usize = imap::MAX_MESSAGE_BYTES + 64 * 1024;
const SECONDS_A_DAY: i64 = 24 * 3600;
const WHERE: [&str; 8] = ["host", "port", "tls", "insecure", "ca", "user", "password", "mailbox"];
const WHICH: [&str; 4] = ["to", "subject", "after", "newer_than_s"];

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("mail");
    shelf.add(
        "mail_mark(options: map) -> int",
        "Where a mailbox stands now (IMAP's UIDNEXT), so that `mail_wait` can be told to look at what comes after it. Options: `host`, `port`, `user`, `password`, `tls`, `insecure`, `mailbox`, `ca`.",
        |context: NativeCallContext<'_>, options: Map| mark(&context, options),
    );
    shelf.add(
        "mail_wait(options: map) -> map",
        "Waits for a message that fits, and reads the newest that does: `#{from, to, subject, date, received, text, html, links, uid}`. Options: those of `mail_mark`, and `to`, `subject`, `after` (a mark), `newer_than_s`.",
        |context: NativeCallContext<'_>, options: Map| wait(&context, options),
    );
}

/// Where the mailbox is, and how to get in.
struct Mailbox {
    server: Server,
    login: Login,
    name: String,
}

impl Mailbox {
    fn url(&self) -> String {
        format!("imap://{}/{}", self.server.place(), self.name)
    }

    fn read(options: &mut Options) -> Outcome<Self> {
        let (host, port) = (options.needed("host")?, options.port()?);
        let server = Server::read("IMAP", host, port, options, PORTS)?;
        let login = Login { user: options.needed("user")?, password: options.needed("password")? };
        let name = options.text("mailbox")?.unwrap_or_else(|| "INBOX".to_owned());
        if !name.is_ascii() {
            let reason =
                format!("the option 'mailbox' is '{name}': write other letters than ASCII's in IMAP's own UTF-7");
            return Err(Ending::Inconclusive(reason));
        }
        Ok(Self { server, login, name })
    }
}

fn mark(context: &NativeCallContext<'_>, map: Map) -> Result<i64> {
    let flow = flow::of(context)?;
    let mut options = Options::new("mail_mark", map, &WHERE)?;
    let mailbox = Mailbox::read(&mut options)?;
    let next = flow.asks(Protocol::Imap, "mark", &mailbox.url(), || {
        let opened = mailbox.server.open(&flow)?;
        let next = flow.wait(async {
            let talk = mailbox.server.begin(&flow, opened, MAX_UNREAD_BYTES).await?;
            let mut session = Session::begin(&flow, &mailbox.server, talk, &mailbox.login).await?;
            let next = session.examine(&mailbox.name).await?;
            session.log_out().await;
            Ok::<_, Ending>(next)
        })??;
        Ok((next, format!("next {next}")))
    })?;
    Ok(i64::from(next))
}

fn wait(context: &NativeCallContext<'_>, map: Map) -> Result<Map> {
    let flow = flow::of(context)?;
    let known: Vec<&str> = WHERE.into_iter().chain(WHICH).collect();
    let mut options = Options::new("mail_wait", map, &known)?;
    let mailbox = Mailbox::read(&mut options)?;
    let wanted = Wanted::read(&mut options)?;
    let found = flow.asks(Protocol::Imap, "wait", &mailbox.url(), || {
        let opened = mailbox.server.open(&flow)?;
        let found = flow.wait(async {
            let talk = mailbox.server.begin(&flow, opened, MAX_UNREAD_BYTES).await?;
            let mut session = Session::begin(&flow, &mailbox.server, talk, &mailbox.login).await?;
            session.examine(&mailbox.name).await?;
            let mut others = BTreeSet::new();
            let newest = loop {
                if let Some(newest) = wanted.newest(&mut session, &mut others).await? {
                    break newest;
                }
                let (server, name, seen) = (&mailbox.server.said, &mailbox.name, others.len());
                flow.progress().set(format!("no mail {wanted} came to {name} of {server} ({seen} others looked at)"));
                sleep(LOOK_EVERY).await;
            };
            if newest.bytes > imap::MAX_MESSAGE_BYTES {
                let most = imap::MAX_MESSAGE_BYTES / 1024;
                let reason = format!("the mail {wanted} is larger than {most} KiB ({} bytes)", newest.bytes);
                return Err(Ending::Fail(FailureKind::Assertion, reason));
            }
            let message = session.message(newest.uid).await?;
            session.log_out().await;
            Ok((newest, message))
        })??;
        Ok((found, "found".to_owned()))
    });
    let (listed, message) = found?;
    let unreadable = || Ending::Fail(FailureKind::Assertion, format!("the mail {wanted} cannot be read"));
    let mut map = Received::parse(&message).ok_or_else(unreadable)?.told()?;
    map.insert("uid".into(), i64::from(listed.uid).into());
    let received = u64::try_from(listed.arrived_s).unwrap_or(0).saturating_mul(1000);
    map.insert("received".into(), WallTime::from_ms(received).to_string().replace(".000Z", "Z").into());
    Ok(map)
}

/// Which message is waited for.
struct Wanted {
    to: Option<String>,
    subject: Option<String>,
    /// The least number that it may have.
    after: u32,
    /// The earliest moment at which the server may have taken it in, by the server's clock.
    since_s: Option<i64>,
}

impl Wanted {
    fn read(options: &mut Options) -> Outcome<Self> {
        let (to, subject) = (options.text("to")?, options.text("subject")?);
        let after = options.number("after", 1, i64::from(u32::MAX))?;
        let age = options.number("newer_than_s", 0, MAX_AGE_S)?;
        if after.is_none() && age.is_none() {
            let reason = "mail_wait: say which mail is new, with 'after' (what mail_mark gave before it was sent) or 'newer_than_s'";
            return Err(Ending::Inconclusive(reason.to_owned()));
        }
        let after = after.and_then(|after| u32::try_from(after).ok()).unwrap_or(1);
        Ok(Self { to, subject, after, since_s: age.map(|age| now_s().saturating_sub(age)) })
    }

    fn criteria(&self) -> String {
        let numbers = format!("UID {}:*", self.after);
        // A search goes by the server's own days; one more back leaves none out, and the seconds are compared afterwards.
        let days = self.since_s.map(|since| format!(" SINCE {}", imap::day(since - SECONDS_A_DAY)));
        format!("{numbers}{}", days.unwrap_or_default())
    }

    /// The newest message that fits, if any does by now. `others` are those that were looked at and do not.
    async fn newest(&self, session: &mut Session<'_>, others: &mut BTreeSet<u32>) -> Outcome<Option<Listed>> {
        let mut uids = session.search(&self.criteria()).await?;
        // "5:*" has the last message in it even where that is the fourth.
        uids.retain(|uid| *uid >= self.after);
        uids.sort_unstable();
        let skipped = uids.len().saturating_sub(MAX_CANDIDATES);
        let uids: Vec<u32> = uids.into_iter().skip(skipped).filter(|uid| !others.contains(uid)).collect();
        let mut newest: Option<Listed> = None;
        for some in uids.chunks(LISTED_AT_ONCE) {
            for listed in session.list(some).await? {
                if !self.fits(&listed) {
                    others.insert(listed.uid);
                } else if newest
                    .as_ref()
                    .is_none_or(|best| (best.arrived_s, best.uid) < (listed.arrived_s, listed.uid))
                {
                    newest = Some(listed);
                }
            }
        }
        Ok(newest)
    }

    fn fits(&self, listed: &Listed) -> bool {
        if self.since_s.is_some_and(|since| listed.arrived_s < since) {
            return false;
        }
        let Some(headers) = Received::parse(&listed.headers) else { return false };
        self.to.as_deref().is_none_or(|to| headers.is_to(to))
            && self.subject.as_deref().is_none_or(|subject| headers.is_about(subject))
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "to {}", self.to.as_deref().unwrap_or("anybody"))?;
        match &self.subject {
            Some(subject) => write!(f, " with \"{subject}\" in its subject"),
            None => Ok(()),
        }
    }
}
