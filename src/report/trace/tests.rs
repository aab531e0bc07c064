//! One line per variant of `Fact`, as it is printed.

use super::Line;
use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, ControllerId, LeaderEpoch, NodeId, Offset, ProducerEpoch,
    ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::Time;
use crate::model::config::{Acks, TopicKey};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionAnswer, PositionChange, Stamp, StopKind};
use crate::model::fault::FaultKind;
use crate::report::forge::{P, T0, appended, names, record, replicas, set, state};

const B1: BrokerId = BrokerId(1);
const E6: LeaderEpoch = LeaderEpoch(6);
const FROM: Offset = Offset(905);
const TO: Offset = Offset(900);

fn machine() -> Vec<Fact> {
    let (broker, partition, from, to) = (B1, T0, FROM, TO);
    let node = NodeId::Broker(B1);
    let other = NodeId::Controller(ControllerId(1));
    let connection = ConnectionId(17);
    let name = "FetchResponse";
    vec![
        appended(1, 900, 412, 6),
        Fact::Truncated { broker, partition, from, to },
        Fact::TailLost { broker, partition, from, to },
        Fact::LogStartMoved { broker, partition, to },
        Fact::Stopped { node, how: StopKind::PowerLoss, lost: 5 },
        Fact::Stopped { node, how: StopKind::Crash, lost: 0 },
        Fact::Started { node },
        Fact::Paused { node },
        Fact::Resumed { node },
        Fact::DiskFailed { broker, dir: 0 },
        Fact::Opened { connection, from: node, to: other },
        Fact::Closed { connection, node },
        Fact::Sent { from: node, to: other, name },
        Fact::Delivered { from: node, to: other, name },
        Fact::Held { from: node, to: other, name },
        Fact::WatermarkExposed {
            broker,
            partition,
            leader_epoch: E6,
            to: NodeId::Broker(BrokerId(2)),
            connection,
            offset: TO,
        },
        Fact::PositionAnswered {
            broker,
            partition,
            to: P,
            answer: PositionAnswer::EpochEnd(Some((E6, TO))),
        },
        Fact::PositionAnswered { broker, partition, to: P, answer: PositionAnswer::EpochEnd(None) },
        Fact::PositionAnswered { broker, partition, to: P, answer: PositionAnswer::OutOfRange },
        Fact::PositionTold {
            broker,
            partition,
            to: P,
            answer: PositionAnswer::Listed { offset: TO, leader_epoch: None },
        },
    ]
}

fn application() -> Vec<Fact> {
    let (process, partition, first, count) = (P, T0, record(412), 3);
    let error = ErrorCode::Expired;
    vec![
        Fact::Submitted {
            process,
            partition,
            record: first,
            workload: 500,
            key: Some(3),
            label: Some(0),
        },
        Fact::Acked { process, partition, first, count, base: Some(TO), acks: Acks::All },
        Fact::Acked { process, partition, first, count: 1, base: None, acks: Acks::None },
        Fact::Rejected { process, partition, first, count, error: ErrorCode::MessageTooLarge },
        Fact::GaveUp { process, partition, first, count, error },
        Fact::SendFailed { process, workload: 500, label: None, error },
        Fact::Consumed { process, partition, base: TO, count, leader_epoch: E6, first, broker: B1 },
        Fact::PositionSet { process, partition, to: TO, why: PositionChange::Truncation },
        Fact::ClientStopped { process },
        Fact::Called { process, partition, error: ErrorCode::LogTruncation },
    ]
}

fn cluster() -> Vec<Fact> {
    let (broker, partition, topic) = (B1, T0, Some(TopicId(0)));
    let node = Some(NodeId::Broker(B1));
    let mut leaderless = state(None, 7, &[]);
    leaderless.last_known_elr = Some(B1);
    let key = TopicKey::MinInsyncReplicas;
    vec![
        Fact::Elected {
            partition,
            leader: Some(BrokerId(2)),
            leader_epoch: E6,
            isr: set(&[2]),
            elr: set(&[3]),
            unclean: false,
        },
        Fact::Elected {
            partition,
            leader: None,
            leader_epoch: E6,
            isr: ReplicaSet::EMPTY,
            elr: ReplicaSet::EMPTY,
            unclean: false,
        },
        Fact::IsrCommitted { partition, state: state(Some(2), 6, &[2, 3]) },
        Fact::IsrCommitted { partition, state: leaderless },
        Fact::BrokerRegistered { broker, epoch: BrokerEpoch(40), incarnation: 1, unclean: true },
        Fact::BrokerFenced { broker },
        Fact::BrokerUnfenced { broker },
        Fact::BrokerShuttingDown { broker },
        Fact::ConfigCommitted { topic, key, value: Some(2) },
        Fact::ConfigCommitted { topic: None, key, value: None },
        Fact::Injected { id: 3, kind: FaultKind::PowerLoss, node },
        Fact::Injected { id: 4, kind: FaultKind::Partition, node: None },
        Fact::Refused { kind: FaultKind::Crash, node },
        Fact::OperationRefused {
            kind: FaultKind::CreatePartitions,
            error: ErrorCode::InvalidPartitions,
        },
        Fact::Healed { id: 3, kind: FaultKind::PowerLoss, node },
        Fact::AllHealed,
        Fact::StepDone { step: 2 },
    ]
}

