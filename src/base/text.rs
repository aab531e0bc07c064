//! Text in lines that fit a screen. Knows nothing of what the text says.

/// Breaks at spaces so that no line is longer than `width`, unless a word alone is. Runs of
/// spaces inside a line stay.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut gap = 0;
    for word in text.split(' ') {
        let longer = line.chars().count() + gap + word.chars().count();
        if !line.is_empty() && !word.is_empty() && longer > width {
            lines.push(std::mem::take(&mut line));
            gap = 0;
        }
        if !word.is_empty() {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(word);
            gap = 0;
        }
        gap += 1;
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn wrapping_keeps_runs_of_spaces_and_breaks_at_words() {
        assert_eq!(wrap("p50 1 s   p99 2 s", 40), ["p50 1 s   p99 2 s"]);
        assert_eq!(wrap("one two   three", 9), ["one two", "three"]);
        assert_eq!(wrap("incomprehensibilities", 9), ["incomprehensibilities"]);
        assert_eq!(wrap("", 9), [""]);
    }
}
