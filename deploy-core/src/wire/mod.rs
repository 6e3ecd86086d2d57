//! How events are stored and sent: `deploy.events/v1` envelopes, versioned from the first day.

mod codec;

pub use codec::{Envelope, SCHEMA, WireError, decode, encode};
