//! `demo`: two homes, each behind a NAT, and a punched connection between them with its timeline; for people to see.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::RENDEZVOUS_PORT;
use crate::node::serve;
use crate::topology::{Lab, Nat};

/// One way on each home's line: 25 ms from one home to the other.
const LINE_MS: u64 = 12;

/// Shows it. The exit status is that of `p2p connect`, or 1 if the connection was not punched, or not encrypted.
pub(crate) fn run() -> Result<ExitCode> {
    let lab = Lab::new().home("a", Nat::kernel(Kind::Seq)).home("b", Nat::kernel(Kind::Preserve));
    let network = lab.delay_ms(LINE_MS).build()?;
    let server_thread = serve(&network)?;
    let server = network.server4(0, RENDEZVOUS_PORT).to_string();
    println!(
        "Two homes, each behind a NAT that lets nobody in; both nodes know the rendezvous server {server}:"
    );
    println!("  [bob]   behind a NAT that gives out its ports in a row, at {}", network.wan("a"));
    println!("  [alice] behind a NAT that keeps ports, at {}", network.wan("b"));
    println!("  {} ms from one to the other\n", 2 * LINE_MS + 1);
    let p2p = env!("CARGO_BIN_EXE_p2p");
    let mut listen = Command::new(p2p);
    listen.args(["listen", "--server", &server, "--echo", "--no-mapping"]);
    listen.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut bob = network.host("a").spawn(&mut listen)?;
    let mut locator = String::new();
    let stdout = bob.0.stdout.take().ok_or("no output of p2p listen")?;
    let mut said = BufReader::new(stdout);
    said.read_line(&mut locator)?;
    let locator = locator.trim().to_owned();
    println!("[bob]   my locator: {locator}");
    println!("[alice] p2p connect {}...\n", locator.chars().take(24).collect::<String>());
    let mut connect = Command::new(p2p);
    connect.args(["connect", &locator, "--server", &server, "--no-mapping"]);
    connect.args(["--say", "Sup Bob.", "--lines", "1"]);
    connect.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut alice = network.host("b").spawn(&mut connect)?;
    let mut story = String::new();
    alice.0.stdout.take().ok_or("no output of p2p connect")?.read_to_string(&mut story)?;
    let status = alice.0.wait()?.code().unwrap_or(1);
    for line in story.lines() {
        println!("[alice] {line}");
    }
    drop(bob);
    server_thread.stop();
    let encrypted = story.contains("encrypted; the peer has proved that it owns the key");
    let punched = story.contains("(punch)") && story.lines().any(|line| line == "Sup Bob.") && encrypted;
    println!(
        "\ndemo: {}",
        if status == 0 && punched {
            "ok: alice reached bob through both NATs, and her line came back, encrypted (the secure dialect)"
        } else {
            "FAILED: no punched connection, or no answer on it"
        }
    );
    Ok(ExitCode::from(u8::from(status != 0 || !punched)))
}
