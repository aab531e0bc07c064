//! Two runs of one seed under different rules: how far they are alike, and what differs after.
//!
//! Named random streams keep the luck of both runs the same, so the first fact that differs is the
//! first thing that the rules changed. Network facts are passed over: they part long before
//! anything is decided differently.

use std::cmp::Ordering;

use crate::model::fact::{Fact, Stamp};
use crate::report::story::{MOST_LINES, Story, at};
use crate::report::trace::{Cast, Line};

/// Lines shown from before the parting.
const BEFORE: usize = 4;

/// One of two runs: what its rules are called, and its facts.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// As on the command line: `rule.truncation=default`.
    pub name: &'a str,
    /// From a slow pass.
    pub facts: &'a [(Stamp, Fact)],
}

/// On which side a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
}

impl Side {
    const fn mark(self) -> char {
        match self {
            Self::Left => '<',
            Self::Right => '>',
            Self::Both => ' ',
        }
    }
}

/// Tells two runs from where they part.
pub(super) fn tell(left: Run<'_>, right: Run<'_>, cast: Cast<'_>) -> Story {
    let keep = |run: Run<'_>| run.facts.iter().copied().filter(|(_, f)| !is_network(f)).collect();
    let (mine, theirs): (Vec<_>, Vec<_>) = (keep(left), keep(right));
    let alike = mine.iter().zip(&theirs).take_while(|(a, b)| is_same(a, b)).count();
    if alike == mine.len() && alike == theirs.len() {
        let text = format!("{} and {}: both runs are alike to the end.", left.name, right.name);
        return Story { sentences: vec![text], lines: Vec::new() };
    }
    let mut lines = Vec::new();
    for (stamp, fact) in &mine[alike.saturating_sub(BEFORE)..alike] {
        lines.push(line(Side::Both, *stamp, fact, cast));
    }
    let (mine, theirs) = (&mine[alike..], &theirs[alike..]);
    for (side, (stamp, fact)) in merged(mine, theirs) {
        if lines.len() == MOST_LINES {
            break;
        }
        lines.push(line(side, stamp, &fact, cast));
    }
    let parts = mine.first().into_iter().chain(theirs.first()).map(|(stamp, _)| stamp.time).min();
    let parting = at(parts.unwrap_or_default());
    let sentences = vec![
        format!("`<` {}", left.name),
        format!("`>` {}", right.name),
        format!("Both runs are alike for {alike} facts and part {parting}."),
        format!("{} goes on with {}.", left.name, first(mine, cast)),
        format!("{} goes on with {}.", right.name, first(theirs, cast)),
    ];
    Story { sentences, lines }
}

/// What decides, from both sides in order of time; what is the same on both stands once.
fn merged(left: &[(Stamp, Fact)], right: &[(Stamp, Fact)]) -> Vec<(Side, (Stamp, Fact))> {
    let decisive = |facts: &[(Stamp, Fact)]| -> Vec<(Stamp, Fact)> {
        // The fact at which they part is shown whatever it is.
        let kept = facts.iter().enumerate().filter(|(i, (_, f))| *i == 0 || is_decisive(f));
        kept.map(|(_, fact)| *fact).collect()
    };
    let (left, right) = (decisive(left), decisive(right));
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(left.len() + right.len());
    while i < left.len() || j < right.len() {
        let side = match (left.get(i), right.get(j)) {
            (Some(a), Some(b)) if is_same(a, b) => Side::Both,
            (Some(a), Some(b)) => match a.0.time.cmp(&b.0.time) {
                Ordering::Less | Ordering::Equal => Side::Left,
                Ordering::Greater => Side::Right,
            },
            (Some(_), None) => Side::Left,
            (None, _) => Side::Right,
        };
        lines.push((side, if side == Side::Right { right[j] } else { left[i] }));
        i += usize::from(side != Side::Right);
        j += usize::from(side != Side::Left);
    }
    lines
}

fn first(facts: &[(Stamp, Fact)], cast: Cast<'_>) -> String {
    let Some((stamp, fact)) = facts.first() else { return "nothing more".to_owned() };
    let line = Line::new(*stamp, fact, cast.names, cast.replicas).to_string();
    line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
}

fn line(side: Side, stamp: Stamp, fact: &Fact, cast: Cast<'_>) -> String {
    format!("{} {}", side.mark(), Line::new(stamp, fact, cast.names, cast.replicas))
}

/// Alike but for sequence numbers, which count events that need not be facts.
fn is_same(a: &(Stamp, Fact), b: &(Stamp, Fact)) -> bool {
    a.0.time == b.0.time && a.1 == b.1
}

const fn is_network(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Opened { .. }
            | Fact::Closed { .. }
            | Fact::Sent { .. }
            | Fact::Delivered { .. }
            | Fact::Held { .. }
    )
}

/// Whether it says what became of records and leaders, not that one more record went its way.
const fn is_decisive(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Truncated { .. }
            | Fact::TailLost { .. }
            | Fact::Stopped { .. }
            | Fact::Started { .. }
            | Fact::Injected { .. }
            | Fact::Elected { .. }
            | Fact::IsrCommitted { .. }
            | Fact::BrokerFenced { .. }
            | Fact::Rejected { .. }
            | Fact::GaveUp { .. }
            | Fact::PositionSet { .. }
            | Fact::Called { .. }
            | Fact::StepDone { .. }
    )
}
