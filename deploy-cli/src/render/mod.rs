//! Text for people. Everything that comes from outside goes through `clean`.

pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod status;
pub(crate) mod table;
