//! Cases at the edges of `position-unjustified`: each reason, just inside and just outside.

use crate::check::forge::Forge;
use crate::model::config::{OffsetReset, TopicKey};
use crate::model::error::ErrorCode;
use crate::model::fact::{PositionAnswer, PositionChange};

const NAME: &str = "position-unjustified";

/// Ten records on the leader, eight on its followers, and six shown as committed.
fn written(reset: OffsetReset) -> Forge {
    let mut forge = Forge::with_reset(reset);
    forge.append(1, 0, 8, 0).append(2, 0, 8, 0).append(3, 0, 8, 0).append(1, 8, 2, 0);
    forge.expose(1, 0, 2, 6);
    forge
}

#[track_caller]
fn found(forge: &Forge, told: impl FnOnce(&mut Forge) -> &mut Forge, count: u64) {
    let mut forge = forge.clone();
    told(&mut forge).expect(NAME, count);
}

#[test]
fn the_latest_offset_lies_between_what_was_shown_and_what_every_member_has() {
    let forge = written(OffsetReset::Latest);
    for (offset, count) in [(5, 1), (6, 0), (8, 0), (9, 1), (10, 1)] {
        found(&forge, |f| f.list(1, 0, offset).set_position(offset, PositionChange::Start), count);
    }
}

#[test]
fn an_isr_that_is_too_small_holds_the_latest_offset_back() {
    // The leader is alone, and what it appends from now on is on no other replica.
    let mut forge = written(OffsetReset::Latest);
    forge.isr(&[1], &[], 0).append(1, 10, 5, 0);
    found(&forge, |f| f.list(1, 0, 8), 0);
    found(&forge, |f| f.list(1, 0, 9), 1);
    found(&forge, |f| f.list(1, 0, 15), 1);
    // With min.insync.replicas=1 it decides alone.
    let mut forge = written(OffsetReset::Latest);
    forge.config(TopicKey::MinInsyncReplicas, 1).isr(&[1], &[], 1).append(1, 10, 5, 1);
    found(&forge, |f| f.list(1, 1, 15), 0);
    found(&forge, |f| f.list(1, 1, 16), 1);
}

#[test]
fn a_deposed_leader_may_not_know_what_its_successor_has_shown() {
    let mut forge = written(OffsetReset::Latest);
    forge.elect(2, 1).expose(2, 1, 3, 8);
    found(&forge, |f| f.list(1, 0, 6), 0);
    found(&forge, |f| f.list(2, 1, 7), 1);
    found(&forge, |f| f.list(2, 1, 8), 0);
}

#[test]
fn the_earliest_offset_is_the_log_start() {
    let mut forge = written(OffsetReset::Earliest);
    found(&forge, |f| f.list(1, 0, 0).set_position(0, PositionChange::Start), 0);
    found(&forge, |f| f.list(1, 0, 1), 1);
    found(&forge, |f| f.list(1, 0, 6), 1);
    forge.log_start(1, 4);
    for (offset, count) in [(3, 1), (4, 0), (5, 1)] {
        found(&forge, |f| f.list(1, 0, offset), count);
    }
    // Another replica has heard of the start, and its files follow later.
    for (offset, count) in [(0, 0), (4, 0), (5, 1)] {
        found(&forge, |f| f.list(2, 0, offset), count);
    }
    // A power loss may bring back what was deleted.
    forge.stop(1).start(1);
    found(&forge, |f| f.list(1, 0, 3), 0);
}

#[test]
fn a_first_position_is_what_was_listed_last_and_only_a_first_one() {
    let forge = written(OffsetReset::Earliest);
    let start = PositionChange::Start;
    found(&forge, |f| f.set_position(0, start), 1);
    found(&forge, |f| f.list(1, 0, 0).set_position(1, start), 1);
    found(&forge, |f| f.answer(1, listed(0)).set_position(0, start), 1);
    found(&forge, |f| f.list(1, 0, 0).set_position(0, start).set_position(0, start), 1);
    // A process that was killed starts anew; what it was told is gone with it.
    let mut forge = forge;
    forge.list(1, 0, 0).set_position(0, start).list(1, 0, 0).stop_process(1);
    found(&forge, |f| f.set_position(0, start), 1);
    found(&forge, |f| f.list(1, 0, 0).set_position(0, start), 0);
}

