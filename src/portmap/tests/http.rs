//! A UPnP router on loopback: SSDP and HTTP on threads, with a script for everything it may do wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::soap::{description, scpd, soap};
use super::{Ports, own_address};

/// A line of the router's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) external: u16,
    pub(super) client: String,
    pub(super) internal: u16,
    pub(super) description: String,
    pub(super) lease: u32,
}

/// How the router behaves.
pub(super) struct Script {
    pub(super) table: Vec<Line>,
    /// What was asked, in order: `add 4020 3600`, `delete 4020`, `GET /desc.xml`, ...
    pub(super) asked: Vec<String>,
    /// Whether the table may be read.
    pub(super) lists: bool,
    /// The error for an AddPortMapping, by external port and lease.
    pub(super) refuse: fn(u16, u32) -> Option<u16>,
    /// What LOCATION says, with `%` for the router's own address and port.
    pub(super) location: String,
    /// What the description gives for the control URL.
    pub(super) control: String,
    /// Answers instead of the description, if any.
    pub(super) description: Option<Trick>,
    /// How long the answer to an AddPortMapping takes.
    pub(super) slow_add: Duration,
    /// M-SEARCHes that are lost first.
    pub(super) deaf: usize,
    pub(super) external_ip: &'static str,
    /// Another device of the network, which answers our searches before the router does.
    pub(super) intruder: Option<UdpSocket>,
}

/// What a hostile router may answer with.
#[derive(Clone, Debug)]
pub(super) enum Trick {
    /// This body.
    Body(String),
    /// A body without an end.
    Endless,
    /// A byte now and then.
    Drip,
    /// Nothing at all.
    Silence,
    /// 302 to another place.
    Redirect(String),
}

pub(super) struct Router {
    pub(super) ip: IpAddr,
    pub(super) ports: Ports,
    script: Arc<(Mutex<Script>, Condvar)>,
    stop: Arc<AtomicBool>,
}

impl Router {
    pub(super) fn start() -> Router {
        Router::on(own_address(), 0)
    }

    pub(super) fn on(ip: IpAddr, ssdp: u16) -> Router {
        let ssdp = UdpSocket::bind((ip, ssdp)).unwrap();
        let http = TcpListener::bind((ip, 0)).unwrap();
        let here = http.local_addr().unwrap();
        let script = Script {
            table: Vec::new(),
            asked: Vec::new(),
            lists: true,
            refuse: |_, _| None,
            location: "http://%/desc.xml".into(),
            control: "/ctl".into(),
            description: None,
            slow_add: Duration::ZERO,
            deaf: 0,
            external_ip: "11.0.0.1",
            intruder: None,
        };
        let router = Router {
            ip,
            ports: Ports { gateway: 9, ssdp: ssdp.local_addr().unwrap().port(), multicast: false },
            script: Arc::new((Mutex::new(script), Condvar::new())),
            stop: Arc::default(),
        };
        let (script, stop) = (Arc::clone(&router.script), Arc::clone(&router.stop));
        ssdp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        std::thread::spawn(move || {
            let mut q = [0; 2048];
            while !stop.load(Relaxed) {
                let Ok((len, from)) = ssdp.recv_from(&mut q) else { continue };
                let text = String::from_utf8_lossy(&q[..len]).into_owned();
                assert!(text.starts_with("M-SEARCH * HTTP/1.1\r\n"), "{text}");
                let mut script = script.0.lock();
                if let Some(intruder) = &script.intruder {
                    let its = intruder.local_addr().unwrap();
                    let answer = format!("HTTP/1.1 200 OK\r\nLocation: http://{its}/desc.xml\r\n\r\n");
                    let _ = intruder.send_to(answer.as_bytes(), from);
                }
                if script.deaf > 0 {
                    script.deaf -= 1;
                    continue;
                }
                let target = text.lines().find_map(|line| line.strip_prefix("ST: ")).unwrap();
                let location = script.location.replace('%', &here.to_string());
                let answer = format!("HTTP/1.1 200 OK\r\nST: {target}\r\nLocation: {location}\r\n\r\n");
                let _ = ssdp.send_to(answer.as_bytes(), from);
            }
        });
        router.serve(http);
        router
    }

    fn serve(&self, http: TcpListener) {
        let (script, stop) = (Arc::clone(&self.script), Arc::clone(&self.stop));
        http.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            while !stop.load(Relaxed) {
                let Ok((stream, from)) = http.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let (script, stop) = (Arc::clone(&script), Arc::clone(&stop));
                std::thread::spawn(move || drop(answer(stream, from, &script, &stop)));
            }
        });
    }

    pub(super) fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.0.lock())
    }

    pub(super) fn table(&self) -> Vec<Line> {
        self.script(|s| s.table.clone())
    }

    /// Waits until the table is this. (What is removed at the end is waited for a second only; the router may be slower.)
    pub(super) async fn comes_to(&self, table: &[Line]) {
        let wanted = table.to_vec();
        self.until("the table that is expected", move |s| s.table == wanted).await;
    }

    /// What was asked with this verb.
    pub(super) fn asked(&self, verb: &str) -> Vec<String> {
        self.script(|s| s.asked.iter().filter(|a| a.starts_with(verb)).cloned().collect())
    }

    /// Waits until the router's state is as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&Script) -> bool + Send + 'static) {
        let script = Arc::clone(&self.script);
        let (tx, rx) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut locked = script.0.lock();
            let mut hung = false;
            while !wanted(&locked) && !hung {
                hung = script.1.wait_for(&mut locked, Duration::from_secs(40)).timed_out();
            }
            let _ = tx.send((!hung).then_some(()).ok_or_else(|| locked.asked.clone()));
        });
        if let Err(asked) = rx.await.unwrap() {
            panic!("hung: not {what}; it was asked {asked:?}");
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn answer(
    mut stream: TcpStream,
    from: SocketAddr,
    script: &(Mutex<Script>, Condvar),
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, text, pause) = {
        let mut script = script.0.lock();
        match path.as_str() {
            "/desc.xml" => {
                script.asked.push("GET /desc.xml".into());
                match script.description.clone() {
                    Some(Trick::Body(text)) => (200, text, Duration::ZERO),
                    Some(trick) => {
                        drop(script);
                        return play(&mut stream, &trick, stop);
                    }
                    None => (200, description(&script.control), Duration::ZERO),
                }
            }
            "/scpd.xml" => (200, scpd(), Duration::ZERO),
            path if script.control.ends_with(path) => soap(&mut script, &body, from),
            _ => (404, String::new(), Duration::ZERO),
        }
    };
    script.1.notify_all();
    std::thread::sleep(pause);
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

fn play(stream: &mut TcpStream, trick: &Trick, stop: &AtomicBool) -> std::io::Result<()> {
    if let Trick::Redirect(to) = trick {
        let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        return stream.write_all(text.as_bytes());
    }
    if !matches!(trick, Trick::Silence) {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<?xml version=\"1.0\"?><root>")?;
    }
    while !stop.load(Relaxed) {
        match trick {
            Trick::Endless => stream.write_all(&[b' '; 16 * 1024])?,
            Trick::Drip => {
                std::thread::sleep(Duration::from_millis(100));
                stream.write_all(b" ")?;
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Ok(())
}
