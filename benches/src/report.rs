//! A table for people, JSON lines for programs.

use std::fs;
use std::path::Path;

#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
}

impl Report {
    /// One figure in nanoseconds. `goal` is the ratio peer / ours to reach; 0 for none.
    pub(crate) fn add(&mut self, name: &str, value: f64, peer: &str, peer_value: f64, goal: f64) {
        let ratio = peer_value / value;
        let goal_text = if goal > 0.0 { format!("goal {goal}x") } else { String::new() };
        println!(
            "{name:36} {value:8.1} ns   {peer:12} {peer_value:8.0} ns   {ratio:6.2}x  {goal_text}"
        );
        let line = serde_json::json!({
            "name": name, "value": value, "unit": "ns", "peer": peer,
            "peer_value": peer_value, "ratio": ratio, "goal": goal,
        });
        self.lines.push(line.to_string());
    }

    /// A figure that has no peer, only a bound to stay under; NaN for none.
    pub(crate) fn bound(&mut self, name: &str, value: f64, unit: &str, bound: f64) {
        let ratio = bound / value;
        let goal_text = if bound.is_nan() { String::new() } else { format!("goal <= {bound}") };
        println!("{name:40} {value:10.1} {unit:4} {goal_text}");
        let line = serde_json::json!({
            "name": name, "value": value, "unit": unit, "peer": null,
            "peer_value": null, "ratio": ratio, "goal": bound,
        });
        self.lines.push(line.to_string());
    }

    pub(crate) fn write(&self, path: &str) -> std::io::Result<()> {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, self.lines.join("\n") + "\n")
    }
}
