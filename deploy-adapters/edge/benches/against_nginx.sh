#!/bin/sh
# Serves the same files with the edge and with nginx, on the same machine, in alternating rounds, and prints requests
# per second and the ratio. Needs nginx and wrk (Debian: apt-get install nginx-light wrk). Loopback only.
#
#   benches/against_nginx.sh [rounds] [seconds per round] [connections]
set -eu

rounds=${1:-5}
seconds=${2:-5}
connections=${3:-64}
here=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
work=$(mktemp -d)
pids=""

finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT INT TERM

(cd "${WORKSPACE:-$here}" && cargo build --quiet --release --example serve_dir -p deploy-edge)

mkdir "$work/site" "$work/temp"
head -c 4096 /dev/urandom > "$work/site/4k.bin"
head -c 1048576 /dev/urandom > "$work/site/1m.bin"
chmod -R a+rX "$work"

edge_port=18931
nginx_port=18932

"$target/release/examples/serve_dir" "$work/site" localhost "127.0.0.1:$edge_port" > "$work/edge.log" &
edge=$!
pids="$pids $edge"

cat > "$work/nginx.conf" <<CONF
worker_processes 2;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events { worker_connections 4096; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    client_body_temp_path $work/temp/body;
    proxy_temp_path $work/temp/proxy;
    fastcgi_temp_path $work/temp/fastcgi;
    uwsgi_temp_path $work/temp/uwsgi;
    scgi_temp_path $work/temp/scgi;
    server {
        listen 127.0.0.1:$nginx_port reuseport backlog=1024;
        server_name localhost;
        root $work/site;
        etag on;
        add_header X-Content-Type-Options nosniff;
        add_header Cache-Control no-cache;
    }
}
CONF
nginx -c "$work/nginx.conf" &
pids="$pids $!"

ready() {
    tries=0
    until curl -sf -o /dev/null "http://localhost:$1/4k.bin"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "port $1 does not answer" >&2; exit 1; }
        sleep 0.1
    done
    curl -sf "http://localhost:$1/1m.bin" | cmp - "$work/site/1m.bin"
}
ready $edge_port
ready $nginx_port
echo "edge: resident $(awk '/VmRSS/ {print $2}' "/proc/$edge/status") KiB before load"

measure() { # port file
    wrk -t2 -c"$connections" -d"${seconds}s" -H "Host: localhost" "http://127.0.0.1:$1/$2" > "$work/wrk.log"
    if grep -qE "Non-2xx|Socket errors" "$work/wrk.log"; then cat "$work/wrk.log" >&2; fi
    awk '/Requests\/sec/ {print $2}' "$work/wrk.log"
}

for file in 4k.bin 1m.bin; do
    : > "$work/results"
    round=0
    while [ "$round" -lt "$rounds" ]; do
        # Who goes first changes every round, so that neither gains from it.
        if [ $((round % 2)) -eq 0 ]; then
            e=$(measure $edge_port $file); n=$(measure $nginx_port $file)
        else
            n=$(measure $nginx_port $file); e=$(measure $edge_port $file)
        fi
        echo "$e $n" >> "$work/results"
        round=$((round + 1))
    done
    awk -v file=$file -v c="$connections" '
        { printf "%s c=%d round %d: edge %.0f/s nginx %.0f/s ratio %.2f\n", file, c, NR, $1, $2, $1 / $2; r[NR] = $1 / $2; e += $1; n += $2 }
        END { printf "%s c=%d mean: edge %.0f/s nginx %.0f/s ratio %.2f\n", file, c, e / NR, n / NR, e / n }' "$work/results"
done
echo "edge: resident $(awk '/VmRSS/ {print $2}' "/proc/$edge/status") KiB after load"
