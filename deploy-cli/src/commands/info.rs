//! What the program says about itself: schemas, completions, the manual page.

use clap::CommandFactory;
use deploy_core::schema::{DOCUMENTS, Document};
use serde_json::json;

use crate::args::Cli;
use crate::commands::Context;
use crate::exit::{Exit, Failed};
use crate::output::{json, result};

/// The JSON Schema of a document, or the documents there are.
pub(crate) fn schema(cx: &Context, document: Option<&Document>) -> Exit {
    match document {
        Some(document) => json(&document.schema()),
        None => list(cx),
    }
    Exit::Done
}

fn list(cx: &Context) {
    if cx.json {
        let name = |document: &Document| json!({ "name": document.name, "about": document.about });
        return json(&DOCUMENTS.iter().map(name).collect::<Vec<_>>());
    }
    let width = DOCUMENTS.iter().map(|document| document.name.len()).max().unwrap_or_default();
    for document in DOCUMENTS {
        result(&format!("{:width$}  {}", document.name, document.about));
    }
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
