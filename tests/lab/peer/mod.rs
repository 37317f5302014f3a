//! The library as a C program uses it: peer.c in a host, told what to do by lines, telling what happens by JSON.
//!
//! peer.c is compiled against include/p2pnet.h and the static library that cargo has built beside this program.

mod build;

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use build::{obstacle, program};
use serde_json::Value;

use crate::Result;
use crate::host::Program;
use crate::network::{Network, RENDEZVOUS_PORT};

/// What has not been said by then is never said. Longer than any limit of the library.
const HUNG: Duration = Duration::from_secs(90);

/// A node in a process of its own; killed when dropped.
pub(crate) struct Peer {
    name: String,
    program: Program,
    orders: Option<ChildStdin>,
    said: Receiver<Value>,
    /// What was passed over while something else was waited for.
    kept: Vec<Value>,
    /// What `ready` told.
    situation: Value,
}

/// P2P_ERR_NO_PATH.
pub(crate) const NO_PATH: i64 = p2pnet::error::Code::NoPath as i64;

/// What came of an attempt to connect.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How the connection came to be, as the caller tells it; the error of one that failed.
    pub(crate) via: std::result::Result<String, String>,
    /// p2p_result.
    pub(crate) code: i64,
    /// From the call to OPENED, or to the failure.
    pub(crate) opened: Duration,
    /// From the call until a line had gone both ways; zero if it failed.
    pub(crate) usable: Duration,
    /// The story, or null.
    pub(crate) story: Value,
    /// When it was called, as the peer's clock has it; in ms.
    pub(crate) begun: f64,
}

impl Outcome {
    /// What tried and won, with what it says of it: "punch: ...".
    pub(crate) fn winner(&self) -> Option<&Value> {
        self.story["attempts"].as_array()?.iter().find(|attempt| attempt["result"] == "won")
    }
}

