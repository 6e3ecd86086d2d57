#!/usr/bin/env bash
# Instructions per decided input and per replayed event, without noise: callgrind counts two run lengths of the same
# program, and the difference is what the additional rounds cost.
#
#   deploy-core/benches/instructions.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet --release -p deploy-core --all-features --example rounds
program=$(cargo build --quiet --release -p deploy-core --all-features --example rounds --message-format=json |
    sed -n 's/.*"executable":"\([^"]*rounds\)".*/\1/p')

count() { # WHAT ROUNDS
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 | sed -n 's/.*Collected : //p'
}
for what in decide replay; do
    few=$(count $what 200) many=$(count $what 1200)
    per_round=$("$program" $what 0)
    echo "$what: $(((many - few) / 1000 / per_round)) instructions per $([ $what = decide ] && echo input || echo event)"
done
