//! Whether what was measured is what is wanted.

use crate::matrix::kinds::Class;
use crate::matrix::record::{Cell, Record, Try, median, sorted};
use crate::peer::NO_PATH;

/// A goal and what became of it.
pub(crate) struct Goal {
    pub(crate) what: &'static str,
    pub(crate) wanted: String,
    pub(crate) found: String,
    pub(crate) met: bool,
}

impl Goal {
    pub(crate) fn line(&self) -> String {
        let verdict = if self.met { "met   " } else { "MISSED" };
        format!("{verdict} {}: wanted {}, found {}", self.what, self.wanted, self.found)
    }
}

const RELAY: &str = "relay";
/// The slowest failure of what cannot be, in milliseconds.
const FAILS_WITHIN: f64 = 5000.0;
/// How long a connection may be relayed that can go direct, in milliseconds.
const MOVES_WITHIN: f64 = 5000.0;
const PUNCHED_MEDIAN: f64 = 300.0;
const PUNCHED_WORST: f64 = 2000.0;
/// How long the library itself may take over the round trips of a plain connection.
const OVER: f64 = 20.0;
/// Round trips until OPENED: TCP's and the handshake's; and the way of the call before, if the peer comes to us.
const DIRECT_TRIPS: f64 = 2.0;
const REVERSE_TRIPS: f64 = 2.5;

/// All goals that this record can tell of.
pub(crate) fn of(record: &Record) -> Vec<Goal> {
    let mut goals = Vec::new();
    let unrelayed = |c: &&&Cell| c.good().filter(|t| t.way() != Ok(RELAY)).count();
    for class in [Class::Direct, Class::Reverse, Class::Predict] {
        let cells = of_class(record, class);
        let whole = cells.iter().filter(|c| unrelayed(c) == c.tries.len()).count();
        count(&mut goals, class.what(), "every try of every pair, in the end not by a relay", &cells, whole);
    }
    let cells = of_class(record, Class::Spray);
    let whole = cells.iter().filter(|c| unrelayed(c) * 10 >= c.tries.len() * 9).count();
    count(
        &mut goals,
        Class::Spray.what(),
        "18 of 20 of every pair, in the end not by a relay",
        &cells,
        whole,
    );
    special(&mut goals, record);
    relays(&mut goals, record);
    moves(&mut goals, record);
    failures(&mut goals, record);
    times(&mut goals, record);
    let disagreed: Vec<&String> = everything(record).flat_map(|c| &c.disagreed).collect();
    goals.push(Goal {
        what: "both sides agree about the connection",
        wanted: "always".into(),
        found: match disagreed.len() {
            0 => "always".into(),
            times => format!("{times} times not"),
        },
        met: disagreed.is_empty(),
    });
    if let Some(first) = record.broken.first() {
        goals.push(Goal {
            what: "labs",
            wanted: "all run to their end".into(),
            found: format!("{} do not: {}", record.broken.len(), first.lines().next().unwrap_or_default()),
            met: false,
        });
    }
    goals
}

fn everything(record: &Record) -> impl Iterator<Item = &Cell> {
    record.cells.iter().chain(&record.special)
}

pub(crate) fn of_class(record: &Record, class: Class) -> Vec<&Cell> {
    record.cells.iter().filter(|c| c.class == Some(class)).collect()
}

