//! What by its shape can only be a token, whoever printed it: those of fly, headers that carry one, and assignments to
//! variables that hold one.

use std::ops::Range;

/// What stands in its place.
pub(super) const SHOWN: &str = "[token]";

/// How a shape begins, and which characters belong to it.
struct Shape {
    /// It begins with this, whatever the case of its letters if `any_case`.
    prefix: &'static str,
    any_case: bool,
    /// Whether the prefix stays: it is the name of something, not part of the secret.
    keeps_prefix: bool,
    /// Whether white space may stand between the prefix and the rest.
    spaced: bool,
    /// How many characters there must be behind the prefix.
    least: usize,
    belongs: fn(char) -> bool,
}

const fn token(prefix: &'static str, least: usize, belongs: fn(char) -> bool) -> Shape {
    Shape { prefix, any_case: false, keeps_prefix: false, spaced: false, least, belongs }
}

const fn header(prefix: &'static str) -> Shape {
    Shape { prefix, any_case: true, keeps_prefix: true, spaced: true, least: 1, belongs: is_word }
}

const fn variable(prefix: &'static str) -> Shape {
    Shape { prefix, any_case: false, keeps_prefix: true, spaced: false, least: 1, belongs: is_word }
}

/// Headers and variables first: what follows them is hidden whatever it looks like.
const SHAPES: [Shape; 12] = [
    header("FlyV1"),
    header("Bearer"),
    variable("FLY_API_TOKEN="),
    variable("FLY_ACCESS_TOKEN="),
    variable("FLY_METRICS_TOKEN="),
    variable("--access-token="),
    Shape {
        prefix: "--access-token",
        any_case: false,
        keeps_prefix: true,
        spaced: true,
        least: 1,
        belongs: is_word,
    },
    token("fm1r_", 1, is_macaroon),
    token("fm1a_", 1, is_macaroon),
    token("fm2_", 1, is_macaroon),
    token("fo1_", 10, is_url_safe),
    token("FlyV1%20", 1, is_word),
];

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '"' | '\'')
}

/// Standard base64; several in one text are joined by commas, and each has a prefix with an underscore.
fn is_macaroon(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | ',' | '_' | '-')
}

fn is_url_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ',' | '+' | '/' | '=')
}

/// Where every token stands.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(c) = text[at..].chars().next() {
        let shape =
            starts_word(text, at).then(|| SHAPES.iter().find_map(|shape| shape.at(&text[at..]))).flatten();
        match shape {
            Some((kept, end)) => {
                found.push(at + kept..at + end);
                at += end;
            }
            None => at += c.len_utf8(),
        }
    }
    found
}

/// Whether a word may begin here: an id with `fo1_` in its middle is no token.
fn starts_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

impl Shape {
    /// Where the secret part begins and ends, if the text begins with this shape.
    fn at(&self, text: &str) -> Option<(usize, usize)> {
        let head = text.get(..self.prefix.len())?;
        let same = if self.any_case { head.eq_ignore_ascii_case(self.prefix) } else { head == self.prefix };
        let mut rest = same.then(|| &text[self.prefix.len()..])?;
        if self.spaced {
            let trimmed = rest.trim_start_matches([' ', '\t']);
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        }
        // What stands for a secret stays: it says which one.
        if rest.starts_with("[secret ") {
            return None;
        }
        let length: usize = rest.chars().take_while(|c| (self.belongs)(*c)).map(char::len_utf8).sum();
        let begins = text.len() - rest.len();
        (rest.chars().take_while(|c| (self.belongs)(*c)).count() >= self.least)
            .then_some((if self.keeps_prefix { begins } else { 0 }, begins + length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn hide(text: &str) -> String {
        crate::redact::Redactor::default().clean(text)
    }

    #[test]
    fn inv_36_every_shape_of_a_token_is_hidden() {
        for (said, shown) in [
            ("token fo1_abcDEF012_-xyz used", "token [token] used"),
            ("fm2_lJPECAAAAA+/9==", "[token]"),
            ("fm1r_lJPECAAA==,fm1a_lJP+/A=,fo1_abcdefghijk end", "[token] end"),
            ("Authorization: FlyV1 fm2_aaa,fm2_bbb", "Authorization: FlyV1 [token]"),
            ("authorization: bearer s0me.opaque~thing", "authorization: bearer [token]"),
            ("FLYV1   fm2_x", "FLYV1   [token]"),
            ("FLY_API_TOKEN=anything at all", "FLY_API_TOKEN=[token] at all"),
            ("FLY_ACCESS_TOKEN=x FLY_METRICS_TOKEN=y", "FLY_ACCESS_TOKEN=[token] FLY_METRICS_TOKEN=[token]"),
            ("flyctl --access-token abc deploy", "flyctl --access-token [token] deploy"),
            ("flyctl --access-token=abc deploy", "flyctl --access-token=[token] deploy"),
            ("\"fm2_abc\"", "\"[token]\""),
            ("Bearer", "Bearer"),
            ("the bearer", "the bearer"),
            ("info1_abcdefghijkl fo1_short x_fm2_abc", "info1_abcdefghijkl fo1_short x_fm2_abc"),
        ] {
            assert_eq!(hide(said), shown);
        }
    }

    proptest! {
        #[test]
        fn inv_36_a_token_is_hidden_wherever_it_stands(
            before in "[a-z é:\"(=,]{0,12}[ :\"(=]", payload in "[A-Za-z0-9+/]{12,40}={0,2}", after in "[ \")é]?.{0,12}",
            prefix in prop_oneof![Just("fm1r_"), Just("fm1a_"), Just("fm2_"), Just("fo1_")],
        ) {
            let text = format!("{before}{prefix}{payload}{after}");
            prop_assert!(!hide(&text).contains(payload.as_str()), "{}", text);
        }

        #[test]
        fn hiding_twice_is_hiding_once_and_never_panics(text in ".{0,80}") {
            let once = hide(&text);
            prop_assert_eq!(hide(&once), once);
        }
    }
}
