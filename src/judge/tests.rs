//! What an expectation says of forged runs: every kind of line, held, broken and never put to the
//! test, in one run and in several.

use crate::base::time::{Span, Time};
use crate::check::Checks;
use crate::check::forge::{Forge, plan};
use crate::check::metrics::metric;
use crate::model::config::Acks;
use crate::report::summary::Summary;
use crate::report::timeline::Timeline;
use crate::report::{Header, Report, Status, Verdict};
use crate::run::{Ended, Outcome, Standstill};
use crate::scenario::{Bound, ExpectLine, Expectation};

use super::Judge;

/// What was heard in a run.
type Run = fn() -> Checks;

/// Nobody writes.
fn silent() -> Checks {
    Forge::new().heal().finish().checks.clone()
}

/// Two records are written everywhere, acknowledged and read.
fn written() -> Checks {
    let mut forge = Forge::new();
    forge.rewind(0).submit(2).append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0);
    forge.expose(1, 0, 2, 2).ack(0, 2, Acks::All).consume(0, 2);
    forge.heal().finish().checks.clone()
}

/// A record is read that only its leader has.
fn dirty() -> Checks {
    let mut forge = Forge::new();
    forge.rewind(0).submit(1).append(1, 0, 1, 0).consume(0, 1);
    forge.give_up(0, 1).heal().finish().checks.clone()
}

/// A record runs out of time.
fn gave_up() -> Checks {
    Forge::new().submit(1).give_up(0, 1).heal().finish().checks.clone()
}

/// After the heal an acknowledgement comes some microseconds after 3 s.
fn resumed() -> Checks {
    let mut forge = Forge::new();
    forge.submit(1).heal().wait(Span::secs(3)).submit(1).append(1, 0, 2, 0).append(2, 0, 2, 0);
    forge.append(3, 0, 2, 0).ack(0, 2, Acks::All).finish().checks.clone()
}

/// After the heal no acknowledgement comes.
fn stalled() -> Checks {
    Forge::new().heal().submit(1).wait(Span::secs(60)).finish().checks.clone()
}

fn outcome(seed: u64, checks: Checks, ended: Ended) -> Outcome {
    let plan = plan();
    let time = Time::ZERO + Span::secs(60);
    let (mut summary, mut timeline) = (Summary::new(&plan), Timeline::new(&plan));
    summary.finish(time);
    timeline.finish(time);
    Outcome {
        seed,
        fingerprint: seed,
        ended,
        standstill: None,
        time,
        events: 1,
        checks,
        summary,
        timeline,
        schedule: Vec::new(),
        recorder: None,
        trace: Vec::new(),
    }
}

fn line(expectation: Expectation) -> ExpectLine {
    ExpectLine { expectation, kafka: None, line: 1, source: "t".to_owned() }
}

/// The report of runs of which one line is expected; `single` as with `--seed`.
fn judged(expectation: &Expectation, runs: &[Run], single: bool) -> Report {
    let judge = Judge::new(&plan(), &[line(expectation.clone())], single, None);
    let mut verdicts = judge.start();
    for (seed, run) in runs.iter().enumerate() {
        let outcome = outcome(seed as u64, run(), Ended::Done);
        verdicts.add(&judge, judge.judge(seed as u64, outcome));
    }
    let report = verdicts.report(&judge, Header::default());
    assert_eq!(report.verdict, verdicts.verdict(&judge));
    report
}

fn never(property: &str) -> Expectation {
    Expectation::Never { property: property.to_owned() }
}

fn sometimes(property: &str) -> Expectation {
    Expectation::Sometimes { property: property.to_owned() }
}

fn always(property: &str) -> Expectation {
    Expectation::Always { property: property.to_owned() }
}

fn within(seconds: u64) -> Expectation {
    let within = Some(Span::secs(seconds));
    Expectation::Liveness { property: "writes-resume".to_owned(), within }
}

fn at_most(metric: &str, bound: Bound) -> Expectation {
    Expectation::AtMost { metric: metric.to_owned(), bound }
}

fn at_least(metric: &str, bound: Bound) -> Expectation {
    Expectation::AtLeast { metric: metric.to_owned(), bound }
}