fn count(goals: &mut Vec<Goal>, what: &'static str, wanted: &str, cells: &[&Cell], whole: usize) {
    if cells.is_empty() {
        return;
    }
    let (good, all) = cells.iter().map(|c| c.score()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let mut found = format!("{good} of {all} tries, {whole} of {} pairs", cells.len());
    let worst = cells.iter().min_by_key(|c| c.good().count() * 1000 / c.tries.len().max(1));
    if let Some(cell) = worst.filter(|_| whole < cells.len()) {
        let (good, all) = cell.score();
        found += &format!("; worst: {} to {} ({}): {good} of {all}", cell.caller, cell.called, cell.setting);
    }
    goals.push(Goal { what, wanted: wanted.into(), found, met: whole == cells.len() });
}

/// Whether it fails as what is impossible should: soon, and because there is no way.
pub(crate) fn fails_well(tried: &Try) -> bool {
    tried.code == NO_PATH && tried.opened <= FAILS_WITHIN
}

/// Whether a special case went as it has to.
pub(crate) fn as_expected(cell: &Cell) -> bool {
    let expected = cell.expected.as_deref().unwrap_or_default();
    match expected {
        "fails" => cell.tries.iter().all(fails_well),
        ways => cell.tries.iter().all(|t| t.way().is_ok_and(|way| ways.split(',').any(|w| w == way))),
    }
}

fn special(goals: &mut Vec<Goal>, record: &Record) {
    if record.special.is_empty() {
        return;
    }
    let (good, bad): (Vec<&Cell>, Vec<&Cell>) = record.special.iter().partition(|c| as_expected(c));
    let mut found = format!("{} of {}", good.len(), record.special.len());
    if !bad.is_empty() {
        found += &format!("; not {}", bad.iter().map(|c| c.caller.as_str()).collect::<Vec<_>>().join(", "));
    }
    let wanted = "each as it has to go, every time".into();
    goals.push(Goal { what: "special cases", wanted, found, met: bad.is_empty() });
}

/// What cannot be punched is relayed, every time and soon.
fn relays(goals: &mut Vec<Goal>, record: &Record) {
    let cells = of_class(record, Class::Hopeless);
    let tries = || cells.iter().flat_map(|c| &c.tries);
    if tries().next().is_none() {
        return;
    }
    let relayed = || tries().filter(|t| t.via.as_deref() == Ok(RELAY));
    let slowest = relayed().map(|t| t.opened).max_by(f64::total_cmp).unwrap_or_default();
    goals.push(Goal {
        what: Class::Hopeless.what(),
        wanted: format!("every try by it, within {:.0} s", PUNCHED_WORST / 1e3),
        found: format!(
            "{} of {} tries, the slowest after {:.2} s",
            relayed().count(),
            tries().count(),
            slowest / 1e3
        ),
        met: relayed().count() == tries().count() && slowest <= PUNCHED_WORST,
    });
}

/// What is relayed and can go direct, by the kinds of the two NATs, does so soon.
fn moves(goals: &mut Vec<Goal>, record: &Record) {
    let can = |c: &&Cell| matches!(c.class, Some(Class::Direct | Class::Reverse | Class::Predict));
    let tries = || record.cells.iter().filter(can).flat_map(|c| &c.tries);
    let relayed = || tries().filter(|t| t.via.as_deref() == Ok(RELAY));
    let late = |t: &Try| t.moved.as_ref().map(|(_, after)| after - t.opened);
    let moved = relayed().filter_map(late);
    let slowest = moved.clone().max_by(f64::total_cmp).unwrap_or_default();
    if tries().next().is_none() {
        return;
    }
    goals.push(Goal {
        what: "relayed at first, though there is a direct way",
        wanted: format!("direct within {:.0} s", MOVES_WITHIN / 1e3),
        found: match relayed().count() {
            0 => "none was".into(),
            all => format!("{} of {all} went over, the slowest after {:.2} s", moved.count(), slowest / 1e3),
        },
        met: relayed().all(|t| late(t).is_some_and(|after| after <= MOVES_WITHIN)),
    });
}

/// What fails all the same says why.
fn failures(goals: &mut Vec<Goal>, record: &Record) {
    let cells = of_class(record, Class::Hopeless);
    let failed = || cells.iter().flat_map(|c| c.bad());
    let Some(slowest) = failed().map(|t| t.opened).max_by(f64::total_cmp) else { return };
    // The words of punching for what cannot be foreseen.
    let told = |why: &str| why.contains("unforeseeable");
    let untold =
        failed().filter(|t| t.code != NO_PATH || t.via.as_ref().is_err_and(|why| !told(why))).count();
    goals.push(Goal {
        what: "where not even a relay helped",
        wanted: format!("a failure within {:.0} s that says why", FAILS_WITHIN / 1e3),
        found: format!(
            "{} failures, the slowest after {:.2} s, {untold} without the reason",
            failed().count(),
            slowest / 1e3
        ),
        met: slowest <= FAILS_WITHIN && untold == 0,
    });
}

fn times(goals: &mut Vec<Goal>, record: &Record) {
    let at = |class: Class, via: &str| {
        let cells = of_class(record, class).into_iter().filter(|c| c.setting.delay_ms == 25);
        sorted(cells.flat_map(|c| c.good()).filter(|t| t.via.as_deref() == Ok(via)).map(|t| t.opened))
    };
    for (class, what) in [
        (Class::Predict, "time to OPENED at 25 ms one way, punched by prediction"),
        (Class::Spray, "time to OPENED at 25 ms one way, punched by many sockets"),
    ] {
        let all = at(class, "punch");
        let (Some(median), Some(&worst)) = (median(&all), all.last()) else { continue };
        goals.push(Goal {
            what,
            wanted: format!("median under {PUNCHED_MEDIAN:.0} ms, worst under {PUNCHED_WORST:.0} ms"),
            found: format!("median {median:.0} ms, worst {worst:.0} ms of {}", all.len()),
            met: median < PUNCHED_MEDIAN && worst < PUNCHED_WORST,
        });
    }
    for (class, via, trips, what) in [
        (Class::Direct, "direct", DIRECT_TRIPS, "time to OPENED at 25 ms one way, direct"),
        (Class::Reverse, "reverse", REVERSE_TRIPS, "time to OPENED at 25 ms one way, the peer comes to us"),
    ] {
        let all = at(class, via);
        let Some(median) = median(&all) else { continue };
        let limit = trips * 50.0 + OVER;
        goals.push(Goal {
            what,
            wanted: format!("median within {trips} round trips and {OVER:.0} ms ({limit:.0} ms)"),
            found: format!("median {median:.0} ms of {}", all.len()),
            met: median <= limit,
        });
    }
}
