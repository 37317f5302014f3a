//! `p2p listen`: shows this node's locator, and talks with whoever connects by it.

use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use p2pnet::Error;
use p2pnet::config::Config;
use p2pnet::event::{Event, Kind, LogLevel};

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
    /// Relay for so many pairs of nodes of the network at one time that cannot reach each other, if this node can be reached
    /// itself. What it passes on it cannot read. 0 = for nobody.
    #[arg(long, value_name = "PAIRS", default_value_t = 0)]
    relay_sessions: u32,
    /// Bytes per second that it passes on for all pairs together (a quarter of it for one); 0 = no limit.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    relay_rate: u32,
}

impl Options {
    /// The node's own relay, by the options of programs; they say what is out of range.
    fn relay(&self, config: &mut Config) -> Result<(), Error> {
        if self.relay_sessions == 0 {
            return Ok(());
        }
        config.set_int(53, self.relay_sessions.into())?;
        config.set_int(55, self.relay_rate.div_ceil(4).into())?;
        config.set_int(56, self.relay_rate.into())?;
        // Whether it can be reached, who is relayed, and how much that was.
        config.log_level = LogLevel::Info;
        Ok(())
    }
}

/// Runs until the end of input, or for ever if there is none to read.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let net = options.node.start(|config| options.relay(config))?;
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

#[cfg(test)]
mod tests {
    use super::Options;
    use clap::Parser;
    use p2pnet::{Code, Config, Error};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        listen: Options,
    }

    fn config(arguments: &[&str]) -> Result<Config, Error> {
        let line = Line::parse_from([&["listen"], arguments].concat());
        let mut config = Config::default();
        line.listen.relay(&mut config).map(|()| config)
    }

    #[test]
    fn it_relays_if_it_is_told_to() {
        let limits = |arguments: &[&str]| config(arguments).map(|config| config.volunteer).ok();
        let default = Config::default().volunteer;
        assert_eq!(limits(&[]), Some(default.clone()));
        assert_eq!(limits(&["--relay-rate", "5000"]), Some(default.clone()), "for nobody");
        let four = limits(&["--relay-sessions", "4"]).expect("limits");
        assert_eq!((four.sessions, four.waiting), (4, 4));
        assert_eq!(
            (four.rate, four.burst, four.rate_in_all),
            (default.rate, default.burst, default.rate_in_all)
        );
        let slow = limits(&["--relay-sessions", "4", "--relay-rate", "5001"]).expect("limits");
        assert_eq!((slow.rate, slow.rate_in_all), (1251, 5001));
        let error = config(&["--relay-sessions", "999999"]).expect_err("too many");
        assert!(error.code == Code::Range && error.message.contains("relay_sessions"), "{error}");
    }
}
