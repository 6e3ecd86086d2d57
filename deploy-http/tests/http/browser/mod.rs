//! The page in a real browser: Chromium, driven over WebDriver. Without Chromium these tests say so and
//! pass; with `chromium` in DEPLOY_TEST_REQUIRE they fail instead.

mod driver;
mod screens;
mod seen;
mod walk;
