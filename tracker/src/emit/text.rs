//! Prometheus' text format, as much of it as the tracker speaks.

use std::fmt::{Display, Write as _};

/// A page of metrics under construction. Families are written one after the
/// other, each sample below its family, as the format demands.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// The media type of what [`Exposition::finish`] returns.
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family; `kind` is the format's own word.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample of the family begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escape(text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Exposition::default();
        page.family("a_total", "counter", "Things.");
        page.sample("a_total", &[("x", "q\"b\\n\nz"), ("y", "é")], 3);
        let expected = "# HELP a_total Things.\n# TYPE a_total counter\n\
                        a_total{x=\"q\\\"b\\\\n\\nz\",y=\"é\"} 3\n";
        assert_eq!(page.finish(), expected);
    }
}
