//! When a leader may not know a producer that wrote to its partition, and so takes a batch that
//! does not go on where the producer's last one ended: the exceptions of `producer-unfenced`,
//! `sequence-gap`, `duplicate` and `order-broken`.
//!
//! Kafka accepts any epoch and any sequence number of a producer that the leader has no entry of
//! (`ProducerAppendInfo.checkSequence`). Each row of [`EXCEPTIONS`] is a way not to have one, shown
//! by a mark of its own. All are derived from facts: the canonical log, what left it, where logs
//! start, when records were made.

use crate::base::ids::Offset;
use crate::base::time::{Span, Time};
use crate::check::ghost::wall_margin;
use crate::check::promise;
use crate::check::properties::PropertyId;
use crate::check::streams::{Known, Sequences};
use crate::model::plan::Plan;

/// What is known of a batch's producer and of the leader that took it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// What the canonical log says of the producer.
    pub(crate) known: Known,
    /// The furthest that any replica's files ever started.
    pub(crate) furthest_start: Offset,
    /// Since when the producer has been idle at most.
    pub(crate) idle: Span,
    /// After how long that is enough: the least `producer.id.expiration.ms`, less what wall clocks
    /// may be apart.
    pub(crate) expires: Span,
}

/// One way for a leader not to know a producer.
pub(crate) struct Exception {
    /// It is seen as this mark.
    pub(crate) mark: PropertyId,
    /// Whether it holds.
    pub(crate) holds: fn(&Circumstances) -> bool,
}

/// Why a leader may not know a producer. The first row that holds is named.
pub(crate) const EXCEPTIONS: [Exception; 4] = [
    // The log never held a batch of it: its first ones were refused, or lost on their way.
    Exception { mark: PropertyId::ProducerUnknown, holds: |c| c.known == Known::Never },
    // What the log held of it went with a leader that was lost, or in an unclean election: after a
    // truncation the state is what the rest of the log says (`UnifiedLog.truncateTo`).
    Exception { mark: PropertyId::ProducerCut, holds: |c| c.known == Known::Cut },
    // A replica that was filled from above its last batch never heard of it, and one that lost its
    // snapshots reads no batch of it (`UnifiedLog.rebuildProducerState`).
    Exception {
        mark: PropertyId::ProducerRetained,
        holds: |c| matches!(c.known, Known::Run(run) if run.end() <= c.furthest_start),
    },
    // It was idle for `producer.id.expiration.ms` by wall clocks, which may have been moved
    // (`ProducerStateManager.isProducerExpired`). A log that is loaded or truncated forgets it at
    // once, so that the interval of the checks is no bound.
    Exception { mark: PropertyId::ProducerExpired, holds: |c| c.idle >= c.expires },
];

/// How long brokers remember idle producers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiration {
    /// The least `producer.id.expiration.ms`, less what wall clocks may be apart that no fault
    /// has moved.
    expires: Span,
    /// How far faults may move them apart.
    skew: Span,
    /// How often a date of a stream is remembered: see [`Sequences::made_after`].
    pub(crate) date_step: Span,
}

impl Expiration {
    pub(crate) fn new(plan: &Plan) -> Self {
        let least = plan.brokers.iter().map(|broker| broker.config.producer_id_expiration).min();
        let least = least.unwrap_or(Span::FOREVER);
        let expires = Span(least.0.saturating_sub(wall_margin(plan).0));
        Self {
            expires,
            skew: promise::skew(plan),
            date_step: Span(least.0 / 32).max(Span::millis(100)),
        }
    }

    /// The exception that applies to a batch, if any does.
    #[cold]
    pub(crate) fn exception(
        self,
        (known, sequences): (Known, &Sequences),
        furthest_start: Offset,
        clocks_skewed: bool,
        now: Time,
    ) -> Option<&'static Exception> {
        let made = match known {
            Known::Run(run) => sequences.made_after(run.record()),
            Known::Never | Known::Cut => now,
        };
        let idle = now.since(made);
        let skew = if clocks_skewed { self.skew } else { Span::ZERO };
        let expires = Span(self.expires.0.saturating_sub(skew.0));
        let c = Circumstances { known, furthest_start, idle, expires };
        EXCEPTIONS.iter().find(|exception| (exception.holds)(&c))
    }
}
