//! What is told of runs: the head of a report, the story of one run, and a whole report of outcomes
//! for whoever runs them by [`run_with`].
//!
//! [`run_with`]: crate::run::run_with

use crate::base::ids::BrokerId;
use crate::check::violation::Violation;
use crate::model::fact::{Fact, Stamp};
use crate::model::plan::Plan;
use crate::model::rules::Drill;
use crate::report::story::{Focus, Story};
use crate::report::trace::Legend;
use crate::report::{Header, Report};
use crate::run::Outcome;
use crate::scenario::Scenario;

use super::{Judge, Kept};

/// The report of some runs of a scenario's column, judged by what the scenario expects and by what
/// its configuration promises. A run whose facts were kept (`Options::trace`) has its story told if
/// it shows a violation, or if it is the only one. Nothing else of the runs is needed: they may
/// have had applications of the reader's own.
///
/// # Panics
/// If the scenario has no such column.
#[must_use]
pub fn report(
    scenario: &Scenario,
    column: usize,
    outcomes: impl IntoIterator<Item = Outcome>,
) -> Report {
    let plan = &scenario.columns[column];
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().collect();
    let judge = Judge::new(plan, &scenario.expect, outcomes.len() == 1, None);
    let mut verdicts = judge.start();
    let seeds: Vec<u64> = outcomes.iter().map(|outcome| outcome.seed).collect();
    let mut kept = Vec::with_capacity(outcomes.len());
    for outcome in &mut outcomes {
        let trace = std::mem::take(&mut outcome.trace);
        kept.push((trace, outcome.checks.violations().to_vec()));
    }
    for (index, outcome) in outcomes.into_iter().enumerate() {
        verdicts.add(&judge, judge.judge(index as u64, outcome));
    }
    let shown = verdicts.failures().first().or_else(|| verdicts.found().first());
    let told = match (shown, kept.as_slice()) {
        (Some(shown), kept) => kept.get(shown.index as usize),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let mut report = verdicts.report(&judge, header(scenario, seeds_in_words(&seeds), None));
    report.warnings = scenario.warnings.iter().map(|w| w.message.clone()).collect();
    report.story = told
        .filter(|(trace, _)| !trace.is_empty())
        .map(|(trace, violations)| tell(plan, trace, violations, shown));
    report
}

/// `seed 7`, `0..20` if they follow one another, or else how many they are.
fn seeds_in_words(seeds: &[u64]) -> String {
    match seeds {
        [seed] => format!("seed {seed}"),
        [first, .., last] if seeds.windows(2).all(|two| two[0].checked_add(1) == Some(two[1])) => {
            format!("{first}..{}", u128::from(*last) + 1)
        }
        _ => format!("{} seeds", seeds.len()),
    }
}

/// The story of a run: of what it was kept for, or else of the worst that happened in it, or else
/// of what its faults did.
pub(crate) fn tell(
    plan: &Plan,
    trace: &[(Stamp, Fact)],
    violations: &[Violation],
    kept: Option<&Kept>,
) -> String {
    let replicas = replica_lists(plan, trace);
    let legend = Legend { names: &plan.names, replicas: &replicas };
    // A loss breaks several properties at once; what the producer was told is what hurts.
    let of = |name: &str| violations.iter().find(|v| v.property == name);
    let violation = match kept {
        // A bound that was broken, or something that did not come true, is about the whole run.
        Some(kept) => kept.violation.and_then(|v| of(v.property)),
        None => of("acked-lost").or_else(|| violations.first()),
    };
    let story = match violation {
        None => Story::of_run(trace, legend),
        Some(violation) => {
            let focus = Focus {
                property: violation.property.to_owned(),
                text: violation.text(&plan.names),
                at: violation.stamp,
                partition: violation.partition,
                offset: violation.offset,
                record: violation.record,
            };
            Story::of_violation(trace, legend, &focus)
        }
    };
    story.to_string()
}

/// The replica list of every partition, those included that were created in a run with these facts.
pub(crate) fn replica_lists(plan: &Plan, trace: &[(Stamp, Fact)]) -> Vec<Vec<BrokerId>> {
    let mut lists: Vec<Vec<BrokerId>> =
        plan.partitions().map(|p| plan.replicas(p).to_vec()).collect();
    for (_, fact) in trace {
        if let Fact::ReplicaPlaced { partition, broker } = *fact {
            lists[partition.index()].push(broker);
        }
    }
    lists
}

/// What was run, as reports begin.
pub(crate) fn header(scenario: &Scenario, seeds: String, drill: Option<Drill>) -> Header {
    let mut overrides = scenario.set.clone();
    let drawn = scenario.draw.iter().map(|draw| (draw.path.clone(), draw.value.clone()));
    overrides.extend(drawn);
    overrides.extend(drill.map(|drill| ("--drill".to_owned(), drill.name().to_owned())));
    Header {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        lesson: scenario.lesson.clone(),
        claims: scenario.claims.clone(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        seeds,
        overrides,
        ..Header::default()
    }
}

#[cfg(test)]
mod tests {
    use super::seeds_in_words;

    #[test]
    fn seeds_are_told_as_a_range_if_they_are_one() {
        assert_eq!(seeds_in_words(&[7]), "seed 7");
        assert_eq!(seeds_in_words(&[3, 4, 5]), "3..6");
        assert_eq!(seeds_in_words(&[3, 5]), "2 seeds");
        assert_eq!(seeds_in_words(&[]), "0 seeds");
        assert_eq!(
            seeds_in_words(&[u64::MAX - 1, u64::MAX]),
            "18446744073709551614..18446744073709551616"
        );
    }
}
