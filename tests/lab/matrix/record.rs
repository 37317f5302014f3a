//! What was measured: cells of tries, as JSON and back, and their statistics.

use serde_json::{Value, json};

use crate::Result;
use crate::matrix::kinds::Class;
use crate::peer::{Outcome, plain};

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Try {
    /// How the connection came to be, or the reason why there is none.
    pub(crate) via: std::result::Result<String, String>,
    /// p2p_result.
    pub(crate) code: i64,
    /// From the call to OPENED, or to the failure; in ms.
    pub(crate) opened: f64,
    /// From the call until a line had gone both ways; in ms.
    pub(crate) usable: f64,
    /// What the winner says of itself, or of a failure the story.
    pub(crate) story: Value,
    /// The way that a relayed connection went later, and how long after the call that began; in ms.
    pub(crate) moved: Option<(String, f64)>,
}

impl Try {
    pub(crate) fn of(outcome: &Outcome) -> Try {
        let story = match outcome.via {
            Ok(_) => outcome.winner().map_or(Value::Null, |winner| winner["text"].clone()),
            Err(_) => outcome.story.clone(),
        };
        let ms = |time: std::time::Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Try {
            via: outcome.via.clone(),
            code: outcome.code,
            opened: ms(outcome.opened),
            usable: ms(outcome.usable),
            story,
            moved: None,
        }
    }

    /// The way that it goes in the end.
    pub(crate) fn way(&self) -> std::result::Result<&str, &str> {
        match (&self.moved, &self.via) {
            (Some((way, _)), _) | (_, Ok(way)) => Ok(way),
            (_, Err(why)) => Err(why),
        }
    }

    fn to_json(&self) -> Value {
        match &self.via {
            Ok(via) => {
                let moved = self.moved.as_ref().map(|(via, after)| json!({ "via": via, "after_ms": after }));
                json!({ "via": via, "opened_ms": self.opened, "usable_ms": self.usable, "story": self.story,
                    "moved": moved })
            }
            Err(why) => {
                json!({ "failed": why, "code": self.code, "took_ms": self.opened, "story": self.story })
            }
        }
    }

    fn of_json(value: &Value) -> Option<Try> {
        let number = |name: &str| value[name].as_f64();
        let story = value["story"].clone();
        match value["failed"].as_str() {
            Some(why) => {
                let code = value["code"].as_i64()?;
                let opened = number("took_ms")?;
                Some(Try { via: Err(why.into()), code, opened, usable: 0.0, story, moved: None })
            }
            None => {
                let via = Ok(value["via"].as_str()?.to_owned());
                let moved = &value["moved"];
                let moved = moved["after_ms"].as_f64().map(|after| (plain(&moved["via"]), after));
                let (opened, usable) = (number("opened_ms")?, number("usable_ms")?);
                Some(Try { via, code: 0, opened, usable, story, moved })
            }
        }
    }
}

/// Where the lab's delays and its routers' manners are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    /// One way, from peer to peer; the server is half-way.
    pub(crate) delay_ms: u64,
    /// What a router answers to a SYN that nobody asked for: drop or rst.
    pub(crate) unsolicited: String,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms one way, {}", self.delay_ms, self.unsolicited)
    }
}

/// All tries of a caller and a called one in a setting; or of a special case, whose name stands for the caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) caller: String,
    pub(crate) called: String,
    pub(crate) setting: Setting,
    /// Not for a special case.
    pub(crate) class: Option<Class>,
    /// How a special case has to go: the ways that count, separated by commas, or "fails".
    pub(crate) expected: Option<String>,
    pub(crate) tries: Vec<Try>,
    /// What must never be: the two did not agree about the connection.
    pub(crate) disagreed: Vec<String>,
}

