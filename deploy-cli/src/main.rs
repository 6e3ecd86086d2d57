//! The deploy command: parses, calls the engine, prints. stdout is the result and nothing else;
//! stderr is for people.

mod args;
mod background;
mod client;
mod commands;
mod config;
mod exit;
mod output;
mod render;
mod request;
mod state;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2, which is what 2 means here too.
    let cli = args::Cli::parse();
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain(&error);
            error.exit.into()
        }
    }
}
