//! A demo cloud: a small web site that people really sign in to, with a read-only mode and a switchboard of faults.
//!
//! Sessions and CSRF tokens are signed, not stored, so that signing in writes nothing and works while the site is
//! read-only. Every write of the site, the admin's probe included, goes through one function, which is the only place
//! that looks at the read-only mode: what the probe is told is what a user is told.
//!
//! # The site
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 `ok`, under every login fault too: a shallow check sees nothing |
//! | `GET /login` | a form with `csrf_token`, `username`, `password`; sets the cookie `csrf` |
//! | `POST /login` | 403 on a wrong CSRF token; 200 with `class="error"` on wrong credentials; else 303 `/account` and the cookie `session` |
//! | `GET /account` | 303 `/login` without a session; else `<b id="user">`, `id="served-by"`, the notes and two forms |
//! | `POST /notes` | a write (`note`, `csrf_token`): 303 `/account`, or while read-only 503, `Retry-After: 30`, `{"error":"read-only"}` |
//! | `POST /logout` | 303 `/login` and no more cookie (`csrf_token`) |
//!
//! # The admin contract
//!
//! What Quorate needs of a standby. Every request carries JSON and two headers:
//!
//! - `x-quorate-timestamp`: seconds since the Unix epoch, in decimal, at most 300 away from the site's clock, or else
//!   401 `{"error":"timestamp"}`;
//! - `x-quorate-signature`: `v1=` and the lower-case hexadecimal HMAC-SHA256, under the shared key, of
//!   `METHOD + "\n" + path with query + "\n" + timestamp + "\n" + body`, or else 401 `{"error":"signature"}`.
//!
//! A body that is not the JSON described, or has other keys, gets 400 `{"error":"bad-request","detail":…}`. All are
//! idempotent in effect, so a replay within the 300 seconds changes nothing more; a deposed sender's is stopped by
//! the epoch.
//!
//! `POST /admin/read-only` `{"service":"login","read_only":true,"epoch":3,"plan":"login-1"}` sets the mode: 200
//! `{"read_only":true}`, with the mode as it now is. An epoch smaller than the largest ever seen changes nothing: 409
//! `{"error":"stale-epoch","seen":N}`.
//!
//! `POST /admin/write-probe` `{"service":"login","plan":"login-1"}` tries a write: 201 `{"written":true}`, or while
//! read-only exactly the answer of `POST /notes`.
//!
//! `POST /admin/lag` `{"service":"login"}` says how far the data is behind: 200 `{"lag_ms":0}`, or while nobody knows 500
//! `{"error":"lag-unknown"}`.
//!
//! # For the lab only, unsigned
//!
//! `GET /admin/state` is `{"read_only","epoch","writes","logins","enter_requests","write_probes"}`: the mode, the
//! largest epoch seen, accepted writes, successful logins, accepted requests to become read-only, and write probes.
//!
//! `GET /lab` says that this is a lab, so that nothing else is broken on purpose.
//!
//! `POST /lab/faults` takes those to set of
//! `{"login":"ok"|"error"|"hang"|"reject"|"slow","read_only":"honest"|"lies","lag":"known"|"unknown","lag_ms":N,"down":bool}`,
//! refuses others, and answers with all; `GET /lab/faults` shows them. `error`: signing in meets a database error, 500. `hang`: it is
//! never answered. `reject`: the right password is refused. `slow`: it takes three seconds. `lies`: the site says
//! that it is read-only and writes on. `lag_ms`: how far its data is behind, or nobody knows. `down`: every connection closes without an answer, except to `/lab/…` and
//! `/admin/state`.

mod admin;
mod faults;
mod pages;
mod site;
mod state;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{LabError, line};
use crate::domain::Secret;
use state::Site;

/// What a demo cloud is made of.
#[derive(Debug, Clone)]
pub struct CloudOptions {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The cloud's name, shown on every page.
    pub name: String,
    /// Who may sign in: names and passwords.
    pub users: BTreeMap<String, Secret>,
    /// The key of the admin contract. Sessions are signed under a key derived from it, so clouds that share it share
    /// their sessions.
    pub admin_key: Secret,
}

/// A running cloud. Dropping it closes its listener and every connection; [`Cloud::shutdown`] also waits for the end.
#[derive(Debug)]
pub struct Cloud {
    addr: SocketAddr,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Cloud {
    /// Binds the address and starts serving.
    pub async fn start(options: CloudOptions) -> Result<Self, LabError> {
        const WHAT: &str = "a demo cloud";
        let listener = line::bind(WHAT, options.listen).await?;
        let addr = line::local_addr(WHAT, &listener)?;
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let site = Arc::new(Site::new(options));
        let router = site::router(Arc::clone(&site))
            .merge(admin::router(Arc::clone(&site)))
            .merge(faults::router(Arc::clone(&site)))
            .layer(middleware::from_fn_with_state(site, faults::down));
        line::serve(&tasks, listener, router, closing.clone());
        Ok(Self { addr, tasks, closing })
    }

    /// The site's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
