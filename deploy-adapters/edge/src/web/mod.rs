//! HTTP: one small file per idea; `respond` puts those for static content together.

pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod conditional;
pub(crate) mod failure;
pub(crate) mod host;
pub(crate) mod media;
pub(crate) mod path;
pub(crate) mod plain;
pub(crate) mod range;
pub(crate) mod respond;
