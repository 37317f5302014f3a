//! The matrix as text: for the terminal, and as Markdown between two marks of a file.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::Result;
use crate::matrix::goals::{self, as_expected, of_class};
use crate::matrix::heat::letter;
use crate::matrix::kinds::{Class, label};
use crate::matrix::record::{Cell, Record, Setting, median, sorted};

const BEGIN: &str = "<!-- matrix: begin -->";
const END: &str = "<!-- matrix: end -->";
/// How many reasons are listed.
const REASONS: usize = 16;

/// A cell as it is done, in one line.
pub(crate) fn line(cell: &Cell) -> String {
    let (good, all) = cell.score();
    let mut text = match cell.class {
        Some(class) => format!(
            "{:22} → {:22} {:14} {:8} {good:2}/{all:<2}",
            label(&cell.caller),
            label(&cell.called),
            format!("{} ms {}", cell.setting.delay_ms, cell.setting.unsolicited),
            class.name()
        ),
        None => format!("{:30} {:47} {good:2}/{all:<2}", cell.caller, clipped(&cell.called, 47)),
    };
    text += &format!(" {}", told(cell));
    if let Some(why) = cell.bad().find_map(|t| t.via.as_ref().err()) {
        text += &format!("; {}", clipped(why, 160));
    }
    cell.disagreed.first().iter().for_each(|first| text += &format!("; DISAGREED: {}", clipped(first, 160)));
    text
}

fn clipped(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        text.into()
    } else {
        text.chars().take(length - 1).chain(['…']).collect()
    }
}

/// Ways, median and worst time.
fn told(cell: &Cell) -> String {
    let ways: Vec<String> = match cell.ways().as_slice() {
        [(via, _)] => vec![via.clone()],
        several => several.iter().map(|(via, number)| format!("{via} {number}")).collect(),
    };
    let mut text = ways.join(", ");
    let times = cell.times();
    if let (Some(median), Some(worst)) = (median(&times), times.last()) {
        text += &format!(" {median:.0} ms, worst {worst:.0}");
    }
    if let Some(slowest) = sorted(cell.bad().map(|t| t.opened)).last() {
        let comma = if text.is_empty() { "" } else { ", " };
        text += &format!("{comma}failed after {:.2} s", slowest / 1e3);
    }
    text
}

/// What stands in a cell of a table: how it got through and the median time; how often, if not always.
fn short(cell: &Cell) -> String {
    let (good, all) = cell.score();
    let score = if good == all { String::new() } else { format!(" {good}/{all}") };
    match (cell.ways().first(), median(&cell.times())) {
        (Some((via, _)), Some(median)) => format!("{} {median:.0}{score}", letter(via)),
        _ if cell.class == Some(Class::Hopeless) => "–".into(),
        _ => format!("–{score}"),
    }
}

/// All tables, for people at a terminal.
pub(crate) fn terminal(record: &Record) -> String {
    let mut out = String::new();
    for setting in record.settings() {
        let _ = writeln!(
            out,
            "\n{setting}: rows call, columns are called; letter of the technique, median ms to OPENED\n"
        );
        let _ = write!(out, "{:22}", "");
        record.kinds.iter().enumerate().for_each(|(n, _)| _ = write!(out, "{:>13}", n + 1));
        out.push('\n');
        for (n, caller) in record.kinds.iter().enumerate() {
            let _ = write!(out, "{:2} {:19}", n + 1, clipped(&label(caller), 18));
            for called in &record.kinds {
                let text = record.cell(caller, called, &setting).map(short).unwrap_or_default();
                let _ = write!(out, "{text:>13}");
            }
            out.push('\n');
        }
    }
    out.push('\n');
    for (class, setting, cells) in summary(record) {
        let _ = writeln!(out, "{:10} {setting:24} {}", class.name(), in_short(&cells).join("  "));
    }
    if !record.special.is_empty() {
        out.push('\n');
    }
    for cell in &record.special {
        let verdict = if as_expected(cell) { "ok    " } else { "FAILED" };
        let _ = writeln!(out, "{verdict} {}", line(cell));
    }
    for (why, number) in reasons(record) {
        let _ = writeln!(out, "{number:5} × {}", clipped(&why, 240));
    }
    out.push('\n');
    out
}

/// Cells by class and setting.
fn summary(record: &Record) -> Vec<(Class, String, Vec<&Cell>)> {
    let mut all = Vec::new();
    for class in Class::ALL {
        for setting in record.settings() {
            let cells: Vec<&Cell> =
                of_class(record, class).into_iter().filter(|c| c.setting == setting).collect();
            if !cells.is_empty() {
                all.push((class, setting.to_string(), cells));
            }
        }
    }
    all
}

