//! Output: a bounded queue in front, a bounded table behind, and an archive for what is old.

mod chunk;
mod keeping;
mod queue;
mod search;
mod table;
mod total;

pub(crate) use chunk::{ARCHIVE, Chunk};
pub(crate) use queue::LogQueue;
pub(crate) use search::search;
pub(crate) use table::{lines, write};
