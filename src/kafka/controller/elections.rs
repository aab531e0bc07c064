//! When the controller elects without being asked.
//!
//! Two tasks look for work: partitions without a leader whose topic allows unclean elections, and
//! partitions that are not led by their preferred replica. From 4.0 on both are periodic
//! (`PeriodicTaskControlManager.java`); 3.9 schedules a look one interval after the write that
//! left something to do (`QuorumController.java`). What a look does is decided in [`super::view`].
//! Kafka takes at most 1,000 partitions at a look and comes back at once; here a look takes all.

use crate::base::time::Span;
use crate::kafka::controller::{Controller, rulings};
use crate::kafka::ctx::Ctx;
use crate::kafka::timers::ControllerTimer;

/// Which looks are due, in a release that schedules them by need.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scheduled {
    unclean: bool,
    preferred: bool,
}

impl Controller {
    /// The controller becomes active. At time zero of a run it has been for some time, so that
    /// each periodic task is at a random point of its interval.
    ///
    /// Kafka: PeriodicTaskControlManager.activate
    pub(super) fn begin_election_checks(&mut self, initial: bool, ctx: &mut Ctx<'_>) {
        if !rulings::checks_elections_periodically(ctx.rules) {
            return self.schedule_elections(ctx);
        }
        let mut begin = |timer, interval: Span| {
            let random = Span::nanos(ctx.rng.below(interval.0.max(1)));
            ctx.set(timer, if initial { random } else { interval });
        };
        begin(ControllerTimer::UncleanElection, self.config.unclean_election_interval);
        if self.config.auto_leader_rebalance {
            begin(ControllerTimer::PreferredElection, self.config.leader_imbalance_check_interval);
        }
    }

    /// Partitions have changed: in 3.9 a look is due one interval later, unless one is already.
    ///
    /// Kafka: QuorumController.maybeScheduleNextElectUncleanLeaders
    /// Kafka: QuorumController.maybeScheduleNextBalancePartitionLeaders
    pub(super) fn schedule_elections(&mut self, ctx: &mut Ctx<'_>) {
        if rulings::checks_elections_periodically(ctx.rules) {
            return;
        }
        let view = self.view(ctx.rules);
        if !self.scheduled.unclean && view.has_leaderless() {
            self.scheduled.unclean = true;
            ctx.set(ControllerTimer::UncleanElection, self.config.unclean_election_interval);
        }
        let rebalances = self.config.auto_leader_rebalance && !self.scheduled.preferred;
        if rebalances && self.view(ctx.rules).has_imbalanced() {
            self.scheduled.preferred = true;
            let interval = self.config.leader_imbalance_check_interval;
            ctx.set(ControllerTimer::PreferredElection, interval);
        }
    }

    /// Kafka: ReplicationControlManager.maybeElectUncleanLeaders
    pub(super) fn on_unclean_check(&mut self, ctx: &mut Ctx<'_>) {
        self.scheduled.unclean = false;
        self.decide(ctx, |view, records| view.elect_unclean_where_allowed(records));
        let timer = ControllerTimer::UncleanElection;
        self.look_again(timer, self.config.unclean_election_interval, ctx);
    }

    /// Kafka: ReplicationControlManager.maybeBalancePartitionLeaders
    pub(super) fn on_preferred_check(&mut self, ctx: &mut Ctx<'_>) {
        self.scheduled.preferred = false;
        self.decide(ctx, |view, records| view.elect_preferred(records));
        let timer = ControllerTimer::PreferredElection;
        self.look_again(timer, self.config.leader_imbalance_check_interval, ctx);
    }

    fn look_again(&mut self, timer: ControllerTimer, interval: Span, ctx: &mut Ctx<'_>) {
        if rulings::checks_elections_periodically(ctx.rules) {
            ctx.set(timer, interval);
        } else {
            self.schedule_elections(ctx);
        }
    }
}