fn listed(offset: u64) -> PositionAnswer {
    let (offset, leader_epoch) = (crate::base::ids::Offset(offset), None);
    PositionAnswer::Listed { offset, leader_epoch }
}

#[test]
fn a_consumer_without_a_position_reads_nothing() {
    let forge = written(OffsetReset::Earliest);
    found(&forge, |f| f.consume(0, 2), 1);
    found(&forge, |f| f.rewind(0).consume(0, 2), 0);
}

#[test]
fn what_is_refused_as_out_of_range_is_out_of_range() {
    let mut forge = written(OffsetReset::Latest);
    forge.log_start(1, 2);
    for (position, count) in [(1, 0), (2, 1), (6, 1), (10, 1), (11, 0)] {
        let reset = |f: &mut Forge| {
            f.rewind(position).say(1, PositionAnswer::OutOfRange);
            f.list(1, 0, 6).set_position(6, PositionChange::OutOfRange).expect(NAME, count);
        };
        reset(&mut forge.clone());
        found(
            &forge,
            |f| {
                f.rewind(position).say(1, PositionAnswer::OutOfRange);
                f.call(ErrorCode::OffsetOutOfRange)
            },
            count,
        );
    }
    // Told by an exception as well, it is seen.
    forge.clone().rewind(1).say(1, PositionAnswer::OutOfRange).expect("out-of-range", 0);
    forge.clone().rewind(1).call(ErrorCode::OffsetOutOfRange).expect("out-of-range", 1);
    // Nobody refused it, or what was refused was another position.
    found(&forge, |f| f.rewind(1).list(1, 0, 6).set_position(6, PositionChange::OutOfRange), 1);
    found(
        &forge,
        |f| {
            f.rewind(1).say(1, PositionAnswer::OutOfRange).rewind(3).list(1, 0, 6);
            f.set_position(6, PositionChange::OutOfRange)
        },
        1,
    );
}

#[test]
fn the_end_of_a_leader_epoch_is_where_the_next_begins_or_the_log_ends() {
    let mut forge = written(OffsetReset::Latest);
    forge.elect(2, 1).append(2, 8, 3, 1);
    for (epoch, end, count) in [(0, 7, 1), (0, 8, 0), (0, 9, 1), (1, 10, 1), (1, 11, 0), (1, 12, 1)]
    {
        found(&forge, |f| f.rewind(0).epoch_ends(2, epoch, end), count);
    }
    // What a leader noted of epochs when it was started after a power loss may be too high.
    let mut again = forge.clone();
    again.stop(2).start(2);
    found(&again, |f| f.rewind(0).epoch_ends(2, 0, 7), 1);
    found(&again, |f| f.rewind(0).epoch_ends(2, 0, 11), 0);
    found(&again, |f| f.rewind(0).epoch_ends(2, 0, 12), 1);
    // It may have appended the last batch after it had answered, in the same event.
    found(&forge, |f| f.rewind(0).epoch_ends(2, 1, 8), 0);
    found(&forge, |f| f.rewind(0).epoch_ends(2, 1, 9), 1);
    // The leader of before has ten records of its own.
    found(&forge, |f| f.rewind(0).epoch_ends(1, 0, 10), 0);
    found(&forge, |f| f.rewind(0).epoch_ends(1, 0, 9), 1);
}

/// The consumer has read up to 6 in epoch 0; broker 2, elected uncleanly, has only four records.
fn truncated() -> Forge {
    let mut forge = Forge::new();
    forge.append(1, 0, 4, 0).append(1, 4, 2, 0).append(2, 0, 4, 0);
    forge.expose(1, 0, 3, 6).rewind(0).consume(0, 6);
    forge.elect_from(2, 1, &[2], &[], true).append_other(2, 4, 9, 1, 50);
    forge
}

