//! One byte range of a file (RFC 9110 section 14).
//!
//! `http-range-header` was tried and refuses a suffix longer than the file, which section 14.1.2 says means the whole
//! file; one range needs no more than this.

use std::ops::Range;

/// What a Range header asks of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole file: no usable header, another unit, several ranges (a server may ignore the header, section 14.2).
    Everything,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Nothing the file has: 416.
    Unsatisfiable,
}

/// Reads the value of a Range header for a file of `size` bytes.
pub(crate) fn wanted(value: &[u8], size: u64) -> Wanted {
    parse(value, size).unwrap_or(Wanted::Everything)
}

fn parse(value: &[u8], size: u64) -> Option<Wanted> {
    let value = std::str::from_utf8(value).ok()?;
    let (unit, set) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let (start, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if start < end { Wanted::Part(start..end) } else { Wanted::Unsatisfiable })
}

/// A number of digits only; too large for 64 bits is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let part = |text: &str| wanted(text.as_bytes(), 10);
        assert_eq!(part("bytes=0-0"), Wanted::Part(0..1));
        assert_eq!(part("bytes=2-"), Wanted::Part(2..10));
        assert_eq!(part("Bytes=2-99999999999999999999999"), Wanted::Part(2..10));
        assert_eq!(part("bytes=-3"), Wanted::Part(7..10));
        assert_eq!(part("bytes=-99"), Wanted::Part(0..10));
        for unsatisfiable in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=18446744073709551616-"] {
            assert_eq!(part(unsatisfiable), Wanted::Unsatisfiable, "{unsatisfiable}");
        }
        for ignored in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=\u{661}-",
        ] {
            assert_eq!(part(ignored), Wanted::Everything, "{ignored}");
        }
        assert_eq!(wanted(b"bytes=0-", 0), Wanted::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn a_part_is_inside_the_file_and_not_empty(value in "bytes=[0-9,-]{0,12}", size in 0..1000u64) {
            if let Wanted::Part(range) = wanted(value.as_bytes(), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
