use super::*;
use proptest::prelude::*;

fn list(items: &[i128]) -> Option<Value> {
    Some(Value::List(items.iter().map(|&n| Value::Int(n)).collect()))
}

fn text(s: &str) -> Option<Value> {
    Some(Value::Str(s.into()))
}

#[test]
fn numbers() {
    for (literal, number) in [
        ("0", 0),
        ("00_0", 0),
        ("-12", -12),
        ("+ 5", 5),
        ("1_000", 1000),
        ("0xFf", 255),
        ("0o17", 15),
        ("0b_101", 5),
        (" \t7 \n\r\n", 7),
        ("(((3)))", 3),
        ("-0x10", -16),
    ] {
        assert_eq!(evaluate(literal), Some(Value::Int(number)), "{literal:?}");
    }
    for (literal, number) in [
        ("1.", 1.0),
        (".5", 0.5),
        ("01.5", 1.5),
        ("-2e3", -2000.0),
        ("1E+2", 100.0),
        ("1_0.0_1e-0_1", 1.001),
        ("1e999", f64::INFINITY),
    ] {
        assert_eq!(evaluate(literal), Some(Value::Float(number)), "{literal:?}");
    }
    for not in [
        "", "-", "--1", "01", "1__0", "_1", "1_", "1_.5", "1a", "0x", "0x_", ".", "e5", ".e5", "1e", "1 2",
        "1\n ", "1.5.2", "-True", "1j", "٣", "1é",
    ] {
        assert_eq!(evaluate(not), None, "{not:?}");
    }
}

#[test]
fn words_and_text() {
    assert_eq!(evaluate("None"), Some(Value::Nil));
    assert_eq!(evaluate("True"), Some(Value::Bool(true)));
    assert_eq!(evaluate("False "), Some(Value::Bool(false)));
    assert_eq!(evaluate(r#"'a"\'\\\n\xe9\u20ac\U0001f600é'"#), text("a\"'\\\né€😀é"));
    assert_eq!(evaluate("u\"x\""), text("x"));
    assert_eq!(evaluate(r"b'a\xff'"), Some(Value::Bytes(vec![b'a', 255])));
    assert_eq!(evaluate("''"), text(""));
    for not in [
        "Nonesuch",
        "none",
        "hello",
        "'a",
        "'a'b",
        "'a' 'b'",
        "'''a'''",
        "'\\ud800'",
        "'\\q'",
        "b'é'",
        "b'\\u0041'",
        "'a\nb'",
        "r'a'",
        "ub'a'",
        "REVERSE_QUERY:Ag==",
        "'\\U00110000'",
        "u1",
        "b",
    ] {
        assert_eq!(evaluate(not), None, "{not:?}");
    }
}

#[test]
fn collections() {
    assert_eq!(evaluate("[1, 2]"), list(&[1, 2]));
    assert_eq!(evaluate("[1,\n2 ,]"), list(&[1, 2]));
    assert_eq!(evaluate("(1,)"), list(&[1]));
    assert_eq!(evaluate("()"), list(&[]));
    assert_eq!(evaluate("1, 2"), list(&[1, 2]));
    assert_eq!(evaluate("1,\n"), list(&[1]));
    assert_eq!(evaluate("{}"), Some(Value::Map(vec![])));
    let pair = (Value::Str("status".into()), Value::Str("SYN".into()));
    assert_eq!(evaluate("{'status': 'SYN',}"), Some(Value::Map(vec![pair])));
    for not in [
        "[",
        "[1",
        "[,]",
        "(,)",
        "[1 2]",
        "1,,2",
        "1,\n2",
        "{1}",
        "{1:}",
        "{[1]: 2}",
        "{1:2 3:4}",
        "[1]]",
        ",",
        "\n1",
        "[#\n]",
    ] {
        assert_eq!(evaluate(not), None, "{not:?}");
    }
}

#[test]
fn deep_nesting_stays_text() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(evaluate(&nested(MAX_DEPTH)).is_some());
    assert_eq!(evaluate(&nested(MAX_DEPTH + 1)), None);
    assert_eq!(evaluate(&"[".repeat(100_000)), None);
    assert_eq!(evaluate(&"u".repeat(100_000)), None);
}

proptest! {
    #[test]
    fn any_text_is_judged(text: String, soup in "[\\[\\](){},:'\"\\\\ubx0-9.e_+\\- \\nTrueNone]{0,60}") {
        let _ = (evaluate(&text), evaluate(&soup));
    }

    #[test]
    fn integers(n: i64) {
        prop_assert_eq!(evaluate(&n.to_string()), Some(Value::Int(n.into())));
    }
}
