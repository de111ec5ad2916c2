//! A request's body comes from anybody: any text is a batch, a checkpoint, or a
//! sentence. What is taken comes back the same when it is written and read again.
#![no_main]

use labkit::wire::limits::{BATCH_ITEMS, CHECKPOINT_BYTES, META_BYTES, META_KEYS};
use labkit::wire::{Body, Checkpoint, Rejection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match Body::parse(text) {
    Ok(Body::Single { text: same, .. }) => {
        assert_eq!(same, text);
        check(text);
    }
    Ok(Body::Batch(batch)) => {
        assert!(batch.checkpoints.len() <= BATCH_ITEMS);
        for item in &batch.checkpoints {
            check(item.get());
        }
    }
    Err(refused) => assert!(!refused.to_string().is_empty()),
});

fn check(text: &str) {
    match Checkpoint::parse(text) {
        Ok(checkpoint) => check_taken(text, &checkpoint),
        Err(refused) => check_refused(&refused),
    }
}

fn check_refused(refused: &Rejection) {
    assert!(!refused.detail.is_empty(), "{refused:?}");
    assert!(refused.field.as_deref() != Some(""), "{refused:?}");
}

fn check_taken(text: &str, checkpoint: &Checkpoint<'_>) {
    assert!(text.len() <= CHECKPOINT_BYTES);
    assert!(checkpoint.elapsed_ms.is_none_or(|elapsed| elapsed >= 0.0 && elapsed.is_finite()));
    if let Some(meta) = &checkpoint.meta {
        assert!(meta.as_str().len() <= META_BYTES && meta.entries().len() <= META_KEYS);
    }
    let written = serde_json::to_string(checkpoint).expect("what was read can be written");
    let again = Checkpoint::parse(&written).expect("and read again");
    assert_eq!(&again, checkpoint, "{written}");
    // A retry has to be known for one.
    assert_eq!(again.idempotency_key(), checkpoint.idempotency_key());
}
