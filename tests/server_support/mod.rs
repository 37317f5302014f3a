//! What the server's tests share: the real program as a child process, and raw clients for its ports.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Only to turn a hang into a failure; nothing is expected to take nearly so long.
pub const WATCHDOG: Duration = Duration::from_secs(120);

/// A running `p2p-rendezvous`, killed when dropped.
pub struct Daemon {
    child: Child,
    pub rendezvous: SocketAddr,
    pub nat: SocketAddr,
    pub http: SocketAddr,
}

pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_p2p-rendezvous"))
}

impl Daemon {
    /// Starts the program on free ports of 127.0.0.1 with more options.
    pub fn start(options: &[&str]) -> Daemon {
        let has = |name: &str| options.contains(&name);
        let mut command = command();
        command.arg("--print-addrs").args(options);
        if !has("--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !has("--http") {
            command.args(["--http", "127.0.0.1:0"]);
        }
        if !has("--store") {
            command.args(["--store", "memory"]);
        }
        if !has("--http-requests-per-second") {
            // Polling for a condition is no test of the rate limit.
            command.args(["--http-requests-per-second", "1000000", "--http-request-burst", "1000000"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).expect("the server did not start");
        let addr = |name: &str| {
            let text = value[name][0].as_str().unwrap_or("0.0.0.0:0");
            text.parse().unwrap()
        };
        let (rendezvous, nat, http) = (addr("rendezvous"), addr("nat"), addr("http"));
        Daemon { child, rendezvous, nat, http }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A client of the rendezvous port that comes from `ip`.
    pub fn client(&self, ip: &str) -> Client {
        Client::connect(self.rendezvous, ip)
    }

    /// One HTTP request from 127.0.0.1.
    pub fn get(&self, path: &str) -> (u16, String) {
        http(self.http, "127.0.0.1", &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP connection from a loopback address of choice.
pub fn connect(to: SocketAddr, from: &str) -> TcpStream {
    let from: IpAddr = from.parse().unwrap();
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect_timeout(&to.into(), WATCHDOG).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.set_write_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// A client of the rendezvous protocol, line by line.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(to: SocketAddr, from: &str) -> Client {
        Client { stream: BufReader::new(connect(to, from)) }
    }

    pub fn port(&self) -> u16 {
        self.stream.get_ref().local_addr().unwrap().port()
    }

    pub fn say(&mut self, line: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The next line, to the byte but without CRLF; `None` at the end of the connection.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            result => {
                result.expect("hung");
                let line = String::from_utf8(line).unwrap();
                Some(line.strip_suffix("\r\n").expect("a line ends in CRLF").to_owned())
            }
        }
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear().expect("the server closed the connection")
    }

    /// After this the server has seen everything said before: it answers in order.
    pub fn sync(&mut self) {
        let port = self.port();
        assert_eq!(self.ask("SOURCE TCP"), format!("REMOTE TCP {port}"));
    }
}

/// Sends a raw HTTP request and reads the answer to the end: status and body.
pub fn http(to: SocketAddr, from: &str, request: &str) -> (u16, String) {
    let mut stream = connect(to, from);
    stream.write_all(request.as_bytes()).unwrap();
    read_response(&mut stream)
}

/// Reads one answer of a connection that the server closes.
pub fn read_response(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // A refused connection may be reset after the answer.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "hung");
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}
