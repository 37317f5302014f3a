//! The HTTP side: takes connections, reads requests within limits, finds the call and sends its answer.
//!
//! Each call exists twice: under the paths and in the words of PyP2P's PHP scripts, and under clean paths with JSON
//! (see `docs/server.md`). [`call`] does the work, [`answer`] puts the result into either form.

mod answer;
mod call;
mod io;
mod metrics;
mod query;

use super::config::HttpLimits;
use super::log::{Level, Log};
use super::net::{Either, Life, accepted, race};
use super::rendezvous::{Hub, accept_failed};
use super::store::Post;
use crate::proto::rdv_server::{Accounts, Refusal};
use answer::Answer;
use call::Call;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use io::{Io, Leases};
use metrics::Counts;
use parking_lot::Mutex;
use query::Params;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How often old nodes, messages and accounts are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// The HTTP side's state.
pub(super) struct Http {
    limits: HttpLimits,
    hub: Arc<Hub>,
    post: Arc<Post>,
    log: Log,
    accounts: Mutex<Accounts>,
    connections: AtomicUsize,
    waiters: Semaphore,
    port_checks: Semaphore,
    counts: Counts,
}

/// Who asks, and what belongs to the connection.
struct Asker {
    ip: IpAddr,
    leases: Leases,
    life: Life,
}

impl Http {
    pub(super) fn new(limits: HttpLimits, hub: Arc<Hub>, post: Arc<Post>, log: Log) -> Http {
        let accounts = Accounts::new(
            limits.connections_per_address,
            limits.requests_per_second,
            limits.request_burst,
            limits.connections.saturating_mul(2).max(1024),
        );
        Http {
            accounts: Mutex::new(accounts),
            connections: AtomicUsize::new(0),
            waiters: Semaphore::new(limits.waiters.min(Semaphore::MAX_PERMITS)),
            port_checks: Semaphore::new(limits.port_checks.min(Semaphore::MAX_PERMITS)),
            counts: Counts::default(),
            limits,
            hub,
            post,
            log,
        }
    }

    /// Accepts connections until the server stops.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener, life: Life) {
        life.run(async {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let ip = peer.ip().to_canonical();
                        if let Err(why) = self.open(ip) {
                            self.counts.add("refused");
                            self.log.line(Level::Warn, "refused", |field| {
                                field("http_peer", &peer);
                                field("why", &why.word());
                            });
                            continue;
                        }
                        accepted(&stream);
                        let (http, life) = (self.clone(), life.clone());
                        tokio::spawn(async move {
                            http.clone().serve(stream, SocketAddr::new(ip, peer.port()), life).await;
                            http.connections.fetch_sub(1, Ordering::Relaxed);
                            http.accounts.lock().closed(Instant::now(), ip);
                        });
                    }
                    Err(error) => accept_failed(&self.log, &error).await,
                }
            }
        })
        .await;
    }

    /// Forgets what is old, now and then.
    pub(super) async fn run_timer(self: Arc<Self>, life: Life) {
        life.run(async {
            loop {
                self.post.expire();
                self.accounts.lock().sweep(Instant::now());
                tokio::time::sleep(SWEEP).await;
            }
        })
        .await;
    }

    fn open(&self, ip: IpAddr) -> Result<(), Refusal> {
        // One task accepts on each port, so this can be exceeded by the number of ports at most.
        if self.connections.load(Ordering::Relaxed) >= self.limits.connections {
            return Err(Refusal::Connections);
        }
        self.accounts.lock().open(Instant::now(), ip)?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, life: Life) {
        let leases = Leases::new(self.post.clone());
        let io = Io::new(stream, leases.clone(), self.limits.write_timeout);
        let asker = Asker { ip: peer.ip(), leases, life: life.clone() };
        let service = service_fn(|request| async {
            let response = self.respond(&asker, request).await;
            self.log.line(Level::Debug, "http", |field| {
                field("peer", &peer);
                field("status", &response.status().as_u16());
            });
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(self.limits.head_bytes.max(8192))
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        if let Either::Right(()) = race(connection.as_mut(), life.stopped()).await {
            // Running calls see the stop too and answer; then the connection ends.
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }

    async fn respond(&self, asker: &Asker, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path == "/healthz" {
            return plain(StatusCode::OK, "ok\n".to_owned());
        }
        if !self.accounts.lock().request(Instant::now(), asker.ip) {
            self.counts.add("rate_limited");
            return plain(StatusCode::TOO_MANY_REQUESTS, "failure: too many requests\n".to_owned());
        }
        if path == "/metrics" {
            return plain(StatusCode::OK, self.metrics());
        }
        if request.method() != Method::GET && request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n".to_owned());
        }
        let mut params = Params::default();
        let readable = params.read(request.uri().query().unwrap_or("").as_bytes());
        let (path, is_post) = (path.to_owned(), request.method() == Method::POST);
        if is_post {
            match self.read_body(request).await {
                Ok(body) if params.read(&body) => {}
                Ok(_) => return plain(StatusCode::BAD_REQUEST, "unreadable parameters\n".to_owned()),
                Err(status) => return plain(status, "the body is too long or too slow\n".to_owned()),
            }
        }
        if !readable {
            return plain(StatusCode::BAD_REQUEST, "unreadable parameters\n".to_owned());
        }
        let Some((call, style)) = Call::find(&path, &params) else {
            self.counts.add("unknown");
            return plain(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned());
        };
        self.counts.add(call.word());
        let answer = self.run(call, style, asker, &params).await;
        if matches!(answer, Answer::Refused(_) | Answer::Busy(_)) {
            self.counts.add("refused_calls");
        }
        answer.render(style)
    }

    async fn read_body(&self, request: Request<Incoming>) -> Result<Bytes, StatusCode> {
        let body = Limited::new(request.into_body(), self.limits.body_bytes).collect();
        match tokio::time::timeout(self.limits.body_timeout, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
