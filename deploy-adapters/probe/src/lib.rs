//! Health probes over HTTP: one observation at a time, bounded and without redirects.
//!
//! Three parts, from pure to effect:
//!
//! | part | does |
//! |---|---|
//! | [`judge`] | says whether one [`Observation`] is good; pure |
//! | [`Prober::observe`] | makes one observation: one connection, one `GET`, a bounded read |
//! | [`check`] | observes until a health policy is decided |
//! | [`decide`] | the same for any other way to look: a connection, a command |
//!
//! A probe connects to exactly the address in its [`Target`] and never resolves or redirects. For a URL that somebody
//! typed, [`resolve_and_check`] resolves once, looks at every address that came back, and gives a
//! target with the address it looked at: a name that changes its answer meanwhile changes nothing.

mod address;
mod check;
mod exchange;
mod judge;
mod limits;
mod observation;
mod target;
mod tls;
mod url;
mod url_looks;

pub use address::{AddressClass, AddressPolicy, classify};
pub use check::{Attempt, Connecting, Look, Looks, Passed, check, decide};
pub use exchange::Prober;
pub use judge::{Judgement, Problem, ProblemKind, judge};
pub use limits::Limits;
pub use observation::{Answer, Observation, ProbeError};
pub use target::{Address, Target};
pub use url::{HttpUrl, Resolve, SystemResolver, UrlError, resolve_and_check};
pub use url_looks::{Answered, AskingUrl, CASCADE, Paths};
