//! A report as Markdown: the golden pages under `reports/`, step summaries, comments.
//!
//! Two sections, so that a review can tell a change of verdicts from a change of numbers: the first
//! changes when behaviour does, the second with every random draw that moves.

use std::fmt::Write as _;

use crate::report::number::{grouped, length};
use crate::report::{Finding, Report, Value};

/// The report as Markdown, ending in a line feed.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    text.push_str("\n## Verdicts\n\n");
    verdicts(&mut text, report);
    text.push_str("\n## Numbers\n\n");
    numbers(&mut text, report);
    text
}

fn head(text: &mut String, report: &Report) {
    let header = &report.header;
    let title = if header.title.is_empty() { &header.scenario } else { &header.title };
    let _ = writeln!(text, "# {title}\n");
    if !header.lesson.is_empty() {
        let _ = writeln!(text, "{}\n", header.lesson);
    }
    let mut parts = vec![
        format!("`{}`", header.scenario),
        format!("model Kafka {}", header.kafka),
        format!("{} runs ({})", grouped(header.runs), header.seeds),
    ];
    if !header.claims.is_empty() {
        parts.push(format!("claims {}", header.claims.join(", ")));
    }
    parts.extend(header.overrides.iter().map(|(path, value)| format!("`{path}={value}`")));
    let _ = writeln!(text, "{}", parts.join(" · "));
}

fn verdicts(text: &mut String, report: &Report) {
    let _ = write!(text, "**{}**", report.verdict.word());
    if !report.reasons.is_empty() {
        let _ = write!(text, ": {}", report.reasons.join("; "));
    }
    text.push('\n');
    if !report.expectations.is_empty() {
        text.push_str("\n| expectation | outcome | exercised |\n|---|---|---|\n");
    }
    for row in &report.expectations {
        let exercised =
            row.exercised.map(|e| format!("{} of {}", e.seeds, e.of)).unwrap_or_default();
        table_row(text, &[&row.text, row.status.words(), &exercised]);
    }
    if !report.guarantees.is_empty() {
        text.push_str("\n| property | promised | why | violated in | exercised in |\n");
        text.push_str("|---|---|---|--:|--:|\n");
    }
    for row in &report.guarantees {
        let (violations, exercised) = (grouped(row.violations), grouped(row.exercised));
        let promised = row.promised.words();
        table_row(text, &[&row.property, promised, &row.reason, &violations, &exercised]);
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "\n> warning: {warning}");
    }
    findings(text, "Failures", &report.failures);
    findings(text, "Found, as expected", &report.found);
    if let Some(story) = &report.story {
        text.push_str("\n### Story\n\n");
        fenced(text, story);
    }
}

fn findings(text: &mut String, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### {title}\n");
    for finding in findings {
        let at = finding.at.map(|at| format!(" at {at} s")).unwrap_or_default();
        let (property, seed) = (&finding.property, finding.seed);
        let _ = writeln!(text, "- `{property}` in seed {seed}{at}: {}", finding.text);
        let _ = writeln!(text, "  `{}`", finding.reproduce);
        if !finding.drawn.is_empty() {
            let drawn = finding.drawn.iter().map(|(path, value)| format!("`{path}={value}`"));
            let _ = writeln!(text, "  drawn: {}", drawn.collect::<Vec<_>>().join(", "));
        }
    }
}

fn numbers(text: &mut String, report: &Report) {
    let header = &report.header;
    let _ = writeln!(
        text,
        "{} simulated, {} facts, fingerprint `{}`",
        length(header.simulated),
        grouped(header.facts),
        header.fingerprint
    );
    if report.expectations.iter().any(|row| !row.value.is_empty()) {
        text.push_str("\n| expectation | seen |\n|---|---|\n");
    }
    for row in report.expectations.iter().filter(|row| !row.value.is_empty()) {
        table_row(text, &[&row.text, &row.value]);
    }
    if !report.faults.is_empty() {
        text.push_str("\n| fault | accepted | refused | runs |\n|---|--:|--:|--:|\n");
    }
    for row in &report.faults {
        let (accepted, refused) = (grouped(row.accepted), grouped(row.refused));
        table_row(text, &[&row.kind, &accepted, &refused, &grouped(row.seeds)]);
    }
    if !report.varied.is_empty() {
        text.push_str("\n| varied | values | taken | least often |\n|---|--:|--:|--:|\n");
    }
    for row in &report.varied {
        let (values, taken) = (grouped(row.values), grouped(row.taken));
        table_row(text, &[&row.path, &values, &taken, &grouped(row.least)]);
    }
    let told = || report.numbers.iter().filter(|row| !row.value.is_zero());
    if told().next().is_some() {
        text.push_str("\n| number | value |\n|---|--:|\n");
    }
    for row in told() {
        table_row(text, &[&row.name, &row.value.to_string().replace("   ", ", ")]);
    }
    if !report.facts.is_empty() {
        text.push_str("\n| script | recorded |\n|---|---|\n");
    }
    for (name, value) in &report.facts {
        table_row(text, &[name, &inline(value)]);
    }
    if let Some(timeline) = &report.timeline {
        text.push_str("\n### Timeline of the first run\n\n");
        fenced(text, timeline);
    }
}

/// A line of a table. A bar would end its cell, a line feed its row.
fn table_row(text: &mut String, cells: &[&str]) {
    for cell in cells {
        let _ = write!(text, "| {} ", cell.replace('|', "\\|").replace('\n', " "));
    }
    text.push_str("|\n");
}

fn fenced(text: &mut String, block: &str) {
    let _ = writeln!(text, "```text\n{}\n```", block.trim_end_matches('\n'));
}

/// A value on one line.
#[must_use]
pub fn inline(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(name, value)| format!("{name}: {}", inline(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::report::forge::report;

    #[test]
    fn verdicts_come_before_numbers() {
        insta::assert_snapshot!(render(&report()));
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        let mut report = report();
        report.guarantees[0].reason = "a|b".to_owned();
        assert!(render(&report).contains("a\\|b"));
    }
}
