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
//! | `listing` | the walk that becomes `Evidence::files`; what it leaves out is in `skip` |
//! | `texts` | the contents of the files that rules ask for |
//! | `commit` | the commit id, read by hand |
//! | `copy`, `remove` | the private copy that builds run in |
//! | `ignores` | `.gitignore`, `.git/info/exclude` and `.deployignore` |
//! | `beneath`, `entries` | opening and reading directories |

mod beneath;
mod commit;
mod copy;
mod directories;
mod entries;
mod ignores;
mod left_out;
mod limits;
mod listing;
mod locate;
mod remove;
mod skip;
mod texts;

pub use directories::Directories;
pub use limits::Limits;
