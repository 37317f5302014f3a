//! The committed C header against the code it is made from, and against the compilers that will read it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the C ABI, in the order in which the header shows them.
const FILES: [&str; 13] = [
    "types",
    "situation",
    "opts",
    "structs",
    "version",
    "config",
    "net",
    "look",
    "poll",
    "event",
    "conn",
    "unl",
    "dht",
];

fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(root().join("src/ffi").join(file).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder.generate().expect("the header can be generated").write(&mut text);
    tidy(&String::from_utf8(text).expect("UTF-8"))
}

/// Makes the header pleasant to read: short comments on one line, type names without `struct` where C lets them be.
fn tidy(header: &str) -> String {
    let mut text = one_line_comments(header);
    for before in ["(", ", ", "const ", "\n                        ", " "] {
        text = text.replace(&format!("{before}struct p2p_"), &format!("{before}p2p_"));
    }
    // A function that returns a code is no struct.
    text.replace("typedef p2p_", "typedef struct p2p_")
        .replace("typedef struct p2p_result (", "typedef p2p_result (")
}

/// cbindgen gives every comment three lines at least; a short one is easier to read on one.
fn one_line_comments(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let (mut out, mut i) = (String::new(), 0);
    while i < lines.len() {
        let indent = &lines[i][..lines[i].len() - lines[i].trim_start().len()];
        match lines.get(i..i + 3) {
            Some([open, text, close]) if open.trim() == "/**" && close.trim() == "*/" => {
                let text = text.trim().trim_start_matches("* ");
                out += &format!("{indent}/** {text} */\n");
                i += 3;
            }
            _ => {
                out += lines[i];
                out += "\n";
                i += 1;
            }
        }
    }
    out
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = root().join("include/p2pnet.h");
    let fresh = generate();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &fresh).expect("writing the header");
    }
    let committed = std::fs::read_to_string(&path).expect("include/p2pnet.h");
    assert!(
        committed == fresh,
        "include/p2pnet.h is out of date: run UPDATE_HEADER=1 cargo test --test header"
    );
}

#[test]
fn the_version_macros_are_the_packages_version() {
    let header = std::fs::read_to_string(root().join("include/p2pnet.h")).expect("include/p2pnet.h");
    let parts = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    for (part, value) in parts {
        let line = format!("#define P2P_VERSION_{part} {value}\n");
        assert!(header.contains(&line), "cbindgen.toml has another version than Cargo.toml: no {line}");
    }
    let number = |i: usize| parts[i].1.parse::<u32>().expect("a number");
    assert_eq!(p2pnet::ffi::version::p2p_version(), number(0) << 16 | number(1) << 8 | number(2));
}

#[test]
fn every_option_of_the_library_has_its_constant_and_no_other() {
    use p2pnet::config::{options::INT_OPTIONS, text::TEXT_OPTIONS};
    let header = std::fs::read_to_string(root().join("include/p2pnet.h")).expect("include/p2pnet.h");
    let mut known: Vec<(String, i32)> = INT_OPTIONS.iter().map(|o| (o.name.to_uppercase(), o.key)).collect();
    known.extend(TEXT_OPTIONS.iter().map(|o| (o.name.to_uppercase(), o.key)));
    let mut in_header: Vec<(String, i32)> = header
        .lines()
        .filter_map(|l| l.trim().strip_prefix("P2P_OPT_")?.trim_end_matches(',').split_once(" = "))
        .map(|(name, key)| (name.to_owned(), key.parse().expect("a number")))
        .collect();
    known.sort();
    in_header.sort();
    assert_eq!(known, in_header);
}

#[test]
fn everything_in_the_header_is_documented() {
    let header = std::fs::read_to_string(root().join("include/p2pnet.h")).expect("include/p2pnet.h");
    let lines: Vec<&str> = header.lines().map(str::trim).collect();
    let (mut checked, mut in_struct) = (0, false);
    for (i, line) in lines.iter().enumerate() {
        in_struct =
            line.starts_with("typedef struct") && line.ends_with('{') || in_struct && !line.starts_with('}');
        let is_item = line.starts_with("P2P_API ")
            || line.starts_with("typedef uint64_t")
            || line.starts_with("typedef void")
            || line.starts_with("P2P_") && line.contains(" = ")
            || in_struct && line.ends_with(';')
            || line.starts_with("enum p2p_") && line.ends_with('{')
            || line.starts_with("typedef struct");
        if is_item {
            let above = lines[..i].iter().rev().find(|l| !l.starts_with('#')).copied().unwrap_or("");
            assert!(above.ends_with("*/"), "line {} has no comment: {line}", i + 1);
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} items were found: has the header's layout changed?");
}

fn compile(compiler: &str, standard: &str, extension: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("alone-{}.{extension}", standard.replace("++", "pp")));
    // The header alone, twice, and before anything else: it has to bring what it needs.
    let text = "#include \"p2pnet.h\"\n#include \"p2pnet.h\"\n\
                int main(void) { p2p_error e; e.struct_size = sizeof e; return (int)P2P_OK + (e.struct_size == 0); }\n";
    std::fs::write(&source, text).expect("writing the test program");
    let output = Command::new(compiler)
        .args([
            &format!("-std={standard}"),
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Wredundant-decls",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .arg(root().join("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|e| panic!("{compiler} is needed for this test: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} -std={standard} says:\n{said}");
}

#[test]
fn the_header_alone_compiles_as_c() {
    for standard in ["c99", "c11", "c17", "c2x"] {
        compile("gcc", standard, "c");
    }
}

#[test]
fn the_header_alone_compiles_as_cpp() {
    for standard in ["c++11", "c++14", "c++17", "c++20"] {
        compile("g++", standard, "cpp");
    }
}
