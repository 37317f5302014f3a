//! The story of a connect, for people: who was where, then what was tried as bars over time, then how it ended.

use std::fmt::Write;
use std::time::Duration;

use p2pnet::proto::connect::report::{Attempt, End, Place, Result, Story};

use crate::node::plain;
use crate::page::Paint;

/// Columns of the bars.
const WIDTH: u32 = 40;

/// The whole story.
pub(crate) fn timeline(story: &Story, paint: &Paint) -> String {
    let mut out = String::from("\n");
    let _ = writeln!(out, "  we       {}", place(&story.ours));
    let _ = writeln!(out, "  the peer {}", place(&story.theirs));
    for choice in &story.choices {
        let fate =
            choice.left_out.as_deref().map_or_else(|| "tried".into(), |why| format!("left out: {why}"));
        let _ = writeln!(
            out,
            "           {:<7}{:<28} {}",
            choice.kind.name(),
            choice.at.to_string(),
            plain(&fate)
        );
    }
    out.push('\n');
    let took = story.took.unwrap_or_else(|| last(story)).max(Duration::from_micros(1));
    let mut rows: Vec<(Duration, String)> = Vec::new();
    for attempt in &story.attempts {
        rows.push((attempt.start, row(attempt, took, paint)));
    }
    for note in &story.notes {
        rows.push((note.at, format!("{:>9}  {}", ms(note.at), plain(&note.text))));
    }
    // The order of what happened; of things at one moment, that in which they were told.
    rows.sort_by_key(|(at, _)| *at);
    for (_, text) in rows {
        let _ = writeln!(out, "{text}");
    }
    if story.left_out > 0 {
        let _ = writeln!(out, "           ... and {} more", story.left_out);
    }
    let _ = writeln!(out, "\n  {}", end(story, paint));
    out
}

fn last(story: &Story) -> Duration {
    let attempts = story.attempts.iter().map(|a| a.end.unwrap_or(a.start));
    attempts.chain(story.notes.iter().map(|n| n.at)).max().unwrap_or_default()
}

fn row(a: &Attempt, took: Duration, paint: &Paint) -> String {
    let to = a.to.map_or_else(String::new, |to| format!(" {to}"));
    let mark = match a.result {
        Result::Won => paint.good("won"),
        Result::Failed => paint.bad("failed"),
        other => other.name().to_owned(),
    };
    let end = a.end.unwrap_or(took);
    let mut text = format!(
        "{:>9}  |{}| {}{to}: {mark} after {}",
        ms(a.start),
        bar(a, took),
        a.technique.name(),
        ms(end.saturating_sub(a.start))
    );
    if !a.text.is_empty() {
        let _ = write!(text, " ({})", plain(&a.text));
    }
    text
}

/// A line as long as the whole request, drawn where the attempt went on.
fn bar(a: &Attempt, took: Duration) -> String {
    let column = |at: Duration| {
        let at = at.min(took).as_secs_f64() / took.as_secs_f64();
        ((at * f64::from(WIDTH)) as u32).min(WIDTH - 1)
    };
    let (from, to) = (column(a.start), column(a.end.unwrap_or(took)));
    let stroke = if a.result == Result::Won { '#' } else { '-' };
    (0..WIDTH).map(|at| if (from..=to).contains(&at) { stroke } else { ' ' }).collect()
}

fn place(place: &Place) -> String {
    let mut text = place.node_type.map_or_else(|| "of unknown type".to_owned(), |t| t.name().to_owned());
    let _ = write!(text, ", {} NAT", place.nat.name());
    if let Some(ip) = place.outside {
        let _ = write!(text, ", seen as {ip}");
    }
    if !place.id.is_empty() {
        let _ = write!(text, ", {}", plain(&place.id));
    }
    text
}

fn end(story: &Story, paint: &Paint) -> String {
    let took = story.took.map_or_else(String::new, |took| format!(" after {}", ms(took)));
    match &story.end {
        End::Running => "still going on".to_owned(),
        End::Connected { via, peer } => paint.good(&format!("connected to {peer} ({}){took}", via.name())),
        End::Failed { reason, .. } => paint.bad(&format!("not connected{took}: {}", plain(reason))),
    }
}

fn ms(at: Duration) -> String {
    format!("{:.1} ms", at.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p2pnet::Code;
    use p2pnet::event::Via;
    use p2pnet::proto::connect::report::Technique;

    fn story() -> Story {
        let ms = Duration::from_millis;
        let mut story = Story::default();
        let direct = story.began(ms(0), Technique::Direct, "203.0.113.7:5000".parse().ok());
        story.note(ms(10), "called the peer\x1b[2J");
        let punch = story.began(ms(50), Technique::Punch, None);
        story.ended(direct, ms(100), Result::Failed, 111, "connection refused");
        story.ended(punch, ms(200), Result::Won, 0, "predict");
        story
    }

    #[test]
    fn a_good_end() {
        let mut story = story();
        let peer = "203.0.113.7:6000".parse().expect("an address");
        story.over(Duration::from_millis(200), End::Connected { via: Via::Punch, peer });
        let page = timeline(&story, &Paint::new(false));
        assert!(page.contains("connected to 203.0.113.7:6000 (punch) after 200.0 ms"), "{page}");
        assert!(
            page.contains("|---------------------                   | direct 203.0.113.7:5000: failed"),
            "{page}"
        );
        assert!(
            page.contains("|          ##############################| punch: won after 150.0 ms (predict)"),
            "{page}"
        );
        assert!(page.contains("10.0 ms  called the peer?[2J") && !page.contains('\x1b'), "{page}");
        let order = ["direct 203", "called the peer", "punch: won"].map(|what| page.find(what));
        assert!(order.is_sorted() && order[0].is_some(), "{page}");
    }

    #[test]
    fn a_bad_end_tells_the_reason() {
        let mut story = story();
        let reason = "both NATs are random".to_owned();
        story.over(Duration::from_secs(3), End::Failed { code: Code::NoPath, reason });
        assert!(
            timeline(&story, &Paint::new(false))
                .contains("not connected after 3000.0 ms: both NATs are random")
        );
    }

    #[test]
    fn one_that_goes_on_has_no_end() {
        assert!(timeline(&story(), &Paint::new(false)).contains("still going on"));
        assert!(timeline(&Story::default(), &Paint::new(false)).contains("still going on"));
    }
}
