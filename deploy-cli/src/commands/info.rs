//! What the program says about itself: schemas, completions, the manual page.

use clap::CommandFactory;
use deploy_core::{
    log::LogLine, plan::PlanDocument, port::ReleaseRecord, spec::Profile, status::Status, wire::Envelope,
};

use crate::args::{Cli, SchemaKind};
use crate::exit::{Exit, Failed};
use crate::output::json;

pub(crate) fn schema(kind: SchemaKind) -> Exit {
    let schema = match kind {
        SchemaKind::Plan => schemars::schema_for!(PlanDocument),
        SchemaKind::Status => schemars::schema_for!(Status),
        SchemaKind::Event => schemars::schema_for!(Envelope),
        SchemaKind::Log => schemars::schema_for!(LogLine),
        SchemaKind::Profile => schemars::schema_for!(Profile),
        SchemaKind::Release => schemars::schema_for!(ReleaseRecord),
    };
    json(&schema);
    Exit::Done
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "deploy", &mut std::io::stdout());
    Exit::Done
}

pub(crate) fn man() -> Result<Exit, Failed> {
    let page = clap_mangen::Man::new(Cli::command());
    page.render(&mut std::io::stdout()).map_err(|error| Failed::internal("print the manual page", error))?;
    Ok(Exit::Done)
}
