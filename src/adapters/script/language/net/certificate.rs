//! What certificate a host shows. `certificate` takes only one that verifies; `certificate_facts` looks at any, and breaks the
//! handshake off before anything is sent: there is no connection that has not been verified, not even for a look.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Map, NativeCallContext};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::options::{self, Options};
use super::{Outcome, Result, Shelf, dial, facts, secure};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::http::Trouble;
use crate::domain::{FailureKind, Protocol};

/// HTTPS, which is what most certificates are for.
const HTTPS: i64 = 443;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("certificates");
    let (verify, look) = (true, false);
    shelf.add(
        "certificate(host: string) -> map",
        "The certificate at port 443: `#{days_left, not_before, not_after, names, issuer, subject, chain, serial, sha256, verified, problem, protocol}`. Fails when it does not verify.",
        move |context: NativeCallContext<'_>, host: &str| show(&context, verify, host, HTTPS, Map::new()),
    );
    shelf.add(
        "certificate(host: string, port: int) -> map",
        "The same at another port.",
        move |context: NativeCallContext<'_>, host: &str, port: i64| show(&context, verify, host, port, Map::new()),
    );
    shelf.add(
        "certificate(host: string, port: int, options: map) -> map",
        "The same with options: `server_name` (the name that is asked for and verified), `ca` (PEM text: authorities to trust beside this machine's).",
        move |context: NativeCallContext<'_>, host: &str, port: i64, options: Map| {
            show(&context, verify, host, port, options)
        },
    );
    shelf.add(
        "certificate_facts(host: string) -> map",
        "The same of a certificate that need not verify: `verified` says whether it does, and `problem` why not. Nothing is sent to the host.",
        move |context: NativeCallContext<'_>, host: &str| show(&context, look, host, HTTPS, Map::new()),
    );
    shelf.add(
        "certificate_facts(host: string, port: int) -> map",
        "The same at another port.",
        move |context: NativeCallContext<'_>, host: &str, port: i64| show(&context, look, host, port, Map::new()),
    );
    shelf.add(
        "certificate_facts(host: string, port: int, options: map) -> map",
        "The same with options, as `certificate` takes them.",
        move |context: NativeCallContext<'_>, host: &str, port: i64, options: Map| {
            show(&context, look, host, port, options)
        },
    );
}

fn show(context: &NativeCallContext<'_>, verify: bool, host: &str, port: i64, map: Map) -> Result<Map> {
    let flow = flow::of(context)?;
    let function = if verify { "certificate" } else { "certificate_facts" };
    let mut options = Options::new(function, map, &["server_name", "ca"])?;
    let name = options.text("server_name")?.unwrap_or_else(|| host.to_owned());
    let verifier = flow.trust().verifier(options.text("ca")?.as_deref())?;
    let port = options::port(port)?;
    let witness = Arc::new(Witness { verifier, passes_on: verify, seen: Mutex::default() });
    let said = dial::shown(host, port);
    let seen = flow.asks(Protocol::Tls, "handshake", &format!("tls://{said}"), || {
        let ending = handshake(&flow, &witness, host, port, &name, &said)?;
        let seen = witness.take();
        let word = if seen.problem.is_none() { "verified" } else { "not verified" };
        match ending {
            Some(ending) if verify || seen.protocol.is_none() => Err(ending),
            _ => Ok((seen, word.to_owned())),
        }
    })?;
    Ok(told(&seen, &said)?)
}

/// The handshake, and why it ended early, if it did.
fn handshake(
    flow: &Flow,
    witness: &Arc<Witness>,
    host: &str,
    port: u16,
    name: &str,
    said: &str,
) -> Outcome<Option<Ending>> {
    // No protocol is offered: a server that has nothing to say but HTTP/2 must not refuse for want of a common one.
    let config = Arc::new(flow.trust().looking(Arc::<Witness>::clone(witness))?);
    secure::server_name(name)?;
    let stream = dial::dial(flow, host, port)?;
    Ok(flow.wait(secure::upgrade(flow, stream, name, config, said))?.err())
}

fn told(seen: &Seen, said: &str) -> Outcome<Map> {
    let unreadable = |why: String| Ending::Fail(FailureKind::Tls, format!("{said}: {why}"));
    let mut map = facts::of(&seen.chain, seen.at_s).map_err(unreadable)?;
    map.insert("verified".into(), seen.problem.is_none().into());
    map.insert("problem".into(), seen.problem.clone().unwrap_or_default().into());
    map.insert("protocol".into(), seen.protocol.unwrap_or_default().into());
    Ok(map)
}

/// What came in a handshake.
#[derive(Debug, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    at_s: i64,
    problem: Option<String>,
    /// Known once the server has shown that it has the certificate's key, or that it has not.
    protocol: Option<&'static str>,
}

/// A verifier that notes what the real one says. Unless it passes that on, it ends every handshake at its last question, whether the
/// server has the certificate's key; the client has sent nothing by then but its hello.
#[derive(Debug)]
struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    passes_on: bool,
    seen: Mutex<Seen>,
}

impl Witness {
    fn note(&self, write: impl FnOnce(&mut Seen)) {
        write(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn signed(
        &self,
        protocol: &'static str,
        verdict: std::result::Result<HandshakeSignatureValid, Error>,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.note(|seen| {
            seen.protocol = Some(protocol);
            if let (Err(error), None) = (&verdict, &seen.problem) {
                seen.problem = Some(format!("the server has not the certificate's key: {}", words(error)));
            }
        });
        if self.passes_on { verdict } else { Err(Error::General("only looked at".to_owned())) }
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let verdict = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.note(|seen| {
            let chain = std::iter::once(end_entity).chain(intermediates);
            seen.chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
            seen.at_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            seen.problem = verdict.as_ref().err().map(words);
        });
        // Not a pass: the next question is refused whatever its answer.
        if self.passes_on { verdict } else { Ok(ServerCertVerified::assertion()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.signed("TLSv1.2", self.verifier.verify_tls12_signature(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.signed("TLSv1.3", self.verifier.verify_tls13_signature(message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn words(error: &Error) -> String {
    match Trouble::of(error) {
        Trouble::Site(_, words) | Trouble::Vantage(words) => words,
    }
}
