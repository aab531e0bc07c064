//! What the table of messages derives: words, sizes, pools, and a table of a test's own.

use crate::base::ids::{BrokerId, Offset};
use crate::base::time::Span;
use crate::model::message::examples::Example as _;
use crate::model::message::{
    Appends, Content, Cost, Lane, Lists, PartitionProduceResponse, ProduceResponse,
};

#[test]
fn two_messages_that_differ_in_one_word_are_two_events() {
    let mut lists = Lists::default();
    let differences = Content::differences(&mut lists);
    assert!(differences.len() > 300, "{}", differences.len());
    for (word, one, other) in differences {
        assert_ne!(one.word(&lists), other.word(&lists), "{word}");
        assert_eq!(one.word(&lists), one.word(&lists), "{word}");
    }
}

#[test]
fn messages_of_two_kinds_are_two_events() {
    let mut lists = Lists::default();
    let mut words: Vec<u64> =
        Content::examples(&mut lists).iter().map(|content| content.word(&lists)).collect();
    let kinds = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), kinds);
}

#[test]
fn every_list_of_every_message_goes_back() {
    let mut lists = Lists::default();
    let examples = Content::examples(&mut lists);
    assert!(lists.in_use() > 9, "{}", lists.in_use());
    for content in &examples {
        content.give_back(&mut lists);
    }
    assert_eq!(lists.in_use(), 0);
}

#[test]
fn an_entry_that_is_changed_is_hashed_as_it_is() {
    let mut lists = Lists::default();
    let entry = PartitionProduceResponse::example(&mut lists);
    let changed = PartitionProduceResponse { base_offset: Offset(7), ..entry };
    let (one, other) = (lists.take(), lists.take());
    for entry in [entry, entry] {
        lists.push(one, entry);
    }
    for entry in [entry, changed] {
        lists.push(other, entry);
    }
    let word = |responses, lists: &Lists| Content::from(ProduceResponse { responses }).word(lists);
    assert_ne!(word(one, &lists), word(other, &lists));
    lists.change(one, 1, |entry| *entry = changed);
    assert_eq!(word(one, &lists), word(other, &lists));
}

#[test]
fn only_messages_with_records_wait_for_a_disk() {
    let mut lists = Lists::default();
    for content in Content::examples(&mut lists) {
        let appends = matches!(content, Content::ProduceRequest(_) | Content::FetchResponse(_));
        assert_eq!(content.appends() == Appends::Records, appends, "{}", content.name());
        // A broker takes over the metadata log on a thread of its own, which no lane stands for.
        let metadata = matches!(content, Content::FetchMetadataResponse(_));
        assert_eq!(content.holds_records(&lists), appends || metadata, "{}", content.name());
        let request = !content.name().ends_with("Response");
        assert_eq!(content.is_request(), request, "{}", content.name());
        assert_eq!(content.cost() != Cost::Response, request, "{}", content.name());
    }
}

/// A table with three APIs that Kafka does not have, added as `docs/adding.md` says. A controller
/// with a real metadata log serves `Remember` in `kafka::controller::tests::toy`.
pub(crate) mod toy {
    #![expect(unreachable_pub, reason = "the table makes public types, for a public module")]

    use crate::model::message::{Appends, Cost, Entry, Holds, Lane, List, Pool};

    /// Who serves them.
    pub(crate) mod nodes {
        use super::{Content, CountResponse, GreetResponse, Lists};
        use super::{broker_request, controller_request, response};

        /// What a broker's listener makes of a message: an answer, if it serves it.
        pub(crate) fn broker(content: &Content, lists: &Lists) -> Option<Content> {
            match content {
                Content::GreetRequest(request) => {
                    let times = lists.get(request.guests).iter().map(|guest| guest.times);
                    Some(GreetResponse { greeted: times.sum() }.into())
                }
                controller_request!() | response!() => None,
            }
        }

