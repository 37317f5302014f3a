//! The rendezvous server as a program: reads the command line, runs [`p2pnet::server::Server`] until it is told to
//! stop.

#[cfg(test)]
#[path = "../p2p/man_pages.rs"]
mod man_pages;
mod options;
mod relay;
mod signal;

use clap::Parser;
use options::Options;
use p2pnet::server::log::{Format, Level, Log};
use p2pnet::server::{LocalAddrs, Server, StartError};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("p2p-rendezvous: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), StartError> {
    let log = Log::new(options.log_level(), options.log_format(), Box::new(std::io::stderr()));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    runtime.block_on(async {
        // Before the first client can connect, so that no signal is missed once we are known to run.
        let stop = stop_signal().map_err(StartError::Thread)?;
        warn_about_files(options, &log);
        let server = Server::start(options.config(log.clone())).await?;
        if options.print_addrs {
            print_addrs(server.local_addrs());
        }
        let signal = stop.await;
        log.line(Level::Info, "stopping", |field| field("signal", &signal));
        server.stop().await;
        log.line(Level::Info, "stopped", |_| {});
        Ok(())
    })
}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(std::future::poll_fn(move |cx| {
        if terminate.poll_recv(cx).is_ready() {
            std::task::Poll::Ready("SIGTERM")
        } else {
            interrupt.poll_recv(cx).map(|_| "SIGINT")
        }
    }))
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = &'static str>> {
    Ok(async {
        // If it cannot be listened for, the program is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    })
}

/// One JSON line on standard output, for scripts that let the system choose ports.
fn print_addrs(addrs: &LocalAddrs) {
    let text = |list: &[std::net::SocketAddr]| -> serde_json::Value {
        list.iter().map(|addr| addr.to_string()).collect::<Vec<_>>().into()
    };
    let line = serde_json::json!({
        "rendezvous": text(&addrs.rendezvous), "nat": text(&addrs.nat), "http": text(&addrs.http),
    });
    // If nobody reads it, the server is still of use.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Raises the limit of open files as far as it goes, and says at the start, not under load, if that is less than the
/// connections that are configured.
fn warn_about_files(options: &Options, log: &Log) {
    let Some(files) = p2pnet::server::raise_open_files() else { return };
    let wanted = options.most_connections() as u64;
    if files < wanted {
        log.line(Level::Warn, "few-files", |field| {
            field("open_files_limit", &files);
            field("connections_configured", &wanted);
            field("hint", &"raise it with `ulimit -n` or LimitNOFILE=");
        });
    }
}

impl Options {
    fn log_level(&self) -> Level {
        match self.log_level {
            options::LogLevel::Error => Level::Error,
            options::LogLevel::Warn => Level::Warn,
            options::LogLevel::Info => Level::Info,
            options::LogLevel::Debug => Level::Debug,
        }
    }

    fn log_format(&self) -> Format {
        match self.log_format {
            options::LogFormat::Text => Format::Text,
            options::LogFormat::Json => Format::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, man_pages};
    use clap::CommandFactory;

    const SECTIONS: man_pages::Sections = &[
        (
            "PORTS",
            ".TP\n8000/tcp\nRendezvous: nodes register, find each other, arrange hole punching, signal to each other, and are relayed \
             if nothing else connects them.\n.TP\n8001/tcp\nThe same on a second port: nodes compare the two to learn how their NAT \
             behaves.\n.TP\n8080/tcp\nHTTP: \"what is my address\", \"is my port reachable\", the mailbox, /healthz, /metrics.\n.PP\n\
             All of them have to be open in the firewall. No reverse proxy before HTTP: addresses are taken from the connections.",
        ),
        ("SIGNALS", "SIGTERM and SIGINT stop it cleanly, within three seconds."),
        (
            "FILES",
            ".TP\n.I p2p\\-rendezvous.redb\nThe mailbox, in the folder where it was started, unless\n.B \\-\\-store\nnames another.",
        ),
        (
            "EXIT STATUS",
            "0 when it was told to stop; 1 if it could not start, with the reason and what to change; 2 if the command line is wrong.",
        ),
        (
            "EXAMPLES",
            "All three ports on all addresses:\n.PP\n.RS\n.B p2p\\-rendezvous\n.RE\n.PP\nRendezvous on 9000 and 9001 only:\n.PP\n.RS\n\
             .B p2p\\-rendezvous \\-\\-listen 0.0.0.0:9000 \\-\\-http off \\-\\-store memory\n.RE\n.PP\n\
             For tests, free ports, told on standard output:\n.PP\n.RS\n\
             .B p2p\\-rendezvous \\-\\-listen 127.0.0.1:0 \\-\\-http 127.0.0.1:0 \\-\\-store memory \\-\\-print\\-addrs\n.RE",
        ),
        ("SEE ALSO", ".BR p2p (1)"),
    ];

    #[test]
    fn man_pages_and_completions_are_what_the_command_line_says() {
        man_pages::check(Options::command(), |_| SECTIONS);
    }
}
