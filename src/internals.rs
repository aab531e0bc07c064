//! What the tests and benches of this repository need of the inside. No promise: whatever is here
//! may change or go at any moment, without a word. Nothing else of the inside can be reached from
//! outside, so that the compiler finds what nobody uses.

pub use crate::cli::main;
pub use crate::scenario::with_schedule;
pub use crate::sweep::{Progress, SeedRange, SeedRule, Subject, SweepOptions, sweep};

/// Of the applications that are ours.
pub mod app {
    pub use crate::app::{build, ours};
}

/// Of the ground floor.
pub mod base {
    pub use crate::base::ids::PartitionIds;
    pub use crate::base::rng::{Latency, Rng};
}

/// Of the nouns.
pub mod model {
    pub use crate::model::batch::Batch;
    pub use crate::model::body::Bodies;
    pub use crate::model::config::{BrokerConfig, Features, TopicConfig};
    pub use crate::model::fact::{Deaf, Observer};
    pub use crate::model::fault::{Action, Direction, FaultLine, Keep, SwarmLevel, Target, Timing};
    pub use crate::model::message::{
        ApiVersionsResponse, Content, FetchPartition, FetchResponse, FetchSessionId,
        FetchablePartition, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
        ListOffsetsResponse, Lists, Message, MetadataRequest, MetadataResponse,
        MetadataResponsePartition, OffsetsForLeaderEpochRequest, OffsetsForLeaderEpochResponse,
        PartitionProduceResponse, ProducePartition, ProduceResponse, Sublist, WhichOffset,
    };
    pub use crate::model::pattern::Pattern;
    pub use crate::model::plan::{
        AppPlan, BrokerPlan, ConsumerPlan, ControllerPlan, Hardware, NetworkPlan, ProcessPlan,
        ProducerPlan, Promise, RunPlan, Taint, TopicPlan,
    };
    pub use crate::model::rules::Rules;
    pub use crate::model::script::Step;
}

/// Of the protocol.
pub mod kafka {
    pub use crate::kafka::client::config::{Adjustment, effective_producer};
    pub use crate::kafka::client::partitioner::{murmur2, partition_for_key};
    pub use crate::kafka::client::{Process, Store};
    pub use crate::kafka::ctx::{CloseReason, Ctx, Effects};
    pub use crate::kafka::start::ProcessStart;
    pub use crate::kafka::timers::Timer;
}

/// Of the machine room.
pub mod sim {
    pub use crate::sim::queue::{Class, Queue};
    pub use crate::sim::world::World;
}

/// Of the oracle and of what is made of it.
pub mod check {
    pub use crate::check::Checks;
    pub use crate::check::audit::Compared;
    pub use crate::check::properties::{PROPERTIES, PropertyKind};
    pub use crate::check::violation::Detail;
    pub use crate::judge::{Judge, Verdicts};
    pub use crate::record::Happening;
}
