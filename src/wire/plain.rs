//! A batch as a library writes it, read in one pass and without a copy.
//!
//! Whatever is out of the ordinary, be it a mistake or allowed, is left to
//! [`super::Body`] and [`super::Checkpoint`]: they read as often as it takes to
//! say what is wrong with which field. What is taken here, they take, too, and
//! read the same in it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::checkpoint::{Checkpoint, CheckpointId, Kind};
use super::fields::is_name;
use super::limits::{BATCH_ITEMS, EXPERIENCE_ID_BYTES, NAME_BYTES, REASON_BYTES};
use super::meta::Meta;
use super::sender::{self, Dropped, Sender};
use super::time::Timestamp;

/// A batch without a mistake, without a field that this version does not know,
/// and nested no deeper than `meta` is.
#[derive(Debug)]
pub struct Plain<'a> {
    /// When the request was written.
    pub sent_at: Timestamp,
    /// The process that wrote it, if it named itself.
    pub instance_id: Option<CheckpointId>,
    /// What its sender says of itself.
    pub sender: Sender,
    /// All of them valid.
    pub checkpoints: Vec<Checkpoint<'a>>,
    /// None of them has more bytes than this as JSON text.
    pub longest: usize,
}

impl<'a> Plain<'a> {
    /// The batch that `text` is. `None` may be a batch all the same.
    pub fn parse(text: &'a str) -> Option<Self> {
        // What is derived would also take an array of the fields' values.
        if !text.trim_ascii_start().starts_with('{') {
            return None;
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).ok()?;
        let list = envelope.checkpoints;
        Some(Plain {
            sent_at: envelope.sent_at.parse().ok()?,
            instance_id: envelope.instance_id.map(str::parse).transpose().ok()?,
            sender: Sender {
                sdk: envelope.sdk.map(|sdk| sender::Sdk {
                    name: sdk.name.into_owned(),
                    version: sdk.version.into_owned(),
                }),
                recorded: envelope.recorded,
                heartbeat_ms: envelope.heartbeat_ms,
                queued: envelope.queued,
                dropped: envelope.dropped.unwrap_or_default().0,
                adopted: envelope.adopted.unwrap_or(false),
            },
            longest: list.longest(text),
            checkpoints: list.checkpoints,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    sent_at: &'a str,
    instance_id: Option<&'a str>,
    #[serde(borrow)]
    sdk: Option<Sdk<'a>>,
    recorded: Option<u64>,
    heartbeat_ms: Option<u64>,
    queued: Option<u64>,
    dropped: Option<Dropped>,
    adopted: Option<bool>,
    #[serde(borrow)]
    checkpoints: List<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sdk<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
}

struct List<'a> {
    checkpoints: Vec<Checkpoint<'a>>,
    /// Where the first key of each stands.
    places: Vec<usize>,
}

impl List<'_> {
    /// Each one lies between the first keys of its neighbours.
    fn longest(&self, text: &str) -> usize {
        let begin = text.as_ptr() as usize;
        let before = std::iter::once(begin).chain(self.places.iter().copied());
        let behind = self.places.iter().copied().skip(1).chain([begin + text.len()]);
        before.zip(behind).map(|(before, behind)| behind.saturating_sub(before)).max().unwrap_or(0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'a> Visitor<'a> for ListVisitor {
    type Value = List<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of checkpoint objects")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<List<'a>, A::Error> {
        const ROOM: usize = 128;
        let mut list =
            List { checkpoints: Vec::with_capacity(ROOM), places: Vec::with_capacity(ROOM) };
        while let Some(item) = items.next_element::<Item<'a>>()? {
            if list.places.len() == BATCH_ITEMS {
                return Err(A::Error::custom("too many"));
            }
            list.places.push(item.place);
            list.checkpoints.push(item.checkpoint().ok_or_else(|| A::Error::custom("invalid"))?);
        }
        Ok(list)
    }
}

/// One checkpoint's members as they stand there.
#[derive(Default)]
struct Item<'a> {
    place: usize,
    id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    user_experience_id: Option<&'a str>,
    checkpoint: Option<&'a str>,
    category: Option<&'a str>,
    service: Option<&'a str>,
    feature_category: Option<&'a str>,
    urgency: Option<&'a str>,
    client_timestamp: Option<&'a str>,
    meta: Option<&'a RawValue>,
    outcome: Option<&'a str>,
    reason: Option<Cow<'a, str>>,
    started_at: Option<&'a str>,
    elapsed_ms: Option<f64>,
}

impl<'a> Item<'a> {
    fn checkpoint(self) -> Option<Checkpoint<'a>> {
        let name = |text: &&str| is_name(text, false);
        let fits = |text: &&str| (1..=NAME_BYTES).contains(&text.len());
        let kind: Kind = self.checkpoint?.parse().ok()?;
        if self.outcome.is_some() && kind != Kind::End
            || self.category.is_some_and(|category| !name(&category))
            || self.elapsed_ms.is_some_and(|millis| millis.is_nan() || millis < 0.0)
            || self.reason.as_ref().is_some_and(|text| !(1..=REASON_BYTES).contains(&text.len()))
        {
            return None;
        }
        let id = self.user_experience_id?;
        Some(Checkpoint {
            correlation_id: self.correlation_id?.parse().ok()?,
            user_experience_id: Cow::Borrowed(
                Some(id).filter(|id| (1..=EXPERIENCE_ID_BYTES).contains(&id.len()))?,
            ),
            checkpoint: kind,
            checkpoint_category: self.category.map(Cow::Borrowed),
            service: Cow::Borrowed(self.service.filter(|service| is_name(service, true))?),
            feature_category: Cow::Borrowed(self.feature_category.filter(fits)?),
            urgency: Cow::Borrowed(self.urgency.filter(fits)?),
            client_timestamp: self.client_timestamp?.parse().ok()?,
            meta: match self.meta {
                Some(meta) => Some(Meta::plain(meta.get())?),
                None => None,
            },
            id: self.id.map(str::parse).transpose().ok()?,
            outcome: self.outcome.map(str::parse).transpose().ok()?,
            reason: self.reason,
            started_at: self.started_at.map(str::parse).transpose().ok()?,
            elapsed_ms: self.elapsed_ms,
        })
    }
}