#[test]
fn a_truncation_that_was_told_is_heeded_to_the_record() {
    let (forge, change) = (truncated(), PositionChange::Truncation);
    for (to, count) in [(3, 1), (4, 0), (5, 1)] {
        found(&forge, |f| f.epoch_ends(2, 0, 4).set_position(to, change), count);
    }
    found(&forge, |f| f.set_position(4, change), 1);
    found(&forge, |f| f.epoch_ends(2, 0, 4).consume_other(6, 1, 52), 1);
    found(
        &forge,
        |f| f.epoch_ends(2, 0, 4).list(2, 1, 4).set_position(4, PositionChange::OutOfRange),
        1,
    );
    found(&forge, |f| f.epoch_ends(2, 0, 4).call(ErrorCode::LogTruncation), 0);
    found(&forge, |f| f.call(ErrorCode::LogTruncation), 1);
    // A later leader has it all, so nothing is to be done.
    found(&forge, |f| f.epoch_ends(2, 0, 4).epoch_ends(1, 0, 6).consume(6, 1), 0);
    found(&forge, |f| f.epoch_ends(1, 0, 6).set_position(6, change), 1);
}

#[test]
fn after_a_seek_an_answer_about_the_position_before_says_nothing() {
    let forge = truncated();
    found(&forge, |f| f.rewind(0).epoch_ends(2, 0, 4).consume(0, 4), 0);
    found(&forge, |f| f.epoch_ends(2, 0, 4).rewind(0).consume(0, 4), 0);
    // An exception is handed over with the next poll, be there a seek before it or not; once.
    found(&forge, |f| f.epoch_ends(2, 0, 4).rewind(0).call(ErrorCode::LogTruncation), 0);
    let thrown = ErrorCode::LogTruncation;
    found(&forge, |f| f.epoch_ends(2, 0, 4).call(thrown).call(thrown), 1);
}

#[test]
fn a_leader_that_knows_no_such_epoch_has_the_policy_asked() {
    let (forge, change) = (truncated(), PositionChange::Truncation);
    let none = PositionAnswer::EpochEnd(None);
    found(&forge, |f| f.say(2, none).set_position(4, change), 1);
    found(&forge, |f| f.say(2, none).list(2, 1, 4).set_position(4, change), 0);
    found(&forge, |f| f.say(2, none).call(ErrorCode::LogTruncation), 0);
}

#[test]
fn a_position_is_not_taken_back_from_what_the_leader_has() {
    // The leader has it all; what it says of an older epoch is true and beside the point.
    let mut forge = Forge::new();
    forge.append(1, 0, 3, 0).append(2, 0, 3, 0).elect(1, 1).append(1, 3, 3, 1).append(2, 3, 3, 1);
    forge.expose(1, 1, 2, 6).rewind(0).consume(0, 3).consume_in(3, 3, 1);
    let change = PositionChange::Truncation;
    found(&forge, |f| f.epoch_ends(1, 0, 3).set_position(3, change), 1);
}

#[test]
fn a_new_leader_is_asked_before_it_is_read_from() {
    let mut forge = Forge::new();
    for broker in 1..=3 {
        forge.append(broker, 0, 6, 0);
    }
    // It had read something when the leader of epoch 0 answered, so it can ask the next one.
    forge.expose(1, 0, 2, 6).rewind(0).expose_to_consumer(1, 0, 6).consume(0, 6);
    forge.expose_to_consumer(1, 0, 6).elect(2, 1);
    let mut unheard = forge.clone();
    found(&forge, |f| f.epoch_ends(2, 0, 6).expose_to_consumer(2, 1, 6), 0);
    // On another connection: only then is it known what it had read.
    unheard.expose_to_consumer(2, 1, 6).elect(3, 2);
    found(&unheard, |f| f.expose_to_consumer(3, 2, 6), 1);
    found(&unheard, |f| f.epoch_ends(3, 0, 6).expose_to_consumer(3, 2, 6), 0);
    // An answer of an older leader that comes late is nobody new.
    found(&unheard, |f| f.expose_to_consumer(1, 0, 6), 0);
    // A consumer that has only a seek to go by has nothing to ask about.
    let sought = |f: &mut Forge| {
        f.rewind(6).expose_to_consumer(2, 1, 6).elect(3, 2).expose_to_consumer(3, 2, 6);
        f.expect(NAME, 0);
    };
    sought(&mut forge);
}
