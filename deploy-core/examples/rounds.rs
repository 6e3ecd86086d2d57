//! What `benches/instructions.sh` counts: `rounds decide|replay ROUNDS`. With no round it prints how many inputs or
//! events one has.

use std::hint::black_box;

use deploy_core::deployment::Deployment;
use deploy_core::wire::Envelope;

#[path = "../benches/happy/mod.rs"]
mod happy;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let decide = arguments.next().as_deref() == Some("decide");
    let rounds: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (accepted, inputs, events) = happy::happy();
    let history: Vec<Envelope> = std::iter::once(accepted.clone()).chain(events).collect();
    if rounds == 0 {
        return println!("{}", if decide { inputs.len() } else { history.len() });
    }
    for _ in 0..rounds {
        if decide {
            let mut state = Deployment::replay([&accepted]).expect("a beginning");
            for input in &inputs {
                let decided = state.decide(black_box(input)).expect("a legal input");
                state = decided.iter().try_fold(state, Deployment::evolve).expect("decided events fold");
            }
            black_box(state);
        } else {
            black_box(Deployment::replay(black_box(&history)).expect("it folds"));
        }
    }
}
