//! The docker target on a real engine behind a real edge. Where no engine answers, every test says so and
//! passes; with `docker` in DEPLOY_TEST_REQUIRE it fails instead. One binary, one module per concern.

mod asking;
mod building;
mod contract;
mod deploying;
mod engine_gone;
mod failing;
mod families;
mod harness;
mod keeping;
mod registry;
mod runtime;
mod secrets;
