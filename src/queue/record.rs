//! One checkpoint on its way to the worker: everything by value. Pushing 240
//! bytes costs a fraction of the allocation that a pointer would need.

use crate::experience::Moment;
use crate::wire::CorrelationId;

/// Category, reason and meta together stay inline up to this many bytes; it
/// fits the usual three-field meta, and makes a mark four cache lines.
const INLINE_BYTES: usize = 120;

#[allow(clippy::large_enum_variant)] // by value is the point, and almost all are marks
pub(crate) enum Record {
    /// A moment of an experience whose life cycle is ours.
    Mark(Mark),
    /// A whole payload from a caller with a life cycle of its own.
    Payload { json: Box<str>, wall_ms: i64 },
}

pub(crate) struct Mark {
    pub(crate) id: u128,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) wall_ms: i64,
    pub(crate) moment: Moment,
    pub(crate) definition: u32,
    pub(crate) texts: Texts,
}

impl Record {
    pub(crate) fn wall_ms(&self) -> i64 {
        match self {
            Record::Mark(mark) => mark.wall_ms,
            Record::Payload { wall_ms, .. } => *wall_ms,
        }
    }

    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Record::Mark(mark) => mark.texts.heap_bytes(),
            Record::Payload { json, .. } => json.len(),
        }
    }
}

/// Category, reason and meta behind one another; an empty one is absent.
pub(crate) struct Texts {
    category_end: u16,
    reason_end: u16,
    end: u16,
    bytes: Bytes,
}

enum Bytes {
    Inline([u8; INLINE_BYTES]),
    Heap(Box<[u8]>),
}

impl Texts {
    /// The caller has bounded each text far below 64 KiB together.
    #[inline]
    pub(crate) fn new(category: &str, reason: &str, meta: &str) -> Self {
        let category_end = category.len();
        let reason_end = category_end + reason.len();
        let end = reason_end + meta.len();
        let bytes = if end <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            inline[..category_end].copy_from_slice(category.as_bytes());
            inline[category_end..reason_end].copy_from_slice(reason.as_bytes());
            inline[reason_end..end].copy_from_slice(meta.as_bytes());
            Bytes::Inline(inline)
        } else {
            Bytes::Heap([category, reason, meta].concat().into_bytes().into())
        };
        Texts {
            category_end: category_end as u16,
            reason_end: reason_end as u16,
            end: end as u16,
            bytes,
        }
    }

    pub(crate) fn category(&self) -> Option<&str> {
        self.slice(0, self.category_end)
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.slice(self.category_end, self.reason_end)
    }

    pub(crate) fn meta(&self) -> Option<&str> {
        self.slice(self.reason_end, self.end)
    }

    fn slice(&self, from: u16, to: u16) -> Option<&str> {
        let bytes = match &self.bytes {
            Bytes::Inline(inline) => inline.as_slice(),
            Bytes::Heap(heap) => heap,
        };
        let text = bytes.get(usize::from(from)..usize::from(to))?;
        // Whole strings went in, so whole strings come out.
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    fn heap_bytes(&self) -> usize {
        match &self.bytes {
            Bytes::Inline(_) => 0,
            Bytes::Heap(heap) => heap.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_went_in_inline_and_on_the_heap() {
        for (meta, on_heap) in [("{\"a\":1}".to_owned(), false), ("m".repeat(4096), true)] {
            let texts = Texts::new("form_posted", "", &meta);
            assert_eq!(texts.category(), Some("form_posted"));
            assert_eq!(texts.reason(), None);
            assert_eq!(texts.meta(), Some(meta.as_str()));
            assert_eq!(texts.heap_bytes() > 0, on_heap);
        }
    }

    #[test]
    fn a_record_is_at_most_256_bytes() {
        assert!(size_of::<Record>() <= 256, "{}", size_of::<Record>());
    }
}
