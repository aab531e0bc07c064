//! Connections of a broker: its own channels to others, and the inboxes of those who came.
//!
//! Its channels are those of a [`NetworkClient`] with one request in flight each, on the terms of
//! `NodeToControllerChannelManager.scala`, `KafkaRaftManager.scala` and
//! `BrokerBlockingSender.scala`. An [`Inbox`] follows `SocketServer.scala`: the channel is muted
//! until the response is sent. Neither knows what the messages say.

use std::collections::VecDeque;

use crate::base::ids::ConnectionId;
use crate::base::time::Span;
use crate::kafka::broker::purgatory::Ticket;
use crate::kafka::network_client::{
    ChannelId, ChannelTerms, ControllerChannel, NetworkClient, Owner, Peer, Thread,
};
use crate::kafka::timers::{BrokerTimer, Timer};
use crate::model::config::BrokerConfig;
use crate::model::message::Message;

/// Registration and heartbeats.
pub(super) const HEARTBEAT: Peer = Peer::Controller(ControllerChannel::Heartbeat);
/// ISR proposals.
pub(super) const ALTER_PARTITION: Peer = Peer::Controller(ControllerChannel::AlterPartition);
/// The metadata log.
pub(super) const METADATA: Peer = Peer::Controller(ControllerChannel::Metadata);
/// Producer ids.
pub(super) const FORWARDING: Peer = Peer::Controller(ControllerChannel::Forwarding);
/// In which directories replicas lie.
pub(super) const DIRECTORY_ASSIGNMENTS: Peer =
    Peer::Controller(ControllerChannel::DirectoryAssignments);

/// A broker's channels: to the controller, and one per leader that it fetches from.
pub(super) type BrokerChannels = NetworkClient<BrokerThreads>;

/// The threads that own a broker's channels, by what their configuration gives them.
#[derive(Clone, Debug)]
pub(super) struct BrokerThreads {
    heartbeat: ChannelTerms,
    controller: ChannelTerms,
    metadata: ChannelTerms,
    fetcher: ChannelTerms,
}

impl BrokerThreads {
    /// What Kafka gives them.
    pub(super) fn new(config: &BrokerConfig) -> Self {
        let controller = ChannelTerms {
            request_timeout: config.controller_socket_timeout,
            reconnect_backoff: config.reconnect_backoff,
            reconnect_backoff_max: config.reconnect_backoff,
            setup_timeout: config.connection_setup_timeout,
            setup_timeout_max: config.connection_setup_timeout_max,
            max_in_flight: 1,
            thread: Thread::Polls,
            discovers_versions: true,
        };
        Self {
            // Its `retryTimeoutMs` is one heartbeat interval (`BrokerServer.startup` of 3.9.2 and
            // 4.1.1; half a session in the source of 2024, KAFKA-14392).
            heartbeat: ChannelTerms {
                request_timeout: controller.request_timeout.min(config.heartbeat_interval),
                ..controller
            },
            controller,
            // `KafkaRaftManager.scala`: 50 to 500 ms.
            metadata: ChannelTerms {
                request_timeout: config.quorum_request_timeout,
                reconnect_backoff_max: config.reconnect_backoff.scaled(10, 1),
                ..controller
            },
            // `BrokerBlockingSender.scala`: no back-off; the fetcher backs its partitions off.
            fetcher: ChannelTerms {
                request_timeout: config.replica_socket_timeout,
                reconnect_backoff: Span::ZERO,
                reconnect_backoff_max: Span::ZERO,
                thread: Thread::Blocks,
                discovers_versions: false,
                ..controller
            },
        }
    }
}

impl Owner for BrokerThreads {
    type Request = ();

    fn terms(&self, peer: Peer) -> ChannelTerms {
        match peer {
            HEARTBEAT => self.heartbeat,
            METADATA => self.metadata,
            ALTER_PARTITION | FORWARDING | DIRECTORY_ASSIGNMENTS => self.controller,
            Peer::Broker(_) | Peer::Coordinator(_) => self.fetcher,
        }
    }

    fn request_timeout(&self, channel: ChannelId) -> Timer {
        BrokerTimer::RequestTimeout(channel).into()
    }

    fn reconnect(&self, channel: ChannelId) -> Timer {
        BrokerTimer::Reconnect(channel).into()
    }
}

/// A request that waits without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// For the high watermark.
    Produce(Ticket),
    /// For data.
    Fetch(Ticket),
}

/// A connection that somebody opened to this broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    /// One request is being processed: later ones wait.
    pub(super) muted: bool,
    /// What is parked on its behalf.
    pub(super) parked: Option<Parked>,
    /// Requests that came meanwhile, with their parts kept.
    pub(super) queue: VecDeque<Message>,
}

const NOBODY: u16 = u16::MAX;

/// The inboxes of all connections that others have opened to this broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Inboxes {
    /// By number of the connection's id, which counts the connections of the whole cluster.
    places: Vec<u16>,
    inboxes: Vec<Inbox>,
    free: Vec<u16>,
}

impl Inboxes {
    /// Somebody has opened this connection.
    pub(super) fn open(&mut self, connection: ConnectionId) {
        let id = connection.0 as usize;
        if self.places.len() <= id {
            self.places.resize(id + 1, NOBODY);
        }
        self.places[id] = self.free.pop().unwrap_or_else(|| {
            self.inboxes.push(Inbox::default());
            (self.inboxes.len() - 1) as u16
        });
    }

    /// The inbox of this connection, if it is one.
    pub(super) fn get(&mut self, connection: ConnectionId) -> Option<&mut Inbox> {
        let place = *self.places.get(connection.0 as usize)?;
        self.inboxes.get_mut(usize::from(place))
    }

    /// Forgets a connection and gives back what was in its inbox.
    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<Inbox> {
        let id = connection.0 as usize;
        let inbox = std::mem::take(self.get(connection)?);
        self.free.push(std::mem::replace(&mut self.places[id], NOBODY));
        Some(inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::{BrokerThreads, DIRECTORY_ASSIGNMENTS, HEARTBEAT};
    use crate::base::ids::BrokerId;
    use crate::base::rng::Rng;
    use crate::base::time::Span;
    use crate::kafka::network_client::{Owner, Peer};
    use crate::model::config::BrokerConfig;

    #[test]
    fn a_thread_gives_up_connecting_when_it_wakes() {
        let threads = BrokerThreads::new(&BrokerConfig::default());
        let mut rng = Rng::named(1, "patience");
        let mut patience = |peer, failures| {
            let terms = threads.terms(peer);
            let mut draws: Vec<Span> =
                (0..200).map(|_| terms.patience(failures, &mut rng)).collect();
            draws.sort_unstable();
            (draws[0], draws[199])
        };
        let secs = |low, high| (Span::secs(low), Span::secs(high));
        assert_eq!(patience(HEARTBEAT, 0), secs(10, 12), "10 s ± 20 %, and it wakes each 2 s");
        assert_eq!(patience(HEARTBEAT, 1), secs(18, 24));
        assert_eq!(patience(HEARTBEAT, 9), secs(26, 30), "30 s − 20 %, never more than 30 s");
        let (low, high) = patience(DIRECTORY_ASSIGNMENTS, 0);
        assert!(low >= Span::secs(8) && low < Span::secs(9) && high <= Span::secs(12));
        assert_eq!(patience(Peer::Broker(BrokerId(1)), 0), secs(30, 30));
    }
}
