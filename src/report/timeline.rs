//! A run as a picture in text: per partition what was acknowledged, who led, how many were in
//! sync; and which faults lasted when.
//!
//! A bounded number of buckets of equal width: when a run outgrows them, neighbours are merged and
//! the width doubles, so memory stays flat and the picture depends on nothing but the facts. Knows
//! committed states only, not what brokers believed.

use std::fmt::Write as _;

use crate::base::ids::{BrokerId, PartitionId};
use crate::base::time::{Span, Time};
use crate::model::fact::{Fact, Stamp};
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;
use crate::model::names::Names;
use crate::model::plan::Plan;
use crate::report::number::length;

/// Buckets in a picture: the columns that a line of 100 leaves beside its label.
const BUCKETS: usize = 64;
/// Width of a bucket at the start of a run.
const FIRST_WIDTH: Span = Span::millis(100);
/// Columns of the label before a row.
const LABEL_WIDTH: usize = 22;

/// One bucket of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    acked: u64,
    /// At the end of the bucket.
    leader: Option<BrokerId>,
    /// Whether anybody else led, or nobody, at some time in it.
    changed: bool,
    /// The smallest ISR in it; none before the partition was created.
    in_sync: Option<u8>,
}

impl Cell {
    const fn of(leader: Option<BrokerId>, in_sync: Option<u8>) -> Self {
        Self { acked: 0, leader, changed: false, in_sync }
    }

    fn join(self, later: Self) -> Self {
        let (Some(earliest), Some(latest)) = (self.in_sync, later.in_sync) else { return later };
        Self {
            acked: self.acked + later.acked,
            leader: later.leader,
            changed: self.changed || later.changed || self.leader != later.leader,
            in_sync: Some(earliest.min(latest)),
        }
    }
}

/// One partition: what is committed now, and the picture so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    leader: Option<BrokerId>,
    in_sync: Option<u8>,
    /// The last bucket that is filled.
    now: usize,
    /// How often its neighbours were merged.
    folds: u32,
    cells: [Cell; BUCKETS],
}

impl Row {
    const fn new(leader: Option<BrokerId>, in_sync: Option<u8>) -> Self {
        let cells = [Cell::of(leader, in_sync); BUCKETS];
        Self { leader, in_sync, now: 0, folds: 0, cells }
    }

    /// Goes on to this bucket, after so many merges, with what is so now. A row is drawn on when
    /// something happens to its partition and when it is shown, for nothing changes in between.
    fn draw_on(&mut self, folds: u32, now: usize) {
        while self.folds < folds {
            self.fill(BUCKETS - 1);
            for i in 0..BUCKETS / 2 {
                self.cells[i] = self.cells[2 * i].join(self.cells[2 * i + 1]);
            }
            self.now = BUCKETS / 2 - 1;
            self.folds += 1;
        }
        self.fill(now);
    }

    fn fill(&mut self, bucket: usize) {
        while self.now < bucket {
            self.now += 1;
            self.cells[self.now] = Cell::of(self.leader, self.in_sync);
        }
    }
}

/// Faults of one kind: how many last now, and in which buckets any did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FaultLane {
    active: u32,
    buckets: u64,
    ever: bool,
}

const _: () = assert!(BUCKETS == u64::BITS as usize, "a fault lane is one word of bits");

/// The picture of one run while it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    width: Span,
    /// The bucket of the latest fact.
    now: usize,
    /// How often the width has doubled.
    folds: u32,
    /// Where the next bucket begins.
    next: Time,
    rows: Vec<Row>,
    faults: [FaultLane; FaultKind::ALL.len()],
}

