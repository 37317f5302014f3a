//! `p2p listen`: shows this node's locator, and talks with whoever connects by it.

use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use p2pnet::Error;
use p2pnet::event::{Event, Kind};

use crate::node::{NodeOptions, plain, typed, until};

/// How long the start may take; the node works before it.
const START: Duration = Duration::from_secs(10);

/// What to run, and how to show it.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodeOptions,
    /// Answer each line with it.
    #[arg(long)]
    echo: bool,
}

/// Runs until the end of input, or for ever if there is none to read.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let net = options.node.start(None)?;
    let mut shown = String::new();
    let mut show = |net: &p2pnet::Net| {
        if let Ok(unl) = net.unl()
            && unl != shown
        {
            println!("{unl}");
            shown = unl;
        }
    };
    until(&net, START, |e| e.kind == Kind::Ready, |_| ());
    eprintln!("* {}", options.node.dialect());
    show(&net);
    let typed = typed();
    loop {
        let _ = net.wait(Some(Duration::from_millis(100)));
        while let Ok(Some(event)) = net.next_event() {
            match event.kind {
                Kind::Info => show(&net),
                Kind::Stopped => return Ok(ExitCode::from(1)),
                _ => tell(&event),
            }
            if event.kind == Kind::Line && options.echo {
                // All or nothing; a peer that does not read gets fewer echoes.
                let _ = net.send_line(event.conn, &event.data);
            }
        }
        match typed.try_recv() {
            Ok(line) if !line.is_empty() => drop(net.broadcast_line(line.as_bytes(), 0)),
            Ok(_) => {}
            Err(TryRecvError::Empty) => {}
            // Without a terminal it goes on: somebody has started it in the background.
            Err(TryRecvError::Disconnected) if options.echo => {}
            Err(TryRecvError::Disconnected) => {
                net.join();
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// What happens on connections, for people.
pub(crate) fn tell(event: &Event) {
    match event.kind {
        Kind::Opened => eprintln!("* {} is connected", event.peer),
        Kind::Closed => eprintln!("* {} has gone: {}", event.peer, plain(&event.text())),
        Kind::Line => println!("{}", plain(&event.text())),
        Kind::Log => eprintln!("* {}", plain(&event.text())),
        _ => {}
    }
}