impl<'a> Deserialize<'a> for Item<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'a> Visitor<'a> for ItemVisitor {
    type Value = Item<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a checkpoint object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Item<'a>, A::Error> {
        let (mut item, mut seen) = (Item::default(), 0u16);
        while let Some(key) = map.next_key::<&'a str>()? {
            if seen == 0 {
                item.place = key.as_ptr() as usize;
            }
            let field = match key {
                "id" => (0, item.id = map.next_value()?),
                "correlation_id" => (1, item.correlation_id = map.next_value()?),
                "user_experience_id" => (2, item.user_experience_id = map.next_value()?),
                "checkpoint" => (3, item.checkpoint = map.next_value()?),
                "type" => (4, item.service = map.next_value()?),
                "feature_category" => (5, item.feature_category = map.next_value()?),
                "urgency" => (6, item.urgency = map.next_value()?),
                "client_timestamp" => (7, item.client_timestamp = map.next_value()?),
                "meta" => (8, item.meta = map.next_value()?),
                "outcome" => (9, item.outcome = map.next_value()?),
                "elapsed_ms" => (10, item.elapsed_ms = map.next_value()?),
                "checkpoint_category" => (11, item.category = map.next_value()?),
                "reason" => (12, item.reason = map.next_value::<Option<Text<'a>>>()?.map(|t| t.0)),
                "started_at" => (13, item.started_at = map.next_value()?),
                _ => return Err(A::Error::custom("unknown")),
            };
            let bit = 1 << field.0;
            if seen & bit != 0 {
                return Err(A::Error::custom("twice"));
            }
            seen |= bit;
        }
        Ok(item)
    }
}