impl Timeline {
    /// Of a run that begins.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let rows = plan.partitions().map(|partition| {
            let replicas = plan.replicas(partition);
            let in_sync = (!replicas.is_empty()).then_some(replicas.len() as u8);
            Row::new(replicas.first().copied(), in_sync)
        });
        let faults = [FaultLane::default(); FaultKind::ALL.len()];
        Self {
            width: FIRST_WIDTH,
            now: 0,
            folds: 0,
            next: Time::ZERO + FIRST_WIDTH,
            rows: rows.collect(),
            faults,
        }
    }

    /// Draws a fact.
    pub fn observe(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::Acked { partition, count, .. } => self.acked(stamp.time, partition, count),
            Fact::IsrCommitted { partition, state } => {
                self.advance(stamp.time);
                self.commit(partition, &state);
            }
            Fact::Injected { kind, .. } => {
                self.advance(stamp.time);
                let lane = &mut self.faults[kind as usize];
                lane.ever = true;
                lane.buckets |= 1 << self.now;
                lane.active += u32::from(kind.has_length());
            }
            Fact::Healed { kind, .. } => {
                self.advance(stamp.time);
                let lane = &mut self.faults[kind as usize];
                lane.active = lane.active.saturating_sub(1);
            }
            Fact::AllHealed => {
                self.advance(stamp.time);
                self.faults.iter_mut().for_each(|lane| lane.active = 0);
            }
            _ => {}
        }
    }

    /// Draws an acknowledgement.
    pub fn acked(&mut self, now: Time, partition: PartitionId, count: u32) {
        self.advance(now);
        let now = self.now;
        self.row(partition).cells[now].acked += u64::from(count);
    }

    /// Draws on to the end of the run.
    pub fn finish(&mut self, end: Time) {
        self.advance(end);
    }

    /// The picture, one row per line, at most 100 columns wide. Partitions beyond `limit` are
    /// counted, not drawn; those of internal topics are neither.
    #[must_use]
    pub fn render(&self, names: &Names, limit: usize) -> String {
        let mut text = String::new();
        let used = self.now + 1;
        let total = length(Span(self.width.0 * used as u64));
        let each = length(self.width);
        let _ = writeln!(text, "{:<LABEL_WIDTH$} 0 … {total}, one column is {each}", "time");
        // A partition that is created later, and has not been, is none.
        let is_drawn = |place: &usize| {
            let partition = PartitionId(*place as u16);
            self.rows[*place].in_sync.is_some() && names.kind(partition).is_user()
        };
        let places = (0..self.rows.len()).filter(is_drawn);
        let count = places.clone().count();
        for place in places.take(limit) {
            let row = self.drawn(place);
            let name = names.partition(PartitionId(place as u16));
            let row = &row.cells[..used];
            draw(&mut text, &format!("{name} acked"), acked(row));
            draw(&mut text, &format!("{name} leader"), row.iter().map(leader));
            draw(
                &mut text,
                &format!("{name} in sync"),
                row.iter().map(|c| c.in_sync.map_or(' ', |count| digit(count.into()))),
            );
        }
        if count > limit {
            let _ = writeln!(text, "({} more partitions)", count - limit);
        }
        for (kind, lane) in FaultKind::ALL.iter().zip(&self.faults).filter(|(_, lane)| lane.ever) {
            let marks = (0..used).map(|i| if lane.buckets >> i & 1 == 1 { '■' } else { '·' });
            draw(&mut text, kind.name(), marks);
        }
        text
    }

    /// A row as it is shown.
    fn drawn(&self, place: usize) -> Row {
        let mut row = self.rows[place].clone();
        row.draw_on(self.folds, self.now);
        row
    }

    /// A row, drawn up to now.
    #[inline]
    fn row(&mut self, partition: PartitionId) -> &mut Row {
        let row = &mut self.rows[partition.index()];
        if row.now != self.now || row.folds != self.folds {
            row.draw_on(self.folds, self.now);
        }
        row
    }

    fn commit(&mut self, partition: PartitionId, state: &PartitionState) {
        let in_sync = state.isr.len() as u8;
        let now = self.now;
        let row = self.row(partition);
        (row.leader, row.in_sync) = (state.leader, Some(in_sync));
        let cell = &mut row.cells[now];
        cell.changed |= cell.in_sync.is_some() && cell.leader != state.leader;
        cell.leader = state.leader;
        cell.in_sync = Some(cell.in_sync.map_or(in_sync, |smallest| smallest.min(in_sync)));
    }

    /// Speed: the comparison is inline; drawing, once in a while, is a call.
    #[inline(always)]
    fn advance(&mut self, now: Time) {
        if now >= self.next {
            self.draw_on(now);
        }
    }

    #[inline(never)]
    fn draw_on(&mut self, now: Time) {
        while now.0 / self.width.0 >= BUCKETS as u64 {
            self.fill(BUCKETS - 1);
            self.fold();
        }
        self.fill((now.0 / self.width.0) as usize);
        self.next = Time(self.width.0 * (self.now as u64 + 1));
    }

    /// Goes on to this bucket with the faults that last.
    fn fill(&mut self, bucket: usize) {
        while self.now < bucket {
            self.now += 1;
            for lane in self.faults.iter_mut().filter(|lane| lane.active > 0) {
                lane.buckets |= 1 << self.now;
            }
        }
    }

    /// Merges neighbours of a full picture: the width doubles.
    fn fold(&mut self) {
        for lane in &mut self.faults {
            let old = lane.buckets;
            lane.buckets = (0..BUCKETS / 2)
                .filter(|i| old >> (2 * i) & 0b11 != 0)
                .fold(0, |bits, i| bits | 1 << i);
        }
        self.now /= 2;
        self.folds += 1;
        self.width = Span(self.width.0 * 2);
    }
}

fn draw(text: &mut String, label: &str, marks: impl Iterator<Item = char>) {
    let marks: String = marks.collect();
    let label: String = label.chars().take(LABEL_WIDTH).collect();
    let _ = writeln!(text, "{label:<LABEL_WIDTH$} {marks}");
}

/// Eight heights over the row's own maximum; a point where nothing was acknowledged, and nothing
/// where there was no partition.
fn acked(row: &[Cell]) -> impl Iterator<Item = char> {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = row.iter().map(|cell| cell.acked).max().unwrap_or(0).max(1);
    row.iter().map(move |cell| match cell.acked {
        0 if cell.in_sync.is_none() => ' ',
        0 => '·',
        acked => HEIGHTS[((acked * 8).div_ceil(most) - 1) as usize],
    })
}

