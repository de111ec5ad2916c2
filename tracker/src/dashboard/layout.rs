//! Where panels stand: rows of them, each row under its title, nothing on top
//! of anything else.

use serde_json::{Value, json};

/// Grafana's grid is so many columns wide.
const COLUMNS: u32 = 24;

/// Panels in the order of the screen.
#[derive(Debug, Default)]
pub(super) struct Layout {
    panels: Vec<Value>,
    bottom: u32,
}

/// A panel that knows its size, and not yet its place.
#[derive(Debug)]
pub(super) struct Sized {
    pub(super) panel: Value,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Layout {
    /// A title, and panels from left to right, on as many lines as they need.
    pub(super) fn row(&mut self, title: &str, panels: impl IntoIterator<Item = Sized>) {
        self.place(
            json!({"type": "row", "title": title, "collapsed": false, "panels": []}),
            0,
            1,
            COLUMNS,
        );
        self.bottom += 1;
        let (mut left, mut height) = (0, 0);
        for sized in panels {
            if left + sized.width > COLUMNS {
                self.bottom += height;
                (left, height) = (0, 0);
            }
            self.place(sized.panel, left, sized.height, sized.width);
            left += sized.width;
            height = height.max(sized.height);
        }
        self.bottom += height;
    }

    fn place(&mut self, mut panel: Value, left: u32, height: u32, width: u32) {
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({"x": left, "y": self.bottom, "w": width, "h": height});
        self.panels.push(panel);
    }

    pub(super) fn finish(self) -> Vec<Value> {
        self.panels
    }
}
