//! The controller's log and a power loss: what was answered is there, what is torn is cut.

use crate::base::ids::{BrokerId, ConnectionId, DiskId, LeaderEpoch, LogId, Offset, TopicId};
use crate::base::time::Span;
use crate::kafka::controller::tests::lab::{B2, Lab, ctx, kafka_4_1};
use crate::kafka::ctx::{Ctx, Node, OPERATOR};
use crate::model::config::TopicKey;
use crate::model::directory::LogDirs;
use crate::model::disk::{Kept, Write};
use crate::model::message::{
    BrokerRegistrationRequest, Content, FetchMetadataRequest, FetchMetadataResponse,
    IncrementalAlterConfigsRequest, Message,
};
use crate::model::metadata::MetadataRecord;

/// An operator's request that writes one record, and of which the sync is still under way.
fn decide(lab: &mut Lab, value: i64) {
    let (topic, key, value) = (Some(TopicId(0)), TopicKey::FlushMs, Some(value));
    let request = IncrementalAlterConfigsRequest { topic, key, value };
    let content = Content::IncrementalAlterConfigsRequest(request);
    let message = Message { correlation: 5, content };
    lab.controller.on_message(OPERATOR, &message, &mut ctx!(lab));
}

fn end(lab: &Lab) -> u64 {
    lab.controller.image().end().0
}

#[test]
fn a_lost_or_torn_tail_was_answered_to_nobody() {
    let torn = |count, behind| Kept::Operations { count, torn: true, behind, older_files: true };
    let table =
        [(Kept::SYNCED, 0), (torn(0, 0), 0), (torn(0, 2), 0), (torn(1, 1), 1), (Kept::ALL, 3)];
    for (kept, left) in table {
        let mut lab = kafka_4_1(1);
        lab.set_config(TopicKey::FlushMs, 1);
        let answered = end(&lab);
        (2..5).for_each(|value| decide(&mut lab, value));
        assert_eq!(lab.effects.sends, [], "each answer waits for the sync");
        assert_eq!(end(&lab), answered + 3);
        lab.lose_power(kept);
        assert_eq!(end(&lab), answered + left, "{kept:?}");
        assert_eq!(lab.records().len() as u64, end(&lab), "the image folds the log");
        let set = MetadataRecord::ConfigSet {
            topic: Some(TopicId(0)),
            key: TopicKey::FlushMs,
            value: Some(1 + left as i64),
        };
        assert_eq!(lab.records().last(), Some(&set));
        lab.set_config(TopicKey::FlushMs, 9);
        assert_eq!(end(&lab), answered + left + 1, "it goes on from there");
    }
}

/// The recovery point on disk may be older than the log: until its own sync is done, a controller
/// does not know that what it found is there to stay.
#[test]
fn a_controller_that_starts_answers_when_what_it_found_is_synced() {
    let mut lab = kafka_4_1(1);
    decide(&mut lab, 1);
    let disk = lab.controller.clone().stop();
    lab.effects.flushes.clear();
    lab.start_controller(disk);
    assert_eq!(lab.effects.flushes, [(LogId::Metadata, Offset(end(&lab)))]);
    let broker = BrokerId(2);
    let (incarnation, previous, log_dirs) = (7, None, LogDirs::new(DiskId(0), 1, 0));
    let request = BrokerRegistrationRequest { broker, incarnation, previous, log_dirs };
    let content = Content::BrokerRegistrationRequest(request);
    let message = Message { correlation: 1, content };
    lab.controller.on_message(ConnectionId(1), &message, &mut ctx!(lab));
    assert_eq!(lab.effects.sends, [], "even what writes nothing waits");
    assert_eq!(lab.drain().len(), 1);
}

/// Epochs that the log no longer reaches are in an older file.
#[test]
fn epochs_of_an_older_checkpoint_that_outlived_the_log_are_forgotten() {
    let mut lab = kafka_4_1(1);
    let end = Offset(end(&lab));
    assert_eq!(lab.epochs(), [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(2), end)]);
    let mut disk = lab.controller.clone().stop();
    let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
    let beyond = (LeaderEpoch(8), end + 40);
    disk.write_checkpoints(log, Write::Synced, |saved| saved.leader_epochs.push(beyond))
        .expect("a good disk");
    disk.write_checkpoints(log, Write::InBackground, |saved| saved.leader_epochs.truncate(2))
        .expect("a good disk");
    let older_files = true;
    disk.sim_lose_power(|_, _| Kept::Operations { count: 0, torn: false, behind: 0, older_files });
    lab.start_controller(disk);
    assert_eq!(lab.epochs(), [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(2), end)]);
}

/// `KafkaRaftClient.handleFetchRequest`: a follower that has more, or other records, is told where
/// the logs part, and one that does not know the high watermark hears it at once.
#[test]
fn a_follower_is_told_where_its_log_parts() {
    let mut lab = kafka_4_1(1);
    let end = Offset(end(&lab));
    let mut fetch = |from: Offset, last_fetched: u32, watermark: Offset| {
        let content = Content::FetchMetadataRequest(FetchMetadataRequest {
            from,
            last_fetched: Some(LeaderEpoch(last_fetched)),
            watermark,
            max_wait: Span::millis(500),
        });
        let message = Message { correlation: 1, content };
        let connection = ConnectionId(u32::from(B2.0) - 1);
        lab.controller.on_message(connection, &message, &mut ctx!(lab));
        let content = lab.drain().first()?.content;
        let Content::FetchMetadataResponse(response) = content else { panic!("{content:?}") };
        let FetchMetadataResponse { end, diverging, records, .. } = response;
        let batches = lab.lists.get(records).len();
        lab.lists.give_back(records);
        Some((end, diverging, batches))
    };
    let parts = |epoch, at| Some((LeaderEpoch(epoch), at));
    assert_eq!(fetch(end, 1, end), None, "there is no more");
    assert_eq!(fetch(end, 1, Offset(0)), Some((end, None, 0)), "but a high watermark");
    assert_eq!(fetch(Offset(0), 1, Offset(0)), Some((end, None, 1)));
    assert_eq!(fetch(end + 4, 1, end), Some((end, parts(1, end), 0)), "a longer log");
    assert_eq!(fetch(end + 4, 7, end), Some((end, parts(2, end), 0)), "an unknown epoch");
}
