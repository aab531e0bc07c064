//! What the table of messages derives: words, sizes, pools, and a table of a test's own.

use crate::base::ids::Offset;
use crate::model::message::examples::Example as _;
use crate::model::message::{
    Appends, Content, Cost, Lists, PartitionProduceResponse, ProduceResponse,
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
        assert_eq!(content.holds_records(&lists), appends, "{}", content.name());
        let request = !content.name().ends_with("Response");
        assert_eq!(content.is_request(), request, "{}", content.name());
        assert_eq!(content.cost() != Cost::Response, request, "{}", content.name());
    }
}
