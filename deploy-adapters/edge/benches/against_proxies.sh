#!/bin/sh
# Puts the edge, nginx and Caddy in front of the same upstream, on the same machine, in alternating rounds, and prints
# requests per second, 99th percentiles and the ratios; then the edge's memory with many routes and connections.
# Needs nginx, caddy, wrk, curl and python3 (Debian: apt-get install nginx-light caddy wrk curl python3). Loopback only.
#
#   benches/against_proxies.sh [rounds] [seconds per round] [connections]
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

(cd "${WORKSPACE:-$here}" && cargo build --quiet --release --example proxy -p deploy-edge)

mkdir -p "$work/site" "$work/temp"
head -c 512 /dev/zero | tr '\0' x > "$work/site/small"
head -c 102400 /dev/urandom > "$work/site/100k"
chmod -R a+rX "$work"

upstream_port=18941
edge_port=18942
nginx_port=18943
caddy_port=18944

temp_paths="client_body_temp_path $work/temp/body; proxy_temp_path $work/temp/proxy;
    fastcgi_temp_path $work/temp/fastcgi; uwsgi_temp_path $work/temp/uwsgi; scgi_temp_path $work/temp/scgi;"

cat > "$work/upstream.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/upstream.pid;
error_log $work/upstream-error.log;
events { worker_connections 8192; }
http {
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    $temp_paths
    server { listen 127.0.0.1:$upstream_port backlog=1024; root $work/site; }
}
CONF
nginx -c "$work/upstream.conf" &
pids="$pids $!"

cat > "$work/nginx.conf" <<CONF
worker_processes 2;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events { worker_connections 8192; }
http {
    access_log off;
    tcp_nodelay on;
    keepalive_requests 100000000;
    $temp_paths
    upstream app { server 127.0.0.1:$upstream_port; keepalive 128; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$nginx_port reuseport backlog=1024;
        server_name localhost;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_set_header X-Forwarded-For \$remote_addr;
            proxy_set_header X-Forwarded-Proto \$scheme;
            proxy_set_header X-Forwarded-Host \$host;
            # As the edge and Caddy do: pass on what comes, as it comes.
            proxy_buffering off;
            proxy_request_buffering off;
        }
    }
}
CONF
nginx -c "$work/nginx.conf" &
pids="$pids $!"

cat > "$work/Caddyfile" <<CONF
{
    admin off
    auto_https off
}
http://localhost:$caddy_port {
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:$upstream_port
}
CONF
HOME="$work" XDG_DATA_HOME="$work" XDG_CONFIG_HOME="$work" \
    caddy run --config "$work/Caddyfile" --adapter caddyfile > "$work/caddy.log" 2>&1 &
caddy=$!
pids="$pids $caddy"

"$target/release/examples/proxy" "127.0.0.1:$upstream_port" localhost "127.0.0.1:$edge_port" > "$work/edge.log" &
edge=$!
pids="$pids $edge"

ready() {
    tries=0
    until curl -sf -o /dev/null "http://localhost:$1/small"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "port $1 does not answer" >&2; exit 1; }
        sleep 0.1
    done
    curl -sf "http://localhost:$1/100k" | cmp - "$work/site/100k"
}
ready $upstream_port
ready $edge_port
ready $nginx_port
ready $caddy_port

resident() { awk '/VmRSS/ {print $2}' "/proc/$1/status"; }

measure() { # port file -> requests per second, 99th percentile in microseconds
    wrk -t1 -c"$connections" -d"${seconds}s" --latency -H "Host: localhost" \
        "http://127.0.0.1:$1/$2" > "$work/wrk.log"
    if grep -qE "Non-2xx|Socket errors" "$work/wrk.log"; then cat "$work/wrk.log" >&2; fi
    awk '
        $1 == "99%" { v = $2 + 0; if ($2 ~ /ms$/) v *= 1000; else if ($2 !~ /us$/) v *= 1000000; p = v }
        /Requests\/sec/ { r = $2 }
        END { printf "%s %d", r, p }' "$work/wrk.log"
}

for file in small 100k; do
    : > "$work/results"
    round=0
    while [ "$round" -lt "$rounds" ]; do
        # Who goes first changes every round, so that nobody gains from it.
        case $((round % 3)) in
            0) e=$(measure $edge_port $file); n=$(measure $nginx_port $file); c=$(measure $caddy_port $file) ;;
            1) n=$(measure $nginx_port $file); c=$(measure $caddy_port $file); e=$(measure $edge_port $file) ;;
            *) c=$(measure $caddy_port $file); e=$(measure $edge_port $file); n=$(measure $nginx_port $file) ;;
        esac
        echo "$e $n $c" >> "$work/results"
        round=$((round + 1))
    done
    awk -v file=$file -v k="$connections" '
        { printf "%s c=%d round %d: edge %.0f/s p99 %d us, nginx %.0f/s p99 %d us, caddy %.0f/s p99 %d us\n", file, k, NR, $1, $2, $3, $4, $5, $6
          for (i = 1; i <= 6; i++) s[i] += $i }
        END { printf "%s c=%d mean: throughput edge/nginx %.2f edge/caddy %.2f; p99 edge/nginx %.2f edge/caddy %.2f\n", file, k, s[1] / s[3], s[1] / s[5], s[2] / s[4], s[2] / s[6] }' "$work/results"
done
echo "resident after load: edge $(resident $edge) KiB, caddy $(resident $caddy) KiB"
kill "$edge"

big_port=18945
"$target/release/examples/proxy" "127.0.0.1:$upstream_port" localhost "127.0.0.1:$big_port" 0 > "$work/none.log" &
none=$!
pids="$pids $none"
ready $big_port
before=$(resident $none)
kill "$none"
"$target/release/examples/proxy" "127.0.0.1:$upstream_port" localhost "127.0.0.1:$big_port" 10000 > "$work/big.log" &
big=$!
pids="$pids $big"
until grep -qs serving "$work/big.log"; do sleep 0.2; done
cat "$work/big.log"
echo "resident without other routes $before KiB, with 10000 $(resident $big) KiB"
python3 - "$big_port" <<'PY' &
import socket, sys, time
open_ones = []
for _ in range(1000):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"GET /small HTTP/1.1\r\nhost: localhost\r\n\r\n")
    open_ones.append(s)
for s in open_ones:
    assert s.recv(4096).startswith(b"HTTP/1.1 200")
time.sleep(3)
PY
holder=$!
pids="$pids $holder"
sleep 2
echo "resident with 10000 routes and 1000 open connections $(resident $big) KiB"
