//! A request that Kafka does not have, answered when the metadata log has committed what it wrote:
//! the addition that `docs/adding.md` describes, compiled and run.
//!
//! The request is a row of the toy table of `model::message::tests`. Whoever serves it is a real
//! controller with its log, image, disk and syncs, and one more arm beside its own: it decides,
//! the controller writes, and the answer waits in a [`Deferred`] as the controller's own do.

use crate::base::ids::{ConnectionId, Offset, TopicId};
use crate::kafka::controller::tests::lab::{Lab, ctx, kafka_4_1};
use crate::kafka::ctx::Ctx;
use crate::kafka::deferred::Deferred;
use crate::model::config::TopicKey;
use crate::model::disk::Kept;
use crate::model::message::tests::toy::{
    Content, CountRequest, CountResponse, RememberRequest, RememberResponse, broker_request,
    response,
};
use crate::model::metadata::MetadataRecord;

const C: ConnectionId = ConnectionId(5);

/// The laboratory with a controller that serves the toy requests.
struct Host {
    lab: Lab,
    answers: Deferred<(ConnectionId, u32, Content)>,
    sent: Vec<(ConnectionId, u32, Content)>,
}

/// The number is kept where it does no harm.
fn remembered(greeted: u32) -> MetadataRecord {
    let (topic, key) = (Some(TopicId(0)), TopicKey::FlushMs);
    MetadataRecord::ConfigSet { topic, key, value: Some(i64::from(greeted)) }
}

impl Host {
    fn new() -> Self {
        Self { lab: kafka_4_1(1), answers: Deferred::default(), sent: Vec::new() }
    }

    /// As `Controller::on_message` does it: an arm for what it serves, patterns for all else.
    fn on_message(&mut self, connection: ConnectionId, correlation: u32, content: Content) {
        let lab = &mut self.lab;
        let answer: Content = match content {
            Content::RememberRequest(RememberRequest { greeted }) => {
                let record = remembered(greeted);
                lab.controller.decide(&mut ctx!(lab), |_, records| records.push(record));
                RememberResponse { end: lab.controller.log.end() }.into()
            }
            Content::CountRequest(CountRequest {}) => {
                let key = TopicKey::FlushMs;
                let known = lab.controller.image.config_set(Some(TopicId(0)), key);
                CountResponse { greeted: known.unwrap_or(0) as u64 }.into()
            }
            broker_request!() | response!() => return,
        };
        let end = lab.controller.log.end();
        self.answers.wait(end, (connection, correlation, answer));
        lab.controller.finish(&mut ctx!(lab));
        self.release();
    }

    /// As `Controller::commit` does it.
    fn release(&mut self) {
        while let Some((_, answer)) = self.answers.next(self.lab.controller.log.watermark()) {
            self.sent.push(answer);
        }
    }

    /// As `Controller::on_closed` does it: nobody is there to hear the answer.
    fn on_closed(&mut self, connection: ConnectionId) {
        self.answers.take_out(|(of, ..)| *of == connection, drop);
    }

    /// The machine room says that the syncs asked for are done.
    fn sync(&mut self) {
        self.lab.drain();
        self.release();
    }
}

#[test]
fn a_toy_request_is_answered_when_the_metadata_log_commits() {
    let mut host = Host::new();
    let before = host.lab.controller.log.watermark();
    host.on_message(C, 1, RememberRequest { greeted: 7 }.into());
    assert_eq!(host.lab.records().last(), Some(&remembered(7)), "it is written at once");
    assert_eq!(host.lab.controller.log.watermark(), before, "and not committed");
    host.on_message(C, 2, CountRequest {}.into());
    assert_eq!(host.sent, [], "what was decided by it waits as well");
    host.sync();
    let end = Offset(host.lab.records().len() as u64);
    assert_eq!(host.lab.controller.log.watermark(), end);
    let counted = Content::from(CountResponse { greeted: 7 });
    assert_eq!(host.sent, [(C, 1, RememberResponse { end }.into()), (C, 2, counted)]);
    host.sent.clear();
    host.on_message(C, 3, CountRequest {}.into());
    assert_eq!(host.sent, [(C, 3, counted)], "what is committed is answered at once");
    host.on_message(C, 4, CountResponse { greeted: 7 }.into());
    assert_eq!(host.sent.len(), 1, "it serves no response");
}

#[test]
fn a_toy_request_that_was_lost_with_the_power_was_not_answered() {
    let mut host = Host::new();
    host.on_message(C, 1, RememberRequest { greeted: 7 }.into());
    host.sync();
    host.on_message(C, 2, RememberRequest { greeted: 8 }.into());
    host.lab.lose_power(Kept::SYNCED);
    assert_eq!(host.lab.records().last(), Some(&remembered(7)));
    assert_eq!(host.sent.len(), 1);
}

#[test]
fn a_toy_request_whose_connection_closes_is_carried_out_and_not_answered() {
    let mut host = Host::new();
    host.on_message(C, 1, RememberRequest { greeted: 7 }.into());
    host.on_closed(C);
    host.sync();
    assert_eq!(host.sent, []);
    assert_eq!(host.lab.records().last(), Some(&remembered(7)));
}
