//! A report for a terminal: expectations first, then faults and gaps, then the verdict and the one
//! command that shows it again.
//!
//! The order is k6's. At most [`WIDTH`] columns wherever words can be broken; colour only if asked
//! for, and never as the only sign. This text is no interface: programs read [`super::json`].

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::base::text::wrap;
use crate::report::number::{grouped, length};
use crate::report::{
    ExpectationRow, Finding, GuaranteeRow, Header, Promised, Report, Status, Verdict,
};

/// Columns that a line keeps to.
pub const WIDTH: usize = 100;
/// Failing runs that are shown; each has a repro file.
const SHOWN: usize = 3;
/// Where the values of labelled lines begin.
const LABEL: usize = 15;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The report as text, ending in a line feed.
#[must_use]
pub fn render(report: &Report, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    page.header(&report.header);
    for warning in &report.warnings {
        page.labelled(UNSURE, "warning", warning);
    }
    page.expectations(&report.expectations);
    page.guarantees(report);
    page.statistics(report);
    page.verdict(report);
    page.text
}

/// What is written so far, and whether with colour.
struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A label in its column, then text broken at words under itself.
    fn labelled(&mut self, style: Style, label: &str, text: &str) {
        let padded = format!("{label:<LABEL$}");
        let mut head = format!("  {}", self.paint(style, &padded));
        for part in wrap(text, WIDTH - LABEL - 2) {
            self.line(&format!("{head}{part}"));
            head = " ".repeat(LABEL + 2);
        }
    }

    fn header(&mut self, header: &Header) {
        let runs = match header.runs {
            1 if header.seeds.starts_with("seed ") => header.seeds.clone(),
            count => format!("{} ({})", seeds(count), header.seeds),
        };
        let mut parts = vec![runs, format!("model Kafka {}", header.kafka)];
        parts.extend(header.overrides.iter().map(|(path, value)| format!("{path}={value}")));
        let mut line = self.paint(STRONG, &header.scenario);
        let mut width = header.scenario.chars().count();
        for part in parts {
            let more = 3 + part.chars().count();
            if width + more > WIDTH {
                self.line(&line);
                (line, width) = (String::new(), 0);
            }
            let _ = write!(line, "   {part}");
            width += more;
        }
        self.line(&line);
        let facts = format!(
            "   {} simulated   {} facts   fingerprint {}",
            length(header.simulated),
            grouped(header.facts),
            header.fingerprint
        );
        let faint = self.paint(FAINT, &facts);
        self.line(&faint);
    }

    fn expectations(&mut self, rows: &[ExpectationRow]) {
        if rows.is_empty() {
            return;
        }
        self.line("");
        self.line("  expectations");
        let widest = |values: &mut dyn Iterator<Item = &str>| {
            values.map(|value| value.chars().count()).max().unwrap_or(0)
        };
        let text_width = widest(&mut rows.iter().map(|row| &*row.text)).min(36);
        let followed = rows.iter().filter(|row| row.exercised.is_some());
        let value_width = widest(&mut followed.map(|row| &*row.value)).min(30);
        let longest = rows.iter().filter_map(|row| row.exercised).map(|e| digits(e.of)).max();
        let is_wide = 12 + text_width + value_width + longest.unwrap_or(0) > WIDTH;
        for row in rows {
            let (mark, style) = mark(row.status);
            let exercised = match (row.exercised, row.status) {
                (Some(e), _) if e.of == 1 => {
                    (if e.seeds == 1 { "exercised" } else { "not exercised" }).to_owned()
                }
                (Some(e), _) if is_wide => format!("exercised {}/{}", e.seeds, e.of),
                (Some(e), _) => format!("exercised in {}/{} seeds", e.seeds, e.of),
                (None, Status::Inconclusive) => "never exercised".to_owned(),
                (None, _) => String::new(),
            };
            let mark = self.paint(style, mark);
            let left = format!("{:<text_width$}   {:<value_width$}", row.text, row.value);
            let whole = format!("{left}   {exercised}");
            if 6 + whole.trim_end().chars().count() <= WIDTH {
                self.line(&format!("    {mark} {whole}"));
                continue;
            }
            self.line(&format!("    {mark} {}", row.text));
            for part in wrap(&format!("{}   {exercised}", row.value), WIDTH - 8) {
                self.line(&format!("        {part}"));
            }
        }
    }

    /// What follows from the configuration, but for what the file expects: that was shown above.
    fn guarantees(&mut self, report: &Report) {
        let rows: Vec<&GuaranteeRow> = report
            .guarantees
            .iter()
            .filter(|row| {
                !report.expectations.iter().any(|e| e.property == Some(row.property.as_str()))
            })
            .collect();
        let promised = || rows.iter().filter(|row| row.promised == Promised::Never);
        if promised().next().is_none() && rows.iter().all(|row| row.violations == 0) {
            return;
        }
        self.line("");
        let (all, exercised) = (promised().count(), promised().filter(|r| r.exercised > 0).count());
        let held = promised().filter(|row| row.violations == 0).count();
        let more = if report.expectations.is_empty() { "" } else { " more" };
        let text = format!(
            "{all}{more} promised by this configuration: {held} held, {exercised} exercised"
        );
        self.labelled(STRONG, "guarantees", &text);
        for row in rows.into_iter().filter(|row| row.violations > 0) {
            let (mark, style) = match row.promised {
                Promised::Never => ("✗", BAD),
                Promised::Allowed | Promised::NotPromised => ("•", FAINT),
            };
            let seen = if row.promised == Promised::Never { "violated" } else { "seen" };
            let seeds = match report.header.runs {
                1 => String::new(),
                _ => format!(" in {}", seeds(row.violations)),
            };
            let promised = row.promised.words();
            let text = format!("{promised} {} ({}): {seen}{seeds}", row.property, row.reason);
            let mut head = format!("    {} ", self.paint(style, mark));
            for part in wrap(&text, WIDTH - 8) {
                self.line(&format!("{head}{part}"));
                head = " ".repeat(8);
            }
        }
    }

    fn statistics(&mut self, report: &Report) {
        self.line("");
        let fired: Vec<String> =
            report.faults.iter().map(|row| fault(row, report.header.runs)).collect();
        if !fired.is_empty() {
            self.labelled(STRONG, "faults fired", &fired.join("   "));
        }
        if !report.varied.is_empty() {
            let whole = report.varied.iter().filter(|row| row.taken == row.values).count();
            let paths = report.varied.len();
            let text = format!("{paths} paths, every value drawn of {whole}");
            self.labelled(STRONG, "varied", &text);
        }
        let headlines = || report.numbers.iter().filter(|row| row.headline && !row.value.is_zero());
        let is_wide = |text: &str| text.contains("   ");
        let mut counts = Vec::new();
        for row in headlines() {
            let value = row.value.to_string();
            if !is_wide(&value) {
                counts.push(format!("{} {value}", row.name));
            }
        }
        if !counts.is_empty() {
            self.labelled(STRONG, "cluster", &counts.join("   "));
        }
        for row in headlines() {
            let value = row.value.to_string();
            if is_wide(&value) {
                self.labelled(STRONG, &row.name, &value);
            }
        }
    }

    fn verdict(&mut self, report: &Report) {
        self.line("");
        if let Some(first) = report.found.first() {
            self.finding("FOUND", UNSURE, first);
            if report.failures.is_empty() {
                self.story(report);
            }
            self.commands(first);
            self.line("");
        }
        let (word, style) = match report.verdict {
            Verdict::Pass => ("PASS", GOOD),
            Verdict::Fail => ("FAIL", BAD),
            Verdict::Inconclusive => ("INCONCLUSIVE", UNSURE),
        };
        let mut head = format!("{}  ", self.paint(style, word));
        let indent = word.chars().count() + 2;
        let held = match (report.verdict, report.expectations.is_empty()) {
            (Verdict::Pass, true) => Some("every guarantee of this configuration held".to_owned()),
            (Verdict::Pass, false) => Some("every expectation held".to_owned()),
            _ => None,
        };
        for reason in held.iter().chain(&report.reasons) {
            for part in wrap(reason, WIDTH - indent) {
                self.line(&format!("{head}{part}"));
                head = " ".repeat(indent);
            }
        }
        for (place, failure) in report.failures.iter().take(SHOWN).enumerate() {
            self.finding("  ✗", BAD, failure);
            if place == 0 {
                self.story(report);
            }
            self.commands(failure);
        }
        let more = report.failures.len().saturating_sub(SHOWN);
        if more > 0 {
            self.line(&format!("  and {more} more failing seeds with repro files of their own"));
        }
    }

    fn finding(&mut self, word: &str, style: Style, finding: &Finding) {
        let at = finding.at.map(|at| format!(" at {at} s")).unwrap_or_default();
        let head = self.paint(style, word);
        self.line(&format!("{head}  {} in seed {}{at}", finding.property, finding.seed));
        for part in wrap(&finding.text, WIDTH - 4) {
            self.line(&format!("    {part}"));
        }
        if !finding.drawn.is_empty() {
            let drawn: Vec<String> =
                finding.drawn.iter().map(|(path, value)| format!("{path}={value}")).collect();
            self.labelled(FAINT, "drawn", &drawn.join("   "));
        }
    }

    /// How it came about: the sentences of the story. Its lines are what `replay` shows.
    fn story(&mut self, report: &Report) {
        let Some(story) = &report.story else { return };
        self.line("");
        for line in story.lines().take_while(|line| !line.is_empty()) {
            self.line(&format!("    {line}"));
        }
        self.line("");
    }

    /// A command is never broken: it is there to be copied.
    fn commands(&mut self, finding: &Finding) {
        if !finding.reproduce.is_empty() {
            self.line(&format!("  reproduce  {}", finding.reproduce));
        }
        if let Some(smaller) = &finding.smaller {
            self.line(&format!("  smaller    {smaller}"));
        }
    }
}

