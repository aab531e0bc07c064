//! The timers of brokers, controllers and clients: an enum per kind of node.
//!
//! # Add a timer
//! Add a variant to the enum of its node, with a payload if there is one timer per channel, broker
//! or partition; `on_timer` of the node does not compile until it says what happens. Whoever wants
//! it sets it by `Ctx::set`; setting it again replaces its deadline. The machine room keeps a slot
//! per variant and payload, found by [`Timer::slot`]; a payload is a small dense number
//! ([`TimerPayload`]). Of a broker's timer `sim::deliver` says whether its handler writes to the
//! disk, as it then waits for a disk that hangs. `docs/adding.md` has the steps.

use crate::base::ids::{BrokerId, PartitionId};
use crate::base::time::Time;
use crate::kafka::ctx::Ctx;
use crate::kafka::network_client::ChannelId;

/// What tells several timers of one variant apart.
pub trait TimerPayload: Copy {
    /// As a small number: timers are slots in a vector.
    fn index(self) -> u16;
}

impl TimerPayload for u16 {
    fn index(self) -> u16 {
        self
    }
}

impl TimerPayload for BrokerId {
    fn index(self) -> u16 {
        Self::index(self) as u16
    }
}

impl TimerPayload for PartitionId {
    fn index(self) -> u16 {
        self.0
    }
}

impl TimerPayload for ChannelId {
    fn index(self) -> u16 {
        self.0
    }
}

/// Which client of its process a channel belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The producer.
    Producer,
    /// The consumer.
    Consumer,
}

/// A channel of one of the two clients of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientChannel {
    /// Whose.
    pub role: Role,
    /// Which.
    pub channel: ChannelId,
}

impl TimerPayload for ClientChannel {
    fn index(self) -> u16 {
        2 * self.channel.0 + self.role as u16
    }
}

/// Makes the enum of the timers of one kind of node, and the place of each among its slots.
macro_rules! timers {
    (
        $(#[$doc:meta])*
        $kind:ident: $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident $(($payload:ty))?,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant $(($payload))?,)*
        }

        impl $name {
            const VARIANTS: usize = [$(stringify!($variant)),*].len();

            fn slot(self) -> (usize, u16) {
                enum Row {
                    $($variant,)*
                }
                match self {
                    $(timers!(@pattern $variant payload $(($payload))?) =>
                        (Row::$variant as usize, timers!(@index payload $(($payload))?)),)*
                }
            }
        }

        impl From<$name> for Timer {
            fn from(timer: $name) -> Self {
                Self::$kind(timer)
            }
        }
    };
    (@pattern $variant:ident $payload:ident ($type:ty)) => { Self::$variant($payload) };
    (@pattern $variant:ident $payload:ident) => { Self::$variant };
    (@index $payload:ident ($type:ty)) => { TimerPayload::index($payload) };
    (@index $payload:ident) => { 0 };
}

timers! {
    /// A broker's timers.
    Broker: BrokerTimer {
        /// The next heartbeat, or the next try to register.
        Heartbeat,
        /// The oldest request in flight on a channel is too old.
        RequestTimeout(ChannelId),
        /// A channel may be opened again.
        Reconnect(ChannelId),
        /// Look for lagging ISR members.
        IsrCheck,
        /// Write the high watermark checkpoint.
        WatermarkCheckpoint,
        /// Write the recovery point checkpoint.
        RecoveryCheckpoint,
        /// Retention.
        Retention,
        /// Idle producers are forgotten.
        ProducerExpiry,
        /// The oldest parked produce request is too old.
        ProduceExpiry,
        /// The oldest parked fetch has waited long enough.
        FetchExpiry,
        /// The fetcher from this leader fetches again after an error.
        FetchBackoff(BrokerId),
        /// Send AlterPartition again.
        AlterPartition,
        /// Ask for a block of producer ids again.
        ProducerIds,
        /// The first publication of metadata is due.
        FirstPublication,
        /// Tell the controller where replicas lie.
        Assignments,
        /// The failure of a log directory has not been heard in time.
        LogDirFailure(u16),
        /// Give up a controlled shutdown.
        ShutdownDeadline,
        /// Flush a partition by time (`flush.ms`).
        FlushInterval(PartitionId),
        /// The time to register for the first time is over.
        Registration,
    }
}

