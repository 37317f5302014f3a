//! A small writer of SVG: elements with attributes, text escaped, nothing else.

use std::fmt::{Display, Write};

/// A drawing that is being written.
pub(crate) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// A drawing of this size; `style` is its CSS.
    pub(crate) fn new(width: f64, height: f64, title: &str, style: &str) -> Svg {
        let mut svg = Svg { text: String::new(), open: Vec::new() };
        let _ = writeln!(
            svg.text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>\n{}</style>",
            escaped(title),
            escaped(style)
        );
        svg
    }

    /// Begins a group.
    pub(crate) fn group(&mut self, x: f64, y: f64) {
        let _ = writeln!(self.text, "<g transform=\"translate({x} {y})\">");
        self.open.push("g");
    }

    /// Ends the last group.
    pub(crate) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    /// A rectangle; what `tip` says is shown to a pointer over it.
    pub(crate) fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], tip: &str) {
        let _ = write!(
            self.text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\""
        );
        if tip.is_empty() {
            self.text.push_str("/>\n");
        } else {
            let _ = writeln!(self.text, "><title>{}</title></rect>", escaped(tip));
        }
    }

    /// A text whose anchor (start, middle, end) is in its class, turned by some degrees.
    pub(crate) fn text(&mut self, class: &str, [x, y]: [f64; 2], degrees: f64, text: impl Display) {
        let turned = match degrees {
            0.0 => String::new(),
            _ => format!(" transform=\"rotate({degrees} {x} {y})\""),
        };
        let text = escaped(&text.to_string());
        let _ = writeln!(self.text, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{turned}>{text}</text>");
    }

    /// The whole file.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