        /// The same of a controller's listener, which has greeted so many.
        pub(crate) fn controller(content: &Content, greeted: u64) -> Option<Content> {
            match content {
                Content::CountRequest(_) => Some(CountResponse { greeted }.into()),
                Content::RememberRequest(_) | broker_request!() | response!() => None,
            }
        }
    }

    rpcs! {
        lists {
            guests: Guest,
        }
        served by all {}
        served by brokers {
            "Greet" in greet:
                GreetRequest(Requests, Control, Nothing) => GreetResponse(Fetched, Nothing);
        }
        served by controllers {
            "Count" in greet:
                CountRequest(Control, Fetch, Nothing) => CountResponse(Control, Nothing);
            "Remember" in greet:
                RememberRequest(Control, Control, Nothing) => RememberResponse(Control, Nothing);
        }
    }

    pub(super) use greet::Guest;

    mod greet {
        use crate::base::ids::{BrokerId, Offset};
        use crate::base::time::Span;
        use crate::model::message::{Entry, List};

        message! {
            /// Greets some brokers.
            pub struct GreetRequest {
                pub guests: List<Guest>,
                pub timeout: Span,
            }
        }

        entry! {
            /// Whom, and how often.
            pub struct Guest {
                pub broker: BrokerId,
                pub times: u32,
            }
        }

        impl Entry for Guest {}

        message! {
            /// How many were greeted.
            pub struct GreetResponse {
                pub greeted: u32,
            }
        }

        message! {
            /// How many have been greeted so far?
            pub struct CountRequest {}
        }

        message! {
            /// So many.
            pub struct CountResponse {
                pub greeted: u64,
            }
        }

        message! {
            /// That so many were greeted is to be written into the metadata log.
            pub struct RememberRequest {
                pub greeted: u32,
            }
        }

        message! {
            /// It is committed there, below this offset.
            pub struct RememberResponse {
                pub end: Offset,
            }
        }
    }
}

#[test]
fn a_table_of_its_own_has_everything_that_messages_have() {
    use toy::{Content, CountRequest, CountResponse, GreetRequest, GreetResponse, Guest, Lists};

    let mut lists = Lists::default();
    let guests = lists.take();
    for (broker, times) in [(BrokerId(1), 2), (BrokerId(2), 3)] {
        lists.push(guests, Guest { broker, times });
    }
    let greet = Content::from(GreetRequest { guests, timeout: Span::millis(1) });
    let count = Content::from(CountRequest {});
    assert_eq!(toy::nodes::broker(&greet, &lists), Some(GreetResponse { greeted: 5 }.into()));
    assert_eq!(toy::nodes::broker(&count, &lists), None, "a controller serves it");
    assert_eq!(toy::nodes::controller(&count, 5), Some(CountResponse { greeted: 5 }.into()));
    assert_eq!(toy::nodes::controller(&greet, 5), None, "a broker serves it");

    assert_eq!((greet.name(), greet.is_request(), greet.lane()), ("Greet", true, Lane::Requests));
    let answer = Content::from(GreetResponse { greeted: 5 });
    assert_eq!((answer.name(), answer.is_request()), ("GreetResponse", false));
    assert_eq!((answer.lane(), answer.cost()), (Lane::Fetched, Cost::Response));
    assert_eq!((count.cost(), count.appends()), (Cost::Fetch, Appends::Nothing));
    assert_eq!(greet.wire_bytes(&lists), 80);
    assert!(!greet.holds_records(&lists));

    lists.change(guests, 0, |guest| guest.times = 7);
    assert_eq!(toy::nodes::broker(&greet, &lists), Some(GreetResponse { greeted: 10 }.into()));
    lists.give_back(guests);
    let guests = lists.take();
    assert!(lists.get(guests).is_empty(), "a list comes back empty");
    Content::from(GreetRequest { guests, timeout: Span::millis(1) }).give_back(&mut lists);
    assert_eq!(lists.in_use(), 0);
    assert_eq!(Content::examples(&mut lists).len(), 6);
    for (word, one, other) in Content::differences(&mut lists) {
        assert_ne!(one.word(&lists), other.word(&lists), "{word}");
    }
}
