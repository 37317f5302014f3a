//! Unit tests of the matrix itself, as cases without a lab.

use p2pnet::proto::nat::behaviour::{Allocation, Mapping};
use p2pnet::proto::punch::{Side, Technique};
use serde_json::{Value, json};

use crate::cases::catalogue;
use crate::kernel_nat::{DELTA, Kind};
use crate::matrix::goals;
use crate::matrix::heat;
use crate::matrix::kinds::Class;
use crate::matrix::record::{Cell, Record, Setting, Try, median};
use crate::matrix::table;
use crate::natbox::{By, Ports};
use crate::runner::Case;
use crate::topology::Nat;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::pure("matrix::classes", classes),
        Case::pure("matrix::record", record),
        Case::pure("matrix::goals", goals_of_a_record),
        Case::pure("matrix::told", told),
    ]
}

/// How the library describes a kind that it has measured right.
fn side(nat: &Nat) -> Side {
    let (mapping, allocation, constant) = match nat {
        Nat::Public | Nat::Firewall => (Mapping::EndpointIndependent, Allocation::Preserving, 0),
        Nat::Kernel(kind) => match kind {
            Kind::Preserve | Kind::Cone => (Mapping::EndpointIndependent, Allocation::Preserving, 0),
            Kind::Delta => (Mapping::EndpointIndependent, Allocation::Delta, i32::from(DELTA)),
            Kind::Eim => (Mapping::EndpointIndependent, Allocation::Random, 0),
            Kind::Seq => (Mapping::AddressAndPortDependent, Allocation::Sequential, 1),
            Kind::Random => (Mapping::AddressAndPortDependent, Allocation::Random, 0),
        },
        Nat::Boxed(nat) => {
            let mapping = match nat.rules.mapping {
                By::Endpoint => Mapping::EndpointIndependent,
                By::Address => Mapping::AddressDependent,
                By::AddressAndPort => Mapping::AddressAndPortDependent,
            };
            match nat.rules.ports {
                Ports::Preserving => (mapping, Allocation::Preserving, 0),
                Ports::Delta(delta) => (mapping, Allocation::Delta, delta),
                Ports::Sequential { step, .. } => (mapping, Allocation::Sequential, step),
                Ports::Random => (mapping, Allocation::Random, 0),
            }
        }
    };
    let outside_ip = Some("198.51.100.1".parse().expect("an address"));
    Side { outside_ip, mapping, allocation, constant, last_outside: None }
}

/// What the matrix expects is what the library sets out to do.
fn classes() {
    let nats = catalogue::nats();
    for a in &nats {
        for b in &nats {
            let technique = Technique::choose(&side(a), &side(b));
            let fits = match Class::of(a, b) {
                Class::Direct => matches!(b, Nat::Public),
                Class::Reverse => matches!(a, Nat::Public) && !matches!(b, Nat::Public),
                Class::Predict => technique == Technique::Predict,
                Class::Spray => matches!(technique, Technique::Spray { .. }),
                Class::Chance => !matches!(technique, Technique::Hopeless(_)),
                Class::Hopeless => matches!(technique, Technique::Hopeless(_)),
            };
            assert!(fits, "{a} to {b}: {:?}, and the library: {technique:?}", Class::of(a, b));
        }
    }
}

fn good(via: &str, opened: f64) -> Try {
    Try {
        via: Ok(via.into()),
        code: 0,
        opened,
        usable: opened + 50.0,
        story: "two rounds".into(),
        moved: None,
    }
}

/// Relayed at first.
fn moved(after: f64) -> Try {
    Try { moved: Some(("punch".into(), after)), ..good("relay", 250.0) }
}

fn bad(why: &str, took: f64) -> Try {
    let code = crate::peer::NO_PATH;
    Try {
        via: Err(why.into()),
        code,
        opened: took,
        usable: 0.0,
        story: json!({ "state": "failed" }),
        moved: None,
    }
}

fn cell(caller: &str, called: &str, class: Class, tries: Vec<Try>) -> Cell {
    let setting = Setting { delay_ms: 25, unsolicited: "drop".into() };
    let (caller, called) = (caller.into(), called.into());
    Cell { caller, called, setting, class: Some(class), expected: None, tries, disagreed: Vec::new() }
}

fn example() -> Record {
    let special = Cell {
        class: None,
        expected: Some("lan".into()),
        ..cell("same-lan", "two & two", Class::Direct, vec![])
    };
    Record {
        kinds: vec!["preserve".into(), "random".into()],
        dialect: "secure".into(),
        times: 2,
        seconds: 60.0,
        cells: vec![
            cell("preserve", "preserve", Class::Predict, vec![good("punch", 230.0), good("punch", 250.0)]),
            cell("preserve", "random", Class::Spray, vec![good("punch", 290.0), good("punch", 299.0)]),
            cell("random", "random", Class::Hopeless, vec![good("relay", 110.0)]),
        ],
        special: vec![Cell { tries: vec![good("lan", 5.0)], ..special }],
        broken: Vec::new(),
    }
}