/// The leader's number, `-` if there is none, `*` where it changed.
fn leader(cell: &Cell) -> char {
    match cell.leader {
        _ if cell.changed => '*',
        None if cell.in_sync.is_none() => ' ',
        None => '-',
        Some(broker) => digit(u64::from(broker.0)),
    }
}

/// One column for a number: digits, then letters, then `+`.
fn digit(number: u64) -> char {
    u32::try_from(number).ok().and_then(|n| char::from_digit(n, 36)).unwrap_or('+')
}

#[cfg(test)]
mod tests {
    use super::Timeline;
    use crate::base::ids::PartitionId;
    use crate::base::time::{Span, Time};
    use crate::model::config::Acks;
    use crate::model::fact::{Fact, Stamp, StopKind};
    use crate::model::fault::FaultKind;
    use crate::model::names::TopicName;
    use crate::report::forge::{Diary, names, plan, state};

    #[test]
    fn a_killed_leader_as_a_picture() {
        let mut diary = Diary::new();
        for n in 0..60_u64 {
            if n == 10 {
                diary.at(9_990_000).injected(0, FaultKind::Crash, 1);
                diary.stopped(1, StopKind::Crash, 0);
            }
            if n == 19 {
                diary.at(18_950_000).elected(state(Some(2), 1, &[2, 3]), false);
            }
            if n == 30 {
                diary.at(29_990_000).healed(0, FaultKind::Crash, 1);
                diary.state(Some(2), 1, &[1, 2, 3]);
            }
            if !(10..19).contains(&n) {
                diary.at(n * 1_000_000).acked(n, n as u32, Acks::All);
            }
        }
        let mut timeline = Timeline::new(&plan());
        for (stamp, fact) in &diary.facts {
            timeline.observe(*stamp, fact);
        }
        timeline.finish(Time(60_000_000_000));
        insta::assert_snapshot!(timeline.render(&names(), 1), @r#"
        time                   0 … 60.8 s, one column is 1.60 s
        t-0 acked              ██▄█▄█·····▄▄█▄██▄█▄██▄█▄██▄█▄██▄█▄██·
        t-0 leader             11111111111*22222222222222222222222222
        t-0 in sync            33333333333222222223333333333333333333
        (1 more partitions)
        crash                  ······■■■■■■■■■■■■■···················
        "#);
    }

    #[test]
    fn the_picture_does_not_grow() {
        let mut timeline = Timeline::new(&plan());
        let mut diary = Diary::new();
        for hour in 0..24_u64 {
            diary.facts.clear();
            diary.at(hour * 3_600_000_000).acked(hour, hour as u32, Acks::All);
            timeline.observe(diary.last(), &diary.facts[0].1);
        }
        timeline.finish(Time::ZERO + Span::secs(86_400));
        let acked: u64 = timeline.drawn(0).cells[..=timeline.now].iter().map(|c| c.acked).sum();
        assert_eq!(acked, 24);
        let widest = timeline.render(&names(), 2).lines().map(|l| l.chars().count()).max();
        assert!(widest <= Some(100));
    }

    /// Nothing is drawn before it was created, nor of one that never was; an election is one only
    /// if somebody led before.
    #[test]
    fn a_partition_is_drawn_from_its_creation_on() {
        let mut plan = plan();
        plan.topics[0].replicas.truncate(1);
        let (mut diary, mut timeline) = (Diary::new(), Timeline::new(&plan));
        diary.at(300_000).acked(0, 0, Acks::All);
        timeline.observe(diary.last(), &diary.facts[0].1);
        assert!(!timeline.render(&names(), 2).contains("t-1"));
        let created = state(Some(3), 0, &[1, 3]);
        let stamp = Stamp { time: Time(1_000_000_000), ..diary.last() };
        timeline.observe(stamp, &Fact::IsrCommitted { partition: PartitionId(1), state: created });
        timeline.finish(Time(1_500_000_000));
        insta::assert_snapshot!(timeline.render(&names(), 2), @r"
        time                   0 … 1.60 s, one column is 100 ms
        t-0 acked              ···█············
        t-0 leader             1111111111111111
        t-0 in sync            3333333333333333
        t-1 acked                        ······
        t-1 leader                       333333
        t-1 in sync                      222222
        ");
    }

    #[test]
    fn internal_topics_are_not_drawn() {
        let mut names = names();
        names.topics[0].partitions = 1;
        names.topics[0].most = 1;
        let (name, first) = ("__transaction_state".to_owned(), PartitionId(1));
        names.topics.push(TopicName { name, first, partitions: 1, most: 1 });
        let picture = Timeline::new(&plan()).render(&names, 1);
        assert!(picture.contains("t-0") && !picture.contains("__transaction_state"), "{picture}");
        assert!(!picture.contains("more partitions"), "nor counted as left out: {picture}");
    }
}
