//! A story as JSON: what `p2p_explain` returns. The schema stands in `docs/explain.md`.

use std::net::SocketAddr;
use std::time::Duration;

use super::report::{Attempt, Choice, End, Note, Place, Story};
use crate::json::{Object, array};

impl Story {
    /// As one JSON object.
    pub fn to_json(&self) -> String {
        let mut o = Object::new();
        o.number("request", i64::try_from(self.request).unwrap_or(i64::MAX));
        o.text("locator", &self.locator);
        self.end.write(&mut o);
        time(&mut o, "took_ms", self.took);
        o.raw("ours", &self.ours.to_json());
        o.raw("theirs", &self.theirs.to_json());
        o.raw("candidates", &array(self.choices.iter().map(Choice::to_json)));
        o.raw("attempts", &array(self.attempts.iter().map(Attempt::to_json)));
        o.raw("notes", &array(self.notes.iter().map(Note::to_json)));
        o.number("left_out", self.left_out.into());
        o.end()
    }
}

impl End {
    fn write(&self, o: &mut Object) {
        match self {
            End::Running => o.text("state", "running"),
            End::Connected { via, peer } => {
                o.text("state", "connected");
                o.text("via", via.name());
                o.text("peer", &peer.to_string());
            }
            End::Failed { code, reason } => {
                o.text("state", "failed");
                o.number("code", *code as i64);
                o.text("error", code.text());
                o.text("reason", reason);
            }
        }
    }
}

impl Place {
    fn to_json(&self) -> String {
        let mut o = Object::new();
        o.text("id", &self.id);
        match self.node_type {
            Some(node_type) => o.text("node_type", node_type.name()),
            None => o.raw("node_type", "null"),
        }
        o.text("nat", self.nat.name());
        o.text("mapping", self.mapping.name());
        o.text("allocation", self.allocation.name());
        o.address("outside", self.outside);
        o.end()
    }
}

impl Choice {
    fn to_json(&self) -> String {
        let mut o = Object::new();
        o.text("kind", self.kind.name());
        o.text("address", &self.at.to_string());
        match &self.left_out {
            Some(why) => o.text("left_out", why),
            None => o.raw("left_out", "null"),
        }
        o.end()
    }
}

impl Attempt {
    fn to_json(&self) -> String {
        let mut o = Object::new();
        o.text("technique", self.technique.name());
        place(&mut o, self.to);
        time(&mut o, "start_ms", Some(self.start));
        time(&mut o, "end_ms", self.end);
        o.text("result", self.result.name());
        o.number("os_error", self.os_error.into());
        o.text("text", &self.text);
        o.end()
    }
}

impl Note {
    fn to_json(&self) -> String {
        let mut o = Object::new();
        time(&mut o, "at_ms", Some(self.at));
        o.text("text", &self.text);
        o.end()
    }
}

fn place(o: &mut Object, at: Option<SocketAddr>) {
    match at {
        Some(at) => o.text("address", &at.to_string()),
        None => o.raw("address", "null"),
    }
}

/// Milliseconds with their fraction.
fn time(o: &mut Object, key: &str, at: Option<Duration>) {
    match at {
        Some(at) => o.raw(key, &format!("{}.{:03}", at.as_millis(), at.subsec_micros() % 1000)),
        None => o.raw(key, "null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::event::Via;
    use crate::proto::connect::report::{MAX_ATTEMPTS, MAX_NOTES, Result, Technique};
    use crate::proto::unl::CandidateKind;
    use serde_json::{Value, json};

    fn parsed(story: &Story) -> Value {
        serde_json::from_str(&story.to_json()).unwrap()
    }

    #[test]
    fn a_story_that_ended_well() {
        let ms = Duration::from_millis;
        let mut story = Story { request: 7, locator: "p2p3x".into(), ..Story::default() };
        let at: SocketAddr = "203.0.113.7:5000".parse().unwrap();
        let left_out = Some("private".to_owned());
        story.choices.push(Choice { kind: CandidateKind::Lan, at, left_out });
        let refused = story.began(ms(0), Technique::Direct, Some(at));
        story.ended(refused, ms(12), Result::Failed, 111, "refused");
        story.ended(refused, ms(99), Result::Won, 0, "too late to count");
        let won = story.began(ms(1), Technique::Punch, None);
        story.note(Duration::from_micros(1500), "said \"go\"");
        assert_eq!(parsed(&story)["state"], "running");
        story.ended(won, ms(228), Result::Won, 0, "predict, round 1");
        story.began(ms(3), Technique::Reverse, None);
        story.over(ms(229), End::Connected { via: Via::Punch, peer: at });
        story.over(ms(300), End::Running);
        let json = parsed(&story);
        assert_eq!(json["state"], "connected");
        assert_eq!((&json["via"], &json["peer"]), (&json!("punch"), &json!("203.0.113.7:5000")));
        assert_eq!(json["took_ms"], 229.0);
        assert_eq!(json["candidates"][0]["left_out"], "private");
        assert_eq!(json["attempts"][0]["os_error"], 111);
        assert_eq!(json["attempts"][0]["result"], "failed");
        assert_eq!(json["attempts"][1]["address"], Value::Null);
        assert_eq!(json["attempts"][2]["result"], "given-up");
        assert_eq!(json["notes"][0]["at_ms"], 1.5);
        assert_eq!(json["notes"][0]["text"], "said \"go\"");
    }

    #[test]
    fn a_story_is_bounded_and_says_so() {
        let mut story = Story::default();
        for _ in 0..MAX_ATTEMPTS + 3 {
            story.began(Duration::ZERO, Technique::Lan, None);
        }
        for _ in 0..MAX_NOTES + 2 {
            story.note(Duration::ZERO, "x");
        }
        let reason = "no way".to_owned();
        story.over(Duration::from_secs(1), End::Failed { code: Code::NoPath, reason });
        let json = parsed(&story);
        assert_eq!(json["attempts"].as_array().unwrap().len(), MAX_ATTEMPTS);
        assert_eq!(json["left_out"], 5);
        assert_eq!((&json["state"], &json["reason"]), (&json!("failed"), &json!("no way")));
    }
}