/// Pairs, tries, median and worst time to OPENED, median until a line has gone both ways, ways.
fn in_short(cells: &[&Cell]) -> [String; 6] {
    let (good, all) = cells.iter().map(|c| c.score()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let times = sorted(cells.iter().flat_map(|c| c.times()));
    let lines = sorted(cells.iter().flat_map(|c| c.good()).map(|t| t.usable));
    let mut ways: BTreeMap<String, usize> = BTreeMap::new();
    for (way, number) in cells.iter().flat_map(|c| c.ways()) {
        *ways.entry(way).or_default() += number;
    }
    let ways: Vec<String> = ways.iter().map(|(way, number)| format!("{way} {number}")).collect();
    let ms = |time: Option<&f64>| time.map_or_else(|| "–".to_owned(), |t| format!("{t:.0} ms"));
    [
        format!("{} pairs", cells.len()),
        format!("{good} of {all}"),
        ms(median(&times).as_ref()),
        ms(times.last()),
        ms(median(&lines).as_ref()),
        ways.join(", "),
    ]
}

/// Why tries failed, the most frequent reasons first; numbers and locators are left out, so that like counts as like.
fn reasons(record: &Record) -> Vec<(String, usize)> {
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for why in
        record.cells.iter().chain(&record.special).flat_map(Cell::bad).filter_map(|t| t.via.as_ref().err())
    {
        *all.entry(without_particulars(why)).or_default() += 1;
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    all.truncate(REASONS);
    all
}

fn without_particulars(why: &str) -> String {
    let word = |word: &str| {
        if word.contains("p2p3") {
            return "…".to_owned();
        }
        let mut out = String::new();
        for c in word.chars() {
            let c = if c.is_ascii_digit() { '#' } else { c };
            if c != '#' || !out.ends_with('#') {
                out.push(c);
            }
        }
        out
    };
    why.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Puts the tables between the marks of a Markdown file.
pub(crate) fn rewrite(file: &str, record: &Record) -> Result {
    let text = fs::read_to_string(file)?;
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| format!("{file} lacks the marks {BEGIN} and {END}"))?;
    Ok(fs::write(file, format!("{head}{BEGIN}\n{}\n{END}{tail}", markdown(record)))?)
}

fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().map(|c| c.replace('|', "\\|").replace('<', "&lt;")).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn header(out: &mut String, cells: &[&str]) {
    row(out, cells.iter().map(|&c| c.to_owned()));
    let _ = writeln!(out, "|{}", "---|".repeat(cells.len()));
}

fn markdown(record: &Record) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} tries of each pair each way, {} dialect, {:.0} minutes.\n\n## Goals\n",
        record.times,
        record.dialect,
        record.seconds / 60.0
    );
    header(&mut out, &["", "goal", "wanted", "found"]);
    for goal in goals::of(record) {
        let verdict = if goal.met { "met" } else { "**missed**" };
        row(&mut out, [verdict.into(), goal.what.into(), goal.wanted, goal.found]);
    }
    let _ = writeln!(out, "\n## By what is to be expected\n");
    header(
        &mut out,
        &["pairs", "setting", "", "succeeded", "OPENED, median", "worst", "line both ways", "by"],
    );
    for (class, setting, cells) in summary(record) {
        row(&mut out, [class.what().to_owned(), setting].into_iter().chain(in_short(&cells)));
    }
    let _ = writeln!(
        out,
        "\nIn the tables: d direct, r reverse, p punched; median ms to `OPENED`; how often, if not always; – never."
    );
    for setting in record.settings() {
        pairs(&mut out, record, &setting);
    }
    if !record.special.is_empty() {
        let _ = writeln!(out, "\n## Special cases\n");
        header(&mut out, &["case", "", "has to go by", "succeeded", "by, and how fast"]);
    }
    for cell in &record.special {
        let (good, all) = cell.score();
        let expected =
            cell.expected.clone().unwrap_or_default().replace(',', " or ").replace("fails", "no way");
        let verdict = if as_expected(cell) { told(cell) } else { format!("**{}**", told(cell)) };
        row(
            &mut out,
            [cell.caller.clone(), cell.called.clone(), expected, format!("{good} of {all}"), verdict],
        );
    }
    let reasons = reasons(record);
    if !reasons.is_empty() {
        let _ = writeln!(out, "\n## Why tries failed\n");
        header(&mut out, &["tries", "what the program was told"]);
    }
    reasons.into_iter().for_each(|(why, number)| row(&mut out, [number.to_string(), why]));
    out
}

fn pairs(out: &mut String, record: &Record, setting: &Setting) {
    let _ = writeln!(out, "\n## {setting}\n");
    let names: Vec<String> = record.kinds.iter().map(|k| label(k)).collect();
    header(
        out,
        &["calls ↓ is called →"].into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>(),
    );
    for (caller, name) in record.kinds.iter().zip(&names) {
        let cells = record
            .kinds
            .iter()
            .map(|called| record.cell(caller, called, setting).map(short).unwrap_or_default());
        row(out, [name.clone()].into_iter().chain(cells));
    }
}