/// Columns of `exercised in 20/20 seeds`.
fn digits(runs: u64) -> usize {
    "exercised in / seeds".len() + 2 * runs.to_string().len()
}

const fn mark(status: Status) -> (&'static str, Style) {
    match status {
        Status::Held | Status::Found => ("✓", GOOD),
        Status::Failed | Status::NotFound => ("✗", BAD),
        Status::Inconclusive => ("?", UNSURE),
        Status::Reported => ("•", FAINT),
    }
}

/// A kind of fault; of several runs also in how many of them.
fn fault(row: &crate::report::FaultRow, all: u64) -> String {
    let refused = if row.refused > 0 {
        format!(" ({} refused)", grouped(row.refused))
    } else {
        String::new()
    };
    let seeds = if all > 1 { format!(" in {}", seeds(row.seeds)) } else { String::new() };
    format!("{} {}{seeds}{refused}", row.kind, grouped(row.accepted))
}

fn seeds(count: u64) -> String {
    if count == 1 { "1 seed".to_owned() } else { format!("{} seeds", grouped(count)) }
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, render};
    use crate::report::forge::report;
    use crate::report::{Finding, Verdict};

    #[test]
    fn a_failed_sweep() {
        insta::assert_snapshot!(render(&report(), false));
    }

    #[test]
    fn an_expected_violation_is_found() {
        let mut report = report();
        report.header.runs = 1;
        report.header.seeds = "seed 7".to_owned();
        report.header.overrides.clear();
        report.warnings.clear();
        report.expectations.truncate(1);
        report.guarantees.clear();
        report.verdict = Verdict::Pass;
        let text = "t-0 offset 900, record p r412, acked at 8.031 604 s, missing from b3, leader \
                    of epoch 8, since 26.377 544 s";
        report.found = vec![Finding {
            property: "acked-lost (expected: sometimes)".to_owned(),
            seed: 7,
            text: text.to_owned(),
            smaller: None,
            ..report.failures.remove(0)
        }];
        insta::assert_snapshot!(render(&report, false));
    }

    #[test]
    fn colour_changes_nothing_but_colour_and_no_line_is_too_wide() {
        let (plain, colored) = (render(&report(), false), render(&report(), true));
        assert_ne!(plain, colored);
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
        for line in plain.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}
