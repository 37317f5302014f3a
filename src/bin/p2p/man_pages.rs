//! The man pages and shell completions in `packaging/`: made from the definitions of the command lines, committed, and held
//! against them by a test of each program (`p2p-rendezvous` includes this file). `make man` rewrites them.
//!
//! So an installation needs neither a generator nor a run of the programs, and no option is forgotten.

use clap::{Arg, ArgAction, Command, ValueHint};
use std::fmt::Write;
use std::path::Path;

/// What a page says beyond its options: titles, and text in roff.
pub(crate) type Sections = &'static [(&'static str, &'static str)];

/// Compares every file of a program with what it should be, or writes it if `UPDATE_MAN` is set. `sections` gives those of a
/// page by its name.
pub(crate) fn check(command: Command, sections: impl Fn(&str) -> Sections) {
    let name = command.get_name().to_owned();
    let mut command = files_where_files_go(command);
    // Before completions are made, which builds a `help` that has no page.
    let mut pages = command.clone().disable_help_subcommand(true);
    pages.build();
    let mut wrong = Vec::new();
    for (shell, path) in [
        (clap_complete::Shell::Bash, format!("completions/{name}.bash")),
        (clap_complete::Shell::Zsh, format!("completions/_{name}")),
        (clap_complete::Shell::Fish, format!("completions/{name}.fish")),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut text);
        wrong.extend(compare(&path, &String::from_utf8_lossy(&text)));
    }
    for page in std::iter::once(&pages).chain(pages.get_subcommands()) {
        let title = page.get_display_name().unwrap_or(&name);
        wrong.extend(compare(&format!("man/{title}.1"), &page_of(page, title, sections(title))));
    }
    assert!(
        wrong.is_empty(),
        "not what the command line says; `make man` rewrites them: {}",
        wrong.join(", ")
    );
}

/// Shells offer files for what they know nothing of: not for addresses and numbers.
fn files_where_files_go(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let hint = if ["store", "key_file"].contains(&arg.get_id().as_str()) {
            ValueHint::FilePath
        } else {
            ValueHint::Other
        };
        if arg.get_action().takes_values() { arg.value_hint(hint) } else { arg }
    });
    command.mut_subcommands(files_where_files_go)
}

/// The path, if the file is not as it should be and has not been rewritten.
fn compare(path: &str, text: &str) -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path);
    if std::env::var_os("UPDATE_MAN").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    (committed != text).then(|| format!("packaging/{path}"))
}

fn page_of(command: &Command, title: &str, sections: Sections) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = String::new();
    let _ = writeln!(page, ".\\\" Made from the program's command line by `make man`.");
    let _ = writeln!(
        page,
        ".TH {} 1 \"\" \"p2pnet {}\" \"p2pnet\"",
        title.to_uppercase(),
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(page, ".SH NAME\n{} \\- {}", plain(title), text(first_words(&about)));
    page += &synopsis(command);
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", text(&about));
    if command.has_subcommands() {
        page += ".SH COMMANDS\n";
        for sub in command.get_subcommands() {
            let what = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(
                page,
                ".TP\n.BR {} (1)\n{}",
                plain(&format!("{title}-{}", sub.get_name())),
                text(&what)
            );
        }
    }
    page += &options(command);
    for (title, body) in sections {
        let _ = writeln!(page, ".SH \"{title}\"\n{}", body.trim());
    }
    page
}

/// "finds other programs" of "Finds other programs, and more." for the line that `apropos` shows.
fn first_words(about: &str) -> &str {
    about.split([':', ';', '.']).next().unwrap_or(about)
}

fn synopsis(command: &Command) -> String {
    let words = command.get_bin_name().unwrap_or(command.get_name());
    let mut line = format!(".SH SYNOPSIS\n.B {}\n[\\fIOPTION\\fR]...", plain(words));
    for arg in command.get_positionals() {
        let _ = write!(line, " \\fI{}\\fR", arg.get_id().as_str().to_uppercase());
    }
    if command.has_subcommands() {
        line += " \\fICOMMAND\\fR";
    }
    line + "\n"
}

/// The options, under the headings that `--help` gives them.
fn options(command: &Command) -> String {
    let mut headings: Vec<&str> = Vec::new();
    for arg in shown(command) {
        let heading = arg.get_help_heading().unwrap_or("Options");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    let mut all = String::new();
    for heading in headings {
        let _ = writeln!(all, ".SH \"{}\"", heading.to_uppercase());
        for arg in shown(command).filter(|arg| arg.get_help_heading().unwrap_or("Options") == heading) {
            all += &option(arg);
        }
    }
    all
}

fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    // Positionals first, help and version last, the rest as it is written.
    let rank = |arg: &Arg| match arg.get_action() {
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version => 2,
        _ => u8::from(!arg.is_positional()),
    };
    let mut list: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    list.sort_by_key(|arg| rank(arg));
    list.into_iter()
}

fn option(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let value = arg.get_value_names().map_or_else(
        || arg.get_id().as_str().to_uppercase(),
        |names| names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(" "),
    );
    let value = format!("\\fI{}\\fR", plain(&value));
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|c| format!("\\fB\\-{c}\\fR")));
    names.extend(arg.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", plain(long))));
    let mut head = names.join(", ");
    if takes {
        head = if head.is_empty() { value } else { format!("{head} {value}") };
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut body = text(&help);
    let choices: Vec<String> =
        arg.get_possible_values().iter().map(|v| format!("\\fB{}\\fR", plain(v.get_name()))).collect();
    if takes && !choices.is_empty() {
        let _ = write!(body, "\n.br\nOne of {}.", choices.join(", "));
    }
    let default: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|v| plain(&v.to_string_lossy()))
        .filter(|v| !v.is_empty())
        .collect();
    if takes && !default.is_empty() {
        let _ = write!(body, "\n.br\nDefault: {}", default.join(" "));
    }
    format!(".TP\n{head}\n{body}\n")
}

/// Words as they stand, hyphens for copying.
fn plain(words: &str) -> String {
    words.replace('\\', "\\e").replace('-', "\\-")
}

/// Help as paragraphs: `code` in bold, no line that roff would take for a command.
fn text(help: &str) -> String {
    let mut out = String::new();
    for (at, part) in plain(help.trim()).split('`').enumerate() {
        if at > 0 {
            out += if at % 2 == 1 { "\\fB" } else { "\\fR" };
        }
        out += part;
    }
    let line = |line: &str| {
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
    };
    out.lines().map(line).collect::<Vec<_>>().join("\n")
}
