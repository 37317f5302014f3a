//! The server's log: one line per happening, for people (`text`) or for programs (`json`).
//!
//! A log must not become the attack: warnings that strangers can cause are limited to a few per second and the rest
//! are counted.

use parking_lot::Mutex;
use std::fmt::{self, Display, Write as _};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What stops the server or loses something.
    Error,
    /// Limits that were hit.
    Warn,
    /// Start, stop and configuration.
    Info,
    /// Every connection and request.
    Debug,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-31T12:00:00Z info ready rendezvous=0.0.0.0:8000`
    Text,
    /// One JSON object per line; all values are strings.
    Json,
}

/// Writes a field of a log line: name and value.
pub type Field<'a> = &'a mut dyn FnMut(&'static str, &dyn Display);

/// Where log lines go. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    level: Level,
    format: Format,
    out: Mutex<Out>,
}

struct Out {
    sink: Box<dyn Write + Send>,
    second: Instant,
    warnings: u32,
    suppressed: u32,
}

/// Warnings written per second.
const WARNINGS: u32 = 20;

impl Log {
    /// Logs nothing.
    pub fn off() -> Log {
        Log { inner: None }
    }

    /// Logs to `sink` (say, standard error) what is at least as grave as `level`.
    pub fn new(level: Level, format: Format, sink: Box<dyn Write + Send>) -> Log {
        let out = Mutex::new(Out { sink, second: Instant::now(), warnings: 0, suppressed: 0 });
        Log { inner: Some(Arc::new(Inner { level, format, out })) }
    }

    /// Whether lines of this level are written; to avoid the work of making them.
    pub fn takes(&self, level: Level) -> bool {
        self.inner.as_ref().is_some_and(|inner| level <= inner.level)
    }

    /// Writes one line; `fields` is called with a function that adds a field. A log that cannot be written is lost.
    pub fn line(&self, level: Level, what: &str, fields: impl FnOnce(Field<'_>)) {
        let Some(inner) = self.inner.as_ref().filter(|inner| level <= inner.level) else { return };
        let mut out = inner.out.lock();
        if level == Level::Warn {
            let now = Instant::now();
            if now.duration_since(out.second) >= Duration::from_secs(1) {
                let lost = std::mem::take(&mut out.suppressed);
                (out.second, out.warnings) = (now, 0);
                if lost > 0 {
                    let text = render(inner.format, Level::Warn, "suppressed", |field| field("lines", &lost));
                    let _ = out.sink.write_all(text.as_bytes());
                }
            }
            out.warnings += 1;
            if out.warnings > WARNINGS {
                out.suppressed += 1;
                return;
            }
        }
        let text = render(inner.format, level, what, fields);
        let _ = out.sink.write_all(text.as_bytes()).and_then(|()| out.sink.flush());
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inner.is_some() { "Log" } else { "Log(off)" })
    }
}

fn render(format: Format, level: Level, what: &str, fields: impl FnOnce(Field<'_>)) -> String {
    let time = utc(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    match format {
        Format::Text => {
            let mut text = format!("{time} {:5} {what}", level.word());
            fields(&mut |name, value| {
                let value = value.to_string();
                let plain =
                    !value.is_empty() && !value.contains(|c: char| c <= ' ' || c == '"' || c == '\u{7f}');
                let _ =
                    if plain { write!(text, " {name}={value}") } else { write!(text, " {name}={value:?}") };
            });
            text.push('\n');
            text
        }
        Format::Json => {
            let mut object = serde_json::Map::new();
            let mut put = |name: &str, value: String| object.insert(name.to_owned(), value.into());
            put("time", time);
            put("level", level.word().to_owned());
            put("what", what.to_owned());
            fields(&mut |name, value| {
                put(name, value.to_string());
            });
            format!("{}\n", serde_json::Value::Object(object))
        }
    }
}

/// Unix seconds as `YYYY-MM-DDThh:mm:ssZ`.
fn utc(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Count years from 1 March, so that the leap day is the last of its year; 400 years have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(utc(1_798_761_599), "2026-12-31T23:59:59Z");
    }

    #[test]
    fn text_quotes_what_would_be_ambiguous() {
        let sink = Sink::default();
        let log = Log::new(Level::Info, Format::Text, Box::new(sink.clone()));
        log.line(Level::Info, "ready", |field| {
            field("port", &8000);
            field("why", &"a b\n\"c\"");
        });
        log.line(Level::Debug, "not shown", |_| {});
        let text = String::from_utf8(sink.0.lock().clone()).unwrap();
        assert!(text.ends_with(" info  ready port=8000 why=\"a b\\n\\\"c\\\"\"\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn json_is_one_object_per_line() {
        let sink = Sink::default();
        let log = Log::new(Level::Debug, Format::Json, Box::new(sink.clone()));
        log.line(Level::Debug, "odd", |field| field("value", &"\n\"\\"));
        let text = String::from_utf8(sink.0.lock().clone()).unwrap();
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!((&value["what"], &value["value"]), (&"odd".into(), &"\n\"\\".into()));
    }

    #[test]
    fn strangers_cannot_flood_the_log() {
        let sink = Sink::default();
        let log = Log::new(Level::Debug, Format::Text, Box::new(sink.clone()));
        (0..10_000).for_each(|_| log.line(Level::Warn, "refused", |_| {}));
        let lines = String::from_utf8(sink.0.lock().clone()).unwrap().lines().count();
        assert!(lines < 1000, "{lines}");
    }
}
