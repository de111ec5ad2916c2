//! The calls that record. Each checks its arguments, asks the experience what
//! the call means, and queues at most one checkpoint.

use std::borrow::Cow;

use super::Client;
use crate::clock::Now;
use crate::config::NonLocalExit;
use crate::error::Error;
use crate::experience::{self, Carrier, Exit, Experience, Inactive, Moment};
use crate::fork::generation;
use crate::inject;
use crate::process::Process;
use crate::queue::{Mark, Record, Texts};
use crate::stats::DropReason;
use crate::wire::limits::{META_BYTES, REASON_BYTES};
use crate::wire::{
    Checkpoint, CheckpointId, CorrelationId, Kind, Meta, Outcome, Timestamp, is_name,
};
use crate::worker;

/// What became of a call. None of these is a reason to stop the caller's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is on its way, or nothing had to be sent.
    Queued,
    /// It was dropped and counted; the experience goes on.
    Dropped(DropReason),
    /// The experience never started, or is over: nothing happened.
    Ignored(Inactive),
}

/// An experience that is already over when it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// A fresh one by default.
    pub correlation_id: Option<&'a str>,
    /// When it started; later than now counts as now.
    pub start_time: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it is not a success.
    pub reason: Option<&'a str>,
    /// Extra fields, as a flat JSON object.
    pub meta: Option<&'a str>,
}

impl Client {
    /// Starts an experience of `definition`. Sends `start`.
    ///
    /// # Errors
    /// The definition's index is not of this client; and, with `strict`, a
    /// `correlation_id` or `meta` that is wrong. Without `strict` a fresh id
    /// is minted and the bad keys are left out.
    pub fn start(
        &self,
        definition: u32,
        correlation_id: Option<&str>,
        meta: Option<&str>,
    ) -> Result<Experience, Error> {
        self.begin(definition, correlation_id, meta).map(|(experience, _)| experience)
    }

    pub(crate) fn begin(
        &self,
        definition: u32,
        correlation_id: Option<&str>,
        meta: Option<&str>,
    ) -> Result<(Experience, Delivery), Error> {
        self.definition_info(definition)?;
        let meta = self.checked_meta(meta)?;
        let now = self.shared().clock.now();
        let correlation = self.correlation(correlation_id, now)?;
        let (experience, moment) = Experience::start(definition, correlation, now, generation());
        let texts = Texts::new("", "", meta);
        Ok((experience, self.push(&experience, moment, texts, now)))
    }

    /// Sends `intermediate`.
    ///
    /// # Errors
    /// With `strict`, a `category` or `meta` that is wrong.
    pub fn checkpoint(
        &self,
        experience: &Experience,
        category: Option<&str>,
        meta: Option<&str>,
    ) -> Result<Delivery, Error> {
        inject::point(category, inject::ENTRY);
        let (category, meta) = (self.checked_category(category)?, self.checked_meta(meta)?);
        let moment = match experience.intermediate() {
            Ok(moment) => moment,
            Err(inactive) => return Ok(Delivery::Ignored(inactive)),
        };
        let now = self.shared().clock.now();
        Ok(self.push(experience, moment, Texts::new(category, "", meta), now))
    }

    /// Marks the experience as failed; its end will say so. Sends nothing.
    pub fn error(&self, experience: &mut Experience, reason: &str) -> Delivery {
        marked(experience.mark(Outcome::Error, reason))
    }

    /// Marks the end to come as expected, no failure of ours. Sends nothing.
    pub fn handled(&self, experience: &mut Experience, reason: &str) -> Delivery {
        marked(experience.mark(Outcome::Handled, reason))
    }

    /// Sends `end` with the outcome that was marked. A second one is ignored.
    ///
    /// # Errors
    /// With `strict`, a `meta` that is wrong; the experience is still active.
    pub fn complete(
        &self,
        experience: &mut Experience,
        meta: Option<&str>,
    ) -> Result<Delivery, Error> {
        let meta = self.checked_meta(meta)?;
        Ok(self.end(experience, meta))
    }

    fn end(&self, experience: &mut Experience, meta: &str) -> Delivery {
        let now = self.shared().clock.now();
        match experience.end(now, generation()) {
            Ok(moment) => {
                let texts = Texts::new("", experience.reason(), meta);
                self.push(experience, moment, texts, now)
            }
            Err(inactive) => Delivery::Ignored(inactive),
        }
    }

