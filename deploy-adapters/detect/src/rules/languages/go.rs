//! Go.

use deploy_core::detect::Detection;

use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

fn detect(_scene: &Scene<'_>) -> Option<Detection> {
    None
}
