//! Requests. They wait for the whole answer; a request that gets none ends the probe.

use http::Method;
use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use super::options::{self, Sending};
use super::{Result, Shelf, or_unit};
use crate::adapters::script::flow;
use crate::adapters::script::page::Page;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("requests");
    reading(shelf);
    sending(shelf);
    shelf.add(
        "request(method: string, path: string, options: map) -> Page",
        "Sends any method, with a body from the options `form`, `json`, `multipart` or `body`.",
        |context: NativeCallContext<'_>,
         method: ImmutableString,
         path: ImmutableString,
         options: Map|
         -> Result<Page> {
            let method = options::method(&method)?;
            send(&context, method, &path, Sending::Nothing, options)
        },
    );
    shelf.add(
        "defaults(options: map)",
        "Options for every request from here on; a request's own come first.",
        |context: NativeCallContext<'_>, options: Map| -> Result<()> {
            let flow = flow::of(&context)?;
            options::check(&flow, &options)?;
            flow.set_defaults(options);
            Ok(())
        },
    );
    shelf.add(
        "cookie(name: string) -> string | ()",
        "The cookie that the next request to the last page would carry.",
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<Dynamic> {
            Ok(or_unit(flow::of(&context)?.cookie(&name)))
        },
    );
    shelf.add(
        "set_cookie(text: string)",
        "Puts a cookie into the jar as if the last page had sent it: `name=value; Path=/`.",
        |context: NativeCallContext<'_>, text: ImmutableString| -> Result<()> {
            Ok(flow::of(&context)?.set_cookie(&text)?)
        },
    );
}

/// The methods without a body.
fn reading(shelf: &mut Shelf) {
    let verbs = [
        (
            Method::GET,
            ["get(path: string) -> Page", "get(path: string, options: map) -> Page"],
            "Opens a page, with the probe's cookies. A path from the root is the target's, any other relative one the last page's.",
        ),
        (
            Method::HEAD,
            ["head(path: string) -> Page", "head(path: string, options: map) -> Page"],
            "Asks for the headers of a page only.",
        ),
        (
            Method::DELETE,
            ["delete(path: string) -> Page", "delete(path: string, options: map) -> Page"],
            "Sends a DELETE.",
        ),
    ];
    for (method, [short, long], doc) in verbs {
        let own = method.clone();
        shelf.add(short, doc, move |context: NativeCallContext<'_>, path: ImmutableString| {
            send(&context, own.clone(), &path, Sending::Nothing, Map::new())
        });
        shelf.add(
            long,
            "The same with options.",
            move |context: NativeCallContext<'_>, path: ImmutableString, options: Map| {
                send(&context, method.clone(), &path, Sending::Nothing, options)
            },
        );
    }
}

/// The methods with a body, each as a form, as JSON, in parts and as it is.
fn sending(shelf: &mut Shelf) {
    type Signatures = [&'static str; 2];
    let verbs: [(Method, Signatures, Signatures); 3] = [
        (
            Method::POST,
            [
                "post_form(path: string, fields: map) -> Page",
                "post_form(path: string, fields: map, options: map) -> Page",
            ],
            [
                "post_json(path: string, value: any) -> Page",
                "post_json(path: string, value: any, options: map) -> Page",
            ],
        ),
        (
            Method::PUT,
            [
                "put_form(path: string, fields: map) -> Page",
                "put_form(path: string, fields: map, options: map) -> Page",
            ],
            [
                "put_json(path: string, value: any) -> Page",
                "put_json(path: string, value: any, options: map) -> Page",
            ],
        ),
        (
            Method::PATCH,
            [
                "patch_form(path: string, fields: map) -> Page",
                "patch_form(path: string, fields: map, options: map) -> Page",
            ],
            [
                "patch_json(path: string, value: any) -> Page",
                "patch_json(path: string, value: any, options: map) -> Page",
            ],
        ),
    ];
    for (method, form, json) in verbs {
        both(shelf, form, "Sends the fields as a form.", &method, Sending::Form);
        both(shelf, json, "Sends the value as JSON.", &method, Sending::Json);
    }
    let signatures = [
        "post_multipart(path: string, fields: map) -> Page",
        "post_multipart(path: string, fields: map, options: map) -> Page",
    ];
    let doc = "Sends the fields in parts; a file is `#{file: name, content: text, content_type: type}`.";
    both(shelf, signatures, doc, &Method::POST, Sending::Multipart);
    let signatures =
        ["post(path: string, body: string) -> Page", "post(path: string, body: string, options: map) -> Page"];
    both(shelf, signatures, "Sends the text as it is; `content_type` is an option.", &Method::POST, Sending::Text);
    let signatures =
        ["put(path: string, body: string) -> Page", "put(path: string, body: string, options: map) -> Page"];
    both(shelf, signatures, "The same as a PUT.", &Method::PUT, Sending::Text);
}

/// Enters a function without and with options.
fn both(
    shelf: &mut Shelf,
    [short, long]: [&'static str; 2],
    doc: &'static str,
    method: &Method,
    wrap: fn(Dynamic) -> Sending,
) {
    let own = method.clone();
    shelf.add(short, doc, move |context: NativeCallContext<'_>, path: ImmutableString, value: Dynamic| {
        send(&context, own.clone(), &path, wrap(value), Map::new())
    });
    let own = method.clone();
    shelf.add(
        long,
        "The same with options.",
        move |context: NativeCallContext<'_>, path: ImmutableString, value: Dynamic, options: Map| {
            send(&context, own.clone(), &path, wrap(value), options)
        },
    );
}

/// Sends a request as the script says.
pub(super) fn send(
    context: &NativeCallContext<'_>,
    method: Method,
    path: &str,
    sending: Sending,
    options: Map,
) -> Result<Page> {
    let flow = flow::of(context)?;
    let ask = options::ask(&flow, method, path, sending, options)?;
    Ok(flow.send(ask)?)
}
