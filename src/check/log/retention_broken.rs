//! `retention-broken`, claim G15: retention deletes old, committed segments and nothing else.
//!
//! A log start never passes what is committed: the true high watermark, or, where nobody was shown
//! one, what every member of a committed ISR holds or has held. And where only time limits a log,
//! no record goes before its time: some records of every second are remembered with the moment when
//! their producer made them, which is what Kafka counts from, and a margin is left for how far wall
//! clocks may be apart. Records that their producer has already given up are left out: how old they
//! are is not known here. Follows `UnifiedLog.deleteOldSegments`.

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, Offset};
use crate::base::time::{Span, Time};
use crate::check::ghost::{PartitionGhost, wall_margin};
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;
use crate::model::plan::Plan;

/// How many records of a retention time are remembered.
const SAMPLES: u64 = 32;

/// A record of the canonical log, and when its producer made it.
#[derive(Clone, Copy, Debug)]
struct Sample {
    created: Time,
    appended: Time,
    base: Offset,
}

#[derive(Clone, Debug)]
struct Ages {
    /// By offset.
    samples: VecDeque<Sample>,
    /// The least `retention.ms` there was.
    retention: Span,
    /// `retention.bytes` was set at some time.
    by_size: bool,
}

/// When what was made, coarsely.
#[derive(Clone, Debug)]
pub(crate) struct RetentionBroken {
    ages: Vec<Ages>,
    margin: Span,
}