/// With no relay that helps.
fn hopeless(opened: f64) -> Try {
    bad("no path: both NATs <have> \"unforeseeable\" ports | 1234", opened)
}

fn record() {
    let mut before = example();
    before.cells[1].tries.push(moved(4000.0));
    assert_eq!(before.cells[1].ways()[1].0, "relay then punch");
    let text = before.to_json().to_string();
    let after = Record::of_json(&serde_json::from_str::<Value>(&text).expect("JSON")).expect("a record");
    assert_eq!(before, after);
    assert_eq!(median(&[1.0, 2.0, 3.0]), Some(2.0));
    assert_eq!(median(&[1.0, 2.0]), Some(1.0));
    assert_eq!(median(&[]), None);
}

/// Each goal is met by the example and missed when something is wrong with it.
fn goals_of_a_record() {
    let missed = |record: &Record| goals::of(record).iter().filter(|g| !g.met).count();
    assert_eq!(missed(&example()), 0);
    let spoilt = |spoil: fn(&mut Record)| {
        let mut record = example();
        spoil(&mut record);
        missed(&record)
    };
    assert_eq!(spoilt(|r| r.cells[0].tries[0] = bad("timeout", 900.0)), 1, "a predictable pair fails");
    assert_eq!(spoilt(|r| r.cells[1].tries[0] = bad("timeout", 900.0)), 1, "one of two sprays fails");
    assert_eq!(spoilt(|r| r.cells[2].tries[0] = good("punch", 90.0)), 1, "what cannot be punched is");
    assert_eq!(spoilt(|r| r.cells[2].tries[0].opened = 2001.0), 1, "the relay comes late");
    assert_eq!(spoilt(|r| r.cells[2].tries[0] = hopeless(110.0)), 1, "not even a relay helps");
    assert_eq!(spoilt(|r| r.cells[2].tries[0] = bad("timeout", 900.0)), 2, "and no reason is given");
    assert_eq!(spoilt(|r| r.cells[2].tries[0] = hopeless(5001.0)), 2, "and it comes late");
    assert_eq!(
        spoilt(|r| r.cells[1].tries.iter_mut().for_each(|t| t.via = Ok("relay".into()))),
        1,
        "what can be punched is relayed"
    );
    assert_eq!(
        spoilt(|r| r.cells[0].tries[0] = good("relay", 230.0)),
        2,
        "so is one of what can be foreseen, and it stays so"
    );
    assert_eq!(spoilt(|r| r.cells[0].tries[0] = moved(5200.0)), 0, "or not");
    assert_eq!(spoilt(|r| r.cells[0].tries[0] = moved(5300.0)), 1, "or for too long");
    assert_eq!(spoilt(|r| r.cells[1].tries[1].opened = 2001.0), 1, "one is slow");
    assert_eq!(spoilt(|r| r.cells[0].tries.iter_mut().for_each(|t| t.opened = 390.0)), 1, "most are slow");
    assert_eq!(
        spoilt(|r| r.special[0].tries[0].via = Ok("punch".into())),
        1,
        "a special case goes another way"
    );
    assert_eq!(spoilt(|r| r.special[0].expected = Some("fails".into())), 1, "what cannot be succeeds");
    assert_eq!(spoilt(|r| r.cells[0].disagreed = vec!["two connections".into()]), 1, "they disagree");
    assert_eq!(spoilt(|r| r.broken = vec!["a lab".into()]), 1, "a lab is broken");
}

fn told() {
    let mut record = example();
    record.cells[2].tries[0] = hopeless(110.0);
    let picture = heat::picture(&record);
    assert_eq!(picture.matches("<g ").count(), picture.matches("</g>").count());
    assert!(picture.contains("p 230") && picture.contains("– 0.1s"), "{picture}");
    assert!(table::terminal(&record).contains("p 230"));
    let file = std::env::temp_dir().join(format!("lab-matrix-{}.md", std::process::id()));
    let marked = "before\n<!-- matrix: begin -->\nbygone\n<!-- matrix: end -->\nafter\n";
    std::fs::write(&file, marked).expect("a file");
    for _ in 0..2 {
        table::rewrite(&file.to_string_lossy(), &record).expect("it has the marks");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(text.starts_with("before\n<!--") && text.ends_with("-->\nafter\n"), "{text}");
        assert!(!text.contains("bygone") && text.contains("| preserve | p 230 | p 290 |"), "{text}");
        assert!(text.contains("ports \\| # |"), "a bar in a cell of a table, and numbers: {text}");
    }
    std::fs::write(&file, "no marks").expect("a file");
    assert!(table::rewrite(&file.to_string_lossy(), &record).is_err());
    let _ = std::fs::remove_file(&file);
}
