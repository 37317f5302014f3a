//! Servers that do not do as they should.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;

use super::*;
use crate::proto::rdv_client::Ask;

/// What it says is well formed, and of no use; there is always more of it to read.
#[test]
fn a_server_that_never_stops_talking_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let talk = b"CHALLENGE 192.0.2.1 5 TCP\r\n".repeat(10_000);
        while stream.write_all(&talk).is_ok() {}
    });
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reach = Reach { resolver: Resolver::new(), bound: None, limit: Duration::from_millis(300) };
        tell.send(runtime.block_on(ask(&reach, &at, &Exchange::new(Ask::Nodes { want: 1 })))).unwrap();
    });
    let answer =
        told.recv_timeout(Duration::from_secs(60)).expect("hung: the server is listened to for ever");
    assert_eq!(answer.unwrap_err().code, Code::Timeout);
}
