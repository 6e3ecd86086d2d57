use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn hiding(secrets: &[&str]) -> Redactor {
    let named = secrets.iter().enumerate().map(|(n, value)| (format!("KEY{n}"), (*value).to_owned()));
    Redactor::new(&named.collect::<BTreeMap<_, _>>())
}

fn lines(bytes: &[u8], cuts: &[usize], hidden: &Redactor) -> Vec<String> {
    let (mut lines, mut out) = (Lines::new(hidden.clone()), Vec::new());
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        lines.take(&bytes[from..cut], |line| out.push(line.into()));
        from = cut;
    }
    lines.finish(|line| out.push(line.into()));
    out
}

/// What a cut line shows, and how many bytes it says are left out.
fn parts(line: &str) -> (&str, usize) {
    match line.rsplit_once(" … [") {
        Some((head, note)) => {
            (head, note.strip_suffix(" more bytes]").and_then(|n| n.parse().ok()).expect("a note"))
        }
        None => (line, 0),
    }
}

#[test]
fn what_a_terminal_would_do_is_left_out() {
    for (written, shown) in [
        ("\x1b[1;32m==>\x1b[0m ok\r\n10%\r20%\r\ndone", vec!["==> ok", "20%", "done"]),
        ("\x1b]0;title\x07a\x1b]2;b\x1b\\c\x1b(Bd\x1bMe", vec!["acde"]),
        ("\u{9b}31mé\u{7f}\0\tx\u{a0}", vec!["31mé\tx\u{a0}"]),
        ("a\x1b[", vec!["a"]),
        ("a\x1b[3\nb\x1b\nc\r\r\n\n", vec!["a", "b", "c", ""]),
        ("\x1b\r\n", vec![""]),
    ] {
        assert_eq!(lines(written.as_bytes(), &[], &Redactor::default()), shown, "{written:?}");
    }
    assert_eq!(lines(b"\xff\xc2", &[], &Redactor::default()), ["\u{fffd}\u{fffd}"]);
}

#[test]
fn inv_36_a_secret_where_a_line_is_cut_is_hidden() {
    let secret = "correct-horse-battery-staple";
    let hidden = hiding(&[secret]);
    for before in (LINE_BYTES - 100..LINE_BYTES + 9).chain(LINE_BYTES + MARGIN - 40..LINE_BYTES + MARGIN + 9)
    {
        let text = format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(LINE_BYTES));
        let out = lines(text.as_bytes(), &[], &hidden);
        assert_eq!(out.len(), 1);
        assert!(!out[0].contains("corre"), "{before}");
    }
}

#[test]
fn inv_36_a_secret_longer_than_what_is_kept_of_a_line_is_hidden() {
    let secret: String = (0..LINE_BYTES).map(|n| format!("{n:05}.")).collect();
    let out = lines(format!("the key: {secret}\n").as_bytes(), &[], &hiding(&[&secret]));
    let seen = LINE_BYTES + MARGIN;
    assert_eq!(parts(&out[0]), ("the key: [secret KEY0]", "the key: ".len() + secret.len() - seen));
}

/// Characters that no secret of the property has.
fn filler(longest: usize) -> impl Strategy<Value = String> {
    let whole = prop_oneof![Just(0), 1..40_usize, LINE_BYTES - 400..longest];
    (whole, prop_oneof![Just(" "), Just("_."), Just("é"), Just("\u{1f980}"), Just("-\t~")])
        .prop_map(|(bytes, text)| text.repeat(bytes / text.len()))
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{8,40}",
        "[A-Z0-9/+=ü]{8,24}",
        "[a-b]{9,12}",
        "[a-z]{10}\x1b\\[1m[a-z]{9}",
        "[k-z]{4500,6000}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn inv_36_no_piece_of_a_secret_is_shown_wherever_lines_and_chunks_end(
        secrets in proptest::collection::vec(secret(), 1..4),
        fillers in proptest::collection::vec(filler(LINE_BYTES + MARGIN + 200), 1..5),
        order in proptest::collection::vec((0..5_usize, 0..4_usize, any::<bool>()), 1..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut text = String::new();
        for (filler, secret, ends) in order {
            text.push_str(&fillers[filler % fillers.len()]);
            text.push_str(&secrets[secret % secrets.len()]);
            text.push_str(if ends { "\n" } else { "" });
        }
        let hidden = hiding(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
        let whole = lines(text.as_bytes(), &[], &hidden);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.sort_unstable();
        prop_assert_eq!(&lines(text.as_bytes(), &at, &hidden), &whole);
        let printed: Vec<String> = secrets.iter().flat_map(|secret| printed(secret)).collect();
        for line in &whole {
            prop_assert!(line.len() <= LINE_BYTES);
            for piece in printed.iter().flat_map(|secret| pieces(secret)) {
                prop_assert!(!line.contains(piece), "{} is in {}", piece, line);
            }
        }
    }

    #[test]
    fn the_count_of_what_is_left_out_is_exact(
        unit in prop_oneof![Just(&b"x"[..]), Just("é".as_bytes()), Just("\u{1f980}".as_bytes()), Just(&b"\xff"[..]), Just(&b"a\xe2\x82"[..])],
        offset in 0..9_usize, more in 0..3 * MARGIN,
    ) {
        let mut written = b"o".repeat(offset);
        while written.len() < LINE_BYTES - 100 + more {
            written.extend_from_slice(unit);
        }
        let out = lines(&written, &[], &Redactor::default());
        let (head, left_out) = parts(&out[0]);
        let rest = &written[written.len() - left_out..];
        let shown = &written[..written.len() - left_out];
        prop_assert_eq!(String::from_utf8_lossy(shown), head);
        prop_assert!(rest.is_empty() || head.len() > LINE_BYTES - 64, "more is left out than must be");
        prop_assert_eq!(lines(out[0].as_bytes(), &[], &Redactor::default()), out);
    }

    #[test]
    fn a_short_line_stays_as_it_is(text in "[ -~éü\u{1f980}]{1,200}", cut in any::<prop::sample::Index>()) {
        let at = cut.index(text.len() + 1);
        prop_assert_eq!(lines(text.as_bytes(), &[at], &hiding(&["\u{1}no such thing"])), [text]);
    }
}

/// Every piece of 8 bytes that is text by itself.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    (0..secret.len()).filter_map(|at| secret.get(at..at + 8))
}
