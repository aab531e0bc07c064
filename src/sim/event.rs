//! What will happen: the closed vocabulary of the event queue, and what of it is hashed.
//!
//! An event is small and `Copy`; what is larger (commands, faults) lies in a table of the world. An
//! event for a process names its *life*, and is discarded if that life is over when it is popped.
//! Knows nothing about how an event is carried out.

use crate::base::ids::{LogId, Offset};
use crate::base::rng::stir;
use crate::kafka::ctx::CloseReason;
use crate::kafka::timers::Timer;
use crate::model::message::{Content, Lane, Lists};

/// A node by its place among all nodes: brokers first, then controllers, then processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostId(pub(super) u16);

impl HostId {
    /// Position in a vector over all nodes.
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One process lifetime on a host. Counted up whenever the process is gone.
pub(super) type Life = u32;

/// One of the two ends of a connection: 0 opened it, 1 accepted it.
pub(super) type End = u8;

/// Names a connection and tells it from earlier ones with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnRef {
    /// Its place in the network's table; the number of its `ConnectionId`.
    pub(super) slot: u32,
    /// How many connections had that place before.
    pub(super) generation: u32,
}

/// What will happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Event {
    /// Time zero: what the cluster starts with is told.
    #[default]
    Begin,
    /// A process runs for the first time.
    Start { host: HostId, life: Life },
    /// The first bytes under way from `end` reach the other end.
    Arrive { slot: u32, end: End, stamp: u32 },
    /// The opener sends its `attempt`-th SYN.
    Syn { conn: ConnRef, attempt: u8 },
    /// A SYN reaches its host.
    SynArrive { conn: ConnRef },
    /// The accepting process learns of the connection.
    Accepted { conn: ConnRef },
    /// The opener has waited long enough.
    SetupTimeout { conn: ConnRef },
    /// TCP sends held bytes of `end` again.
    Retransmit { conn: ConnRef, end: End },
    /// TCP has retransmitted long enough.
    GiveUp { conn: ConnRef, end: End },
    /// A node learns that a connection is gone for another reason than what its peer sent.
    Closed { conn: ConnRef, end: End, reason: CloseReason },
    /// A timer slot's entry.
    Fire { host: HostId, life: Life, timer: Timer },
    /// A lane is free and something waits for it.
    Wake { host: HostId, life: Life, lane: Lane },
    /// A sync of a log is done, up to this position of its operations.
    Flushed { host: HostId, life: Life, log: LogId, up_to: Offset, position: u64 },
    /// The kernel writes old bytes back.
    Writeback { host: HostId },
    /// SIGTERM.
    Terminate { host: HostId, life: Life },
    /// The operator tells a process something: command number `slot`.
    Command { host: HostId, slot: u32 },
    /// The operator asks the active controller something: operation number `slot`.
    Operate { slot: u32 },
    /// The director asked to be woken.
    Direct { token: u32 },
    /// A fault begins: number `slot`.
    Inject { slot: u32 },
    /// The fault with this id ends.
    Heal { id: u32 },
}

const _: () = assert!(size_of::<Event>() <= 32, "events are copied on every push and pop");

/// A running 64-bit hash over words, the same for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Digest {
    /// The digest of something of this kind about this node.
    pub(super) const fn of(kind: EventKind, host: HostId) -> Self {
        Self((kind as u64) << 16 | host.0 as u64)
    }

    /// With another word.
    pub(super) const fn word(self, word: u64) -> Self {
        Self(stir(self.0, word))
    }

    /// With every byte of a text.
    pub(super) fn text(self, text: &str) -> Self {
        text.bytes().fold(self, |digest, byte| digest.word(u64::from(byte)))
    }

    /// With all that a message says.
    #[inline]
    pub(super) fn content(self, content: &Content, lists: &Lists) -> Self {
        self.word(content.word(lists))
    }

    /// The hash so far.
    pub(super) const fn value(self) -> u64 {
        self.0
    }
}

/// The kinds of event that are hashed. A number here is part of every fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Start = 1,
    Opened = 2,
    Message = 3,
    Closed = 4,
    Timer = 5,
    Flushed = 6,
    Writeback = 8,
    Terminate = 9,
    Command = 10,
    Operate = 11,
    Inject = 12,
    Heal = 13,
    HealAll = 14,
}

#[cfg(test)]
mod tests {
    use super::{Digest, EventKind, HostId};
    use crate::model::error::ErrorCode;
    use crate::model::message::{Content, IncrementalAlterConfigsResponse, Lists};

    #[test]
    fn a_digest_depends_on_the_node_and_on_what_a_message_says() {
        let lists = Lists::default();
        let said = |host, error| {
            let content = Content::from(IncrementalAlterConfigsResponse { error });
            Digest::of(EventKind::Message, HostId(host)).content(&content, &lists).value()
        };
        assert_eq!(said(1, ErrorCode::None), said(1, ErrorCode::None));
        assert_ne!(said(1, ErrorCode::None), said(2, ErrorCode::None));
        assert_ne!(said(1, ErrorCode::None), said(1, ErrorCode::NotLeaderOrFollower));
    }
}