impl Peer {
    /// Starts a node in this host with the lab's server, which has to run; `options` as peer.c has them.
    pub(crate) fn start(network: &Network, host: &str, options: &[&str]) -> Result<Peer> {
        let at = network.host(host);
        let server = match at.ip() {
            std::net::IpAddr::V4(_) => network.server4(0, RENDEZVOUS_PORT),
            std::net::IpAddr::V6(_) => network.server6(0, RENDEZVOUS_PORT),
        };
        let mut command = Command::new(program()?);
        command.args(["--server", &server.to_string()]).args(options);
        // LAB_PEER="--log-level 5 --log-fd 2" shows in a failed case's output what its nodes thought.
        let more = std::env::var("LAB_PEER").unwrap_or_default();
        command.args(more.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut program = at.spawn(&mut command)?;
        let (orders, output) = (program.0.stdin.take(), program.0.stdout.take());
        let output = output.ok_or("no pipe from the peer")?;
        let (tell, said) = mpsc::channel();
        let name = host.to_owned();
        // Ends with the program.
        thread::Builder::new().name(format!("ears for {host}")).spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(
                    |e| serde_json::json!({ "event": "garbled", "text": format!("{e}: {line}") }),
                );
                if tell.send(value).is_err() {
                    return;
                }
            }
        })?;
        Ok(Peer { name, program, orders, said, kept: Vec::new(), situation: Value::Null })
    }

    /// Gives it an order.
    pub(crate) fn order(&mut self, line: &str) -> Result {
        let orders = self.orders.as_mut().ok_or("it has been told to quit")?;
        Ok(orders.write_all(format!("{line}\n").as_bytes()).map_err(|e| format!("{}: {e}", self.name))?)
    }

    /// The first thing it says, or has said unheard, that `wanted` accepts.
    pub(crate) fn hear(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return Ok(self.kept.remove(at));
        }
        let begun = Instant::now();
        loop {
            let value = match self.said.recv_timeout(HUNG.saturating_sub(begun.elapsed())) {
                Ok(value) => value,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "hung: {} does not say {what}; it has said {}",
                        self.name,
                        self.so_far()
                    )
                    .into());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.program.0.wait();
                    return Err(format!(
                        "{} ended ({status:?}) without {what}: {}",
                        self.name,
                        self.so_far()
                    )
                    .into());
                }
            };
            if wanted(&value) {
                return Ok(value);
            }
            if value["event"] == "cannot" || value["event"] == "garbled" {
                return Err(format!("{}: {}", self.name, value["text"]).into());
            }
            self.kept.push(value);
        }
    }

    fn so_far(&self) -> String {
        self.kept.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
    }

    /// What was heard is to be heard again.
    pub(crate) fn keep(&mut self, value: Value) {
        self.kept.push(value);
    }

    /// What it was told of the paths of its connections, in short; it stays to be heard.
    pub(crate) fn paths(&mut self) -> String {
        self.kept.extend(self.said.try_iter());
        let paths = self.kept.iter().filter(|v| v["event"] == "path");
        let words = paths.map(|v| match v["code"].as_i64() {
            Some(1) => format!("lost ({})", plain(&v["text"])),
            Some(2) => format!("resumed by {}", plain(&v["via"])),
            Some(3) => format!("moved to {}", plain(&v["via"])),
            _ => v.to_string(),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Takes what it has said so far and nobody has heard.
    pub(crate) fn unheard(&mut self) -> Vec<Value> {
        let more = self.said.try_iter();
        self.kept.extend(more);
        std::mem::take(&mut self.kept)
    }

    /// Waits until the start is finished; the report.
    pub(crate) fn ready(&mut self) -> Result<&Value> {
        if self.situation.is_null() {
            self.situation = self.hear("ready", |v| v["event"] == "ready")?["report"].take();
        }
        Ok(&self.situation)
    }

    /// Its locator.
    pub(crate) fn locator(&mut self) -> Result<String> {
        self.locator_with("unl")
    }

    /// Its locator with some facts replaced: "name=value|name=value".
    pub(crate) fn constructed(&mut self, changes: &str) -> Result<String> {
        self.locator_with(&format!("construct {changes}"))
    }

    fn locator_with(&mut self, order: &str) -> Result<String> {
        self.order(order)?;
        let said = self.hear("its locator", |v| v["event"] == "unl")?;
        match said["unl"].as_str() {
            Some(unl) if said["result"] == 0 => Ok(unl.into()),
            _ => Err(format!("{} has no locator: {}", self.name, said["what"]).into()),
        }
    }

    /// Connects to a locator and waits for the outcome.
    pub(crate) fn connect(&mut self, locator: &str) -> Result<Outcome> {
        self.order(&format!("connect {locator}"))?;
        self.outcome(true)
    }

    /// Connects to an address and waits for the outcome.
    pub(crate) fn dial(&mut self, address: &str) -> Result<Outcome> {
        self.order(&format!("dial {address}"))?;
        self.outcome(false)
    }

    /// Waits for the outcome of an attempt.
    pub(crate) fn outcome(&mut self, has_story: bool) -> Result<Outcome> {
        let end = |v: &Value| v["event"] == "connected" || v["event"] == "failed";
        let mut said = self.hear("the end of an attempt", end)?;
        let time = |v: &Value| Duration::from_secs_f64(v.as_f64().unwrap_or_default() / 1e3);
        if said["event"] == "failed" {
            let text = format!("{}: {}", plain(&said["what"]), plain(&said["text"]));
            let opened = time(&said["took_ms"]);
            let code = said["result"].as_i64().ok_or("a failure without a result")?;
            return Ok(Outcome {
                via: Err(text),
                code,
                opened,
                usable: Duration::ZERO,
                story: said["explain"].take(),
                begun: 0.0,
            });
        }
        let number = said["number"].clone();
        let story =
            self.hear("the story", |v| v["event"] == "explain" && v["number"] == number)?["explain"].take();
        if has_story && story.is_null() {
            return Err(format!("{} cannot explain a connection", self.name).into());
        }
        let via = plain(&said["via"]);
        Ok(Outcome {
            via: Ok(via),
            code: 0,
            opened: time(&said["opened_ms"]),
            usable: time(&said["usable_ms"]),
            story,
            begun: said["begun_ms"].as_f64().unwrap_or_default(),
        })
    }

    /// Waits so long for its connection to leave the relay: the way it goes then, and when, by the peer's clock in ms.
    pub(crate) fn leaves_relay(&mut self, patience: Duration) -> Option<(String, f64)> {
        let until = Instant::now() + patience;
        loop {
            let direct = |v: &Value| v["event"] == "path" && v["code"] == 3 && v["via"] != "relay";
            if let Some(at) = self.kept.iter().position(direct) {
                let path = self.kept.remove(at);
                return Some((plain(&path["via"]), path["at_ms"].as_f64()?));
            }
            let more = self.said.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            self.kept.push(more);
        }
    }

    /// Closes its connections and waits until the last is gone, also those the other side closes.
    pub(crate) fn close(&mut self) -> Result {
        self.order("close")?;
        loop {
            let open = self.hear("its connections", |v| v["event"] == "connections")?;
            if open["count"] == 0 {
                return Ok(());
            }
            self.hear("closed", |v| v["event"] == "closed")?;
            self.order("close")?;
        }
    }

    /// Waits until it has no connection.
    pub(crate) fn alone(&mut self) -> Result {
        self.kept.retain(|v| v["event"] != "closed");
        loop {
            self.order("connections")?;
            if self.hear("its connections", |v| v["event"] == "connections")?["count"] == 0 {
                return Ok(());
            }
            self.hear("closed", |v| v["event"] == "closed")?;
        }
    }

    /// Kills the program.
    pub(crate) fn kill(mut self) -> Result {
        self.program.0.kill()?;
        self.program.0.wait()?;
        Ok(())
    }

    /// Stops the net and waits for the program's end.
    pub(crate) fn quit(mut self) -> Result {
        self.order("quit")?;
        self.orders = None;
        self.hear("stopped", |v| v["event"] == "stopped")?;
        let status = self.program.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name).into()) }
    }
}

/// A JSON text without its quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
