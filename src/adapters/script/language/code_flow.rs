//! The last step of an authorization code flow (RFC 6749, 4.1.3): a code for tokens. An application sends it and no page, so
//! that it goes without Origin and Referer: providers refuse a web client's secret from a page.

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use rhai::{Map, NativeCallContext};

use super::logins::{basic, granted};
use super::sending::{self, Outgoing, URLENCODED};
use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow;

const OPTIONS: &str = "client_id, client_secret, redirect_uri, verifier and auth";

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("logins");
    shelf.add(
        "exchange_code(token_url: string, code: string, client: map) -> map",
        "Exchanges an authorization code for tokens, and gives back the answer; fails if it has no `access_token`. `client` has `client_id` and `redirect_uri`, and as needed `client_secret`, PKCE's `verifier`, and `auth`: how the secret goes, `basic` for the header, which is the default, or `post` for the form.",
        exchange,
    );
}

/// Who exchanges the code.
#[derive(Default)]
struct Client {
    id: Option<String>,
    secret: Option<String>,
    redirect_uri: Option<String>,
    verifier: Option<String>,
    in_form: bool,
}

impl Client {
    fn of(options: Map) -> std::result::Result<Self, Ending> {
        let mut client = Self::default();
        for (name, value) in options {
            let wrong = |wanted: &str| Ending::Inconclusive(format!("the option '{name}' must be {wanted}"));
            let text = value.into_string().map_err(|_| wrong("a text"))?;
            match name.as_str() {
                "client_id" => client.id = Some(text),
                "client_secret" => client.secret = Some(text),
                "redirect_uri" => client.redirect_uri = Some(text),
                "verifier" => client.verifier = Some(text),
                "auth" => {
                    client.in_form = match text.as_str() {
                        "basic" => false,
                        "post" => true,
                        _ => return Err(wrong("basic or post")),
                    };
                }
                _ => {
                    let reason = format!("unknown option '{name}': there are {OPTIONS}");
                    return Err(Ending::Inconclusive(reason));
                }
            }
        }
        Ok(client)
    }
}

fn exchange(context: NativeCallContext<'_>, token_url: &str, code: &str, client: Map) -> Result<Map> {
    let flow = flow::of(&context)?;
    let client = Client::of(client)?;
    let missing = |name: &str| Ending::Inconclusive(format!("exchange_code needs the option '{name}'"));
    let id = client.id.ok_or_else(|| missing("client_id"))?;
    let redirect_uri = client.redirect_uri.ok_or_else(|| missing("redirect_uri"))?;
    let mut fields = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", redirect_uri),
    ];
    fields.extend(client.verifier.map(|verifier| ("code_verifier", verifier)));
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    match client.secret {
        Some(secret) if !client.in_form => {
            let mut basic = sending::value("authorization", &basic(&flow, &id, &secret)?)?;
            basic.set_sensitive(true);
            headers.insert(AUTHORIZATION, basic);
        }
        secret => {
            fields.push(("client_id", id));
            fields.extend(secret.map(|secret| ("client_secret", secret)));
        }
    }
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let body = Some((URLENCODED.to_owned(), form.into_bytes()));
    let asked = Outgoing { method: Method::POST, url: flow.resolve(token_url)?, body, headers, from: None };
    let page = sending::send(&flow, asked, Map::new())?;
    Ok(granted(&flow, &page)?)
}
