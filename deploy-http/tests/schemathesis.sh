#!/usr/bin/env bash
# Asks a real control plane everything that /openapi.json allows and forbids, and fails on a server error
# or a status, media type or body that is not documented.
#
#   deploy-http/tests/schemathesis.sh [path of the deploy program]
#
# It needs python3 with venv; schemathesis itself is taken from PyPI unless it is in the PATH. Nothing
# outside a temporary directory is touched: no generated request is allowed to deploy anything.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
program="$(realpath "${1:-${CARGO_TARGET_DIR:-$root/target}/debug/deploy}")"
place="$(mktemp -d /tmp/deploy-schemathesis.XXXXXX)"
deploy() { "$program" --state-dir "$place/s" "$@"; }
end() { deploy serve --stop >/dev/null 2>&1 || true; rm -rf "$place"; }
trap end EXIT

schemathesis="$(command -v schemathesis || true)"
if [ -z "$schemathesis" ]; then
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" -q install 'schemathesis==4.32.5'
    schemathesis="$place/venv/bin/schemathesis"
fi

cd "$place" # schemathesis leaves files of its own where it runs
admin="$(deploy token create --scope admin --name schemathesis 2>/dev/null)"
token="$(deploy token create --scope deploy --name schemathesis 2>/dev/null)"
deploy serve --listen 127.0.0.1:0 2>"$place/log" &
for _ in $(seq 300); do grep -q '^ready' "$place/log" && break; sleep 0.1; done
url="$(sed -n 's/^answering on \(http:[^ ]*\)\/$/\1/p' "$place/log")"
[ -n "$url" ] || { cat "$place/log" >&2; exit 1; }
deploy up "$root/examples/hello-site" --resource web >/dev/null 2>&1
id="$(deploy list --limit 1 --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["id"])')"

check() {
    "$schemathesis" --config-file "$place/config.toml" run "$url/openapi.json" \
        -H "Authorization: Bearer $token" --seed "${SEED:-1}" --max-examples "${EXAMPLES:-40}" \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method \
        --request-timeout 20 --max-time "${SECONDS_EACH:-90}" --generation-database none \
        --continue-on-failure --warnings off --no-color "$@"
}

# Everything but submitting, with ids of nothing: no request finds anything to act on.
: >"$place/config.toml"
check --exclude-operation-id deploy
# Tokens, with the one that may see them: the id is of none, or a real one would be revoked.
cat >"$place/config.toml" <<TOML
[[operations]]
include-path-regex = "^/api/tokens/"
parameters = { id = "0000000000000000" }
TOML
(token="$admin"; check --include-path-regex '^/api/tokens' --phases coverage,fuzzing)
# The same about a deployment and a resource that are there. What would deploy again stays out.
cat >"$place/config.toml" <<TOML
[[operations]]
include-path-regex = "^/api/deployments/"
parameters = { id = "$id", a = "$id", b = "$id" }
[[operations]]
include-path-regex = "^/api/resources/"
parameters = { id = "web" }
TOML
check --include-path-regex '^/api/(deployments|resources)/' --exclude-operation-id retry --exclude-operation-id redeploy --exclude-operation-id rollback
# Submitting, with what the description forbids.
: >"$place/config.toml"
check --include-operation-id deploy --mode negative --phases fuzzing
