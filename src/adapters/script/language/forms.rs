//! Forms: read from a page as a browser reads them, filled, and sent from that page. What a script does not touch goes
//! along as the page has it, CSRF tokens among it.

use http::{HeaderMap, Method};
use rhai::{Array, Dynamic, Map, NativeCallContext};
use url::Url;

use super::codes::random_text;
use super::controls::{self, Control, Kind};
use super::options::{quote, texts};
use super::sending::{self, Outgoing, URLENCODED};
use super::steps::kind_of;
use super::{Result, Shelf, reading};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::Page;
use crate::adapters::script::text::{MAX_EXCERPT_CHARS, MAX_REASON_CHARS};

/// What a file that a script makes up is called.
const FILE_NAME: &str = "probe.txt";

/// A form as the page has it, and as the script has filled it.
#[derive(Debug, Clone)]
pub(super) struct Form {
    page: Page,
    css: String,
    method: String,
    enctype: String,
    action: Url,
    controls: Vec<Control>,
}

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("forms");
    shelf.module.set_custom_type::<Form>("Form");
    shelf.add(
        "page.form(css: string) -> Form",
        "The form that the CSS selector finds, or the one that the element it finds belongs to; fails if there is none.",
        |context: NativeCallContext<'_>, page: &mut Page, css: &str| -> Result<Form> {
            Ok(Form::of(&*flow::of(&context)?, page, css)?)
        },
    );
    shelf.getter("form.method -> string", "`GET` or `POST`.", |form: &mut Form| form.method.to_ascii_uppercase());
    shelf.getter("form.action -> string", "The URL that the form is sent to.", |form: &mut Form| {
        form.action.to_string()
    });
    shelf.getter(
        "form.fields -> map",
        "What would be sent now: a text for each name, or an array of texts where a name comes more than once.",
        |form: &mut Form| form.fields(),
    );
    shelf.add(
        "form.set(name: string, value: any)",
        "Fills a field in: a text, an array of texts, or true and false for a box to tick and a button to press. Fails if the form has no such field or choice.",
        |context: NativeCallContext<'_>, form: &mut Form, name: &str, value: Dynamic| -> Result<()> {
            Ok(form.set(&*flow::of(&context)?, name, value)?)
        },
    );
    shelf.add(
        "form.add(name: string, value: any)",
        "Adds a field that the page does not have, as its script would.",
        |form: &mut Form, name: &str, value: Dynamic| -> Result<()> { Ok(form.add(name, value)?) },
    );
    shelf.add(
        "submit(form: Form) -> Page",
        "Sends the form from its page, by its own method, address and encoding.",
        |context: NativeCallContext<'_>, form: Form| submit(&context, form, Map::new(), Map::new()),
    );
    shelf.add(
        "submit(form: Form, fields: map) -> Page",
        "Fills the fields in and sends the form.",
        |context: NativeCallContext<'_>, form: Form, fields: Map| submit(&context, form, fields, Map::new()),
    );
    shelf.add(
        "submit(form: Form, fields: map, options: map) -> Page",
        "The same with options.",
        |context: NativeCallContext<'_>, form: Form, fields: Map, options: Map| {
            submit(&context, form, fields, options)
        },
    );
}

fn submit(context: &NativeCallContext<'_>, mut form: Form, fields: Map, options: Map) -> Result<Page> {
    let flow = flow::of(context)?;
    for (name, value) in fields {
        form.set(&flow, &name, value)?;
    }
    Ok(sending::send(&flow, form.request()?, options)?)
}

impl Form {
    fn of(flow: &Flow, page: &Page, css: &str) -> std::result::Result<Self, Ending> {
        let selector = reading::selector(css)?;
        let found = page.document()?.with(|html| controls::read(html, &selector));
        let fail =
            |what: String| Ending::Fail(kind_of(page), format!("{what}, got {}", page.summary(&flow.struck())));
        let found = found.ok_or_else(|| fail(format!("wanted a form '{css}'")))?;
        let controls = found.controls.ok_or_else(|| {
            Ending::Inconclusive(format!(
                "the form '{css}' has more than {} fields and choices",
                controls::MAX_CONTROLS
            ))
        })?;
        let own = &page.answer().url;
        let joined = |base: &Url, link: &str| {
            let quoted = || flow.tidy(link, MAX_EXCERPT_CHARS);
            base.join(link)
                .map_err(|error| fail(format!("wanted a URL in the form '{css}', not '{}' ({error})", quoted())))
        };
        let base = found.base.map_or(Ok(own.clone()), |base| joined(own, &base))?;
        let action = match found.action.as_deref().map(str::trim) {
            None | Some("") => own.clone(),
            Some(action) => joined(&base, action)?,
        };
        if !matches!(action.scheme(), "http" | "https") {
            return Err(fail(format!("wanted the form '{css}' to go to the web, and not to '{}:'", action.scheme())));
        }
        let word = |value: Option<String>| value.unwrap_or_default().trim().to_ascii_lowercase();
        let method = match word(found.method).as_str() {
            known @ ("post" | "dialog") => known.to_owned(),
            _ => "get".to_owned(),
        };
        let enctype = match word(found.enctype).as_str() {
            known @ ("multipart/form-data" | "text/plain") => known.to_owned(),
            _ => URLENCODED.to_owned(),
        };
        Ok(Self { page: page.clone(), css: css.to_owned(), method, enctype, action, controls })
    }

    /// The fields that would be sent, in their order.
    fn entries(&self) -> impl Iterator<Item = &Control> {
        self.controls.iter().filter(|control| control.on)
    }

