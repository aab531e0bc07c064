//! Text in lines that fit a screen. Knows nothing of what the text says.

/// Breaks at spaces so that no line is longer than `width`, unless a word alone is. Runs of
/// spaces inside a line stay, and so do the spaces inside a number and before its unit.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut gap = 0;
    for word in words(text) {
        let longer = line.chars().count() + gap + word.chars().count();
        if !line.is_empty() && !word.is_empty() && longer > width {
            lines.push(std::mem::take(&mut line));
            gap = 0;
        }
        if !word.is_empty() {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(&word);
            gap = 0;
        }
        gap += 1;
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// What may not be broken: words, and numbers with their groups of three digits and their unit.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches(['.', ',', ';', ':', ')']);
        let group = bare.len() == 3 && bare.bytes().all(|b| b.is_ascii_digit());
        let unit = ["s", "ms", "µs", "ns", "m", "h", "%", "MiB", "KiB", "B"].contains(&bare);
        match words.last_mut() {
            Some(number) if (group || unit) && number.ends_with(|c: char| c.is_ascii_digit()) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_number_is_not_broken() {
        assert_eq!(wrap("acked at 9.976 379 s, b1", 18), ["acked at", "9.976 379 s, b1"]);
        assert_eq!(wrap("of 1 200 000 runs", 6), ["of", "1 200 000", "runs"]);
    }

    #[test]
    fn wrapping_keeps_runs_of_spaces_and_breaks_at_words() {
        assert_eq!(wrap("p50 1 s   p99 2 s", 40), ["p50 1 s   p99 2 s"]);
        assert_eq!(wrap("one two   three", 9), ["one two", "three"]);
        assert_eq!(wrap("incomprehensibilities", 9), ["incomprehensibilities"]);
        assert_eq!(wrap("", 9), [""]);
    }
}