#[test]
fn each_kind_of_line_is_held_broken_or_never_put_to_the_test() {
    use Status::{Failed, Found, Held, Inconclusive, NotFound};
    use Verdict::{Fail, Pass};
    let unsure = Verdict::Inconclusive;
    let count = Bound::Count;
    let cases: &[(&str, Expectation, &[Run], Status, Verdict)] = &[
        ("never, held", never("acked-lost"), &[written], Held, Pass),
        ("never, untested", never("acked-lost"), &[silent], Inconclusive, unsure),
        ("never, tested in one of two", never("acked-lost"), &[silent, written], Held, Pass),
        ("never, broken", never("dirty-read"), &[dirty], Failed, Fail),
        ("never, broken in one of two", never("dirty-read"), &[written, dirty], Failed, Fail),
        ("never, of a mark not seen", never("gave-up"), &[silent], Held, Pass),
        ("never, of a mark seen", never("gave-up"), &[gave_up], Failed, Fail),
        ("sometimes, seen in one of two", sometimes("gave-up"), &[silent, gave_up], Found, Pass),
        ("sometimes, not seen", sometimes("gave-up"), &[silent, written], NotFound, Fail),
        ("sometimes outranks what is promised", sometimes("dirty-read"), &[dirty], Found, Pass),
        ("always, seen in both", always("gave-up"), &[gave_up, gave_up], Held, Pass),
        ("always, missing in one of two", always("gave-up"), &[gave_up, silent], Failed, Fail),
        ("liveness, in time", within(4), &[resumed], Held, Pass),
        ("liveness, too late", within(3), &[resumed], Failed, Fail),
        ("liveness, late in one of two", within(2), &[written, resumed], Failed, Fail),
        ("liveness, never", within(59), &[stalled], Failed, Fail),
        ("liveness, nothing owed", within(3), &[silent], Inconclusive, unsure),
        ("at-most, at its bound", at_most("gave-up", count(1)), &[gave_up], Held, Pass),
        ("at-most, above it", at_most("gave-up", count(0)), &[silent, gave_up], Failed, Fail),
        ("at-least, at its bound", at_least("acked", count(2)), &[written], Held, Pass),
        ("at-least, below it", at_least("acked", count(3)), &[written], Failed, Fail),
        (
            "at-least, below in one of two",
            at_least("acked", count(1)),
            &[written, silent],
            Failed,
            Fail,
        ),
        ("no run", never("acked-lost"), &[], Inconclusive, unsure),
    ];
    for (name, expectation, runs, status, verdict) in cases {
        let report = judged(expectation, runs, false);
        let row = &report.expectations[0];
        assert_eq!((row.status, report.verdict), (*status, *verdict), "{name}: {report:#?}");
        assert_eq!(report.reasons.is_empty(), *verdict == Pass, "{name}: {:?}", report.reasons);
    }
}

#[test]
fn bounds_are_read_in_their_metrics_own_units() {
    let measured = |name| resumed().metric(metric(name).expect("there is one"));
    let gap = measured("write-gap");
    let status = |line: &Expectation| judged(line, &[resumed], false).expectations[0].status;
    let exactly = at_most("write-gap", Bound::Span(Span(gap)));
    let less = at_most("write-gap", Bound::Span(Span(gap - 1)));
    assert!(gap > Span::secs(2).0, "{gap}");
    assert_eq!((status(&exactly), status(&less)), (Status::Held, Status::Failed));
    // A file's per cent are read in millionths, the metric counts thousandths.
    let permille = measured("write-availability") as u32;
    assert!((1..1_000).contains(&permille), "{permille}");
    let at = at_least("write-availability", Bound::Percent(permille * 1_000));
    let above = at_least("write-availability", Bound::Percent((permille + 1) * 1_000));
    assert_eq!((status(&at), status(&above)), (Status::Held, Status::Failed));
}

#[test]
fn one_given_seed_reports_a_sometimes_and_judges_everything_else() {
    for run in [silent, gave_up] {
        let report = judged(&sometimes("gave-up"), &[run], true);
        assert_eq!(report.expectations[0].status, Status::Reported);
        assert_eq!(report.verdict, Verdict::Pass);
    }
    assert_eq!(judged(&always("gave-up"), &[silent], true).verdict, Verdict::Fail);
    assert_eq!(judged(&never("dirty-read"), &[dirty], true).verdict, Verdict::Fail);
}

