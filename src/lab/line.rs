//! An HTTP listener whose connections can be cut.
//!
//! A server that answers with an error is not a server that is gone. To play the second kind a handler needs to close
//! its connection without a byte of answer, and shutting down must end connections that nobody will ever answer. Every
//! connection is therefore a [`Line`] that can be cut from the handler, or all at once.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use super::LabError;

/// The handle on one connection that a handler may cut.
#[derive(Clone)]
pub(super) struct Line {
    cut: CancellationToken,
}

impl Line {
    /// Closes the connection. Nothing written from now on reaches the peer.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

impl Connected<IncomingStream<'_, LineListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, LineListener>) -> Self {
        Self { cut: stream.io().cut.clone() }
    }
}

/// Binds a listener, with an error that names the address and the way out.
pub(super) async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, LabError> {
    TcpListener::bind(address).await.map_err(|source| LabError::bind(what, address, source))
}

/// The address a listener really has, after port 0 was resolved.
pub(super) fn local_addr(what: &'static str, listener: &TcpListener) -> Result<SocketAddr, LabError> {
    listener.local_addr().map_err(|source| LabError::Socket { what, source })
}

/// Serves until `closing`, then cuts every connection that is still open.
pub(super) fn serve(tasks: &TaskTracker, tcp: TcpListener, router: Router, closing: CancellationToken) {
    let listener = LineListener { tcp, closing: closing.clone() };
    let service = router.into_make_service_with_connect_info::<Line>();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(closing.cancelled_owned()).await {
            tracing::warn!(%error, "a lab listener ended");
        }
    });
}

/// Accepts connections as lines.
pub(super) struct LineListener {
    tcp: TcpListener,
    closing: CancellationToken,
}

impl Listener for LineListener {
    type Io = LineIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LineIo, SocketAddr) {
        let (tcp, addr) = Listener::accept(&mut self.tcp).await;
        let cut = self.closing.child_token();
        let woken = Box::pin(cut.clone().cancelled_owned());
        (LineIo { tcp, cut, woken }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A TCP stream that fails, reading and writing, once its line is cut.
pub(super) struct LineIo {
    tcp: TcpStream,
    cut: CancellationToken,
    /// Wakes whoever is reading when the line is cut: a connection that waits for an answer only reads.
    woken: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl LineIo {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.woken.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for LineIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for LineIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
