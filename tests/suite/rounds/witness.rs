//! A witness: somebody who is logged in at both sites, by their own addresses, and writes to both all the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::domain::Role;
use quorate::ports::Clock;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::history::{Attempt, Seen};
use crate::suite::world::{SECRETS, World};

/// Between two writes on a side.
const EVERY: Duration = Duration::from_millis(100);
/// How many of the last notes are looked for; the site keeps 50.
const KEPT: usize = 40;
/// After so many acknowledged writes they are looked for.
const LOOK_AFTER: usize = 10;

#[derive(Debug, Default)]
struct Book {
    attempts: Vec<Attempt>,
    lost: Vec<String>,
    looks: usize,
}

/// See the module. It ends when it is dropped.
pub(super) struct Witness {
    book: Arc<Mutex<Book>>,
    _tasks: JoinSet<()>,
}

fn now() -> u64 {
    SystemClock::new().wall().as_ms()
}

impl Witness {
    /// Logs in at both sites and begins to write.
    pub(super) async fn start(world: &World) -> Self {
        let (book, mut tasks) = (Arc::new(Mutex::default()), JoinSet::new());
        for (role, cloud) in [(Role::Primary, &world.primary), (Role::Standby, &world.standby)] {
            let writer = Writer::logged_in(role, cloud.url()).await;
            tasks.spawn(writer.write_on(Arc::clone(&book)));
        }
        Self { book, _tasks: tasks }
    }

    /// What it has tried so far, in the order in which it ended, from that place on.
    pub(super) fn attempts(&self, from: usize) -> Vec<Attempt> {
        self.book.lock().unwrap().attempts[from..].to_vec()
    }

    /// How often it has looked for what was acknowledged, and what was not there.
    pub(super) fn looks(&self) -> (usize, Vec<String>) {
        let book = self.book.lock().unwrap();
        (book.looks, book.lost.clone())
    }

    /// Whether a write that began after that moment was taken by the site.
    pub(super) fn has_written(&self, role: Role, after: u64) -> bool {
        let book = self.book.lock().unwrap();
        let late = book.attempts.iter().rev().take_while(|attempt| attempt.ended >= after);
        late.into_iter()
            .any(|attempt| attempt.role == role && attempt.seen == Seen::Accepted && attempt.began > after)
    }
}

/// The witness on one side.
struct Writer {
    role: Role,
    base: String,
    browser: Client,
    csrf: String,
    /// The last acknowledged notes, newest last.
    notes: VecDeque<String>,
}

impl Writer {
    async fn logged_in(role: Role, base: String) -> Self {
        let browser = Client::builder().no_proxy().cookie_store(true).redirect(reqwest::redirect::Policy::none());
        let browser = browser.timeout(Duration::from_secs(10)).build().unwrap();
        let page = browser.get(format!("{base}/login")).send().await.unwrap().text().await.unwrap();
        let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap_or_else(|| panic!("no form: {page}"));
        let csrf = rest.split_once('"').unwrap().0.to_owned();
        let form = [("csrf_token", csrf.as_str()), ("username", SECRETS[0].1), ("password", SECRETS[1].1)];
        let answer = browser.post(format!("{base}/login")).form(&form).send().await.unwrap();
        assert_eq!(answer.headers()["location"], "/account", "{role}: the login is taken");
        Self { role, base, browser, csrf, notes: VecDeque::new() }
    }

    async fn write_on(mut self, book: Arc<Mutex<Book>>) {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut number, mut unseen) = (0_u64, 0_usize);
        loop {
            turns.tick().await;
            number += 1;
            let note = format!("{}-{number}.", self.role);
            let form = [("csrf_token", self.csrf.as_str()), ("note", note.as_str())];
            let began = now();
            let answer = self.browser.post(format!("{}/notes", self.base)).form(&form).send().await;
            let seen = match answer {
                Ok(answer) => told(answer).await,
                Err(_) => Seen::Unknown,
            };
            book.lock().unwrap().attempts.push(Attempt { role: self.role, began, ended: now(), seen });
            if seen == Seen::Accepted {
                self.notes.push_back(note);
                if self.notes.len() > KEPT {
                    self.notes.pop_front();
                }
                unseen += 1;
            }
            if unseen >= LOOK_AFTER {
                unseen = 0;
                let lost = self.lost().await;
                let mut book = book.lock().unwrap();
                book.looks += 1;
                book.lost.extend(lost);
            }
        }
    }

    /// Those of the last acknowledged notes that the site does not show.
    async fn lost(&self) -> Vec<String> {
        let page = match self.browser.get(format!("{}/account", self.base)).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => return vec![format!("{}: its notes cannot be read: {error}", self.role)],
        };
        let gone = self.notes.iter().filter(|note| !page.contains(&format!("<li>{note} ")));
        gone.map(|note| format!("{}: {note} was acknowledged, and is gone", self.role)).collect()
    }
}

/// What the site said, by its contract and by nothing else.
async fn told(answer: Response) -> Seen {
    let status = answer.status();
    if status == StatusCode::SEE_OTHER && answer.headers().get("location").is_some_and(|to| to == "/account") {
        return Seen::Accepted;
    }
    let body: Value = answer.json().await.unwrap_or_default();
    if status == StatusCode::SERVICE_UNAVAILABLE && body["error"] == "read-only" {
        return Seen::Refused;
    }
    Seen::Unknown
}
