//! Runs cases, several at once, each in a process of its own, and counts.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Result, cases, network, sys};

/// A case that has not ended by then hangs.
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

/// Cases that run only when they are named.
const LONG: &str = "punch::";

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
        let split = |argument: &String| match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => vec![name.to_owned(), value.to_owned()],
            _ => vec![argument.clone()],
        };
        let arguments: Vec<String> = arguments.iter().flat_map(split).collect();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--times" => options.times = value()?.parse()?,
                "--jobs" | "--test-threads" => options.jobs = value()?.parse()?,
                "--json" => options.json = Some(value()?.clone()),
                // What `cargo test -- ...` gives to all test programs.
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--show-output" | "--exact"
                | "--include-ignored" => {}
                name if !name.starts_with('-') => options.filters.push(name.into()),
                _ => return Err(format!("unknown option {argument}").into()),
            }
        }
        if options.times == 0 || options.jobs == 0 {
            return Err("--times and --jobs start at 1".into());
        }
        Ok(options)
    }

    /// Whether it was asked for. The punches without a library around them are many, and what they show the `connect` cases
    /// show too: they run when they are named, as `make soak` does.
    fn wants(&self, case: &Case) -> bool {
        (self.filters.is_empty() && !case.name.starts_with(LONG))
            || self.filters.iter().any(|f| case.name.contains(f.as_str()))
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
    let (wanted, left): (Vec<Case>, Vec<Case>) =
        cases::all().into_iter().partition(|case| options.wants(case));
    let long = left.iter().filter(|case| case.name.starts_with(LONG)).count();
    if options.filters.is_empty() && long > 0 {
        println!("{long} cases of {LONG} are not among these: `run {LONG}`, or make soak");
    }
    let (possible, barred): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|case| obstacle.is_none() || case.pure);
    let mut totals = [0, 0, 0];
    if let (Some(reason), false) = (obstacle, barred.is_empty()) {
        println!("skipped: {reason} ({} cases)", barred.len());
        totals[2] += 1;
    }
    let runs: Vec<&Case> = possible.iter().flat_map(|case| vec![case; options.times]).collect();
    let mut records = Vec::new();
    let mut bring_ups = Vec::new();
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| -> Result {
        for _ in 0..options.jobs.min(runs.len()) {
            let (tell, next, runs) = (tell.clone(), &next, &runs);
            scope.spawn(move || {
                while let Some(case) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = tell.send((case, try_one(case)));
                }
            });
        }
        drop(tell);
        for (case, outcome) in told {
            let outcome: Outcome = outcome?;
            let (word, place, reason) = match outcome.verdict {
                Verdict::Passed => ("ok", 0, None),
                Verdict::Failed(reason) => ("FAILED", 1, Some(reason)),
                Verdict::Skipped(reason) => ("skipped", 2, Some(reason)),
            };
            totals[place] += 1;
            println!("{word:8} {:40} {:6.2} s {}", case.name, outcome.seconds, tell_notes(&outcome.notes));
            if let Some(reason) = &reason {
                println!("{}: {}: {reason}", word.to_lowercase(), case.name);
            }
            if word == "FAILED" {
                println!("{}", outcome.output.trim());
            }
            bring_ups.extend(outcome.bring_ups);
            records.push(json!({ "case": case.name, "verdict": word, "seconds": outcome.seconds,
                "reason": reason, "notes": outcome.notes }));
        }
        Ok(())
    })?;
    tell_bring_ups(bring_ups);
    println!("{:.1} s in all", begun.elapsed().as_secs_f64());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&records)?)?;
    }
    println!("{} passed, {} failed, {} skipped", totals[0], totals[1], totals[2]);
    Ok(if totals[1] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of a case.
struct Outcome {
    verdict: Verdict,
    seconds: f64,
    notes: BTreeMap<String, Value>,
    bring_ups: Vec<(f64, String)>,
    /// What it wrote.
    output: String,
}

/// Begins the line in which a case's process tells what came of it.
const RESULT: &str = "lab-result: ";

/// Runs one case in a process of its own: when it hangs it can be ended, and the sockets that others open and close
/// are not inherited by the programs it starts (a listener that another case's new child still holds for a moment
/// takes connections meant for the next).
fn try_one(case: &Case) -> Result<Outcome> {
    let begun = Instant::now();
    let done = own_process(&["case", &case.name], HUNG)?;
    let result = done.result.unwrap_or(Value::Null);
    let reason = || result["reason"].as_str().unwrap_or_default().to_owned();
    let verdict = match result["verdict"].as_str() {
        _ if done.hung => Verdict::Failed(format!("hung for {HUNG:?}")),
        Some("ok") => Verdict::Passed,
        Some("skipped") => Verdict::Skipped(reason()),
        Some(_) => Verdict::Failed(reason()),
        None => Verdict::Failed(format!("its process ended without a result, {}", done.status)),
    };
    Ok(Outcome {
        verdict,
        seconds: begun.elapsed().as_secs_f64(),
        notes: serde_json::from_value(result["notes"].clone()).unwrap_or_default(),
        bring_ups: serde_json::from_value(result["bring_ups"].clone()).unwrap_or_default(),
        output: done.output,
    })
}

/// What a process of the lab came to.
pub(crate) struct Done {
    pub(crate) status: std::process::ExitStatus,
    /// It had to be ended.
    pub(crate) hung: bool,
    /// What it gave to [`tell_result`].
    pub(crate) result: Option<Value>,
    /// What it wrote.
    pub(crate) output: String,
}

/// Runs this program with other arguments, in a process group of its own that is killed in the end, or after so long.
pub(crate) fn own_process(arguments: &[&str], patience: Duration) -> Result<Done> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.process_group(0).spawn()?;
    let id = child.id();
    let (done, is_done) = mpsc::channel::<()>();
    let (output, hung) = thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let hung = is_done.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
            // Also what it may have left behind.
            sys::kill_group(id);
            hung
        });
        let output = child.wait_with_output();
        drop(done);
        (output, watchdog.join().unwrap_or(false))
    });
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = text.lines().rev().find_map(|line| line.strip_prefix(RESULT));
    let result = result.map(serde_json::from_str).transpose()?;
    let said = text.lines().filter(|l| !l.starts_with(RESULT)).collect::<Vec<_>>().join("\n");
    Ok(Done { status: output.status, hung, result, output: said + &String::from_utf8_lossy(&output.stderr) })
}

