//! The command line tool: what is this machine behind, and does a connection to that peer come about.
//!
//! All of it runs a node of the library and shows what that finds out and does, so that what it says is what programs get.

mod advice;
mod connect;
mod doctor;
mod listen;
#[cfg(test)]
mod man_pages;
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

#[cfg(test)]
mod tests {
    use super::{Options, man_pages};
    use clap::CommandFactory;

    const MAIN: man_pages::Sections = &[
        (
            "EXIT STATUS",
            "0 if it went well, 1 if not (a connection that did not come about), 2 if the command line is wrong or the node cannot start.",
        ),
        (
            "EXAMPLES",
            "What keeps programs on this machine from being reached:\n.PP\n.RS\n.B p2p doctor \\-\\-server rendezvous.example:8000\n.RE\n.PP\n\
             On one machine, and on another with the locator that the first one shows:\n.PP\n.RS\n\
             .B p2p listen \\-\\-server rendezvous.example:8000\n.br\n\
             .B p2p connect \\-\\-server rendezvous.example:8000\n.I LOCATOR\n.RE",
        ),
        (
            "ENVIRONMENT",
            "With\n.B NO_COLOR\nset there are no colours. With a proxy set by\n.BR http_proxy ,\n.B all_proxy\n\
             or the like, routers are not asked by UPnP.",
        ),
        ("SEE ALSO", ".BR p2p\\-rendezvous (1)"),
    ];
    const DOCTOR: man_pages::Sections = &[
        (
            "EXIT STATUS",
            "0 if others can reach this machine; 1 if not, or if nobody could tell; 2 if the command line is wrong or the node cannot start.",
        ),
        ("SEE ALSO", ".BR p2p (1),\n.BR p2p\\-rendezvous (1)"),
    ];
    const TALK: man_pages::Sections = &[
        (
            "STANDARD INPUT",
            "Each line that is typed is sent to whoever is connected; the end of input ends the program.",
        ),
        ("SEE ALSO", ".BR p2p (1),\n.BR p2p\\-rendezvous (1)"),
    ];

    #[test]
    fn man_pages_and_completions_are_what_the_command_line_says() {
        man_pages::check(Options::command(), |page| match page {
            "p2p" => MAIN,
            "p2p-doctor" => DOCTOR,
            _ => TALK,
        });
    }
}
