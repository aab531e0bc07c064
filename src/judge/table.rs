//! What is told of many runs: the rows of a report. Judges nothing.

use crate::base::time::Span;
use crate::check::expect::Expectation as Expect;
use crate::check::promise::Armed;
use crate::check::properties::PROPERTIES;
use crate::report::number::{grouped, length};
use crate::report::{
    Exercised, ExpectationRow, Finding, GuaranteeRow, Header, Promised, Report, Status,
};

use super::draws::Mixed;
use super::words::{sentence, show};
use super::{Judge, Kept, Row, RowFold, Verdicts, pairs};

impl Verdicts {
    /// Everything that is told about these runs, but for story and reproduce commands.
    #[must_use]
    pub fn report(&self, judge: &Judge, header: Header) -> Report {
        let mut report = Report {
            header: Header {
                kafka: judge.kafka.clone(),
                runs: self.runs,
                facts: self.summary.counts.facts,
                simulated: self.simulated,
                // One run shows its own, the one that `replay` shows too.
                fingerprint: format!("{:016x}", self.only.unwrap_or(self.fingerprint)),
                ..header
            },
            numbers: self.summary.numbers(),
            faults: self.summary.fault_rows(),
            verdict: self.verdict(judge),
            facts: self.facts.clone(),
            timeline: self.timeline.as_ref().map(|t| t.render(&self.names, 12)),
            varied: self.draws.rows(judge),
            ..Report::default()
        };
        for (row, fold) in judge.rows.iter().zip(&self.rows) {
            if !row.stated {
                continue;
            }
            report.expectations.push(ExpectationRow {
                status: self.status(judge, row, fold),
                text: sentence(&row.expect),
                property: row.expect.property(),
                value: self.value(judge, row, fold),
                exercised: matches!(row.expect, Expect::Never(_) | Expect::Liveness { .. })
                    .then_some(Exercised { seeds: fold.exercised, of: self.runs }),
            });
        }
        report.guarantees = self.guarantees(judge);
        report.reasons = self.reasons(judge);
        report.failures = self.failures.iter().map(Self::finding).collect();
        report.found = self.found.iter().take(3).map(Self::finding).collect();
        report
    }

    fn guarantees(&self, judge: &Judge) -> Vec<GuaranteeRow> {
        let rows = judge.promised.iter().enumerate().filter_map(|(row, promised)| {
            let (property, armed, reason) = promised;
            let place = PROPERTIES.iter().position(|p| p.name == *property)?;
            let fold = self.properties[place];
            let mixed = self.draws.mixed(row, *armed, self.runs);
            Some(GuaranteeRow {
                property: (*property).to_owned(),
                promised: match (&mixed, armed) {
                    (Some(Mixed { ever: true, .. }), _) | (None, Armed::Never) => Promised::Never,
                    (Some(_), _) | (None, Armed::Allowed) => Promised::Allowed,
                    (None, Armed::NotPromised) => Promised::NotPromised,
                },
                violations: mixed.as_ref().map_or(fold.violated_seeds, |mixed| mixed.violated),
                reason: mixed.map_or_else(|| (*reason).to_owned(), |mixed| mixed.reason),
                exercised: fold.exercised_seeds,
            })
        });
        rows.collect()
    }

    fn value(&self, judge: &Judge, row: &Row, fold: &RowFold) -> String {
        match &row.expect {
            Expect::Never(property) => {
                let acked = grouped(self.summary.counts.acked);
                let of = match *property {
                    "acked-lost" => format!(" of {acked} acked"),
                    _ => String::new(),
                };
                let most = match fold.worst {
                    Some((most, seed)) if most > 0 && self.runs > 1 => {
                        format!(", most {} (seed {seed})", grouped(most))
                    }
                    _ => String::new(),
                };
                format!("{}{of}{most}", grouped(fold.total))
            }
            Expect::Sometimes(_) | Expect::Always(_) if self.runs == 1 => {
                let seen = (fold.broken > 0) != matches!(row.expect, Expect::Always(_));
                let seen = if seen { "seen" } else { "not seen" };
                match self.status(judge, row, fold) {
                    Status::Reported => format!("{seen}; not judged by one seed"),
                    _ => seen.to_owned(),
                }
            }
            Expect::Sometimes(_) | Expect::Always(_) => {
                let shown = match row.expect {
                    Expect::Always(_) => self.runs - fold.broken,
                    _ => fold.broken,
                };
                format!("in {} of {} runs", grouped(shown), grouped(self.runs))
            }
            Expect::Liveness { .. } => match fold.worst {
                Some((took, _)) if self.runs == 1 => {
                    format!("{} after the heal", length(Span(took)))
                }
                Some((worst, _)) => format!("longest {} after the heal", length(Span(worst))),
                None => "never came true".to_owned(),
            },
            Expect::AtMost { metric, .. } | Expect::AtLeast { metric, .. } => match fold.worst {
                Some((value, _)) if self.runs == 1 => show(metric.unit, value),
                Some((value, seed)) => format!("worst {} (seed {seed})", show(metric.unit, value)),
                None => "not measured".to_owned(),
            },
        }
    }

    fn finding(kept: &Kept) -> Finding {
        let text = match &kept.violation {
            Some(violation) => violation.text(&kept.names),
            None => kept.broken.clone(),
        };
        Finding {
            seed: kept.seed,
            property: kept.violation.map_or_else(|| kept.what.clone(), |v| v.property.to_owned()),
            at: kept.violation.map(|v| v.stamp.time),
            step: kept.violation.map(|v| v.stamp.seq),
            text,
            reproduce: String::new(),
            smaller: None,
            drawn: pairs(&kept.draw),
        }
    }
}
