//! The matrix's command line.

use std::thread;

use crate::Result;
use crate::matrix::kinds::Choice;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) kinds: Choice,
    pub(crate) times: usize,
    pub(crate) jobs: usize,
    /// One way, from peer to peer, in milliseconds.
    pub(crate) delays: Vec<u64>,
    /// drop, rst.
    pub(crate) unsolicited: Vec<String>,
    pub(crate) dialect: String,
    pub(crate) pairs: bool,
    pub(crate) special: bool,
    pub(crate) json: Option<String>,
    pub(crate) markdown: Option<String>,
    pub(crate) svg: Option<String>,
    /// A JSON file of an earlier run to tell again, instead of measuring.
    pub(crate) draw: Option<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Options> {
        let jobs = thread::available_parallelism().map_or(2, usize::from) * 4;
        let mut options = Options {
            kinds: Choice::Standard,
            times: 20,
            jobs,
            delays: vec![0, 25],
            unsolicited: vec!["drop".into(), "rst".into()],
            dialect: "secure".into(),
            pairs: true,
            special: true,
            json: None,
            markdown: None,
            svg: None,
            draw: None,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("{argument} needs a value"));
            let list = |text: String| -> Vec<String> { text.split(',').map(str::to_owned).collect() };
            match argument.as_str() {
                "--quick" => {
                    options.kinds = Choice::Quick;
                    (options.times, options.delays, options.unsolicited) = (5, vec![25], vec!["drop".into()]);
                }
                "--all" => options.kinds = Choice::All,
                "--kinds" => options.kinds = Choice::Named(list(value()?)),
                "--times" => options.times = value()?.parse()?,
                "--jobs" => options.jobs = value()?.parse()?,
                "--delay" => {
                    let all = list(value()?).iter().map(|d| d.parse()).collect::<std::result::Result<_, _>>();
                    options.delays = all.map_err(|e| format!("--delay takes milliseconds: {e}"))?;
                }
                "--unsolicited" => options.unsolicited = list(value()?),
                "--dialect" => options.dialect = value()?,
                "--only" => match value()?.as_str() {
                    "pairs" => options.special = false,
                    "special" => options.pairs = false,
                    other => return Err(format!("--only takes pairs or special, not {other:?}").into()),
                },
                "--json" => options.json = Some(value()?),
                "--md" => options.markdown = Some(value()?),
                "--svg" => options.svg = Some(value()?),
                "--draw" => options.draw = Some(value()?),
                _ => return Err(format!("unknown option {argument}").into()),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result {
        if self.times == 0 || self.jobs == 0 {
            return Err("--times and --jobs start at 1".into());
        }
        if self.delays.is_empty() || self.delays.iter().any(|&d| d > 1000) {
            return Err("--delay takes up to 1000 ms".into());
        }
        if let Some(other) = self.unsolicited.iter().find(|u| !["drop", "rst"].contains(&u.as_str())) {
            return Err(format!("--unsolicited takes drop and rst, not {other:?}").into());
        }
        if !["secure", "classic"].contains(&self.dialect.as_str()) {
            return Err(format!("--dialect takes secure or classic, not {:?}", self.dialect).into());
        }
        self.kinds.nats().map(drop)
    }
}
