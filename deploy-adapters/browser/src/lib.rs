//! Looks at a page the way its users will: in a headless Chromium.
//!
//! | part | does |
//! |---|---|
//! | [`Browser::check`] | looks once, keeps the picture, and says what it is worth: an acceptance check, or a failure |
//! | [`Browser::object`] | what a plan says that asks for a browser where there is none |
//! | [`Pictures`] | the pictures of the latest deployments, bounded in number and size |
//!
//! What a page can do here:
//!
//! - Chromium is started for one look, with an empty profile of its own, in a process group that ends with the look. It
//!   is steered over a pipe, not over a port; when this process dies, the pipe closes and Chromium ends by itself.
//! - It reaches the network only through a proxy of this process. The page's own address leads to where the release
//!   really is, also where nobody else can reach it yet; every other address is judged, after resolving and before
//!   connecting, by an [`AddressPolicy`](deploy_probe::AddressPolicy). It resolves no name by itself. The proxy serves
//!   nobody but that browser: it asks for a credential of this one look, which Chromium is told over its pipe and which
//!   no page, and no other process of this machine, can read.
//! - Starting, loading, listening and the picture have bounds of time; the console's messages have bounds of number and
//!   length; storage of the page is in memory, downloads are refused, dialogs are dismissed.
//! - Chromium's own sandbox is on, unless this process runs as root, where Chromium can't have one.
//!
//! Errors in frames of other origins and in popups are not counted: they are not this page.

mod browser;
mod credential;
mod judged;
mod page;
mod pictures;
mod process;
mod proxy;
mod session;
mod wire;

pub use browser::{Browser, Look};
pub use judged::judge;
pub use pictures::Pictures;
