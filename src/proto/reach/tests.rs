use super::*;
use proptest::prelude::*;

#[test]
fn answers_to_port_checks() {
    for (text, answer) in [
        ("{\"reachable\":true}\n", Answer::Open),
        ("{\"reachable\": true, \"answer\": \"open\"}", Answer::Open),
        ("{\"answer\":\"refused\",\"reachable\":false}", Answer::Refused),
        ("{\"answer\":\"silent\",\"reachable\":false}", Answer::Silent),
        ("{\"answer\":\"unreachable\",\"reachable\":false}", Answer::Unreachable),
        ("{\"answer\":\"purple\",\"reachable\":false}", Answer::Unknown),
        ("{\"reachable\":false}", Answer::Unknown),
        ("  { \"result\" :\t\"yes\" }\r\n", Answer::Open),
        ("{\"result\": \"no\"}", Answer::Unknown),
        ("{\"re\\u0073ult\": \"\\u0079es\"}", Answer::Open),
        ("{\"ms\": 0, \"x\": -1.5e+3, \"y\": null, \"z\": false, \"result\": \"no\"}", Answer::Unknown),
    ] {
        assert_eq!(port_check(text.as_bytes()), Ok(answer), "{text}");
    }
}

#[test]
fn what_is_no_answer_to_a_port_check() {
    for text in [
        "",
        "yes",
        "{}",
        "{",
        "null",
        "[\"yes\"]",
        "{\"result\": \"YES\"}",
        "{\"result\": true}",
        "{\"reachable\": \"true\"}",
        "{\"reachable\": 1}",
        "{\"reachable\": True}",
        "{\"reachable\": true} x",
        "{\"reachable\": true,}",
        "{\"reachable\" true}",
        "{\"reachable\": true, \"reachable\": true}",
        "{\"reachable\": true, \"result\": \"no\"}",
        "{\"reachable\": true, \"answer\": \"refused\"}",
        "{\"reachable\": false, \"answer\": \"open\"}",
        "{\"reachable\": true, \"nested\": {}}",
        "{\"reachable\": true, \"n\": 01}",
        "{\"reachable\": true, \"n\": 1.}",
        "{\"reachable\": true, \"n\": -}",
        "{\"reachable\": true, \"s\": \"a\nb\"}",
        "{\"reachable\": true, \"s\": \"\\x\"}",
        "{\"reachable\": true, \"s\": \"\\ud800\"}",
        "{\"reachable\": true, \"s\": \"",
        "{\"reachable\": true}\0",
        "<html>{\"result\": \"yes\"}</html>",
    ] {
        assert!(port_check(text.as_bytes()).is_err(), "{text}");
    }
    assert!(port_check(b"{\"result\": \"yes\xff\"}").is_err());
    let long = format!("{{\"reachable\": true{}}}", " ".repeat(MAX_ANSWER));
    assert_eq!(port_check(long.as_bytes()), Err(BadAnswer("the answer is too long")));
    let many: Vec<String> = (0..=MAX_MEMBERS).map(|n| format!("\"n{n}\": 1")).collect();
    assert!(port_check(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
}

#[test]
fn answers_with_an_address() {
    for (text, ip) in [
        ("{\"ip\":\"192.0.2.1\"}\n", "192.0.2.1"),
        ("{\"ip\": \"2001:db8::1\", \"port\": 5}", "2001:db8::1"),
        (" 192.0.2.1\r\n", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(wan_ip(text.as_bytes()), Ok(ip.parse().unwrap()), "{text}");
    }
    for text in [
        "",
        "localhost",
        "192.0.2.1 192.0.2.2",
        "192.0.2.256",
        "192.0.2.1\0",
        "{\"ip\": 3221225985}",
        "{\"ip\": \"\"}",
        "{\"addr\": \"192.0.2.1\"}",
        "{\"ip\": \"0.0.0.0\"}",
        "255.255.255.255",
        "224.0.0.1",
        "::",
        "ff02::1",
        "<b>192.0.2.1</b>",
    ] {
        assert!(wan_ip(text.as_bytes()).is_err(), "{text}");
    }
}

proptest! {
    /// A reader that knows all of JSON takes what this one takes, and sees the same in it.
    #[test]
    fn agrees_with_a_full_reader(text in "[ {}\":,a-e0-9.+tu\\\\-]{0,40}|\\{ ?\"(reachable|result)\" ?: ?(true|false|\"yes\"|\"no\"|1e5|-0|00) ?\\}") {
        if let Ok(members) = object(text.as_bytes()) {
            let full: serde_json::Value = serde_json::from_str(&text).unwrap();
            let full = full.as_object().unwrap();
            prop_assert_eq!(full.len(), members.len());
            for (name, value) in members {
                match value {
                    Value::Text(text) => prop_assert_eq!(full[&name].as_str(), Some(text.as_str())),
                    Value::Bool(yes) => prop_assert_eq!(full[&name].as_bool(), Some(yes)),
                    Value::Whole(n) => prop_assert_eq!(full[&name].as_u64(), Some(n)),
                    Value::Other => prop_assert!(full[&name].is_number() || full[&name].is_null()),
                }
            }
        }
    }

    #[test]
    fn reads_what_a_full_writer_writes(name in "[^\"\\\\]{0,12}", text: String, number: f64, yes: bool) {
        let mut map = serde_json::Map::new();
        map.insert(name, text.into());
        map.insert("a number".into(), number.into());
        map.insert("reachable".into(), yes.into());
        let len = map.len();
        // serde_json escapes control characters only, by \u or the short forms.
        let written = serde_json::Value::Object(map).to_string();
        prop_assert_eq!(object(written.as_bytes()).map(|m| m.len()), Ok(len), "{}", written);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_ne!(port_check(&body), Ok(Answer::Unconfirmed));
        let _ = wan_ip(&body);
    }

    #[test]
    fn any_address_survives(ip: IpAddr) {
        let alone = wan_ip(ip.to_string().as_bytes());
        let json = wan_ip(format!("{{\"ip\": \"{ip}\"}}").as_bytes());
        prop_assert_eq!(alone, json);
        if let Ok(read) = alone {
            prop_assert_eq!(read, ip.to_canonical());
        }
    }
}