    fn fields(&self) -> Map {
        let mut fields = Map::new();
        for control in self.entries() {
            let value = Dynamic::from(control.value.clone());
            let slot = fields.entry(control.name.as_str().into()).or_insert(Dynamic::UNIT);
            if slot.is_unit() {
                *slot = value;
            } else if let Some(mut several) = slot.write_lock::<Array>() {
                several.push(value);
            } else {
                *slot = Dynamic::from(vec![slot.take(), value]);
            }
        }
        fields
    }

    /// Fills one field in. A field that the page does not have is the site's fault, as a missing element is: a person could
    /// not fill it in either.
    fn set(&mut self, flow: &Flow, name: &str, value: Dynamic) -> std::result::Result<(), Ending> {
        let fail =
            |page: &Page, reason: String| Err(Ending::Fail(kind_of(page), flow.tidy(&reason, MAX_REASON_CHARS)));
        let named = || self.controls.iter().filter(|control| control.name == name);
        if named().next().is_none() {
            let has = self.controls.iter().map(|control| control.name.as_str());
            let reason = format!("wanted a field '{name}' in the form '{}', which has {}", self.css, list(has));
            return fail(&self.page, reason);
        }
        let choices: Vec<String> =
            named().filter(|control| control.kind == Kind::Choice).map(|control| control.value.clone()).collect();
        let wanted = match value.as_bool() {
            Ok(true) if !choices.is_empty() => choices.iter().take(1).cloned().collect(),
            Ok(false) if !choices.is_empty() => Vec::new(),
            _ => texts(name, value)?,
        };
        if choices.is_empty() {
            self.write(name, wanted);
            return Ok(());
        }
        if let Some(strange) = wanted.iter().find(|text| !choices.contains(text)) {
            let has = list(choices.iter().map(String::as_str));
            let reason =
                format!("wanted the choice '{strange}' of '{name}' in the form '{}', which has {has}", self.css);
            return fail(&self.page, reason);
        }
        // A hidden field beside a box of the same name stays: it says what an empty box means.
        for control in self.controls.iter_mut().filter(|control| control.name == name && control.kind == Kind::Choice)
        {
            control.on = wanted.contains(&control.value);
        }
        Ok(())
    }

    /// Puts the texts into the fields with that name, in their order; fields left over are not sent.
    fn write(&mut self, name: &str, texts: Vec<String>) {
        let mut texts = texts.into_iter();
        let mut kind = Kind::Text;
        for control in self.controls.iter_mut().filter(|control| control.name == name) {
            kind = control.kind;
            let text = texts.next();
            control.on = text.is_some();
            control.value = text.unwrap_or_default();
        }
        self.controls.extend(texts.map(|value| Control { name: name.to_owned(), value, on: true, kind }));
    }

    fn add(&mut self, name: &str, value: Dynamic) -> std::result::Result<(), Ending> {
        let texts = texts(name, value)?;
        if self.controls.len() + texts.len() > controls::MAX_CONTROLS {
            let reason = format!("the form '{}' would have more than {} fields", self.css, controls::MAX_CONTROLS);
            return Err(Ending::Inconclusive(reason));
        }
        let made = texts.into_iter();
        self.controls.extend(made.map(|value| Control { name: name.to_owned(), value, on: true, kind: Kind::Text }));
        Ok(())
    }

    fn request(&self) -> std::result::Result<Outgoing, Ending> {
        let (method, url, body) = match (self.method.as_str(), self.enctype.as_str()) {
            ("dialog", _) => {
                let reason = format!("the form '{}' only closes a dialog; there is nothing to send", self.css);
                return Err(Ending::Inconclusive(reason));
            }
            ("get", _) => {
                let mut url = self.action.clone();
                let query = self.urlencoded();
                url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
                (Method::GET, url, None)
            }
            (_, "multipart/form-data") => {
                let boundary = format!("quorate{}", random_text(24));
                let kind = format!("multipart/form-data; boundary={boundary}");
                (Method::POST, self.action.clone(), Some((kind, self.multipart(&boundary).into_bytes())))
            }
            (_, kind @ "text/plain") => {
                let lines = self.entries().map(|field| format!("{}={}\r\n", crlf(&field.name), crlf(field.sent())));
                (Method::POST, self.action.clone(), Some((kind.to_owned(), lines.collect::<String>().into_bytes())))
            }
            (_, kind) => (Method::POST, self.action.clone(), Some((kind.to_owned(), self.urlencoded().into_bytes()))),
        };
        let from = Some(self.page.answer().url.clone());
        Ok(Outgoing { method, url, body, headers: HeaderMap::new(), from })
    }

    fn urlencoded(&self) -> String {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        for field in self.entries() {
            encoded.append_pair(&crlf(&field.name), &crlf(field.sent()));
        }
        encoded.finish()
    }

    fn multipart(&self, boundary: &str) -> String {
        let mut body = String::new();
        for field in self.entries() {
            body.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
                quote(&crlf(&field.name))
            ));
            if field.kind == Kind::File {
                let kind = if field.value.is_empty() { "application/octet-stream" } else { "text/plain" };
                body.push_str(&format!(
                    "; filename=\"{}\"\r\nContent-Type: {kind}\r\n\r\n{}\r\n",
                    field.sent(),
                    field.value
                ));
            } else {
                body.push_str(&format!("\r\n\r\n{}\r\n", crlf(&field.value)));
            }
        }
        body.push_str(&format!("--{boundary}--\r\n"));
        body
    }
}

impl Control {
    /// What every encoding but multipart sends: of a file nothing but its name.
    fn sent(&self) -> &str {
        match self.kind {
            Kind::File if self.value.is_empty() => "",
            Kind::File => FILE_NAME,
            Kind::Text | Kind::Choice => &self.value,
        }
    }
}

/// Line breaks as forms send them.
fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// Names for a message, each once.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name) && seen.len() < 20 {
            seen.push(name);
        }
    }
    if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
}
