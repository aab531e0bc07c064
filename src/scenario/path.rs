//! A path into a scenario file: what diagnostics say, and what `--set` and `--vary` are given.
//!
//! `producers[p].config[acks]`: a list's element by its name or its index, an object's key after a
//! dot or, where the key itself has dots, in brackets. Does not know what lies at a path.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seg {
    /// A key of an object.
    Key(String),
    /// An element of a list.
    Index(usize),
}

impl From<&str> for Seg {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<&String> for Seg {
    fn from(key: &String) -> Self {
        Self::Key(key.clone())
    }
}

impl From<usize> for Seg {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Steps from the top of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Seg>);

/// `at!["faults", i, "target"]`, or `at![parent; "target"]` below another path.
macro_rules! at {
    ($parent:expr; $($seg:expr),+ $(,)?) => {{
        let mut path: $crate::scenario::path::Path = $parent.clone();
        $(path.0.push($crate::scenario::path::Seg::from($seg));)+
        path
    }};
    ($($seg:expr),* $(,)?) => {
        $crate::scenario::path::Path(vec![$($crate::scenario::path::Seg::from($seg)),*])
    };
}
pub(super) use at;

impl Path {
    /// What is left of this path below `above`, if it lies below it.
    pub(super) fn below(&self, above: &Self) -> Option<&[Seg]> {
        self.0.strip_prefix(above.0.as_slice())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Index(index) => write!(f, "[{index}]")?,
                Seg::Key(key) if key.contains(['.', ':', '[', '/']) => write!(f, "[{key}]")?,
                Seg::Key(key) if place == 0 => f.write_str(key)?,
                Seg::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// One step of a path as typed: what is in brackets may be a key, a name or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// After a dot.
    Key(String),
    /// In brackets.
    Bracket(String),
}

/// Reads a path as typed.
///
/// # Errors
/// A sentence about what is wrong with its form.
pub(super) fn parse_typed(text: &str) -> Result<Vec<Typed>, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let Some((name, tail)) = inside.split_once(']') else {
                return Err("a bracket is not closed".to_owned());
            };
            if name.is_empty() || steps.is_empty() {
                return Err("a bracket follows a name and has something in it".to_owned());
            }
            steps.push(Typed::Bracket(name.to_owned()));
            rest = tail;
            continue;
        }
        let after_dot = match (steps.is_empty(), rest.strip_prefix('.')) {
            (true, None) => rest,
            (false, Some(tail)) => tail,
            _ => return Err("steps of a path are parted by single dots".to_owned()),
        };
        let end = after_dot.find(['.', '[']).unwrap_or(after_dot.len());
        let (key, tail) = after_dot.split_at(end);
        if key.is_empty() {
            return Err("a step of the path is empty".to_owned());
        }
        steps.push(Typed::Key(key.to_owned()));
        rest = tail;
    }
    if steps.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::{Typed, parse_typed};

    fn key(text: &str) -> Typed {
        Typed::Key(text.to_owned())
    }

    fn bracket(text: &str) -> Typed {
        Typed::Bracket(text.to_owned())
    }

    #[test]
    fn paths_are_read() {
        assert_eq!(parse_typed("cluster.brokers"), Ok(vec![key("cluster"), key("brokers")]));
        assert_eq!(
            parse_typed("topics[t].config[min.insync.replicas]"),
            Ok(vec![key("topics"), bracket("t"), key("config"), bracket("min.insync.replicas")])
        );
        assert_eq!(parse_typed("faults[2].at"), Ok(vec![key("faults"), bracket("2"), key("at")]));
        for bad in ["", ".a", "a.", "a..b", "a[b", "a[]", "[a]", "a[b]c"] {
            assert!(parse_typed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_prints_as_it_is_typed() {
        assert_eq!(at!["faults", 3, "do"].to_string(), "faults[3].do");
        assert_eq!(
            at!["cluster", "config", "replica.lag.time.max.ms"].to_string(),
            "cluster.config[replica.lag.time.max.ms]"
        );
    }
}
