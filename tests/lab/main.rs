//! The NAT lab: networks with real NATs, made of network namespaces, and the cases that run in them. Linux, root.
//!
//! ```text
//!   cargo test --features cli,server,testing --test lab -- list
//!   cargo test --features cli,server,testing --test lab -- run [FILTER...] [--times N] [--jobs N] [--json FILE]
//!   cargo test --features cli,server,testing --test lab -- up TOPOLOGY HOST -- PROGRAM [ARGUMENT...]
//!   cargo test --features cli,server,testing --test lab -- table
//!   cargo test --features cli,server,testing --test lab -- demo
//!   cargo test --features cli,server,testing --test lab -- matrix [--quick] [OPTION...]
//! ```
//!
//! Without a command it runs every case. docs/lab.md tells how to write one. The map: `world` is the private place
//! where it all happens, `topology` the words for a lab, `plan` works out addresses and commands, `network` makes it,
//! `host` is a namespace, `kernel_nat`, `natbox` and `upnpd` are the routers, `probe` plain sockets, `peer` the
//! library behind its C ABI, `runner` runs, `matrix` is every NAT against every other.

#![allow(dead_code, reason = "a toolbox: not every tool is in use by some case")]

mod cases;
mod demo;
mod host;
mod kernel_nat;
mod matrix;
mod natbox;
mod network;
mod node;
mod peer;
mod plan;
mod probe;
mod runner;
mod situations;
mod sys;
mod topology;
mod up;
mod upnpd;
mod world;

use std::process::ExitCode;

/// What a case or a step of the lab comes to.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A program that a case starts in a host, to kill it.
    if let Some(code) = cases::portmap::child(&arguments) {
        return code;
    }
    match command(&arguments) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("lab: {e}");
            ExitCode::from(2)
        }
    }
}

fn command(arguments: &[String]) -> Result<ExitCode> {
    let (command, rest) = match arguments.split_first() {
        Some((first, rest))
            if ["list", "run", "table", "matrix", "up", "demo", "case", "cell"].contains(&first.as_str()) =>
        {
            (first.as_str(), rest)
        }
        // As a part of `cargo test` the arguments are a test's name or nothing.
        _ => ("run", arguments),
    };
    match command {
        "list" => {
            runner::list();
            up::list();
            Ok(ExitCode::SUCCESS)
        }
        // How the runner starts each.
        "case" => {
            runner::run_case(rest.first().ok_or("which case?")?)?;
            Ok(ExitCode::SUCCESS)
        }
        "cell" => {
            matrix::run_cell(rest.first().ok_or("which cell?")?)?;
            Ok(ExitCode::SUCCESS)
        }
        "matrix" => {
            let options = matrix::Options::parse(rest)?;
            if options.draw.is_none() {
                if let Some(reason) = world::obstacle() {
                    return Err(reason.into());
                }
                go_inside(arguments)?;
            }
            matrix::run(&options)
        }
        "up" => {
            let request = up::Request::parse(rest)?;
            if let Some(reason) = world::obstacle() {
                return Err(reason.into());
            }
            go_inside(arguments)?;
            request.run()
        }
        "demo" => {
            if let Some(reason) = world::obstacle() {
                return Err(reason.into());
            }
            go_inside(arguments)?;
            demo::run()
        }
        "table" => {
            if let Some(reason) = world::obstacle() {
                return Err(reason.into());
            }
            go_inside(arguments)?;
            situations::print()?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            let options = runner::Options::parse(rest)?;
            let obstacle = world::obstacle();
            if obstacle.is_none() {
                go_inside(arguments)?;
            }
            runner::run(&options, obstacle.as_deref())
        }
    }
}

/// Makes sure that this process is the first of a private world.
fn go_inside(arguments: &[String]) -> Result {
    if !world::is_inside() {
        world::create(arguments)?;
    }
    world::settle()
}