    /// Ends the experience as one that turned out not to be one.
    ///
    /// # Errors
    /// As [`Client::complete`].
    pub fn discard(
        &self,
        experience: &mut Experience,
        reason: &str,
        meta: Option<&str>,
    ) -> Result<Delivery, Error> {
        let meta = self.checked_meta(meta)?;
        Ok(match experience.mark(Outcome::Discarded, reason) {
            Ok(()) => self.end(experience, meta),
            Err(inactive) => Delivery::Ignored(inactive),
        })
    }

    /// Ends the experience as the block, or the context, that held it was left,
    /// with the extras that the block was given at its start. A fork child says
    /// nothing about what its parent entered.
    ///
    /// # Errors
    /// As [`Client::complete`].
    pub fn leave(
        &self,
        experience: &mut Experience,
        exit: Exit,
        reason: &str,
        meta: Option<&str>,
    ) -> Result<Delivery, Error> {
        if !experience.is_active() {
            return Ok(self.end(experience, "")); // which says why not
        }
        if experience.is_inherited(generation()) {
            return Ok(Delivery::Queued);
        }
        let mark = match (exit, self.config().non_local_exit) {
            (Exit::Abandoned, _) => return Ok(Delivery::Queued),
            (Exit::Normal, _) => None,
            (Exit::Error, _) => Some((Outcome::Error, reason)),
            (Exit::Cancelled, _) => Some((Outcome::Handled, "cancelled")),
            (Exit::Restarted, _) => Some((Outcome::Discarded, "restarted")),
            (Exit::NonLocal, NonLocalExit::Handled) => Some((Outcome::Handled, "non_local_exit")),
            (Exit::NonLocal, NonLocalExit::Error) => Some((Outcome::Error, "non_local_exit")),
        };
        let meta = self.checked_meta(meta)?;
        if let Some((outcome, reason)) = mark {
            // It cannot fail: the experience is active.
            let _ = experience.mark(outcome, reason);
        }
        Ok(self.end(experience, meta))
    }

    /// The carrier that takes the experience to another process; `None` if it
    /// is not active.
    pub fn carrier(&self, experience: &Experience) -> Option<String> {
        let definition = self.definition_info(experience.definition()).ok()?;
        experience.is_active().then(|| experience::write_carrier(&definition.id, experience))
    }

    /// Continues what a carrier brought. Sends `intermediate` with `category`,
    /// `resume` by default. `job` is the job's own id, for carriers that have
    /// no correlation id.
    ///
    /// # Errors
    /// [`Error::NotInCarrier`], [`Error::InvalidCarrier`], and as [`Client::start`].
    pub fn resume(
        &self,
        definition: u32,
        carrier: &str,
        job: &str,
        category: Option<&str>,
        meta: Option<&str>,
    ) -> Result<Experience, Error> {
        self.take_up(definition, carrier, job, category, meta).map(|(experience, _)| experience)
    }

    pub(crate) fn take_up(
        &self,
        definition: u32,
        carrier: &str,
        job: &str,
        category: Option<&str>,
        meta: Option<&str>,
    ) -> Result<(Experience, Delivery), Error> {
        let id = &self.definition_info(definition)?.id;
        let category = self.checked_category(Some(category.unwrap_or("resume")))?;
        let meta = self.checked_meta(meta)?;
        let carried = Carrier::parse(carrier)?.find(id, job)?;
        let now = self.shared().clock.now();
        let (experience, moment) = Experience::resume(definition, carried, generation());
        let texts = Texts::new(category, "", meta);
        Ok((experience, self.push(&experience, moment, texts, now)))
    }