/// A text of people's, which may well have escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use arbtest::arbitrary::{Result, Unstructured};
    use serde_json::{Value, json};

    use super::super::Body;
    use super::*;

    type Read<'a> = (Timestamp, Option<CheckpointId>, Sender, Vec<Checkpoint<'a>>);

    /// What the two that read it again and again make of `text`.
    fn thorough(text: &str) -> Option<Read<'_>> {
        let Ok(Body::Batch(batch)) = Body::parse(text) else { return None };
        let items = batch.checkpoints.into_iter();
        let checkpoints =
            items.map(|item| Checkpoint::parse(item.get()).ok()).collect::<Option<_>>()?;
        Some((batch.sent_at, batch.instance_id, batch.sender, checkpoints))
    }

    fn end() -> Value {
        json!({
            "id": "01HZZZZZZZZZZZZZZZZZZZZZZZ", "correlation_id": "01HZZZZZZZZZZZZZZZZZZZZZZZ",
            "user_experience_id": "create_it", "checkpoint": "end", "checkpoint_category": "done",
            "type": "web", "feature_category": "making", "urgency": "sync_slow",
            "client_timestamp": "2026-01-05T10:00:00.000Z", "outcome": "error", "reason": "a\"b",
            "started_at": "2026-01-05T09:59:59Z", "elapsed_ms": 812.5,
            "meta": {"project_id": 7, "path": "a/b", "c": null, "d": true, "e": -1.5e3},
        })
    }

    fn batch(checkpoints: &[Value]) -> Value {
        json!({
            "sent_at": "2026-01-05T10:00:01Z", "instance_id": "01HZZZZZZZZZZZZZZZZZZZZZZZ",
            "sdk": {"name": "labkit-ruby", "version": "0.1.0"}, "recorded": 7, "queued": 3,
            "heartbeat_ms": 20_000,
            "dropped": {"queue_full": 1}, "adopted": false, "checkpoints": checkpoints,
        })
    }

    #[test]
    fn what_a_library_sends_is_plain_and_no_checkpoint_is_longer_than_said() {
        let mut long = end();
        long["meta"] = json!({"text": "x".repeat(3_000)});
        let text = batch(&[end(), long.clone(), end()]).to_string();
        let plain = Plain::parse(&text).unwrap();
        assert_eq!(plain.checkpoints, thorough(&text).unwrap().3);
        assert!((3_000..6_000).contains(&plain.longest), "{}", plain.longest);
        let alone = batch(&[long.clone()]).to_string();
        assert!(Plain::parse(&alone).unwrap().longest >= long.to_string().len());
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_others() {
        for text in ["", "[]", "{}", r#"["2026-01-05T10:00:01Z",null,null,null,null,null,[]]"#] {
            assert!(Plain::parse(text).is_none(), "{text}");
        }
        let one = batch(&[end()]).to_string();
        for (from, to) in [
            (r#""type":"web""#, r#""type":"web","type":"web""#),
            (r#""type":"web""#, r#""type":"web","new":[[]]"#),
            (r#""type":"web""#, r#""type":"w\u0065b""#),
            (r#""c":null"#, r#""c":[]"#),
            (r#""c":null"#, r#""d":true"#),
            (r#""recorded":7"#, r#""recorded":7,"recorded":7"#),
            (r#""version":"#, r#""x":[],"version":"#),
        ] {
            assert!(one.contains(from), "{from}");
            assert!(Plain::parse(&one.replace(from, to)).is_none(), "{to}");
        }
        assert!(Plain::parse(&batch(&vec![end(); BATCH_ITEMS + 1]).to_string()).is_none());
    }

    /// A value for one of the fields, or for one that nobody knows.
    fn value(data: &mut Unstructured<'_>) -> Result<Value> {
        let texts = ["", "web", "end", "start", "error", "a\"\u{e9}", "2026-01-05T10:00:00.000Z"];
        Ok(match data.int_in_range(0..=9)? {
            0 => Value::Null,
            1 => json!(data.arbitrary::<i64>()?),
            2 => json!(f64::from(data.arbitrary::<i32>()?) / 8.0),
            3 => json!({"a": *data.choose(&texts)?, "b": data.arbitrary::<bool>()?}),
            4 => json!([*data.choose(&texts)?]),
            5 => json!("x".repeat(data.int_in_range(60..=260)?)),
            _ => json!(*data.choose(&texts)?),
        })
    }

    #[test]
    fn what_is_taken_is_what_the_thorough_ones_take() {
        arbtest::arbtest(|data| {
            let mut items = vec![end(), end()];
            let item = items[data.int_in_range(0..=1)?].as_object_mut().unwrap();
            let mut fields: Vec<String> = item.keys().cloned().collect();
            fields.extend(["sent_at".into(), "shard".into()]);
            for _ in 0..data.int_in_range(0..=2)? {
                item.insert(data.choose(&fields)?.clone(), value(data)?);
            }
            let mut batch = batch(&items);
            if data.ratio(1, 4)? {
                let envelope = batch.as_object_mut().unwrap();
                let fields: Vec<String> = envelope.keys().cloned().collect();
                envelope.insert(data.choose(&fields)?.clone(), value(data)?);
            }
            let mut text = batch.to_string().into_bytes();
            if data.ratio(1, 4)? {
                let at = data.choose_index(text.len())?;
                text[at] = *data.choose(b"\"\\{}[]:, 0e-n\n")?;
            }
            let Ok(text) = String::from_utf8(text) else { return Ok(()) };
            let Some(plain) = Plain::parse(&text) else { return Ok(()) };
            let plain = (plain.sent_at, plain.instance_id, plain.sender, plain.checkpoints);
            assert_eq!(Some(plain), thorough(&text), "{text}");
            Ok(())
        });
    }
}
