//! Text from outside as people may see it. Markup is impossible anyway; this is about characters that
//! would hide, reorder or colour what is around them.

use deploy_core::plan::SourceSummary;
use deploy_core::time::Timestamp;
use maud::{Markup, html};

/// How many digits of a commit id or a digest people need.
const SHORT: usize = 12;

/// One line of text: colours of a terminal are left out, other control characters and direction marks
/// become visible.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.peek() == Some(&'[') {
            // An order for a terminal ends with its first letter.
            let _ = rest.by_ref().skip(1).find(|c| ('@'..='~').contains(c));
        } else if c == '\t' {
            cleaned.push(c);
        } else if c.is_control() || is_direction(c) {
            cleaned.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A moment: UTC, which the script rewrites in the browser's zone.
pub(super) fn time(at: Timestamp) -> Markup {
    let text = at.to_string();
    let shown = text.get(..19).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) { (shown) " UTC" } }
}

/// How long something took.
pub(super) fn took(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// From one moment to another; what is not over counts on in the script.
pub(super) fn span(from: Option<Timestamp>, to: Option<Timestamp>) -> Markup {
    match (from, to) {
        (Some(from), Some(to)) => html! { (took(to.since(from).as_millis())) },
        (Some(from), None) => html! { span data-since=(from) { "" } },
        (None, _) => html! {},
    }
}

/// A source on one line.
pub(super) fn source(source: &SourceSummary) -> String {
    let mut text = format!("{} {}", source.kind, source.locator);
    if let Some(git_ref) = &source.git_ref {
        text.push_str(&format!(" at {git_ref}"));
    }
    if let Some(commit) = &source.commit {
        text.push_str(&format!(" ({})", commit.chars().take(SHORT).collect::<String>()));
    }
    if let Some(directory) = &source.base_directory {
        text.push_str(&format!(", directory {directory}"));
    }
    clean(&text)
}

/// An address as a link, if it is one that a browser may follow; else as text.
pub(super) fn link(url: &str) -> Markup {
    let followed = url.starts_with("http://") || url.starts_with("https://");
    html! {
        @if followed { a href=(url) rel="noreferrer" { (clean(url)) } } @else { (clean(url)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f17_nothing_hides_or_reorders_what_is_around_it() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(clean("a\rb\u{202e}c\u{7}"), "a\\u{d}b\\u{202e}c\\u{7}");
        assert_eq!(clean("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(clean("\u{1b}["), "");
        assert_eq!(clean("ü\t日本"), "ü\t日本");
    }

    #[test]
    fn threat_f20_only_web_addresses_are_links() {
        assert!(
            link("https://a.example/?a=<b>")
                .into_string()
                .contains("href=\"https://a.example/?a=&lt;b&gt;\"")
        );
        for other in ["javascript:alert(1)", "data:text/html,x", "//a.example", "web.localhost"] {
            assert!(!link(other).into_string().contains("href"), "{other}");
        }
    }

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!([took(0), took(999), took(1_250), took(61_000)], ["0 ms", "999 ms", "1.2 s", "1 min 1 s"]);
    }
}
