//! The families of SDK instances: whether those who send are still there, and
//! what they lost.

use labkit::DropReason;

use super::text::Exposition;
use crate::instances::SDKS;
use crate::store::Row;
use crate::transition::{Cell, DROP_REASONS, SdkCell};

const ALIVE: &str = "labkit_sdk_instances";
const RECORDED: &str = "labkit_sdk_recorded_total";
const DROPPED: &str = "labkit_sdk_dropped_total";
const SILENT: &str = "labkit_sdk_silent_total";
const UNACCOUNTED: &str = "labkit_sdk_unaccounted_total";
const RECOVERED: &str = "labkit_sdk_recovered_total";

/// Appends them; every library is there from the first scrape on, at 0.
pub(crate) fn render(rows: &[Row], page: &mut Exposition) {
    let of = |sdk: &str| {
        let is_of = |(series, _): &&Row| series.is_of_instances() && *series.service == *sdk;
        rows.iter().find(is_of).map(|(_, row)| row)
    };
    let get = |sdk: &str, cell: SdkCell| of(sdk).map_or(0, |row| row[Cell::Sdk(cell).index()]);
    for (name, kind, help, cell) in [
        (ALIVE, "gauge", "SDK instances (processes) heard of lately.", SdkCell::Alive),
        (RECORDED, "counter", "Checkpoints that instances recorded.", SdkCell::Recorded),
        (
            SILENT,
            "counter",
            "Instances that fell silent with checkpoints in hand.",
            SdkCell::Silent,
        ),
        (UNACCOUNTED, "counter", "Checkpoints that these held.", SdkCell::Unaccounted),
        (RECOVERED, "counter", "Those of them that arrived after all.", SdkCell::Recovered),
    ] {
        page.family(name, kind, help);
        SDKS.iter().for_each(|sdk| page.sample(name, &[("sdk", *sdk)], get(sdk, cell)));
    }
    page.family(DROPPED, "counter", "Checkpoints that instances dropped, by reason.");
    for sdk in SDKS {
        for place in 0..DROP_REASONS {
            let known = place.checked_sub(1).and_then(|place| DropReason::ALL.get(place));
            let reason = known.map_or("other", |reason| reason.as_str());
            let labels = [("sdk", sdk), ("reason", reason)];
            page.sample(DROPPED, &labels, get(sdk, SdkCell::Dropped(place)));
        }
    }
}
