//! The command line tool: what is this machine behind, and does a connection to that peer come about.
//!
//! All of it runs a node of the library and shows what that finds out and does, so that what it says is what programs get.

mod advice;
mod connect;
mod doctor;
mod listen;
mod node;
mod page;
mod timeline;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Find out what keeps this machine's programs from being reached, and connect to peers.
#[derive(Parser)]
#[command(name = "p2p", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the NAT this machine is behind, whether its port can be opened and reached, and what to do about it.
    Doctor(doctor::Options),
    /// Shows this machine's locator, and talks with whoever connects by it.
    Listen(listen::Options),
    /// Connects to a peer by its locator, shows what was tried as a timeline, and talks.
    Connect(connect::Options),
}

fn main() -> ExitCode {
    let (name, done) = match Options::parse().command {
        Command::Doctor(options) => ("doctor", doctor::run(&options)),
        Command::Listen(options) => ("listen", listen::run(&options)),
        Command::Connect(options) => ("connect", connect::run(&options)),
    };
    done.unwrap_or_else(|e| {
        eprintln!("p2p {name}: {e}");
        ExitCode::from(2)
    })
}
