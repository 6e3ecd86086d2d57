//! How far fetching an image is, as few lines. Pure.

use std::collections::BTreeMap;

/// A line is worth it when so many percent more are here.
const STEP: i64 = 10;

/// The layers that are under way.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    layers: BTreeMap<String, (i64, i64)>,
    said: i64,
}

impl Progress {
    /// A layer is at so many bytes of so many: the line that is worth saying then, if one is. Layers that are heard
    /// of later make the whole larger; what was said is never taken back.
    pub(crate) fn moved(&mut self, layer: &str, (current, total): (i64, i64)) -> Option<String> {
        self.layers.insert(layer.to_owned(), (current.clamp(0, total.max(0)), total.max(0)));
        let sum = |pick: fn(&(i64, i64)) -> i64| self.layers.values().map(pick).fold(0, i64::saturating_add);
        let (here, whole) = (sum(|layer| layer.0), sum(|layer| layer.1));
        let percent = i128::from(here) * 100 / i128::from(whole.max(1));
        let percent = i64::try_from(percent).unwrap_or(0);
        if percent < self.said.saturating_add(STEP) {
            return None;
        }
        self.said = percent - percent % STEP;
        Some(format!("{percent}% of {} MiB are here", whole >> 20))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_engine_says_there_are_few_lines_and_they_only_rise(
            moves in proptest::collection::vec((0_u8..4, any::<i64>(), any::<i64>()), 0..200),
        ) {
            let mut progress = Progress::default();
            let said: Vec<String> =
                moves.iter().filter_map(|(layer, current, total)| progress.moved(&layer.to_string(), (*current, *total))).collect();
            prop_assert!(said.len() <= 10);
            let percents: Vec<i64> =
                said.iter().map(|line| line.split('%').next().and_then(|p| p.parse().ok()).expect("a number")).collect();
            prop_assert!(percents.is_sorted() && percents.iter().all(|percent| (10..=100).contains(percent)));
        }
    }
}
