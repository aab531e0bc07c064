//! What the controller of the bare brokers says by itself: it registers and unfences whoever asks,
//! hands out the metadata log, and keeps proposals for the test to decide.

use crate::base::ids::{BrokerEpoch, BrokerId, ConnectionId, Offset, ProducerId};
use crate::kafka::broker::tests::harness::{Cluster, Proposal};
use crate::model::directory::LogDirs;
use crate::model::error::ErrorCode;
use crate::model::message::{
    AllocateProducerIdsResponse, ApiVersionsResponse, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse, Content,
    FetchMetadataRequest, FetchMetadataResponse, Message,
};
use crate::model::metadata::MetadataRecord;

pub(super) fn registered(of: (BrokerId, BrokerEpoch, u32), log_dirs: LogDirs) -> MetadataRecord {
    let (broker, epoch, incarnation) = of;
    MetadataRecord::BrokerRegistered { broker, epoch, incarnation, unclean: false, log_dirs }
}

impl Cluster {
    pub(super) fn on_controller(&mut self, connection: ConnectionId, message: Message) {
        if self.silent {
            return;
        }
        let correlation = message.correlation;
        let content = match message.content {
            Content::ApiVersionsRequest(_) => ApiVersionsResponse {}.into(),
            Content::FetchMetadataRequest(FetchMetadataRequest { from, .. }) => {
                return self.answer_metadata(connection, correlation, from);
            }
            Content::AlterPartitionRequest(request) => {
                let item = self.lists.get(request.partitions)[0];
                let members = self.lists.get(request.broker_states).to_vec();
                return self.proposals.push(Proposal { connection, correlation, item, members });
            }
            Content::BrokerRegistrationRequest(request) => {
                let BrokerRegistrationRequest { broker, incarnation, log_dirs, .. } = request;
                let epoch = BrokerEpoch(self.metadata.len() as u64);
                self.decide_later(registered((broker, epoch, incarnation), log_dirs));
                BrokerRegistrationResponse { error: ErrorCode::None, epoch }.into()
            }
            Content::BrokerHeartbeatRequest(request) => {
                let BrokerHeartbeatRequest { broker, epoch, want_shutdown, .. } = request;
                let BrokerHeartbeatRequest { replayed, want_fence, offline_dirs, .. } = request;
                self.heartbeats.push((broker, want_shutdown, offline_dirs));
                if self.mute {
                    return;
                }
                let caught_up = replayed.0 > epoch.0;
                let fenced = want_fence || !caught_up;
                if !fenced && !want_shutdown {
                    self.decide_later(MetadataRecord::BrokerUnfenced { broker, epoch });
                }
                let led = self.state.leader == Some(broker);
                let may_shutdown = want_shutdown && !led;
                let error = ErrorCode::None;
                BrokerHeartbeatResponse { error, caught_up, fenced, may_shutdown }.into()
            }
            Content::AssignReplicasToDirsRequest(request) => {
                let replicas = self.lists.get(request.partitions).iter();
                self.assigned.extend(replicas.map(|replica| (request.broker, *replica)));
                return;
            }
            Content::AllocateProducerIdsRequest(_) => {
                let (error, first, count) = (ErrorCode::None, ProducerId(1000), 1000);
                AllocateProducerIdsResponse { error, first, count }.into()
            }
            _ => return,
        };
        self.controller_sends(connection, correlation, content);
    }

    /// Appends to the metadata log, unless it says so already.
    fn decide_later(&mut self, record: MetadataRecord) {
        if !self.metadata.contains(&record) {
            self.metadata.push(record);
            for (connection, correlation, from) in std::mem::take(&mut self.waiting) {
                self.answer_metadata(connection, correlation, from);
            }
        }
    }

    pub(super) fn answer_metadata(
        &mut self,
        connection: ConnectionId,
        correlation: u32,
        from: Offset,
    ) {
        let end = Offset(self.metadata.len() as u64);
        if from >= end {
            return self.waiting.push((connection, correlation, from));
        }
        let records = self.lists.take();
        for record in &self.metadata[from.0 as usize..] {
            self.lists.push(records, *record);
        }
        let response = FetchMetadataResponse { from, end, records };
        self.controller_sends(connection, correlation, response.into());
    }
}