impl RetentionBroken {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { ages: Vec::new(), margin: wall_margin(plan) }
    }

    pub(crate) fn add_partition(&mut self, ghost: &PartitionGhost) {
        let ages = Ages {
            samples: VecDeque::new(),
            retention: ghost.config.retention,
            by_size: ghost.config.retention_bytes != u64::MAX,
        };
        match self.ages.get_mut(ghost.id.index()) {
            Some(known) => *known = ages,
            None => self.ages.push(ages),
        }
    }

    /// A topic's configuration changed.
    pub(crate) fn reconfigured(&mut self, ghost: &PartitionGhost) {
        let ages = &mut self.ages[ghost.id.index()];
        ages.retention = ages.retention.min(ghost.config.retention);
        ages.by_size |= ghost.config.retention_bytes != u64::MAX;
    }

    /// A batch was appended at `base`. `created` tells when its first record was made, if it is
    /// known.
    pub(crate) fn appended(
        &mut self,
        partition: usize,
        base: Offset,
        now: Time,
        created: impl FnOnce() -> Option<Time>,
    ) {
        let ages = &mut self.ages[partition];
        if ages.retention == Span::FOREVER {
            return;
        }
        let step = Span(ages.retention.0 / SAMPLES).max(Span::secs(1));
        if ages.samples.back().is_some_and(|last| now.since(last.appended) < step) {
            return;
        }
        while ages.samples.front().is_some_and(|s| now.since(s.created) > ages.retention) {
            ages.samples.pop_front();
        }
        if let Some(created) = created() {
            ages.samples.push_back(Sample { created, appended: now, base });
        }
    }

    /// Records from `cut` on fell out of the canonical log.
    pub(crate) fn fell_out(&mut self, partition: usize, cut: Offset) {
        let samples = &mut self.ages[partition].samples;
        while samples.back().is_some_and(|s| s.base >= cut) {
            samples.pop_back();
        }
    }

    /// The files of a replica start at `to` now.
    pub(crate) fn moved(
        &self,
        ghost: &PartitionGhost,
        broker: BrokerId,
        to: Offset,
        clocks_skewed: bool,
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        findings.exercise(PropertyId::RetentionBroken);
        let bound = ghost.watermark.max(ghost.held).max(ghost.held_by_members());
        let detail = if to > bound {
            Detail::StartBeyond { bound }
        } else if let Some(since) = self.too_young(ghost, to, stamp.time).filter(|_| !clocks_skewed)
        {
            Detail::StartTooYoung { since }
        } else {
            return;
        };
        let violation = Violation::of(PropertyId::RetentionBroken, stamp, detail)
            .partition(ghost.id)
            .offset(to)
            .broker(broker);
        findings.add(PropertyId::RetentionBroken, violation);
    }

    /// When the youngest record below `to` was made at the earliest, if it had to stay.
    fn too_young(&self, ghost: &PartitionGhost, to: Offset, now: Time) -> Option<Time> {
        let ages = &self.ages[ghost.id.index()];
        if ages.by_size || to == Offset::ZERO {
            return None;
        }
        if ages.retention == Span::FOREVER {
            return Some(Time::ZERO);
        }
        if ages.retention <= self.margin {
            return None;
        }
        let must_stay = Span(ages.retention.0 - self.margin.0);
        let removed = ages.samples.iter().filter(|s| s.base < to);
        let youngest = removed.map(|s| s.created).max()?;
        (now.since(youngest) < must_stay).then_some(youngest)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::config::TopicKey;

    fn replicated() -> Forge {
        let mut forge = Forge::new();
        forge.config(TopicKey::RetentionMs, 3_600_000);
        for base in 0..4 {
            forge.submit(1).append(1, base, 1, 0).append(2, base, 1, 0).append(3, base, 1, 0);
            forge.wait(Span::secs(600));
        }
        forge
    }

    #[test]
    fn old_committed_segments_may_go() {
        let mut forge = replicated();
        forge.wait(Span::secs(3_000)).expose(1, 0, 2, 4);
        forge.log_start(1, 2).log_start(2, 2).log_start(3, 2).expect_none("retention-broken");
    }

    #[test]
    fn young_segments_may_not() {
        let mut forge = replicated();
        forge.expose(1, 0, 2, 4).log_start(1, 2).expect("retention-broken", 1);
    }

    #[test]
    fn age_counts_from_the_producer() {
        let mut forge = Forge::new();
        forge.config(TopicKey::RetentionMs, 3_600_000).submit(2).wait(Span::secs(3_000));
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0).expose(1, 0, 2, 2);
        forge.wait(Span::secs(500)).clone().log_start(1, 2).expect("retention-broken", 1);
        forge.wait(Span::secs(101)).log_start(1, 2).expect_none("retention-broken");
    }

    #[test]
    fn what_took_the_place_of_a_lost_record_has_its_own_age() {
        let mut forge = Forge::new();
        forge.config(TopicKey::RetentionMs, 3_600_000).submit(1).wait(Span::secs(3_000));
        forge.submit(1).append_other(1, 0, 1, 0, 1).elect(2, 1);
        forge.append_other(2, 0, 1, 1, 0).append_other(3, 0, 1, 1, 0).expose(2, 1, 3, 1);
        forge.wait(Span::secs(700)).log_start(2, 1).expect_none("retention-broken");
    }

    /// What a leader knows of a follower may be older than the follower's power loss.
    #[test]
    fn what_every_member_has_held_may_go() {
        let lost = |held: bool| {
            let mut forge = Forge::new();
            forge.config(TopicKey::RetentionMs, 3_600_000);
            forge.append(1, 0, 2, 0).append(2, 0, if held { 2 } else { 1 }, 0).isr(&[1], &[], 0);
            if held {
                forge.power_loss(2, 2, 1);
            }
            forge.isr(&[1, 2], &[], 0).wait(Span::secs(8_000)).log_start(1, 2);
            forge
        };
        lost(true).expect_none("retention-broken");
        lost(false).expect("retention-broken", 1);
    }

    #[test]
    fn uncommitted_ones_may_not() {
        let mut forge = replicated();
        forge.append(1, 4, 1, 0).wait(Span::secs(8_000)).expose(1, 0, 2, 4);
        forge.log_start(1, 5).expect("retention-broken", 1);
    }

    #[test]
    fn a_log_without_retention_keeps_its_start() {
        let mut forge = Forge::with(|plan| plan.topics[0].config.retention = Span::FOREVER);
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0).expose(1, 0, 2, 2);
        forge.wait(Span::secs(1_000_000)).log_start(1, 1).expect("retention-broken", 1);
    }
}
