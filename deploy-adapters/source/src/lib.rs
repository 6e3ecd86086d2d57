//! Sources to evidence: bounded, link-safe reading of what a user wants deployed.
//!
//! [`SourceReader`] implements the port `Sources` for directories on this machine, commits of git repositories, and
//! archives. Looking at a source runs nothing from it (no hook, no filter, no package manager), writes nothing outside
//! the temporary directory (and nothing at all for a directory), and follows no link out of it: every path below the
//! root is resolved by the kernel (`openat2(2)` with `RESOLVE_BENEATH`), so no component can be swapped for a link
//! between a check and its use. The only program that is run is `git` (with its `ssh` for a repository that is reached
//! so), to fetch one commit from where a [`GitPolicy`] allows. Needs Linux 5.6 or newer.
//!
//! | file | holds |
//! |---|---|
//! | `reader` | the port |
//! | `bring` | a commit or an archive becomes a directory |
//! | `git/` | fetching a commit: where from, as whom, with which program, for how long |
//! | `archive/` | the formats of archives |
//! | `unpack` | writing entries below a directory and nowhere else |
//! | `temporary`, `fault` | places that go away; why a source could not be brought, and when to give up |
//! | `locate` | from a spec to the open base directory, or every reason why not |
//! | `opened` | an open directory that answers what rules ask |
//! | `listing`, `texts`, `walk` | the answers: the entries of a directory, the text of a file, what publishing would meet |
//! | `links` | where links lead |
//! | `commit` | the commit id, read by hand |
//! | `copy`, `remove` | the private copy that builds run in |
//! | `ignores`, `ignored` | `.gitignore`, `.git/info/exclude` and `.deployignore` |
//! | `beneath`, `entries` | opening and reading directories |

mod archive;
mod beneath;
mod bring;
mod commit;
mod copy;
mod entries;
mod fault;
mod git;
mod ignored;
mod ignores;
mod left_out;
mod limits;
mod links;
mod listing;
mod locate;
mod opened;
mod reader;
mod remove;
mod temporary;
mod texts;
mod unpack;
mod walk;

pub use git::{GitPolicy, InvalidPolicy};
pub use limits::Limits;
pub use reader::SourceReader;
