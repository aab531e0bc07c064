//! Runs that differ in their configuration, because each seed draws what the scenario varies: each
//! is judged by what its own plan promises, and all are folded into one table.

use std::collections::BTreeMap;

use crate::check::promise::Armed;
use crate::check::properties::PROPERTIES;
use crate::model::plan::Plan;
use crate::report::VariedRow;
use crate::report::number::grouped;
use crate::run::Outcome;
use crate::scenario::Draw;

use super::{Expect, Judge, Judged, Row, Seen};

impl Judge {
    /// The judge of a column whose seeds draw values for these paths, with how many there are: it
    /// judges whatever any of them may promise. Itself, if nothing is varied.
    #[must_use]
    pub fn of_varied(mut self, varied: Vec<(String, u64)>) -> Self {
        if varied.is_empty() {
            return self;
        }
        for (property, ..) in &self.promised {
            let known = self.rows.iter().any(|row| row.expect.property() == Some(*property));
            if !known && self.looked_for.is_none() {
                self.rows.push(Row { expect: Expect::Never(property), stated: false });
            }
        }
        self.varied = varied;
        self
    }

    /// Judges the run of a seed with the plan that it drew.
    #[must_use]
    pub fn judge_drawn(
        &self,
        plan: &Plan,
        draw: Vec<Draw>,
        index: u64,
        outcome: Outcome,
    ) -> Judged {
        let own = Self::build(plan, self.stated.clone(), self.single, self.looked_for);
        let mut judged = own.judge(index, outcome);
        let seen = |row: &Row| own.rows.iter().position(|other| other == row);
        judged.seen = self
            .rows
            .iter()
            .map(|row| seen(row).map_or_else(Seen::default, |place| judged.seen[place]))
            .collect();
        judged.draw = draw;
        judged.promised = own
            .promised
            .iter()
            .map(|(name, armed, _)| {
                let place = PROPERTIES.iter().position(|p| p.name == *name);
                let violated = place.is_some_and(|place| judged.counts[place].0 > 0);
                (*armed == Armed::Never, violated)
            })
            .collect();
        judged
    }
}

/// What many runs drew.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws {
    /// By path, how often each value was drawn.
    taken: Vec<BTreeMap<u64, u64>>,
    /// By property, in how many runs it was promised, and in how many of these it was violated.
    promised: Vec<(u64, u64)>,
}

/// How a property is promised that the seeds do not all promise.
pub(super) struct Mixed {
    /// Whether any run promises it.
    pub(super) ever: bool,
    /// In words.
    pub(super) reason: String,
    /// Runs that violated it although it was promised.
    pub(super) violated: u64,
}

impl Draws {
    /// Counts a run that drew something.
    pub(super) fn add(&mut self, judged: &Judged) {
        self.taken.resize_with(judged.draw.len(), BTreeMap::new);
        for (taken, draw) in self.taken.iter_mut().zip(&judged.draw) {
            *taken.entry(draw.index).or_default() += 1;
        }
        self.promised.resize(judged.promised.len(), (0, 0));
        for (fold, (never, violated)) in self.promised.iter_mut().zip(&judged.promised) {
            fold.0 += u64::from(*never);
            fold.1 += u64::from(*never && *violated);
        }
    }

    /// How a property is promised in so many runs, unless that is what the file promises without
    /// any draw.
    pub(super) fn mixed(&self, place: usize, file: Armed, runs: u64) -> Option<Mixed> {
        let (promised, violated) = *self.promised.get(place)?;
        let never = file == Armed::Never;
        if promised == runs && never || promised == 0 && !never {
            return None;
        }
        let ever = promised > 0;
        let (promised, runs) = (grouped(promised), grouped(runs));
        let reason = format!("in {promised} of {runs} runs, by what they drew");
        Some(Mixed { ever, reason, violated })
    }

    /// The rows of the report.
    pub(super) fn rows(&self, judge: &Judge) -> Vec<VariedRow> {
        let none = BTreeMap::new();
        let rows = judge.varied.iter().enumerate().map(|(place, (path, values))| {
            let taken = self.taken.get(place).unwrap_or(&none);
            let all = taken.len() as u64 == *values;
            VariedRow {
                path: path.clone(),
                values: *values,
                taken: taken.len() as u64,
                least: if all { taken.values().copied().min().unwrap_or(0) } else { 0 },
            }
        });
        rows.collect()
    }
}