timers! {
    /// A controller's timers.
    Controller: ControllerTimer {
        /// Check broker sessions.
        SessionCheck,
        /// Periodic unclean election.
        UncleanElection,
        /// Periodic preferred leader election.
        PreferredElection,
        /// A parked metadata fetch of this broker has waited long enough.
        MetadataWait(BrokerId),
    }
}

timers! {
    /// The timers of a client process.
    Client: ClientTimer {
        /// The oldest request in flight on a channel is too old.
        RequestTimeout(ClientChannel),
        /// A channel may be opened again.
        Reconnect(ClientChannel),
        /// Refresh the metadata of a client.
        MetadataRefresh(Role),
        /// Producer: some batch lingers no more, or is out of its back-off.
        Linger,
        /// Producer: the oldest batch has reached `delivery.timeout.ms`.
        Delivery,
        /// Producer: the oldest blocked send has reached `max.block.ms`.
        MaxBlock,
        /// Producer: InitProducerId is tried again.
        InitProducerId,
        /// Consumer: some partition is out of its back-off.
        Poll,
        /// The application's own timer of this number.
        Application(u16),
    }
}

impl TimerPayload for Role {
    fn index(self) -> u16 {
        self as u16
    }
}

/// One timer slot of a node. Setting it again replaces its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Of a broker.
    Broker(BrokerTimer),
    /// Of a controller.
    Controller(ControllerTimer),
    /// Of a client process.
    Client(ClientTimer),
}

impl Timer {
    /// How many variants the largest of the enums has.
    pub const ROWS: usize = {
        let (brokers, clients) = (BrokerTimer::VARIANTS, ClientTimer::VARIANTS);
        assert!(brokers > clients && brokers > ControllerTimer::VARIANTS, "brokers have most");
        brokers
    };

    /// Its place among the slots of its node: which variant, and which of that variant.
    #[must_use]
    pub fn slot(self) -> (usize, u16) {
        match self {
            Self::Broker(timer) => timer.slot(),
            Self::Controller(timer) => timer.slot(),
            Self::Client(timer) => timer.slot(),
        }
    }
}

/// A timer that fires at the earliest of several moments. Its owner names the others again when it
/// has fired: nothing is set anew for what comes later, which is most of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    at: Option<Time>,
}

impl Alarm {
    /// Sees to it that the timer fires by then.
    pub(super) fn by(&mut self, at: Time, timer: impl Into<Timer>, ctx: &mut Ctx<'_>) {
        if self.at.is_none_or(|set| at < set) {
            self.at = Some(at);
            ctx.set(timer, at.since(ctx.monotonic()));
        }
    }

    /// The timer has fired.
    pub(super) const fn fired(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::{BrokerTimer, ClientChannel, ClientTimer, Role, Timer};
    use crate::base::ids::{BrokerId, PartitionId};
    use crate::kafka::network_client::ChannelId;

    #[test]
    fn two_timers_of_a_node_have_two_slots() {
        let channel = |role, channel| ClientChannel { role, channel: ChannelId(channel) };
        let timers: [Timer; 6] = [
            ClientTimer::RequestTimeout(channel(Role::Producer, 0)).into(),
            ClientTimer::RequestTimeout(channel(Role::Consumer, 0)).into(),
            ClientTimer::RequestTimeout(channel(Role::Producer, 1)).into(),
            ClientTimer::Reconnect(channel(Role::Producer, 0)).into(),
            ClientTimer::Linger.into(),
            ClientTimer::Application(0).into(),
        ];
        let mut slots: Vec<_> = timers.iter().map(|timer| timer.slot()).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), timers.len());
    }

    #[test]
    fn slots_lie_dense() {
        let fetch = |broker| Timer::from(BrokerTimer::FetchBackoff(BrokerId(broker))).slot();
        let flush = |p| Timer::from(BrokerTimer::FlushInterval(PartitionId(p))).slot();
        assert_eq!((fetch(1).1, fetch(2).1, flush(0).1), (0, 1, 0));
        assert!(fetch(1).0 < Timer::ROWS && flush(0).0 < Timer::ROWS && fetch(1).0 != flush(0).0);
    }
}
