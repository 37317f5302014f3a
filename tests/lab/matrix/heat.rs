//! The matrix as a picture: a heat map for each setting, rows call, columns are called.

use crate::matrix::kinds::{Class, label};
use crate::matrix::record::{Cell, Record, Setting, median};
use crate::matrix::svg::Svg;

const WIDTH: f64 = 50.0;
const HEIGHT: f64 = 27.0;
/// Room for the names of rows, and of columns.
const LEFT: f64 = 128.0;
const ABOVE: f64 = 128.0;
const LEGEND: f64 = 64.0;

/// Told apart by lightness as well as by hue, in light and dark. (No variables: not every viewer knows them.)
const STYLE: &str = "\
text { font: 11px system-ui, sans-serif; fill: #1f2328; }
.head { font-size: 14px; font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.small { font-size: 9px; }
.paper { fill: #ffffff; } .faint { fill: #656d76; }
.full { fill: #0b6e99; } .most { fill: #7cc0dd; } .some { fill: #f4c95d; } .lost { fill: #c8385a; }
.never { fill: #dfe3e8; } .none { fill: none; stroke: #dfe3e8; }
.in-full, .in-lost { fill: #ffffff; } .in-most, .in-some { fill: #1f2328; } .in-never { fill: #656d76; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.paper { fill: #0d1117; } .faint { fill: #9198a1; }
.full { fill: #1a7fae; } .most { fill: #8fcfe8; } .some { fill: #e3b341; } .lost { fill: #d64a60; }
.never { fill: #2d333b; } .none { stroke: #2d333b; }
.in-full, .in-lost { fill: #ffffff; } .in-most, .in-some { fill: #1f2328; } .in-never { fill: #9198a1; }
}
";

/// The whole picture.
pub(crate) fn picture(record: &Record) -> String {
    let settings = record.settings();
    let kinds: Vec<&String> = record.kinds.iter().collect();
    let (across, down) = (settings.len().clamp(1, 2), settings.len().div_ceil(2).max(1));
    let panel = [LEFT + WIDTH * kinds.len() as f64 + 24.0, ABOVE + HEIGHT * kinds.len() as f64 + 24.0];
    let size = [(panel[0] * across as f64).max(620.0), panel[1] * down as f64 + LEGEND];
    let mut svg = Svg::new(size[0], size[1], "Which NATs get through to which, and how fast", STYLE);
    svg.rect("paper", [0.0, 0.0, size[0], size[1]], "");
    for (n, setting) in settings.iter().enumerate() {
        svg.group(panel[0] * (n % 2) as f64, panel[1] * (n / 2) as f64);
        draw(&mut svg, record, &kinds, setting);
        svg.end();
    }
    svg.group(16.0, size[1] - LEGEND + 12.0);
    legend(&mut svg, record.times);
    svg.end();
    svg.finish()
}

fn draw(svg: &mut Svg, record: &Record, kinds: &[&String], setting: &Setting) {
    let manner = match setting.unsolicited.as_str() {
        "rst" => "routers refuse strangers (RST)",
        _ => "routers are silent to strangers",
    };
    svg.text("head", [16.0, 24.0], 0.0, format!("{} ms one way, {manner}", setting.delay_ms));
    svg.text("faint", [16.0, ABOVE - 8.0], 0.0, "calls ↓   is called →");
    for (n, kind) in kinds.iter().enumerate() {
        let [x, y] = [LEFT + WIDTH * (n as f64 + 0.5), ABOVE + HEIGHT * (n as f64 + 0.5) + 4.0];
        svg.text("", [x, ABOVE - 8.0], -40.0, label(kind));
        svg.text("end", [LEFT - 8.0, y], 0.0, label(kind));
    }
    for (row, caller) in kinds.iter().enumerate() {
        for (column, called) in kinds.iter().enumerate() {
            let at = [LEFT + WIDTH * column as f64, ABOVE + HEIGHT * row as f64];
            let place = [at[0] + 1.0, at[1] + 1.0, WIDTH - 2.0, HEIGHT - 2.0];
            match record.cell(caller, called, setting) {
                Some(cell) => field(svg, cell, place),
                None => svg.rect("none", place, ""),
            }
        }
    }
}

fn field(svg: &mut Svg, cell: &Cell, [x, y, width, height]: [f64; 4]) {
    let shade = shade(cell);
    let (good, all) = cell.score();
    let times = cell.times();
    let mut tip = format!("{} to {}: {good} of {all}", label(&cell.caller), label(&cell.called));
    if let (Some(median), Some(worst)) = (median(&times), times.last()) {
        tip += &format!(", median {median:.0} ms, worst {worst:.0} ms");
    }
    svg.rect(shade, [x, y, width, height], &tip);
    let class = format!("middle in-{shade}");
    let middle = x + width / 2.0;
    let text = short(cell);
    if good == all || good == 0 {
        svg.text(&class, [middle, y + height / 2.0 + 4.0], 0.0, text);
    } else {
        svg.text(&class, [middle, y + 11.0], 0.0, text);
        svg.text(&format!("small {class}"), [middle, y + height - 4.0], 0.0, format!("{good}/{all}"));
    }
}

/// The class of its colour.
fn shade(cell: &Cell) -> &'static str {
    match cell.score() {
        (0, _) if matches!(cell.class, Some(Class::Hopeless | Class::Chance)) => "never",
        (0, _) => "lost",
        (good, all) if good == all => "full",
        (good, all) if good * 10 >= all * 9 => "most",
        _ => "some",
    }
}

/// The technique's letter and the median time; how long a failure took.
fn short(cell: &Cell) -> String {
    match (cell.ways().first(), median(&cell.times())) {
        (Some((via, _)), Some(median)) => format!("{} {median:.0}", letter(via)),
        _ => median_failure(cell).map_or_else(|| "?".into(), |ms| format!("– {:.1}s", ms / 1e3)),
    }
}

fn median_failure(cell: &Cell) -> Option<f64> {
    median(&crate::matrix::record::sorted(cell.bad().map(|t| t.opened)))
}

/// One letter for a way.
pub(crate) fn letter(via: &str) -> char {
    // Reverse has the small one.
    if via.starts_with("relay") { 'R' } else { via.chars().next().unwrap_or('?') }
}

fn legend(svg: &mut Svg, times: usize) {
    let shades = [
        ("full", "every try".to_owned()),
        ("most", "9 of 10 at least".into()),
        ("some", "fewer".into()),
        ("lost", "none".into()),
        ("never", "none, as was to be expected".into()),
    ];
    let mut x = 0.0;
    for (shade, what) in shades {
        svg.rect(shade, [x, 0.0, 16.0, 12.0], "");
        svg.text("", [x + 22.0, 10.0], 0.0, &what);
        x += 44.0 + 6.0 * what.chars().count() as f64;
    }
    let text = format!(
        "d direct · r reverse · p punched · R by a relay; median ms to OPENED ({times} tries); – fails after"
    );
    svg.text("faint", [0.0, 34.0], 0.0, text);
}
