//! Glob patterns as Redis matches them: `*`, `?`, `[abc]`, `[^a-z]`, `\x`.

/// Whether `text` matches `pattern` as a whole, byte by byte. An unclosed `[` takes all that follows as its members.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on if a mismatch comes after the last `*`: behind it, with one more byte given to it.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, text));
            continue;
        }
        match (step(pattern, text.first().copied()), text) {
            (Step::End, []) => return true,
            (Step::Match(rest), [_, after @ ..]) => (pattern, text) = (rest, after),
            _ => match retry {
                Some((after_star, [_, shorter @ ..])) => {
                    (pattern, text) = (after_star, shorter);
                    retry = Some((after_star, shorter));
                }
                _ => return false,
            },
        }
    }
}

enum Step<'p> {
    /// The pattern is used up.
    End,
    /// The byte matches; the pattern goes on here.
    Match(&'p [u8]),
    Mismatch,
}

fn step(pattern: &[u8], byte: Option<u8>) -> Step<'_> {
    let (hit, rest) = match (pattern, byte) {
        ([], _) => return Step::End,
        (_, None) => return Step::Mismatch,
        ([b'?', rest @ ..], _) => (true, rest),
        ([b'[', class @ ..], Some(byte)) => class_step(class, byte),
        ([b'\\', literal, rest @ ..], Some(byte)) | ([literal, rest @ ..], Some(byte)) => (*literal == byte, rest),
    };
    if hit { Step::Match(rest) } else { Step::Mismatch }
}

/// Matches one byte with a class whose `[` has been read.
fn class_step(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut hit = false;
    loop {
        class = match class {
            [] => return (hit != negated, class),
            [b']', rest @ ..] => return (hit != negated, rest),
            [b'\\', member, rest @ ..] => {
                hit |= *member == byte;
                rest
            }
            [from, b'-', to, rest @ ..] => {
                hit |= (*from.min(to)..=*from.max(to)).contains(&byte);
                rest
            }
            [member, rest @ ..] => {
                hit |= *member == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbbc"),
            ("a*b*c", "a1b2b3c"),
            ("?b?", "abc"),
            ("[ab]x", "bx"),
            ("[a-c]x", "bx"),
            ("[c-a]x", "bx"),
            ("[^a]x", "bx"),
            ("a\\*", "a*"),
            ("user:\\[7\\]", "user:[7]"),
            ("[ab", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("a*c", "abd"),
            ("[^a]x", "ax"),
            ("a\\*", "ab"),
            ("abc", "ab"),
            ("ab", "abc"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let text = "a".repeat(2_000);
        assert!(!matches(&format!("{}b", "a*".repeat(50)), &text));
    }
}
