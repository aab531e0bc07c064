//! Why a verdict is what it is, in sentences. Judges nothing.

use crate::report::Status;
use crate::report::number::grouped;

use super::words::sentence;
use super::{Judge, Verdicts};

impl Verdicts {
    /// What was violated, not found, not put to the test, or stopped.
    pub(super) fn reasons(&self, judge: &Judge) -> Vec<String> {
        let mut reasons = Vec::new();
        for (row, fold) in judge.rows.iter().zip(&self.rows) {
            let text = sentence(&row.expect);
            let promised = if row.stated { "" } else { " (promised by this configuration)" };
            match self.status(judge, row, fold) {
                Status::Failed if self.runs == 1 => {
                    reasons.push(format!("`{text}` does not hold{promised}"));
                }
                Status::Failed => reasons.push(format!(
                    "`{text}` does not hold in {} of {} runs{promised}",
                    grouped(fold.broken),
                    grouped(self.runs)
                )),
                Status::NotFound => {
                    let property = row.expect.property().unwrap_or_default();
                    let runs = match self.runs {
                        1 => "1 run".to_owned(),
                        all => format!("{} runs", grouped(all)),
                    };
                    reasons.push(format!("{property} was looked for and not found in {runs}"));
                }
                Status::Inconclusive if row.stated => {
                    reasons.push(format!("`{text}` was never put to the test"));
                }
                _ => {}
            }
        }
        if self.runs == 0 {
            reasons.push("nothing ran".to_owned());
        }
        self.tell_stopped(judge, &mut reasons);
        if let Some((seed, step)) = self.in_vain.first() {
            let (runs, all) = (grouped(self.in_vain.len() as u64), grouped(self.runs));
            reasons.push(format!(
                "script[{step}] waited in vain in {runs} of {all} runs, first in seed {seed}"
            ));
        }
        reasons
    }

    /// Runs that did not come to their end.
    fn tell_stopped(&self, judge: &Judge, reasons: &mut Vec<String>) {
        let all = grouped(self.runs);
        if let Some((seed, how)) = &self.panicked.first {
            let runs = grouped(self.panicked.runs);
            reasons.push(format!(
                "{runs} of {all} runs ended in an internal error, first seed {seed}: {how}"
            ));
        }
        if let Some((seed, how)) = &self.stood_still.first {
            let runs = grouped(self.stood_still.runs);
            reasons.push(format!(
                "{runs} of {all} runs were stopped because their clock stood still, first seed \
                 {seed}: {how}"
            ));
        }
        if let Some((seed, how)) = &self.out_of_budget.first {
            let (runs, budget) = (grouped(self.out_of_budget.runs), grouped(judge.budget));
            reasons.push(format!(
                "{runs} of {all} runs were stopped at run.budget.events ({budget}), first seed \
                 {seed} {how}: raise the budget, or see what does not end"
            ));
        }
    }
}
