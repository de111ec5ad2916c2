//! Input series in promtool's notation, minute by minute.
#![allow(dead_code, missing_docs, unreachable_pub)] // a part of one test binary

/// From so many minutes on, nothing is to be seen in a single one,
const LONG: u32 = 1_000;
/// and scrapes are so many minutes apart: days take a second then.
pub const SELDOM: u32 = 4;

/// A series and its values; promtool's shorthand spares a value a minute.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    values: Vec<String>,
    last: f64,
    minutes: u32,
}

/// A counter that grows by so much a minute, for so many minutes each.
pub fn growing(name: &str, parts: &[(u32, f64)]) -> Series {
    let mut series = Series { name: name.to_owned(), values: Vec::new(), last: 0.0, minutes: 0 };
    for (minutes, rate) in parts {
        series.grow(*minutes, *rate);
    }
    series
}

/// A counter that stays at what it has counted long ago.
pub fn still(name: &str, value: f64, minutes: u32) -> Series {
    let mut series = Series { name: name.to_owned(), values: Vec::new(), last: value, minutes: 0 };
    series.grow(minutes, 0.0);
    series
}

/// A gauge that shows these values, for so many minutes each.
pub fn gauge(name: &str, parts: &[(u32, f64)]) -> Series {
    let mut series = growing(name, &[]);
    for (minutes, value) in parts {
        series.last = *value;
        series.grow(*minutes, 0.0);
    }
    series
}

/// What every tracker shows from its first scrape on.
pub fn scraped(minutes: u32) -> Vec<Series> {
    let names = [
        "labkit_tracker_definitions{instance=\"a\",job=\"labkit-tracker\"}",
        "labkit_user_experience_opened_total{user_experience_id=\"create_it\"}",
    ];
    names.iter().map(|name| gauge(name, &[(minutes, 1.0)])).collect()
}

impl Series {
    /// The value of each of so many minutes; what grew shows in the next one.
    fn grow(&mut self, minutes: u32, rate: f64) {
        if minutes < LONG {
            self.values.push(format!("{}+{rate}x{}", self.last, minutes - 1));
        } else {
            let seldom = |minute: u32| self.last + rate * f64::from(minute);
            let scrapes = (0..minutes).step_by(SELDOM as usize);
            self.values
                .extend(scrapes.map(|minute| format!("{} _x{}", seldom(minute), SELDOM - 1)));
        }
        self.last += rate * f64::from(minutes);
        self.minutes += minutes;
    }

    /// The process begins again, its counter at 0, and grows for so long.
    #[must_use]
    pub fn then_restarts(mut self, minutes: u32, rate: f64) -> Self {
        self.last = 0.0;
        self.grow(minutes, rate);
        self
    }

    /// Nobody scrapes it for so long.
    #[must_use]
    pub fn then_missing(mut self, minutes: u32) -> Self {
        self.values.push(format!("_x{minutes}"));
        self.minutes += minutes;
        self
    }

    /// It is scraped again, and shows the last value for so long.
    #[must_use]
    pub fn then_stays(mut self, minutes: u32) -> Self {
        self.grow(minutes, 0.0);
        self
    }

    pub fn minutes(&self) -> u32 {
        self.minutes
    }

    /// As an entry of `input_series`.
    pub fn yaml(&self) -> String {
        format!("      - series: '{}'\n        values: '{}'\n", self.name, self.values.join(" "))
    }
}
