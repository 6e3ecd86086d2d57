//! Who may do what. The order is fixed: host and origin, then how often, then who, then whether the
//! route's scope is granted; only then is a body read.

mod authorise;
mod caller;
mod door;
mod host;
mod rate;
mod scope;
mod token;

pub(crate) use authorise::{admit, authorise, known_token};
pub(crate) use caller::Caller;
pub use door::{Door, PublicBind};
pub(crate) use rate::Rates;
pub use scope::Scope;
pub use token::{Minted, TokenId, TokenRecord, Tokens, mint};
