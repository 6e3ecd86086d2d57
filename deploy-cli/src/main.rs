//! The deploy command: parses, calls the engine, prints. stdout is the result and nothing else;
//! stderr is for people.

mod args;
mod background;
mod backup;
mod client;
mod commands;
mod config;
mod exit;
mod fly;
mod interrupts;
mod output;
mod policy;
mod problem;
mod render;
mod request;
mod source;
mod state;
mod telemetry;
mod tokens;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error).into(),
    };
    let json = output::wants_json(cli.json);
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(failed) => {
            output::complain(&failed);
            if json {
                problem::print(&failed);
            }
            failed.exit.into()
        }
    }
}
