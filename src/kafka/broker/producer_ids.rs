//! Producer ids: handed out of blocks that the controller allocates.
//!
//! Follows `RPCProducerIdManager.java`: the next block is asked for when 90 % of this one is used.

use crate::base::ids::ProducerId;
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::FORWARDING;
use crate::kafka::ctx::Ctx;
use crate::kafka::timers::BrokerTimer;
use crate::model::error::ErrorCode;
use crate::model::message::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

/// `RPCProducerIdManager.RETRY_BACKOFF_MS`.
const RETRY: Span = Span::millis(50);

/// A block of ids and perhaps the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct ProducerIds {
    next: u32,
    end: u32,
    /// The next one is asked for when this id has been handed out.
    prefetch_at: u32,
    spare: Option<(u32, u32)>,
    wanted: bool,
    paused: bool,
}

impl ProducerIds {
    /// Whether the controller is to be asked for a block.
    pub(super) const fn wants_block(&self) -> bool {
        self.wanted && !self.paused
    }

    /// The next id, if there is one.
    pub(super) fn grant(&mut self) -> Option<ProducerId> {
        if self.next == self.end {
            let Some((first, count)) = self.spare.take() else {
                self.wanted = true;
                return None;
            };
            self.next = first;
            self.end = first + count;
            self.prefetch_at = first + count / 10 * 9;
        }
        let id = ProducerId(self.next);
        self.next += 1;
        self.wanted |= self.next >= self.prefetch_at && self.spare.is_none();
        Some(id)
    }
}

impl Broker {
    /// Asks for a block, if one is wanted and nothing in the way.
    pub(super) fn ask_for_producer_ids(&mut self, ctx: &mut Ctx<'_>) {
        let Some(epoch) = self.lifecycle.epoch().filter(|_| self.producer_ids.wants_block()) else {
            return;
        };
        if self.channels.ready(FORWARDING, ctx) {
            let content = AllocateProducerIdsRequest { broker: self.id, epoch };
            self.channels.send(FORWARDING, content.into(), (), ctx);
        }
    }

    /// The controller answered a request for a block.
    pub(super) fn on_producer_ids(
        &mut self,
        response: &AllocateProducerIdsResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let AllocateProducerIdsResponse { error, first, count } = *response;
        if error == ErrorCode::NotController {
            return self.leave_controller(FORWARDING, ctx);
        }
        if error.is_none() {
            self.producer_ids.spare = Some((first.0, count));
            self.producer_ids.wanted = false;
        } else {
            self.producer_ids.paused = true;
            ctx.set(BrokerTimer::ProducerIds, RETRY);
        }
    }

    /// The pause after a refusal is over.
    pub(super) fn on_producer_ids_retry(&mut self, ctx: &mut Ctx<'_>) {
        self.producer_ids.paused = false;
        self.ask_for_producer_ids(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::ProducerIds;

    #[test]
    fn the_next_block_is_wanted_at_nine_tenths() {
        let mut ids = ProducerIds::default();
        assert_eq!(ids.grant(), None);
        assert!(ids.wants_block());
        ids.spare = Some((1000, 1000));
        ids.wanted = false;
        for used in 0..1000 {
            assert_eq!(ids.grant().map(|id| id.0), Some(1000 + used));
            assert_eq!(ids.wants_block(), used >= 899, "after {used}");
        }
        assert_eq!(ids.grant(), None, "exhausted before the next block came");
    }
}
