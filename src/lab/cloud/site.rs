//! What users see of the site.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::faults::LoginFault;
use super::pages;
use super::state::{Site, Write};
use super::token::SESSION_S;

/// How long a slow login takes.
const SLOW_LOGIN: Duration = Duration::from_secs(3);
/// The longest note.
const NOTE_CHARS_MAX: usize = 500;

type Shared = State<Arc<Site>>;

/// The site's routes.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(async || see_other("/account")))
        .route("/healthz", get(async || "ok"))
        .route("/login", get(show_login).post(log_in))
        .route("/account", get(account))
        .route("/notes", post(add_note))
        .route("/logout", post(log_out))
        .with_state(site)
}

async fn show_login(State(site): Shared, headers: HeaderMap) -> Response {
    login_page(&site, &headers, None)
}

async fn log_in(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let form = read_form(&body);
    if !csrf_holds(&site, &headers, &form) {
        return forbidden(&site);
    }
    let fault = site.faults().login;
    match fault {
        LoginFault::Hang => return future::pending().await,
        LoginFault::Error => {
            return page(StatusCode::INTERNAL_SERVER_ERROR, pages::database_error(&site.name));
        }
        LoginFault::Slow => tokio::time::sleep(SLOW_LOGIN).await,
        LoginFault::Ok | LoginFault::Reject => {}
    }
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let user = field("username");
    if !site.knows(user, field("password")) || fault == LoginFault::Reject {
        return login_page(&site, &headers, Some("Wrong user name or password."));
    }
    site.count_login();
    with_cookie(see_other("/account"), "session", &site.session_key.session(user), SESSION_S)
}

async fn account(State(site): Shared, headers: HeaderMap) -> Response {
    let Some(user) = signed_in(&site, &headers) else { return see_other("/login") };
    let csrf = csrf_for(&site, &headers);
    let html = pages::account(&site.name, &user, &csrf, site.admin_state().read_only, &site.notes());
    with_cookie(page(StatusCode::OK, html), "csrf", &csrf, SESSION_S)
}

async fn add_note(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Some(user) = signed_in(&site, &headers) else { return see_other("/login") };
    let mut form = read_form(&body);
    if !csrf_holds(&site, &headers, &form) {
        return forbidden(&site);
    }
    let text = form.remove("note").unwrap_or_default().trim().to_owned();
    if !(1..=NOTE_CHARS_MAX).contains(&text.chars().count()) {
        let detail = format!("A note has 1 to {NOTE_CHARS_MAX} characters.");
        return page(StatusCode::BAD_REQUEST, pages::message(&site.name, "That note does not fit", &detail));
    }
    match site.write(Write::Note { user, text }) {
        Ok(()) => see_other("/account"),
        Err(read_only) => read_only.into_response(),
    }
}

async fn log_out(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !csrf_holds(&site, &headers, &read_form(&body)) {
        return forbidden(&site);
    }
    with_cookie(see_other("/login"), "session", "", 0)
}

fn login_page(site: &Site, headers: &HeaderMap, error: Option<&str>) -> Response {
    let csrf = csrf_for(site, headers);
    with_cookie(page(StatusCode::OK, pages::login(&site.name, &csrf, error)), "csrf", &csrf, SESSION_S)
}

fn forbidden(site: &Site) -> Response {
    let detail = "The form was not one of ours, or it was too old. Go back, reload the page and try again.";
    page(StatusCode::FORBIDDEN, pages::message(&site.name, "That did not come from here", detail))
}

fn signed_in(site: &Site, headers: &HeaderMap) -> Option<String> {
    site.session_key.session_user(&cookie(headers, "session")?)
}

/// The browser's CSRF token when it has a genuine one, so that two open tabs do not spoil each other; or a new one.
fn csrf_for(site: &Site, headers: &HeaderMap) -> String {
    cookie(headers, "csrf").filter(|token| site.session_key.is_csrf(token)).unwrap_or_else(|| site.session_key.csrf())
}

/// Double submit: the form's token is the cookie's, and the cookie's is one of ours.
fn csrf_holds(site: &Site, headers: &HeaderMap, form: &BTreeMap<String, String>) -> bool {
    match (cookie(headers, "csrf"), form.get("csrf_token")) {
        (Some(cookie), Some(field)) => site.session_key.same(&cookie, field) && site.session_key.is_csrf(&cookie),
        _ => false,
    }
}

fn read_form(body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

fn see_other(path: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path), (header::CACHE_CONTROL, "no-store")]).into_response()
}

fn page(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html)).into_response()
}

/// Without `Secure`: the lab speaks plain HTTP on loopback.
fn with_cookie(mut response: Response, name: &str, value: &str, max_age_s: u64) -> Response {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
