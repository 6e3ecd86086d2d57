//! Output: a bounded queue in front, a bounded table behind.

mod queue;
mod table;
mod total;

pub(crate) use queue::LogQueue;
pub(crate) use table::{lines, write};
