//! The site: a form with a token, a login that sets a cookie and redirects, and the page behind it. The first page comes after a delay.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Serves until it is killed; says its two addresses in a line.
#[expect(clippy::disallowed_methods, reason = "nothing outlives a bench")]
pub(crate) fn serve(delay_ms: u64, folder: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let delay = Duration::from_millis(delay_ms);
    let page: Arc<str> = form().into();
    runtime.block_on(async {
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let acceptor = acceptor(folder);
        println!("http://{} https://localhost:{}", plain.local_addr().unwrap(), secure.local_addr().unwrap().port());
        loop {
            let page = Arc::clone(&page);
            tokio::select! {
                taken = plain.accept() => {
                    let stream = taken.unwrap().0;
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(answer(stream, page, delay));
                }
                taken = secure.accept() => {
                    let (stream, acceptor) = (taken.unwrap().0, acceptor.clone());
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(stream, page, delay).await;
                        }
                    });
                }
            }
        }
    });
}

/// A login page of the usual size.
fn form() -> String {
    let mut page = "<!doctype html><html><head><title>Log in</title></head><body><nav><ul>".to_owned();
    for number in 0..40 {
        let _ =
            write!(page, "<li class=\"item\"><a href=\"/page/{number}\">Page number {number} of the site</a></li>");
    }
    page.push_str(
        "</ul></nav><form method=\"post\" action=\"/login\"><input type=\"hidden\" name=\"csrf_token\" value=\"f3a9c1d2e4b5\">\
         <input name=\"username\"><input type=\"password\" name=\"password\"><button>Log in</button></form>",
    );
    for number in 0..10 {
        let _ =
            write!(page, "<p>Paragraph {number}: what a site has to say below its login form, in small letters.</p>");
    }
    page + "</body></html>"
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, page: Arc<str>, delay: Duration) {
    let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let head = loop {
            if let Some(end) = kept.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => kept.extend_from_slice(&chunk[..count]),
            }
        };
        let text = String::from_utf8_lossy(&kept[..head]).to_ascii_lowercase();
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .map_or(0, |n| n.trim().parse().unwrap());
        while kept.len() < head + length {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => kept.extend_from_slice(&chunk[..count]),
            }
        }
        kept.drain(..head + length);
        let reply = if text.starts_with("post") {
            "HTTP/1.1 302 Found\r\nlocation: /home\r\nset-cookie: session=abc; Path=/\r\ncontent-length: 0\r\n\r\n"
                .to_owned()
        } else if text.starts_with("get /home") {
            let body = "<!doctype html><html><body><p id=\"user\">probe</p></body></html>";
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        } else {
            tokio::time::sleep(delay).await;
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nset-cookie: csrf=f3a9; Path=/\r\ncontent-length: {}\r\n\r\n{page}",
                page.len()
            )
        };
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// TLS with a certificate of an authority that is made here, whose own is left in the folder.
fn acceptor(folder: &str) -> TlsAcceptor {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "the authority of a bench");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    std::fs::write(format!("{folder}/ca.pem"), ca_certificate.pem()).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "the site of a bench");
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
