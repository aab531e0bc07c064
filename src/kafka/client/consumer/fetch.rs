//! The consumer's fetches: one in flight per broker, of what that leads and nothing is buffered of.
//!
//! Follows `AbstractFetch.java` and `FetchSessionHandler.java`. A fetch names the partitions that
//! have changed since the last one. Kafka 4.1 asks a broker for nothing while something of it is
//! buffered (KAFKA-17182); here, as before, partitions with something buffered leave the session
//! and come back.

use crate::base::ids::{BrokerId, Offset};
use crate::base::number_set::NumberSet;
use crate::kafka::client::channel::Request;
use crate::kafka::client::consumer::Consumer;
use crate::kafka::client::positions::FetchState;
use crate::kafka::ctx::Ctx;
use crate::kafka::fetch_session::FetchSessionHandler;
use crate::kafka::network_client::Peer;
use crate::model::config::OffsetReset;
use crate::model::error::ErrorCode;
use crate::model::fact::PositionChange;
use crate::model::message::{
    FetchPartition, FetchRequest, FetchResponse, Fetcher, ForgottenPartition,
};

/// What lies between two fetches from one broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) handler: FetchSessionHandler,
    /// Places in the session.
    pub(super) held: NumberSet,
    /// Places that have changed since the last fetch.
    pub(super) changed: NumberSet,
}

impl Consumer {
    /// Sends each broker one fetch for the partitions it leads of which nothing is buffered.
    pub(super) fn fetch(&mut self, ctx: &mut Ctx<'_>) {
        if !self.leaderless.is_empty() {
            self.cache.want_update();
        }
        let mut next = 0;
        while let Some(at) = self.askable.first_from(next) {
            next = at + 1;
            let broker = BrokerId::at(at);
            if self.may_ask_any(at, ctx) && self.is_usable(broker, ctx) {
                self.fetch_from(broker, ctx);
            }
        }
    }

    /// Whether some partition that may be fetched from a broker is out of its back-off.
    fn may_ask_any(&mut self, at: usize, ctx: &mut Ctx<'_>) -> bool {
        let mut next = 0;
        while let Some(place) = self.fetchable[at].first_from(next) {
            if self.may_ask(place, ctx) {
                return true;
            }
            next = place + 1;
        }
        false
    }

    /// Sends a fetch: of all that may be fetched if there is no session, else of what has changed.
    fn fetch_from(&mut self, broker: BrokerId, ctx: &mut Ctx<'_>) {
        let at = broker.index();
        let mut session = std::mem::take(&mut self.sessions[at]);
        let metadata = session.handler.next();
        if metadata.is_full() {
            session.changed.clear();
            session.held.clear();
        }
        let (partitions, forgotten) = (ctx.take_list(), ctx.take_list());
        let mut next = 0;
        loop {
            let named = if metadata.is_full() { &self.fetchable[at] } else { &session.changed };
            let Some(place) = named.first_from(next) else { break };
            next = place + 1;
            let fetchable = self.fetchable[at].contains(place);
            let wanted = fetchable && self.may_ask(place, ctx);
            // One that backs off is looked at again.
            session.changed.put(place, fetchable && !wanted);
            let asked = self.asked(place);
            let assigned = &mut self.assigned[place];
            let partition = assigned.partition;
            let known = session.held.contains(place) && assigned.sent == Some((broker, asked));
            if wanted && !known {
                session.held.insert(place);
                assigned.sent = Some((broker, asked));
                ctx.push(partitions, asked);
            } else if !wanted && session.held.remove(place) {
                ctx.push(forgotten, ForgottenPartition { partition });
            }
        }
        self.sessions[at] = session;
        self.mark_fetch(at, true);
        let request = FetchRequest {
            fetcher: Fetcher::Consumer { read_committed: self.config.read_committed },
            session: metadata,
            max_wait: self.config.fetch_max_wait,
            min_bytes: self.config.fetch_min_bytes,
            max_bytes: self.config.fetch_max_bytes,
            partitions,
            forgotten,
        };
        let to = Request::Fetch { broker };
        self.channels.send(Peer::Broker(broker), request.into(), to, ctx);
    }

    /// What is asked of a partition.
    fn asked(&self, place: usize) -> FetchPartition {
        let assigned = &self.assigned[place];
        FetchPartition {
            partition: assigned.partition,
            current_leader_epoch: self.cache.leadership(assigned.partition).epoch,
            fetch_offset: assigned.offset,
            // A consumer does not give it, so a truncation between validation and fetch goes unseen
            // (KIP-320 left it to followers).
            last_fetched_epoch: None,
            log_start_offset: Offset::ZERO,
            max_bytes: self.config.max_partition_fetch_bytes,
        }
    }

    pub(super) fn on_fetched(&mut self, broker: BrokerId, response: &FetchResponse, ctx: &Ctx<'_>) {
        for fetched in ctx.list(response.partitions) {
            let place = self.place(fetched.partition).filter(|p| self.is_wanted(*p, broker));
            let Some(place) = place else { continue };
            if !fetched.error.is_none() {
                self.on_fetch_error(place, fetched.error, ctx);
                continue;
            }
            for batch in &ctx.list(response.records)[fetched.records.places()] {
                let assigned = &mut self.assigned[place];
                let empty = !assigned.has_buffered();
                assigned.buffer(*batch, broker);
                if empty && assigned.has_buffered() {
                    self.arrived.push_back(place as u16);
                    self.file(place);
                }
            }
        }
    }

    /// Whether a fetched partition still stands where its fetch began.
    fn is_wanted(&self, place: usize, from: BrokerId) -> bool {
        let assigned = &self.assigned[place];
        let sent = assigned.sent.filter(|(broker, _)| *broker == from);
        assigned.state == FetchState::Fetching
            && sent.is_some_and(|(_, asked)| asked.fetch_offset == assigned.offset)
    }

    fn on_fetch_error(&mut self, place: usize, error: ErrorCode, ctx: &Ctx<'_>) {
        let partition = self.assigned[place].partition;
        match error {
            ErrorCode::OffsetOutOfRange => match self.config.offset_reset {
                OffsetReset::None => {
                    self.assigned[place].fail();
                    self.thrown.push_back((partition, error));
                }
                OffsetReset::Earliest | OffsetReset::Latest => {
                    self.assigned[place].reset(PositionChange::OutOfRange);
                }
            },
            ErrorCode::CorruptMessage => {
                self.assigned[place].fail();
                self.thrown.push_back((partition, error));
            }
            _ => {
                self.back_off(place, ctx);
                if error.refreshes_metadata() || error == ErrorCode::OffsetNotAvailable {
                    self.cache.want_update();
                }
            }
        }
        self.file(place);
    }
}
