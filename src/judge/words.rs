//! Expectations in words, and what was seen of them. Judges nothing.

use super::Seen;
use crate::base::time::Span;
use crate::check::expect::Expectation as Expect;
use crate::check::metrics::{Unit, metric};
use crate::check::properties::PROPERTIES;
use crate::report::number::{grouped, length};
use crate::scenario::{Bound, Expectation as Stated};

/// A stated line, with its names looked up. Names were checked when the file was read.
pub(super) fn expectation(stated: &Stated) -> Option<Expect> {
    let property = |name: &str| PROPERTIES.iter().find(|p| p.name == name).map(|p| p.name);
    Some(match stated {
        Stated::Never { property: p } => Expect::Never(property(p)?),
        Stated::Always { property: p } => Expect::Always(property(p)?),
        Stated::Sometimes { property: p } => Expect::Sometimes(property(p)?),
        Stated::Liveness { property: p, within } => {
            Expect::Liveness { property: property(p)?, within: *within }
        }
        Stated::AtMost { metric: m, bound } => {
            Expect::AtMost { metric: metric(m)?, bound: number(bound) }
        }
        Stated::AtLeast { metric: m, bound } => {
            Expect::AtLeast { metric: metric(m)?, bound: number(bound) }
        }
    })
}

/// A bound in its metric's own unit: nanoseconds, permille, or a count.
const fn number(bound: &Bound) -> u64 {
    match *bound {
        Bound::Span(span) => span.0,
        Bound::Percent(millionths) => millionths as u64 / 1_000,
        Bound::Count(count) => count,
    }
}

/// An expectation as a file says it: `never acked-lost`, `at-most write-gap 25s`.
pub(super) fn sentence(expect: &Expect) -> String {
    match expect {
        Expect::Never(p) => format!("never {p}"),
        Expect::Always(p) => format!("always {p}"),
        Expect::Sometimes(p) => format!("sometimes {p}"),
        Expect::Liveness { property, within: Some(span) } => {
            format!("liveness {property} within {span}")
        }
        Expect::Liveness { property, within: None } => format!("liveness {property}"),
        Expect::AtMost { metric, bound } => {
            format!("at-most {} {}", metric.name, show(metric.unit, *bound))
        }
        Expect::AtLeast { metric, bound } => {
            format!("at-least {} {}", metric.name, show(metric.unit, *bound))
        }
    }
}

/// What was seen of an expectation that a run broke or met.
pub(super) fn broken(expect: &Expect, seen: Seen) -> String {
    let value = seen.value.unwrap_or(0);
    match expect {
        Expect::Never(p) | Expect::Sometimes(p) => format!("{p} was seen"),
        Expect::Always(p) => format!("{p} was not seen"),
        Expect::Liveness { property, .. } => match seen.value {
            Some(took) => format!("{property} took {} after the heal", length(Span(took))),
            None => format!("{property} had not come true when the run ended"),
        },
        Expect::AtMost { metric: m, bound } => {
            let (value, bound) = (show(m.unit, value), show(m.unit, *bound));
            format!("{} was {value}, more than {bound}", m.name)
        }
        Expect::AtLeast { metric: m, bound } => {
            let (value, bound) = (show(m.unit, value), show(m.unit, *bound));
            format!("{} was {value}, less than {bound}", m.name)
        }
    }
}

/// A metric's number with its unit.
pub(super) fn show(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Count => grouped(number),
        Unit::Span => length(Span(number)),
        Unit::Permille => format!("{}.{} %", number / 10, number % 10),
    }
}
