//! The tries of one pair of NATs, both ways, or of a special case; in a process of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::matrix::kinds::{self, Class};
use crate::matrix::options::Options;
use crate::matrix::pair::{Manner, Pair};
use crate::matrix::record::{Cell, Setting};
use crate::matrix::special;
use crate::peer::plain;
use crate::runner;
use crate::topology::{Home, Lab, Nat, Unsolicited};

/// Tries of what cannot succeed, or has not in so many.
const IN_VAIN: usize = 5;

/// What one process does.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) what: What,
    times: usize,
    dialect: String,
}

#[derive(Debug)]
pub(crate) enum What {
    Pair { nats: [String; 2], setting: Setting },
    Special { name: String },
}

/// Everything that was asked for; each unordered pair once, as both directions share a lab.
pub(crate) fn jobs(options: &Options, nats: &[Nat]) -> Vec<Job> {
    let mut all = Vec::new();
    let mut add = |what| all.push(Job { what, times: options.times, dialect: options.dialect.clone() });
    if options.special {
        special::all().iter().for_each(|s| add(What::Special { name: s.name.into() }));
    }
    for &delay_ms in options.delays.iter().filter(|_| options.pairs) {
        for unsolicited in &options.unsolicited {
            for (i, a) in nats.iter().enumerate() {
                for b in &nats[i..] {
                    let setting = Setting { delay_ms, unsolicited: unsolicited.clone() };
                    add(What::Pair { nats: [a.to_string(), b.to_string()], setting });
                }
            }
        }
    }
    all
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            What::Pair { nats: [a, b], setting } => write!(f, "{a} and {b}, {setting}"),
            What::Special { name } => f.write_str(name),
        }
    }
}

impl Job {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = match &self.what {
            What::Pair { nats: [a, b], setting } => {
                json!({ "a": a, "b": b, "delay_ms": setting.delay_ms, "unsolicited": setting.unsolicited })
            }
            What::Special { name } => json!({ "special": name }),
        };
        value["times"] = self.times.into();
        value["dialect"] = self.dialect.clone().into();
        value
    }

    fn of_json(value: &Value) -> Result<Job> {
        let what = match value["special"].as_str() {
            Some(name) => What::Special { name: name.into() },
            None => {
                let delay_ms = value["delay_ms"].as_u64().ok_or("no delay")?;
                let setting = Setting { delay_ms, unsolicited: plain(&value["unsolicited"]) };
                What::Pair { nats: [plain(&value["a"]), plain(&value["b"])], setting }
            }
        };
        let times = value["times"].as_u64().ok_or("no times")? as usize;
        Ok(Job { what, times, dialect: plain(&value["dialect"]) })
    }
}

/// In the process of a cell: does the job and tells what came of it.
pub(crate) fn run(job: &str) -> Result {
    let job = Job::of_json(&serde_json::from_str(job)?)?;
    let cells = match &job.what {
        What::Pair { nats, setting } => pair(&job, nats, setting)?,
        What::Special { name } => vec![special_case(&job, name)?],
    };
    runner::tell_result(&Value::Array(cells.iter().map(Cell::to_json).collect()));
    Ok(())
}

/// What peer.c is told always. There is no daemon on the routers of the matrix; the budget is for one minute of a
/// program's life, and here each try is another life.
pub(crate) fn options(dialect: &str) -> Vec<String> {
    let number = if dialect == "classic" { "1" } else { "2" };
    let all = ["--dialect", number, "--forwarding", "0", "--punch-per-minute", "1000000"];
    all.map(str::to_owned).to_vec()
}

fn pair(job: &Job, nats: &[String; 2], setting: &Setting) -> Result<Vec<Cell>> {
    let answer = if setting.unsolicited == "rst" { Unsolicited::Rst } else { Unsolicited::Drop };
    let kinds = [kinds::find(&nats[0])?, kinds::find(&nats[1])?];
    let home = |name: &str, nat: &Nat| Home::new(name, nat.clone()).unsolicited(answer);
    // Half of the way lies on each home's line; the server is in the middle.
    let delay = Duration::from_micros(setting.delay_ms * 500);
    let lab = Lab { delay, ..Lab::new().with(home("a", &kinds[0])).with(home("b", &kinds[1])) };
    let network = lab.build()?;
    let told = options(&job.dialect);
    let mut pair = Pair::new(&network, ["a", "b"], [told.clone(), told], Manner::AgainAndAgain)?;
    let cell = |caller: usize| Cell {
        caller: nats[caller].clone(),
        called: nats[1 - caller].clone(),
        setting: setting.clone(),
        class: Some(Class::of(&kinds[caller], &kinds[1 - caller])),
        expected: None,
        tries: Vec::new(),
        disagreed: Vec::new(),
    };
    let mut cells = vec![cell(0)];
    if nats[0] != nats[1] {
        cells.push(cell(1));
    }
    for _ in 0..job.times {
        for (caller, cell) in cells.iter_mut().enumerate() {
            try_once(&mut pair, caller, cell)?;
        }
    }
    pair.stop()?;
    Ok(cells)
}

/// One more try, unless it is clear that it is in vain.
fn try_once(pair: &mut Pair<'_>, caller: usize, cell: &mut Cell) -> Result {
    let (good, all) = cell.score();
    if good == 0 && all >= IN_VAIN {
        return Ok(());
    }
    let only_relay = cell.class == Some(Class::Hopeless) || cell.expected.as_deref() == Some("relay");
    let tried = pair.attempt(caller, only_relay)?;
    cell.tries.push(tried.outcome);
    cell.disagreed.extend(tried.disagreed);
    Ok(())
}

/// A special case; who calls changes from try to try.
fn special_case(job: &Job, name: &str) -> Result<Cell> {
    let special = special::all().into_iter().find(|s| s.name == name).ok_or("no such special case")?;
    let network = special.lab.clone().build()?;
    (special.prepare)(&network)?;
    let told = |n: usize| [options(&job.dialect), special.options[n].clone()].concat();
    let mut pair = Pair::new(&network, special.hosts, [told(0), told(1)], Manner::AgainAndAgain)?;
    let expected = if special.ways.is_empty() { "fails".into() } else { special.ways.join(",") };
    let mut cell = Cell {
        caller: special.name.into(),
        called: special.what.into(),
        setting: Setting { delay_ms: 25, unsolicited: "drop".into() },
        class: None,
        expected: Some(expected),
        tries: Vec::new(),
        disagreed: Vec::new(),
    };
    for n in 0..job.times {
        try_once(&mut pair, n % 2, &mut cell)?;
    }
    pair.stop()?;
    Ok(cell)
}
