//! The README against the code: its table of options is the library's, its program compiles, its links lead somewhere.

use std::path::Path;
use std::process::Command;

use p2pnet::Config;
use p2pnet::config::{options::INT_OPTIONS, text::TEXT_OPTIONS};

const BEGIN: &str = "<!-- options: written by UPDATE_README=1 cargo test --test readme -->\n";
const END: &str = "<!-- end of options -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("README.md")
}

fn table() -> String {
    let defaults = Config::default();
    let mut table = String::from("| `P2P_OPT_…` | default | range | meaning |\n|---|---|---|---|\n");
    for o in INT_OPTIONS {
        let default = defaults.get_int(o.key).expect("a known key");
        let (name, meaning) = (o.name.to_uppercase(), o.meaning.replace('|', "or"));
        table += &format!("| `{name}` | {default} | {} to {} | {meaning} |\n", o.min, o.max);
    }
    for o in TEXT_OPTIONS {
        table += &format!("| `{}` | \"\" | text | {} |\n", o.name.to_uppercase(), o.meaning);
    }
    table
}

#[test]
fn the_table_of_options_is_the_librarys() {
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).expect("the marker before the table");
    let (inside, after) = rest.split_once(END).expect("the marker behind the table");
    if std::env::var_os("UPDATE_README").is_some() {
        let fresh = format!("{before}{BEGIN}{}{END}{after}", table());
        std::fs::write(root().join("README.md"), fresh).expect("writing README.md");
    } else {
        assert!(inside == table(), "out of date: run UPDATE_README=1 cargo test --test readme");
    }
}

#[test]
fn the_program_compiles() {
    let text = readme();
    let program = text.split("```c\n").nth(1).and_then(|t| t.split("```").next()).expect("a C program");
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.c");
    std::fs::write(&source, program).expect("writing the program");
    let output = Command::new("gcc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .arg(root().join("include"))
        .arg(&source)
        .output()
        .expect("gcc is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn links_to_files_lead_somewhere() {
    let mut checked = 0;
    let docs = std::fs::read_dir(root().join("docs")).expect("docs").map(|e| e.expect("an entry").path());
    let top = ["README.md", "CHANGELOG.md"].map(|f| root().join(f));
    for file in docs.chain(top).filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        // Not in programs: a lambda of C++ looks like a link.
        let text: String = text.split("```").step_by(2).collect();
        for link in text.split("](").skip(1).filter_map(|t| t.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            assert!(file.with_file_name(link).exists(), "{}: no {link}", file.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links found");
}