#[test]
fn what_is_promised_and_not_stated_fails_a_run_but_need_not_be_tested() {
    let report = judged(&sometimes("gave-up"), &[dirty], false);
    assert_eq!(report.expectations[0].status, Status::Found, "what the file states holds");
    let broken = report.guarantees.iter().filter(|row| row.violations > 0);
    let broken: Vec<_> = broken.map(|row| row.property.as_str()).collect();
    assert!(broken.contains(&"dirty-read"), "{broken:?}");
    assert_eq!(report.verdict, Verdict::Fail);
    let why = "`never dirty-read` does not hold (promised by this configuration)";
    assert!(report.reasons.iter().any(|reason| reason == why), "{:?}", report.reasons);
    let report = judged(&never("gave-up"), &[silent], false);
    assert!(report.expectations.iter().all(|row| row.status != Status::Failed));
    assert_eq!(report.verdict, Verdict::Pass, "only what a file states must be put to the test");
}

#[test]
fn a_line_of_another_column_is_not_judged() {
    let other = ExpectLine { kafka: Some("3.9".to_owned()), ..line(never("gave-up")) };
    let judge = Judge::new(&plan(), &[other], false, None);
    let judged = judge.judge(0, outcome(0, gave_up(), Ended::Done));
    assert!(!judged.fails());
}

#[test]
fn what_is_looked_for_is_all_that_counts() {
    for (run, verdict) in [(dirty as Run, Verdict::Pass), (written, Verdict::Fail)] {
        let lines = [line(never("dirty-read"))];
        let judge = Judge::new(&plan(), &lines, true, Some("dirty-read"));
        let mut verdicts = judge.start();
        verdicts.add(&judge, judge.judge(0, outcome(0, run(), Ended::Done)));
        assert_eq!(verdicts.verdict(&judge), verdict);
    }
}

#[test]
fn a_run_that_was_stopped_is_never_a_pass() {
    for ended in [Ended::OutOfBudget, Ended::ClockStoodStill, Ended::WaitedInVain(3)] {
        for (run, verdict) in [(written as Run, Verdict::Inconclusive), (dirty, Verdict::Fail)] {
            let judge = Judge::new(&plan(), &[line(never("dirty-read"))], false, None);
            let mut verdicts = judge.start();
            verdicts.add(&judge, judge.judge(0, outcome(0, written(), Ended::Done)));
            verdicts.add(&judge, judge.judge(1, outcome(1, run(), ended)));
            assert_eq!(verdicts.verdict(&judge), verdict, "{ended:?}");
        }
    }
}

#[test]
fn the_worst_run_is_named_with_its_seed() {
    let runs: &[Run] = &[written, gave_up, silent];
    let most = &judged(&at_most("gave-up", Bound::Count(5)), runs, false).expectations[0].value;
    assert_eq!(most, "worst 1 (seed 1)");
    let least = &judged(&at_least("acked", Bound::Count(0)), runs, false).expectations[0].value;
    assert_eq!(least, "worst 0 (seed 1)");
}

#[test]
fn a_run_that_does_not_get_on_is_told_with_its_seed_and_what_goes_round() {
    let judge = Judge::new(&plan(), &[], false, None);
    let mut verdicts = judge.start();
    let spins = |seed| Outcome {
        standstill: Some(Standstill {
            at: Time::ZERO + Span::secs(2),
            next: vec![("timer Linger of p".to_owned(), 1_000)],
        }),
        ..outcome(seed, written(), Ended::ClockStoodStill)
    };
    verdicts.add(&judge, judge.judge(0, outcome(40, written(), Ended::Done)));
    verdicts.add(&judge, judge.judge(1, spins(41)));
    verdicts.add_panicked(2, 42, "a bug");
    verdicts.add(&judge, judge.judge(3, spins(43)));
    let report = verdicts.report(&judge, Header::default());
    assert_eq!((report.verdict, report.header.runs), (Verdict::Inconclusive, 4));
    let told = |start: &str| report.reasons.iter().any(|reason| reason.starts_with(start));
    assert!(told("1 of 4 runs ended in an internal error, first seed 42: a bug"));
    let still = "2 of 4 runs were stopped because their clock stood still, first seed 41: at 2";
    assert!(told(still), "{:?}", report.reasons);
    assert!(report.reasons.iter().any(|reason| reason.ends_with(": 1000 timer Linger of p")));
}
