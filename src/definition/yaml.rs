//! YAML without its bombs. A definition is flat, so only what a flat file can
//! mean is kept: scalars, and mappings in a mapping. Of lists, and of what lies
//! deeper, only the kind is kept; aliases in there are never followed.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use yaml_serde::{Mapping, Value};

/// Mappings within one another: the file's own, and `slo`.
const DEPTH: u8 = 2;
/// Keys of one mapping: newer versions may know some more than we do.
const KEYS: usize = 32;

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Value, yaml_serde::Error> {
    yaml_serde::from_str::<Document>(text).map(|document| document.0)
}

struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Node { depth: 0 }.deserialize(deserializer).map(Document)
    }
}

#[derive(Clone, Copy)]
struct Node {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain YAML")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Sequence(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Mapping::new();
        if self.depth == DEPTH {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(kept.into());
        }
        let inner = Node { depth: self.depth + 1 };
        while let Some(key) = map.next_key_seed(Node { depth: DEPTH })? {
            if kept.len() == KEYS {
                return Err(A::Error::custom(format_args!("more than {KEYS} keys")));
            }
            if kept.contains_key(&key) {
                return Err(A::Error::custom("duplicate key"));
            }
            kept.insert(key, map.next_value_seed(inner)?);
        }
        Ok(kept.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_flat_comes_through_whole() {
        let text = "a: text\nb: 1\nc: 1.5\nd: true\ne:\nslo: {x: 99.9}\n";
        assert_eq!(parse(text).unwrap(), yaml_serde::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn duplicate_keys_and_crowds_of_them_are_refused() {
        assert!(parse("a: 1\na: 2\n").unwrap_err().to_string().contains("duplicate"));
        let crowd: String = (0..100).map(|i| format!("k{i}: 1\n")).collect();
        assert!(parse(&crowd).unwrap_err().to_string().contains("more than 32 keys"));
    }

    #[test]
    fn a_bomb_of_aliases_does_not_go_off() {
        let list = format!("a: &a [{}]\n", ["x"; 12_000].join(","));
        let lists = format!("b: &b [{}]\nc: {{d: [*b, *b]}}\n", ["*a"; 8_000].join(","));
        let map = parse(&(list + &lists)).unwrap();
        assert_eq!(map["b"], Value::Sequence(Vec::new()));
    }
}
