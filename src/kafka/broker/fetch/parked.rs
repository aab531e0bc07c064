//! Fetches that found too little: they wait for more, or until their time is up.
//!
//! Follows `DelayedFetch.java`. A partition that has changed is asked whether it has enough now for
//! the fetches that wait for it: those of the sessions that hold it, and those whose requests name
//! it.

use crate::base::ids::{ConnectionId, PartitionId};
use crate::base::time::Time;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::Parked;
use crate::kafka::broker::fetch::{FetchContext, FetchTerms, new_response};
use crate::kafka::broker::purgatory::{ParkedFetch, Ticket, Watcher};
use crate::kafka::ctx::Ctx;
use crate::kafka::rulings;
use crate::kafka::timers::BrokerTimer;
use crate::model::error::ErrorCode;
use crate::model::message::FetchPartition;

impl Broker {
    pub(super) fn park_fetch(
        &mut self,
        (connection, correlation): (ConnectionId, u32),
        context: FetchContext,
        terms: FetchTerms,
        deadline: Time,
        ctx: &mut Ctx<'_>,
    ) {
        let parked = ParkedFetch { connection, correlation, context, terms, deadline };
        let ticket = self.purgatory.fetches.park(parked);
        match context {
            FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                for (place, asked) in ctx.list(request).iter().enumerate() {
                    if let Some(replica) = self.partitions.get_mut(asked.partition.index()) {
                        replica.waiting.watch(Watcher { ticket, part: place as u32 });
                    }
                }
            }
            FetchContext::Incremental(slot) => self.sessions.get_mut(slot).parked = Some(ticket),
        }
        self.park_on(connection, Parked::Fetch(ticket));
        self.arm_fetch_timer(ctx);
    }

    /// A partition has changed: answers the fetches that have enough now.
    pub(in crate::kafka::broker) fn complete_fetches(
        &mut self,
        partition: PartitionId,
        ctx: &mut Ctx<'_>,
    ) {
        if !rulings::news_answers_fetches(ctx.rules) {
            return;
        }
        let mut place = 0;
        while let Some(replica) = self.partitions.get_mut(partition.index())
            && let Some(watcher) = replica.waiting.watcher(place)
        {
            let Some(parked) = self.purgatory.fetches.peek(watcher.ticket) else {
                replica.waiting.unwatch(place);
                continue;
            };
            let asked = match parked.context {
                FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                    ctx.entry(request, watcher.part as usize)
                }
                FetchContext::Incremental(_) => None,
            };
            if asked.is_none_or(|asked| self.has_enough(&asked, parked, ctx)) {
                self.answer_fetch(watcher.ticket, ctx);
            } else {
                place += 1;
            }
        }
        let mut place = 0;
        while let Some(replica) = self.partitions.get(partition.index())
            && let Some(slot) = replica.sessions.get(place).copied()
        {
            place += 1;
            let session = self.sessions.get(slot);
            if let (Some(ticket), Some(cached)) = (session.parked, session.partition(partition))
                && let Some(parked) = self.purgatory.fetches.peek(ticket)
                && self.has_enough(&cached.asked, parked, ctx)
            {
                self.answer_fetch(ticket, ctx);
            }
        }
    }

    /// Whether a parked fetch has enough, or an error to tell, now that a partition has changed. A
    /// moved high watermark is no news to a follower.
    ///
    /// Kafka: DelayedFetch.tryComplete
    fn has_enough(&self, asked: &FetchPartition, parked: &ParkedFetch, ctx: &Ctx<'_>) -> bool {
        let (terms, enough) = (&parked.terms, u64::from(parked.terms.min_bytes));
        if self.is_read_up(asked, terms, ctx) {
            return false;
        }
        match self.available(asked, terms, ctx) {
            None => true,
            Some(0) => false,
            Some(bytes) if bytes >= enough => true,
            Some(_) => {
                let all: Option<u64> = match parked.context {
                    FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                        let all = ctx.list(request).iter();
                        all.map(|asked| self.available(asked, terms, ctx)).sum()
                    }
                    // The others of a session have nothing.
                    FetchContext::Incremental(slot) => {
                        let session = self.sessions.get(slot);
                        let stirred = session.stirred.iter().map(|place| PartitionId(place as u16));
                        let stirred = stirred.filter_map(|partition| session.partition(partition));
                        stirred.map(|cached| self.available(&cached.asked, terms, ctx)).sum()
                    }
                };
                all.is_none_or(|bytes| bytes >= enough)
            }
        }
    }

    /// A parked fetch is answered with what there is.
    pub(in crate::kafka::broker) fn answer_fetch(&mut self, ticket: Ticket, ctx: &mut Ctx<'_>) {
        let Some(parked) = self.purgatory.fetches.take(ticket) else { return };
        let ParkedFetch { connection, correlation, context, terms, .. } = parked;
        if let FetchContext::Incremental(slot) = context {
            self.sessions.get_mut(slot).parked = None;
        }
        let mut response = new_response(ErrorCode::None, ctx);
        self.read_all(context, &terms, &response, false, ctx);
        self.respond_to_fetch((connection, correlation), context, &terms, &mut response, ctx);
    }

    /// Nobody will read the answer to a parked fetch.
    pub(in crate::kafka::broker) fn forget_fetch(&mut self, ticket: Ticket, ctx: &mut Ctx<'_>) {
        match self.purgatory.fetches.take(ticket).map(|parked| parked.context) {
            Some(FetchContext::Sessionless(request) | FetchContext::Full(request)) => {
                ctx.release(request);
            }
            Some(FetchContext::Incremental(slot)) => self.sessions.get_mut(slot).parked = None,
            None => {}
        }
    }

    /// Parked fetches have waited long enough.
    pub(in crate::kafka::broker) fn on_fetch_expiry(&mut self, ctx: &mut Ctx<'_>) {
        self.purgatory.fetch_timer.fired();
        let now = ctx.monotonic();
        while let Some((ticket, _)) = self.purgatory.fetches.first().filter(|(_, at)| *at <= now) {
            self.answer_fetch(ticket, ctx);
        }
        self.arm_fetch_timer(ctx);
    }

    fn arm_fetch_timer(&mut self, ctx: &mut Ctx<'_>) {
        if let Some((_, at)) = self.purgatory.fetches.first() {
            self.purgatory.fetch_timer.by(at, BrokerTimer::FetchExpiry, ctx);
        }
    }
}
