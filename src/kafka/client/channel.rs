//! What a client's requests are for, and how its channels behave.
//!
//! The channels themselves are those of a [`NetworkClient`]. Until the first metadata answer the
//! brokers are bootstrap servers, and Kafka never uses such a connection again once it knows the
//! brokers by their numbers; here it is closed then, so that the connections of a client are those
//! to brokers it had a reason to talk to.

use crate::base::ids::BrokerId;
use crate::kafka::ctx::Ctx;
use crate::kafka::network_client::{ChannelId, ChannelTerms, NetworkClient, Owner, Peer, Thread};
use crate::kafka::timers::{ClientChannel, ClientTimer, Role, Timer};
use crate::model::config::ClientConfig;

/// What a request in flight was for. `place` is the asker's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Batches, linked through the accumulator from this one on.
    Produce { first_batch: u32 },
    /// Metadata.
    Metadata,
    /// A producer id.
    InitProducerId,
    /// A fetch, from this broker.
    Fetch { broker: BrokerId },
    /// ListOffsets of an assigned partition.
    ListOffsets { place: u16 },
    /// OffsetsForLeaderEpoch of an assigned partition.
    OffsetsForLeaderEpoch { place: u16 },
}

/// A client's channels.
pub(super) type ClientChannels = NetworkClient<ClientThread>;

/// The thread of a client.
#[derive(Clone, Debug)]
pub(super) struct ClientThread {
    role: Role,
    terms: ChannelTerms,
}

impl ClientThread {
    /// What its configuration gives it.
    ///
    /// Kafka: ClientUtils.createNetworkClient
    const fn new(role: Role, config: &ClientConfig, max_in_flight: u32) -> Self {
        let terms = ChannelTerms {
            request_timeout: config.request_timeout,
            reconnect_backoff: config.reconnect_backoff,
            reconnect_backoff_max: config.reconnect_backoff_max,
            setup_timeout: config.connection_setup_timeout,
            setup_timeout_max: config.connection_setup_timeout_max,
            max_in_flight: max_in_flight as usize,
            thread: Thread::Wakes,
            discovers_versions: true,
        };
        Self { role, terms }
    }

    /// Its channels, none of them used yet.
    pub(super) const fn channels(
        role: Role,
        config: &ClientConfig,
        max_in_flight: u32,
    ) -> ClientChannels {
        ClientChannels::new(Self::new(role, config, max_in_flight))
    }

    const fn channel(&self, channel: ChannelId) -> ClientChannel {
        ClientChannel { role: self.role, channel }
    }
}

impl Owner for ClientThread {
    type Request = Request;

    fn terms(&self, _: Peer) -> ChannelTerms {
        self.terms
    }

    fn request_timeout(&self, channel: ChannelId) -> Timer {
        ClientTimer::RequestTimeout(self.channel(channel)).into()
    }

    fn reconnect(&self, channel: ChannelId) -> Timer {
        ClientTimer::Reconnect(self.channel(channel)).into()
    }
}

/// The connection made before the brokers were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bootstrap {
    #[default]
    Active,
    Draining,
    Over,
}

impl Bootstrap {
    /// The first metadata answer is there: the bootstrap connection is given up as soon as nothing
    /// is in flight on it.
    pub(super) fn leave(&mut self, channels: &mut ClientChannels, ctx: &mut Ctx<'_>) {
        if *self == Self::Active {
            *self = Self::Draining;
        }
        if *self == Self::Draining && !channels.awaits_any_answer() {
            *self = Self::Over;
            channels.close_all(ctx);
        }
    }

    /// Whether requests to known brokers must wait until the bootstrap connection is given up.
    pub(super) fn is_on(self) -> bool {
        self != Self::Over
    }
}
