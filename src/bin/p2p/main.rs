//! The command line tool: what is this machine behind, and what can be done about it.
//!
//! `p2p doctor` runs a node of the library and shows what that finds out, so that what it says is what programs get.

mod advice;
mod doctor;
mod page;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Find out what keeps this machine's programs from being reached.
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
}

fn main() -> ExitCode {
    let Command::Doctor(options) = Options::parse().command;
    match doctor::run(&options) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("p2p doctor: {e}");
            ExitCode::from(2)
        }
    }
}
