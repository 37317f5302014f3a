//! `matrix`: every pair of NATs calls each other by locator, on the library itself through its C ABI, and what comes of it
//! is told as a table, a picture and a verdict.
//!
//! ```text
//!   matrix [--quick | --all | --kinds A,B,...] [--times N] [--jobs N] [--delay 0,25] [--unsolicited drop,rst]
//!          [--dialect secure|classic] [--only pairs|special] [--json FILE] [--md FILE] [--svg FILE] [--draw JSON]
//! ```
//!
//! [`kinds`] says which NATs and what to expect, [`special`] what else is tried, [`pair`] makes the tries in a process
//! of its own for each pair ([`cell`]), [`record`] is what they come to; [`goals`], [`table`] and [`heat`] tell it.

mod cell;
pub(crate) mod goals;
mod heat;
pub(crate) mod kinds;
mod options;
pub(crate) mod pair;
pub(crate) mod record;
pub(crate) mod special;
mod svg;
mod table;
pub(crate) mod tests;

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use cell::run as run_cell;
use cell::{Job, What};
pub(crate) use options::Options;
use record::{Cell, Record};
use serde_json::Value;

use crate::{Result, peer, runner};

/// Runs what was asked for and tells it; success if all goals are met.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let record = match &options.draw {
        Some(file) => Record::of_json(&serde_json::from_str(&fs::read_to_string(file)?)?)?,
        None => measure(options)?,
    };
    if let Some(file) = &options.json {
        fs::write(file, record.to_json().to_string())?;
    }
    if let Some(file) = &options.svg {
        fs::write(file, heat::picture(&record))?;
    }
    if let Some(file) = &options.markdown {
        table::rewrite(file, &record)?;
    }
    print!("{}", table::terminal(&record));
    let goals = goals::of(&record);
    for goal in &goals {
        println!("{}", goal.line());
    }
    println!("{:.0} s in all", record.seconds);
    Ok(if goals.iter().all(|goal| goal.met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Options) -> Result<Record> {
    let begun = Instant::now();
    if let Some(reason) = peer::obstacle() {
        return Err(reason.into());
    }
    peer::program()?;
    let nats = options.kinds.nats()?;
    let jobs = cell::jobs(options, &nats);
    let mut record = Record {
        kinds: nats.iter().map(ToString::to_string).collect(),
        dialect: options.dialect.clone(),
        times: options.times,
        seconds: 0.0,
        cells: Vec::new(),
        special: Vec::new(),
        broken: Vec::new(),
    };
    println!("{} labs, {} at a time", jobs.len(), options.jobs);
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.jobs.min(jobs.len()) {
            let (tell, next, jobs) = (tell.clone(), &next, &jobs);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = tell.send((job, in_own_process(job)));
                }
            });
        }
        drop(tell);
        for (number, (job, cells)) in told.iter().enumerate() {
            let place = format!("{:4}/{}", number + 1, jobs.len());
            match cells {
                Ok(cells) => {
                    cells.iter().for_each(|cell| println!("{place} {}", table::line(cell)));
                    match job.what {
                        What::Pair { .. } => record.cells.extend(cells),
                        What::Special { .. } => record.special.extend(cells),
                    }
                }
                // The others go on: it is a long run.
                Err(e) => {
                    println!("{place} BROKEN {job}: {e}");
                    record.broken.push(format!("{job}: {e}"));
                }
            }
        }
    });
    // As the list has them, whoever was first.
    let place = |name: &str| special::all().iter().position(|s| s.name == name);
    record.special.sort_by_key(|cell| place(&cell.caller));
    record.seconds = begun.elapsed().as_secs_f64();
    Ok(record)
}

/// No pair takes so long, but one that hangs.
const HUNG: Duration = Duration::from_secs(1800);

fn in_own_process(job: &Job) -> Result<Vec<Cell>> {
    let done = runner::own_process(&["cell", &job.to_json().to_string()], HUNG)?;
    match done.result {
        Some(Value::Array(cells)) => cells.iter().map(Cell::of_json).collect(),
        _ => Err(format!("no result, {}\n{}", done.status, done.output).into()),
    }
}
