//! `edge`: the data plane in this process.

use deploy_edge::{Config, Limits, Listen};

use super::{Context, serving, trace};
use crate::args::EdgeArgs;
use crate::background::leave_session;
use crate::exit::{Exit, Failed};
use crate::output::tell;
use crate::wiring::EDGE_ADDRESS;

pub(crate) fn edge(cx: &Context, args: &EdgeArgs) -> Result<Exit, Failed> {
    if args.background {
        leave_session();
    }
    trace();
    cx.state.create()?;
    let listen = args.listen.map_or(Listen::Preferred(EDGE_ADDRESS), Listen::Exact);
    let config = Config {
        dir: cx.state.edge(),
        releases: cx.state.releases(),
        listen,
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
    };
    serving(async move {
        deploy_edge::serve(config, super::serve::asked_to_end())
            .await
            .map_err(|error| Failed::usage(error.code(), error.to_string()).hint(error.remedy()))?;
        tell("the edge has ended");
        Ok(Exit::Done)
    })
}
