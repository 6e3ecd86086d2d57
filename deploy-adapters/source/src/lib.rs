//! Sources to evidence: bounded, link-safe reading of what a user wants deployed.
//!
//! [`Directories`] implements the port `Sources` for directories on this machine. Looking at a source writes nothing,
//! runs nothing from it (no hook, no `git`, no package manager), and follows no link out of it: every path below the
//! root is resolved by the kernel (`openat2(2)` with `RESOLVE_BENEATH`), so no component can be swapped for a link
//! between a check and its use. Needs Linux 5.6 or newer.
//!
//! | file | holds |
//! |---|---|
//! | `directories` | the port |
//! | `locate` | from a spec to the open base directory, or every reason why not |
//! | `opened` | an open directory that answers what rules ask |
//! | `listing`, `texts`, `walk` | the answers: the entries of a directory, the text of a file, what publishing would meet |
//! | `links` | where links lead |
//! | `commit` | the commit id, read by hand |
//! | `copy`, `remove` | the private copy that builds run in |
//! | `ignores`, `ignored` | `.gitignore`, `.git/info/exclude` and `.deployignore` |
//! | `beneath`, `entries` | opening and reading directories |

mod beneath;
mod commit;
mod copy;
mod directories;
mod entries;
mod ignored;
mod ignores;
mod left_out;
mod limits;
mod links;
mod listing;
mod locate;
mod opened;
mod remove;
mod texts;
mod walk;

pub use directories::Directories;
pub use limits::Limits;
