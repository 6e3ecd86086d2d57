//! What deciding and folding cost: `cargo bench -p deploy-core --bench decide`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use deploy_core::deployment::Deployment;
use deploy_core::wire::Envelope;

mod happy;
use happy::happy;

fn decide_and_evolve(c: &mut Criterion) {
    let (accepted, inputs, events) = happy();
    let mut group = c.benchmark_group("core");
    group.throughput(Throughput::Elements(inputs.len() as u64));
    group.bench_function("decide and evolve, per input", |b| {
        b.iter(|| {
            let mut state = Deployment::replay([&accepted]).expect("a beginning");
            for input in &inputs {
                let decided = state.decide(black_box(input)).expect("a legal input");
                state = decided.iter().try_fold(state, Deployment::evolve).expect("decided events fold");
            }
            state
        });
    });
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("replay, per event", |b| {
        let history: Vec<Envelope> = std::iter::once(accepted.clone()).chain(events.clone()).collect();
        b.iter(|| Deployment::replay(black_box(&history)).expect("it folds"));
    });
    group.finish();
}

criterion_group!(benches, decide_and_evolve);
criterion_main!(benches);
