//! `p2p connect`: connects by a locator, tells the story of that as a timeline, and then talks.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use p2pnet::event::Kind;
use p2pnet::{Error, Net};

use crate::listen::tell;
use crate::node::{NodeOptions, typed, until};
use crate::page::Paint;
use crate::timeline;

/// How long the start may take; the node works before it.
const START: Duration = Duration::from_secs(10);
/// The library ends a request in time; this is for the case that it does not.
const HUNG: Duration = Duration::from_secs(120);

/// Whom to connect to, and what to show.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The peer's locator, as `p2p listen` or p2p_unl_get() tells it.
    locator: String,
    #[command(flatten)]
    node: NodeOptions,
    /// Longest time for connecting, in seconds.
    #[arg(long, default_value_t = 10.0, value_parser = crate::doctor::seconds)]
    timeout: f64,
    /// Say this line to the peer when connected. May be given several times.
    #[arg(long = "say", value_name = "LINE")]
    say: Vec<String>,
    /// End after so many lines of the peer's.
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// End when the story is told.
    #[arg(short, long)]
    quit: bool,
    /// The story as one JSON object instead of a timeline, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Runs it. The exit status is 0 if the connection came about.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let paint = Paint::new(std::io::stdout().is_terminal());
    options.node.check(&options.locator)?;
    let net = options.node.start(|config| {
        config.unl_connect_timeout = Duration::from_secs_f64(options.timeout);
        Ok(())
    })?;
    if !options.json {
        println!("Finding out where this machine is ...");
    }
    until(&net, START, |e| e.kind == Kind::Ready, |_| ());
    let request = net.unl_connect(&options.locator)?;
    if !options.json {
        println!("Connecting ({}) ...", options.node.dialect());
    }
    let done = until(&net, HUNG, |e| e.kind == Kind::Done && e.request == request, |_| ());
    if let Ok(story) = net.explain(request) {
        if options.json {
            println!("{}", story.to_json());
        } else {
            print!("{}", timeline::timeline(&story, &paint));
        }
    }
    let conn = match done {
        Some(event) if event.result.is_ok() => event.conn,
        _ => {
            net.join();
            return Ok(ExitCode::from(1));
        }
    };
    let key = net.conn_info(conn).ok().and_then(|info| info.peer_key);
    if let Some(key) = key.filter(|_| !options.json) {
        println!("  encrypted; the peer has proved that it owns the key {key}");
    }
    for line in &options.say {
        // The buffer of a fresh connection takes what a command line can hold.
        if let Err(code) = net.send_line(conn, line.as_bytes()) {
            return Err(Error::new(code, format!("sending \"{line}\": {}", code.text())));
        }
    }
    if !options.quit {
        talk(&net, conn, options.lines);
    }
    net.join();
    Ok(ExitCode::SUCCESS)
}

/// Lines both ways until the peer goes, the input ends or there were enough.
fn talk(net: &Net, conn: u64, enough: Option<u64>) {
    let typed = typed();
    let mut heard = 0;
    while enough.is_none_or(|enough| heard < enough) {
        let _ = net.wait(Some(Duration::from_millis(50)));
        while let Ok(Some(event)) = net.next_event() {
            if event.conn == conn || event.kind == Kind::Log {
                tell(&event);
                heard += u64::from(event.kind == Kind::Line);
                if event.kind == Kind::Closed {
                    return;
                }
            }
        }
        match typed.try_recv() {
            Ok(line) if !line.is_empty() => drop(net.send_line(conn, line.as_bytes())),
            Err(TryRecvError::Disconnected) if enough.is_none() => return,
            _ => {}
        }
    }
}
