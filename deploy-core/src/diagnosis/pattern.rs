//! Patterns of lines: literal text with holes, and texts that the holes' findings are put into.

use super::TAKEN_OVER;

/// Where a finding ends if nothing follows its hole.
const ENDS: [char; 9] = ['\'', '"', '`', '’', ',', ';', '(', ')', ' '];

/// What the `{}` of a pattern stand for in a line that holds its literal parts in order. A pattern in `^` and `$` is
/// the whole of the line.
pub(super) fn find(pattern: &str, line: &str) -> Option<Vec<String>> {
    if let Some(whole) = pattern.strip_prefix('^').and_then(|pattern| pattern.strip_suffix('$')) {
        return (whole == line).then(Vec::new);
    }
    let mut parts = pattern.split("{}");
    let first = parts.next()?;
    let mut rest = &line[line.find(first)? + first.len()..];
    let mut found = Vec::new();
    for part in parts {
        let end = if part.is_empty() { rest.find(ENDS).unwrap_or(rest.len()) } else { rest.find(part)? };
        found.push(rest[..end].trim().chars().take(TAKEN_OVER).collect());
        rest = &rest[end + part.len()..];
    }
    Some(found)
}

/// A text with its `{}` replaced in order; what is missing stays empty.
pub(super) fn fill(text: &str, found: &[String]) -> String {
    let mut found = found.iter();
    let mut parts = text.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        filled.push_str(found.next().map_or("", String::as_str));
        filled.push_str(part);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_what_stands_between() {
        assert_eq!(find("module '{}'", "No module 'a b' here"), Some(vec!["a b".into()]));
        assert_eq!(find("port {}", "in use: port 80, sorry"), Some(vec!["80".into()]));
        assert_eq!(find("{} not found", "sh: vite: not found"), Some(vec!["sh: vite:".into()]));
        assert_eq!(find("a{}b{}c", "xa1b2c"), Some(vec!["1".into(), "2".into()]));
        assert_eq!(find("a{}b", "ba"), None);
        assert_eq!(find("^Error$", "Error"), Some(vec![]));
        assert_eq!(find("^Error$", "Errors"), None);
        assert_eq!(fill("the {} of {}", &["name".into()]), "the name of ");
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_safe(pattern in "[a-zé{}^$]{0,12}", line in "\\PC{0,200}") {
            if let Some(found) = find(&pattern, &line) {
                let short = |text: &String| text.chars().count() <= TAKEN_OVER;
                proptest::prop_assert!(found.iter().all(short));
            }
        }
    }
}
