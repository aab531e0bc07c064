//! Values that are written as words: durations, sizes, rates, ratios, and Kafka's own values.
//!
//! Each reads itself with a message that says what the value should look like, and describes
//! itself in the schema. Does not know which key it stands under.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

use crate::base::rng::Ratio;
use crate::base::time::Span;

/// Implements `Deserialize` for a word by a function from text, and `JsonSchema` by a pattern.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal, $pattern:literal, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Words;
                impl Visitor<'_> for Words {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let parse: fn(&str) -> Result<$inner, String> = $parse;
                        parse(text).map($name).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Words)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $what })
            }
        }
    };
}

word!(
    /// A length of time, or a moment counted from the start of the run.
    Duration(Span),
    "a duration like \"250ms\", \"10s\" or \"1m30s\"",
    r"^([0-9]+(ns|us|ms|s|m|h|d))+$",
    Span::parse
);

word!(
    /// A shift of a clock, forwards or backwards.
    Shift((bool, Span)),
    "a duration like \"5s\", or \"-5s\" for backwards",
    r"^-?([0-9]+(ns|us|ms|s|m|h|d))+$",
    |text| match text.strip_prefix('-') {
        Some(rest) => Ok((true, Span::parse(rest)?)),
        None => Ok((false, Span::parse(text)?)),
    }
);

word!(
    /// A number of bytes.
    Size(u64),
    "a size like \"200B\", \"64KiB\" or \"24MiB\"",
    r"^[0-9]+(B|KiB|MiB|GiB|TiB)$",
    parse_size
);

word!(
    /// The time between two records.
    Rate(Span),
    "a rate like \"500/s\" or \"10/m\", at most 1000000/s",
    r"^[0-9]+/(s|m|h)$",
    parse_rate
);

word!(
    /// Bytes a second.
    ByteRate(u64),
    "a rate like \"64KiB/s\"",
    r"^[0-9]+(B|KiB|MiB|GiB|TiB)/s$",
    |text| {
        let size = text.strip_suffix("/s").ok_or_else(|| {
            format!("cannot read `{text}` as bytes a second: write it like \"64KiB/s\"")
        })?;
        match parse_size(size)? {
            0 => Err("a link that carries nothing is cut: use `partition`".to_owned()),
            bytes => Ok(bytes),
        }
    }
);

word!(
    /// So many of so many.
    Chance(Ratio),
    "a ratio like \"1/5\"",
    r"^[0-9]+/[0-9]+$",
    Ratio::parse
);

fn parse_size(text: &str) -> Result<u64, String> {
    let hint = "a size is a whole number and a unit, like \"200B\", \"64KiB\" or \"24MiB\"";
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(format!("cannot read `{text}` as a size: {hint}")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("cannot read `{text}` as a size: {hint}"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more than can be counted"))
}

fn parse_rate(text: &str) -> Result<Span, String> {
    let hint = "a rate is a whole number per second, minute or hour, like \"500/s\"";
    let wrong = || format!("cannot read `{text}` as a rate: {hint}");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let unit = match unit {
        "s" => Span::secs(1),
        "m" => Span::secs(60),
        "h" => Span::secs(3_600),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    if number == 0 {
        return Err("a producer that sends nothing needs no rate: give it `send` steps".to_owned());
    }
    let period = Span(unit.0 / number);
    if period < Span::micros(1) {
        return Err(format!("`{text}` is more than 1000000/s"));
    }
    Ok(period)
}

/// A value of a Kafka property: a number, a boolean or a string, kept as Kafka would print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(value) => Ok(Self(value.to_string())),
            Value::Number(value) => Ok(Self(value.to_string())),
            Value::String(value) => Ok(Self(value)),
            _ => Err(de::Error::custom("expected a number, a boolean or a string")),
        }
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_rate, parse_size};
    use crate::base::time::Span;

    #[test]
    fn sizes_and_rates_are_read_and_checked() {
        assert_eq!(parse_size("200B"), Ok(200));
        assert_eq!(parse_size("24MiB"), Ok(24 << 20));
        for bad in ["", "1", "1KB", "-1B", "1.5KiB", "99999999TiB", "B"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_rate("500/s"), Ok(Span::millis(2)));
        assert_eq!(parse_rate("1000000/s"), Ok(Span::micros(1)));
        for bad in ["", "5", "0/s", "5/d", "-5/s", "1000001/s", "1/2/s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
