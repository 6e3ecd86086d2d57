//! Looking at sources and copying them, on real trees.

mod checkout;
mod commit;
mod common;
mod race;
mod read;
