//! Runs cases, several at once, and counts.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Result, cases, network};

/// A case that has not ended by then hangs, and takes the whole run with it.
const HUNG: Duration = Duration::from_secs(180);

/// A case: builds a lab, or several, and looks at what happens.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) what: String,
    /// Needs no lab and no root: a unit test of the lab itself.
    pub(crate) pure: bool,
    pub(crate) run: Box<dyn Fn(&Notes) -> Result + Send + Sync>,
}

impl Case {
    /// A case in a lab. It fails by an error or a panic.
    pub(crate) fn new(
        name: impl Into<String>,
        what: impl Into<String>,
        run: impl Fn(&Notes) -> Result + Send + Sync + 'static,
    ) -> Case {
        Case { name: name.into(), what: what.into(), pure: false, run: Box::new(run) }
    }

    /// A case that needs no lab.
    pub(crate) fn pure(name: &str, run: fn()) -> Case {
        let run = move |_: &Notes| {
            run();
            Ok(())
        };
        Case { pure: true, ..Case::new(name, "a unit test of the lab", run) }
    }
}

/// The error of a case that cannot run on this machine.
#[derive(Debug)]
pub(crate) struct Skipped(String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// Ends a case without a verdict, with the reason.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Box::new(Skipped(reason.into())))
}

/// What a case wants to tell beside its verdict: printed with it and written to the JSON file.
#[derive(Default)]
pub(crate) struct Notes(Mutex<BTreeMap<String, Value>>);

impl Notes {
    pub(crate) fn note(&self, name: &str, value: impl Into<Value>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value.into());
    }
}

/// What to run.
pub(crate) struct Options {
    filters: Vec<String>,
    times: usize,
    jobs: usize,
    json: Option<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Options> {
        let jobs = thread::available_parallelism().map_or(2, usize::from) * 2;
        let mut options = Options { filters: Vec::new(), times: 1, jobs, json: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--times" => options.times = value()?.parse()?,
                "--jobs" | "--test-threads" => options.jobs = value()?.parse()?,
                "--json" => options.json = Some(value()?.clone()),
                // What `cargo test -- ...` gives to all test programs.
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--show-output" => {}
                name if !name.starts_with('-') => options.filters.push(name.into()),
                _ => return Err(format!("unknown option {argument}").into()),
            }
        }
        if options.times == 0 || options.jobs == 0 {
            return Err("--times and --jobs start at 1".into());
        }
        Ok(options)
    }

    fn wants(&self, case: &Case) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|f| case.name.contains(f.as_str()))
    }
}

/// Prints the cases.
pub(crate) fn list() {
    for case in cases::all() {
        println!("{:36} {}", case.name, case.what);
    }
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs what was asked for; without a lab (the obstacle says why) only the pure cases.
pub(crate) fn run(options: &Options, obstacle: Option<&str>) -> Result<ExitCode> {
    let begun = Instant::now();
    let wanted: Vec<Case> = cases::all().into_iter().filter(|case| options.wants(case)).collect();
    let (possible, barred): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|case| obstacle.is_none() || case.pure);
    let mut totals = [0, 0, 0];
    if let (Some(reason), false) = (obstacle, barred.is_empty()) {
        println!("skipped: {reason} ({} cases)", barred.len());
        totals[2] += 1;
    }
    let runs: Vec<&Case> = possible.iter().flat_map(|case| vec![case; options.times]).collect();
    let mut records = Vec::new();
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| -> Result {
        for _ in 0..options.jobs.min(runs.len()) {
            let (tell, next, runs) = (tell.clone(), &next, &runs);
            scope.spawn(move || {
                while let Some(case) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = tell.send(try_one(case));
                }
            });
        }
        drop(tell);
        for (case, verdict, seconds, notes) in told {
            let (word, place, reason) = match verdict {
                Verdict::Passed => ("ok", 0, None),
                Verdict::Failed(reason) => ("FAILED", 1, Some(reason)),
                Verdict::Skipped(reason) => ("skipped", 2, Some(reason)),
            };
            totals[place] += 1;
            println!("{word:8} {:40} {seconds:6.2} s {}", case.name, tell_notes(&notes));
            if let Some(reason) = &reason {
                println!("{}: {}: {reason}", word.to_lowercase(), case.name);
            }
            records.push(json!({ "case": case.name, "verdict": word, "seconds": seconds,
                "reason": reason, "notes": notes }));
        }
        Ok(())
    })?;
    tell_bring_ups();
    println!("{:.1} s in all", begun.elapsed().as_secs_f64());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&records)?)?;
    }
    println!("{} passed, {} failed, {} skipped", totals[0], totals[1], totals[2]);
    Ok(if totals[1] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Tried<'a> = (&'a Case, Verdict, f64, BTreeMap<String, Value>);

/// Runs one case on a thread of its own, which carries its name.
fn try_one(case: &Case) -> Tried<'_> {
    let begun = Instant::now();
    let notes = Notes::default();
    let (done, is_done) = mpsc::channel::<()>();
    let outcome = thread::scope(|scope| {
        // When a case hangs, its threads cannot be ended, only the process.
        scope.spawn(move || {
            if is_done.recv_timeout(HUNG) == Err(mpsc::RecvTimeoutError::Timeout) {
                println!("FAILED   {}: hung for {HUNG:?}\n0 passed, 1 failed", case.name);
                std::process::exit(1);
            }
        });
        let thread = thread::Builder::new().name(case.name.clone());
        let thread = thread.spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(|| (case.run)(&notes))));
        let outcome = thread.map_err(|e| format!("no thread: {e}")).map(thread::ScopedJoinHandle::join);
        drop(done);
        outcome
    });
    let verdict = match outcome {
        Ok(Ok(Ok(Ok(())))) => Verdict::Passed,
        Ok(Ok(Ok(Err(e)))) if e.is::<Skipped>() => Verdict::Skipped(e.to_string()),
        Ok(Ok(Ok(Err(e)))) => Verdict::Failed(e.to_string()),
        Ok(Ok(Err(panic)) | Err(panic)) => Verdict::Failed(panic_text(&*panic)),
        Err(e) => Verdict::Failed(e),
    };
    let notes = notes.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    (case, verdict, begun.elapsed().as_secs_f64(), notes)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.into())).unwrap_or_else(|| "panicked".into())
}

fn tell_notes(notes: &BTreeMap<String, Value>) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    notes.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
}

fn tell_bring_ups() {
    let mut all = network::bring_ups();
    all.sort();
    if let (Some(median), Some((worst, what))) = (all.get(all.len() / 2), all.last()) {
        println!("{} labs brought up: median {:.0?}, slowest {worst:.0?} ({what})", all.len(), median.0);
    }
}