    /// Records start and end of something that is already over.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn observed(&self, definition: u32, observed: Observed<'_>) -> Result<Delivery, Error> {
        self.definition_info(definition)?;
        let meta = self.checked_meta(observed.meta)?;
        let now = self.shared().clock.now();
        let correlation = self.correlation(observed.correlation_id, now)?;
        let start = Now { wall_ms: observed.start_time.as_millis().min(now.wall_ms), ..now };
        let (experience, moment) = Experience::start(definition, correlation, start, generation());
        let started = self.push(&experience, moment, Texts::new("", "", meta), start);
        let end = Moment {
            kind: Kind::End,
            outcome: Some(observed.outcome),
            started_ms: Some(start.wall_ms),
            elapsed_ns: None, // the caller's start has no monotonic time
        };
        let reason = experience::cut(observed.reason.unwrap_or_default(), REASON_BYTES);
        let ended = self.push(&experience, end, Texts::new("", reason, meta), now);
        Ok(if ended == Delivery::Queued { started } else { ended })
    }

    /// Sends a whole payload of the wire format, for callers with a life
    /// cycle of their own. An `id` is minted where it has none.
    ///
    /// # Errors
    /// [`Error::InvalidCheckpoint`] names the field and what was expected.
    pub fn record(&self, payload: &str) -> Result<Delivery, Error> {
        let mut checkpoint = Checkpoint::parse(payload).map_err(Error::InvalidCheckpoint)?;
        let now = self.shared().clock.now();
        let process = self.shared().process();
        checkpoint.id.get_or_insert_with(|| CheckpointId(process.ids.next(now.wall_ms)));
        let json = serde_json::to_string(&checkpoint)
            .map_err(|e| Error::InvalidArgument(format!("payload: {e}")))?;
        Ok(self.queue(process, Record::Payload { json: json.into(), wall_ms: now.wall_ms }, now))
    }

    #[inline]
    fn push(&self, experience: &Experience, moment: Moment, texts: Texts, now: Now) -> Delivery {
        if self.shared().registry.get(experience.definition()).is_none() {
            return Delivery::Ignored(Inactive::NotStarted); // not by this client
        }
        let process = self.shared().process();
        let mark = Mark {
            id: process.ids.next(now.wall_ms),
            correlation_id: experience.correlation_id(),
            wall_ms: now.wall_ms,
            moment,
            definition: experience.definition(),
            texts,
        };
        self.queue(process, Record::Mark(mark), now)
    }

    #[inline]
    fn queue(&self, process: &Process, record: Record, now: Now) -> Delivery {
        match self.shared().push(process, record) {
            Ok(()) => {
                worker::ensure(self.shared(), process, now);
                Delivery::Queued
            }
            Err(reason) => Delivery::Dropped(reason),
        }
    }

    fn correlation(&self, given: Option<&str>, now: Now) -> Result<CorrelationId, Error> {
        let fresh = || CorrelationId::from_ulid(self.shared().process().ids.next(now.wall_ms));
        match given.map(str::parse::<CorrelationId>) {
            None => Ok(fresh()),
            Some(Ok(id)) => Ok(id),
            Some(Err(e)) if self.config().strict => {
                Err(Error::InvalidArgument(format!("correlation_id: {e}")))
            }
            Some(Err(_)) => {
                self.trim();
                Ok(fresh())
            }
        }
    }

    /// The worker looks into meta, unless mistakes should show here and now.
    #[inline]
    fn checked_meta<'a>(&self, meta: Option<&'a str>) -> Result<&'a str, Error> {
        let Some(text) = meta else { return Ok("") };
        if self.config().strict {
            let meta = Meta::parse(text).map_err(Error::InvalidCheckpoint)?;
            return match meta.reserved_key() {
                Some(key) => Err(Error::ReservedKey(key)),
                None => Ok(text),
            };
        }
        if text.len() > META_BYTES {
            self.trim();
            return Ok("");
        }
        Ok(text)
    }

    #[inline]
    fn checked_category<'a>(&self, category: Option<&'a str>) -> Result<&'a str, Error> {
        match category {
            None => Ok(""),
            Some(name) if is_name(name, false) => Ok(name),
            Some(name) if self.config().strict => Err(Error::InvalidArgument(format!(
                "category: expected ^[a-z0-9_]{{1,64}}$, not {:?}",
                Cow::from(experience::cut(name, 80))
            ))),
            Some(_) => {
                self.trim();
                Ok("")
            }
        }
    }

    #[cold]
    fn trim(&self) {
        let counters = &self.shared().process().counters;
        counters.trimmed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

fn marked(mark: Result<(), Inactive>) -> Delivery {
    match mark {
        Ok(()) => Delivery::Queued,
        Err(inactive) => Delivery::Ignored(inactive),
    }
}
