//! The values of a Compose file: lengths of time, amounts of memory, words of a command. Pure.

use deploy_core::size::Size;
use deploy_core::time::Span;
use serde_json::Value;

/// A scalar as the text that Compose takes it for.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `1m30s`, `10s`, `500ms`.
pub(super) fn span(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let unit: u64 = match unit {
            "us" => {
                number.parse::<u64>().ok()?;
                rest = after;
                continue;
            }
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    Some(Span::from_millis(millis))
}

/// `512m`, `1g`, `1gb`, `1048576`; in units of 1024.
pub(super) fn size(text: &str) -> Option<Size> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    let bytes = thousandths(number)?.checked_mul(unit)? / 1_000;
    format!("{bytes}").parse().ok().filter(|_| bytes > 0)
}

/// `0.5` of a core, in thousandths; at least one.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    let part: u64 = digits.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(part)
}

/// A command as its words: a list as it is, a text split as a shell would split it, without being one.
pub(super) fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => shlex::split(text),
        Value::Array(items) => items.iter().map(scalar).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_compose_reads_them() {
        let millis = |text: &str| span(text).map(Span::as_millis);
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("2h"), Some(7_200_000));
        assert_eq!((millis(""), millis("5"), millis("x"), millis("5y")), (None, None, None, None));
        assert_eq!(size("512m"), Some(Size::from_mib(512)));
        assert_eq!(size("1.5GB"), Some(Size::from_mib(1536)));
        assert_eq!(size("1048576"), Some(Size::from_mib(1)));
        assert_eq!((size("x"), size("-1m"), size("0")), (None, None, None));
        assert_eq!(
            (thousandths("0.5"), thousandths("2"), thousandths(".25")),
            (Some(500), Some(2_000), Some(250))
        );
        assert_eq!(words(&json!("sh -c 'a b'")), Some(vec!["sh".into(), "-c".into(), "a b".into()]));
        assert_eq!(words(&json!(["a", 1])), Some(vec!["a".into(), "1".into()]));
        assert_eq!(words(&json!("'")), None);
    }
}