/// In such a process: its result.
pub(crate) fn tell_result(result: &Value) {
    println!("\n{RESULT}{result}");
}

/// In the process of a case: runs it, on a thread that carries its name, and tells what came of it.
pub(crate) fn run_case(name: &str) -> Result {
    let case = cases::all().into_iter().find(|case| case.name == name).ok_or("no such case")?;
    let notes = Notes::default();
    let ended = thread::scope(|scope| {
        let thread = thread::Builder::new().name(case.name.clone());
        let thread = thread.spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(|| (case.run)(&notes))));
        thread.map(|t| t.join().and_then(|inner| inner))
    })?;
    let (verdict, reason) = match ended {
        Ok(Ok(())) => ("ok", None),
        Ok(Err(e)) if e.is::<Skipped>() => ("skipped", Some(e.to_string())),
        Ok(Err(e)) => ("FAILED", Some(e.to_string())),
        Err(panic) => ("FAILED", Some(panic_text(&*panic))),
    };
    let notes = notes.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let result =
        json!({ "verdict": verdict, "reason": reason, "notes": notes, "bring_ups": network::bring_ups() });
    tell_result(&result);
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.into())).unwrap_or_else(|| "panicked".into())
}

fn tell_notes(notes: &BTreeMap<String, Value>) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    notes.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
}

fn tell_bring_ups(mut all: Vec<(f64, String)>) {
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let (Some((median, _)), Some((worst, what))) = (all.get(all.len() / 2), all.last()) {
        println!("{} labs brought up: median {median:.0} ms, slowest {worst:.0} ms ({what})", all.len());
    }
}