fn claims() -> Vec<Fact> {
    let (broker, partition, leader_epoch) = (B1, T0, E6);
    let (process, first) = (P, record(412));
    let error = ErrorCode::NotLeaderOrFollower;
    vec![
        Fact::HighWatermarkMoved { broker, partition, leader_epoch, to: TO },
        Fact::BecameLeader { broker, partition, leader_epoch, end: TO },
        Fact::BecameFollower { broker, partition, leader_epoch, end: TO },
        Fact::IsrProposed { broker, partition, leader_epoch, isr: set(&[1, 2]) },
        Fact::SessionExpired { broker },
        Fact::EpochBumped { process, producer: ProducerId(7), epoch: ProducerEpoch(1) },
        Fact::Retried { process, partition, first, count: 3, error },
        Fact::Deduplicated { broker, partition, base: TO, first },
    ]
}

fn lines(facts: &[Fact]) -> String {
    let (names, replicas) = (names(), replicas());
    let stamp = Stamp { time: Time(8_030_117_000), seq: 1, cause: 0 };
    let line = |fact| Line::new(stamp, fact, &names, &replicas).to_string();
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fact_has_its_line() {
    insta::assert_snapshot!(lines(&machine()), @r#"
    8.030 117  b1    appended             t-0 [900..901) e6 p r412 pid7/e0#412
    8.030 117  b1    truncated            t-0 905 → 900
    8.030 117  b1    tail-lost            t-0 905 → 900
    8.030 117  b1    log-start-moved      t-0 starts at 900
    8.030 117  b1    stopped              power loss, 5 records lost
    8.030 117  b1    stopped              killed
    8.030 117  b1    started
    8.030 117  b1    paused
    8.030 117  b1    resumed
    8.030 117  b1    disk-failed          log directory 0
    8.030 117  b1    opened               c17 to ctl1
    8.030 117  b1    closed               c17
    8.030 117  b1    sent                 FetchResponse to ctl1
    8.030 117  ctl1  delivered            FetchResponse from b1
    8.030 117  b1    held                 FetchResponse to ctl1 by a cut
    8.030 117  b1    watermark-exposed    t-0 900 e6 to b2 on c17
    8.030 117  b1    position-answered    t-0 epoch 6 ends at 900, to p
    8.030 117  b1    position-answered    t-0 no such epoch, to p
    8.030 117  b1    position-answered    t-0 OFFSET_OUT_OF_RANGE, to p
    8.030 117  p     position-told        t-0 listed 900, by b1
    "#);
    insta::assert_snapshot!(lines(&application()), @r#"
    8.030 117  p     submitted            t-0 p r412 item 500 key-3 label a
    8.030 117  p     acked                t-0 [900..903) p r[412..415) acks=all
    8.030 117  p     acked                t-0 p r412 acks=0
    8.030 117  p     rejected             t-0 p r[412..415) MESSAGE_TOO_LARGE
    8.030 117  p     gave-up              t-0 p r[412..415) EXPIRED
    8.030 117  p     send-failed          item 500 EXPIRED
    8.030 117  p     consumed             t-0 [900..903) e6 p r[412..415) from b1
    8.030 117  p     position-set         t-0 at 900, truncation
    8.030 117  p     client-stopped
    8.030 117  p     called               t-0 LogTruncationException
    "#);
    insta::assert_snapshot!(lines(&cluster()), @r#"
    8.030 117  ctl   elected              t-0 leader b2 e6, isr {2}, elr {3}
    8.030 117  ctl   elected              t-0 no leader e6, isr {}
    8.030 117  ctl   isr-committed        t-0 leader b2 e6, isr {2,3}
    8.030 117  ctl   isr-committed        t-0 no leader e7, isr {}, last known b1
    8.030 117  ctl   broker-registered    b1 e40 after an unclean stop
    8.030 117  ctl   broker-fenced        b1
    8.030 117  ctl   broker-unfenced      b1
    8.030 117  ctl   broker-shutting-down b1
    8.030 117  ctl   config-committed     t min.insync.replicas=2
    8.030 117  ctl   config-committed     * min.insync.replicas=default
    8.030 117  --    injected             power-loss b1 (fault 3)
    8.030 117  --    injected             partition (fault 4)
    8.030 117  --    refused              crash b1: beyond the promise
    8.030 117  --    operation-refused    create-partitions: INVALID_PARTITIONS
    8.030 117  --    healed               power-loss b1 (fault 3)
    8.030 117  --    all-healed           the fault phase is over
    8.030 117  --    step-done            step 2
    "#);
    insta::assert_snapshot!(lines(&claims()), @r#"
    8.030 117  b1    high-watermark-moved t-0 to 900 e6
    8.030 117  b1    became-leader        t-0 e6, end 900
    8.030 117  b1    became-follower      t-0 e6, end 900
    8.030 117  b1    isr-proposed         t-0 e6, isr {1,2}
    8.030 117  ctl   session-expired      b1
    8.030 117  p     epoch-bumped         pid7 to e1
    8.030 117  p     retried              t-0 p r[412..415) after NOT_LEADER_OR_FOLLOWER
    8.030 117  b1    deduplicated         t-0 900 p r412
    "#);
}

#[test]
fn a_note_stands_in_its_own_column() {
    let (names, replicas) = (names(), replicas());
    let stamp = Stamp { time: Time(17_204_310_000), seq: 1, cause: 0 };
    let fact = appended(1, 900, 412, 6);
    let line = Line::new(stamp, &fact, &names, &replicas).noted("leader").to_string();
    assert!(line.ends_with("t-0 [900..901) e6 p r412 pid7/e0#412 leader"), "{line}");
    assert!(line.starts_with(" 17.204 310  b1    appended "), "{line}");
}
