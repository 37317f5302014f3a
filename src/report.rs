//! The story behind a node's situation: every question it has asked, of whom, what came of it and how long it took.
//!
//! What [`NetInfo`] says in a few words is here with its reasons, for people (`p2p doctor`) and as JSON for programs
//! (`p2p_net_report`).

use crate::config::NodeType;
use crate::event::NetInfo;
use crate::json::{self, Object};

/// Steps that are kept; older ones are forgotten.
pub(crate) const MAX_STEPS: usize = 100;

/// The longest text of a step, in characters: many servers have many reasons.
pub(crate) const MAX_STEP_TEXT: usize = 1000;

/// One question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it was about: `nat`, `mapping`, `reachability`, `hairpin`, `clock`, `network`.
    pub topic: &'static str,
    /// When it was answered, in milliseconds since the net was made.
    pub at_ms: u64,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// Whether it went as one would wish.
    pub good: bool,
    /// The answer, a sentence for people.
    pub text: String,
}

/// A node's situation with its story.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether the start is finished.
    pub ready: bool,
    /// The situation.
    pub info: NetInfo,
    /// How it was found out, oldest first.
    pub steps: Vec<Step>,
}

impl Report {
    /// As one JSON object, the schema of `docs/doctor.md`.
    pub fn to_json(&self) -> String {
        let i = &self.info;
        let mut o = Object::new();
        o.bool("ready", Some(self.ready));
        o.text("node_type", node_type_name(i.node_type));
        o.bool("reachable", i.reachable);
        o.bool("reachable_v6", i.reachable_v6);
        o.text("forwarding", i.forwarding.name());
        o.number("passive_port", i.passive_port.into());
        o.number("external_port", i.external_port.into());
        o.address("lan_ip", i.lan_ip);
        o.address("wan_ip", i.wan_ip);
        o.address("wan_ip6", i.wan_ip6);
        o.text("nat", i.nat.name());
        o.number("nat_delta", i.nat_delta.into());
        o.text("mapping", i.mapping.name());
        o.text("allocation", i.allocation.name());
        o.text("unsolicited", i.unsolicited.name());
        o.bool("hairpin", i.hairpin);
        o.bool("double_nat", i.double_nat);
        match i.clock_offset_us {
            Some(us) => o.number("clock_offset_us", us),
            None => o.raw("clock_offset_us", "null"),
        }
        o.raw("steps", &json::array(self.steps.iter().map(Step::to_json)));
        o.end()
    }
}

impl Step {
    fn to_json(&self) -> String {
        let mut o = Object::new();
        o.text("topic", self.topic);
        o.number("at_ms", i64::try_from(self.at_ms).unwrap_or(i64::MAX));
        o.number("took_ms", i64::try_from(self.took_ms).unwrap_or(i64::MAX));
        o.bool("good", Some(self.good));
        o.text("text", &self.text);
        o.end()
    }
}

/// PyP2P's name of a node type.
pub fn node_type_name(t: NodeType) -> &'static str {
    match t {
        NodeType::Unknown => "unknown",
        NodeType::Passive => "passive",
        NodeType::Active => "active",
        NodeType::Simultaneous => "simultaneous",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use proptest::prelude::*;

    fn report(text: &str) -> Report {
        let info = crate::Net::new(Config::default()).unwrap().info();
        let step = Step { topic: "nat", at_ms: 7, took_ms: 3, good: true, text: text.into() };
        Report { ready: true, info, steps: vec![step.clone(), step] }
    }

    #[test]
    fn no_control_character_gets_through() {
        let json = report("\u{9b}2J\u{7f}\u{1b}[2J").to_json();
        assert!(json.contains(r"\u009b2J\u007f\u001b[2J"), "{json}");
    }

    proptest! {
        /// Whatever a server or a router has put into a step's text: it is JSON, and the text comes back.
        #[test]
        fn any_text_survives(text in any::<String>()) {
            let json = report(&text).to_json();
            prop_assert!(!json.chars().any(char::is_control));
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed["steps"][1]["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(&parsed["reachable"], &serde_json::Value::Null);
            prop_assert_eq!(parsed["nat"].as_str(), Some("unknown"));
        }
    }
}