impl Cell {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "caller": self.caller, "called": self.called, "delay_ms": self.setting.delay_ms,
            "unsolicited": self.setting.unsolicited, "class": self.class.map(Class::name), "expected": self.expected,
            "tries": self.tries.iter().map(Try::to_json).collect::<Vec<_>>(), "disagreed": self.disagreed,
        })
    }

    pub(crate) fn of_json(value: &Value) -> Result<Cell> {
        let tries = value["tries"].as_array().and_then(|all| all.iter().map(Try::of_json).collect());
        let disagreed = value["disagreed"].as_array().map(|all| all.iter().map(plain).collect());
        let setting = Setting {
            delay_ms: value["delay_ms"].as_u64().ok_or("a cell without delay_ms")?,
            unsolicited: plain(&value["unsolicited"]),
        };
        Ok(Cell {
            caller: plain(&value["caller"]),
            called: plain(&value["called"]),
            setting,
            class: value["class"].as_str().and_then(Class::of_name),
            expected: value["expected"].as_str().map(str::to_owned),
            tries: tries.ok_or("a cell without tries")?,
            disagreed: disagreed.unwrap_or_default(),
        })
    }

    /// Tries that came to a connection which carried a line both ways.
    pub(crate) fn good(&self) -> impl Iterator<Item = &Try> {
        self.tries.iter().filter(|t| t.via.is_ok())
    }

    pub(crate) fn bad(&self) -> impl Iterator<Item = &Try> {
        self.tries.iter().filter(|t| t.via.is_err())
    }

    pub(crate) fn score(&self) -> (usize, usize) {
        (self.good().count(), self.tries.len())
    }

    /// Times to OPENED, sorted.
    pub(crate) fn times(&self) -> Vec<f64> {
        sorted(self.good().map(|t| t.opened))
    }

    /// The ways that won, the most frequent first, with how often they did.
    pub(crate) fn ways(&self) -> Vec<(String, usize)> {
        let mut ways: Vec<(String, usize)> = Vec::new();
        for tried in self.good() {
            let Ok(via) = &tried.via else { continue };
            let way =
                tried.moved.as_ref().map_or_else(|| via.clone(), |(way, _)| format!("{via} then {way}"));
            match ways.iter_mut().find(|(name, _)| *name == way) {
                Some((_, number)) => *number += 1,
                None => ways.push((way, 1)),
            }
        }
        ways.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        ways
    }
}

/// Everything of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The kinds, in the order of rows and columns.
    pub(crate) kinds: Vec<String>,
    pub(crate) dialect: String,
    /// Tries of each cell that were asked for.
    pub(crate) times: usize,
    pub(crate) seconds: f64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) special: Vec<Cell>,
    /// Labs of which nothing is known, with the reason.
    pub(crate) broken: Vec<String>,
}

impl Record {
    pub(crate) fn to_json(&self) -> Value {
        let all = |cells: &[Cell]| cells.iter().map(Cell::to_json).collect::<Vec<_>>();
        json!({
            "kinds": self.kinds, "dialect": self.dialect, "times": self.times, "seconds": self.seconds,
            "cells": all(&self.cells), "special": all(&self.special),
            "broken": self.broken,
        })
    }

    pub(crate) fn of_json(value: &Value) -> Result<Record> {
        let all = |name: &str| -> Result<Vec<Cell>> {
            value[name].as_array().ok_or_else(|| format!("no {name}"))?.iter().map(Cell::of_json).collect()
        };
        Ok(Record {
            kinds: value["kinds"].as_array().ok_or("no kinds")?.iter().map(plain).collect(),
            dialect: plain(&value["dialect"]),
            times: value["times"].as_u64().unwrap_or_default() as usize,
            seconds: value["seconds"].as_f64().unwrap_or_default(),
            cells: all("cells")?,
            special: all("special")?,
            broken: value["broken"].as_array().map(|all| all.iter().map(plain).collect()).unwrap_or_default(),
        })
    }

    /// The settings there are, in order.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut all: Vec<Setting> = self.cells.iter().map(|cell| cell.setting.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    pub(crate) fn cell(&self, caller: &str, called: &str, setting: &Setting) -> Option<&Cell> {
        self.cells.iter().find(|c| c.caller == caller && c.called == called && c.setting == *setting)
    }
}

pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The middle one of sorted values; the lower one of two.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}
