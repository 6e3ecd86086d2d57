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
mod source;
mod state;
mod tokens;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error).into(),
    };
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain(&error);
            error.exit.into()
        }
    }
}
