#!/usr/bin/env bash
# Stand-ins for official base images, for machines that reach no registry: the official names, filled
# with Debian's programs. Idempotent: an image that is there is left alone.
#
#   tests/images/build.sh                  all of them
#   tests/images/build.sh busybox python   only these
#
# busybox  busybox:stable         Debian's busybox-static
# debian   debian:bookworm-slim   busybox under Debian's name: a shell, coreutils, adduser
# python   python:3.13-slim       busybox and this machine's python3; python:3.13 too
# node     node:22-bookworm-slim  busybox and this machine's node and npm; node:22 and node:22-slim too
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

have() { docker image inspect "$1" >/dev/null 2>&1; }

# A root with a shell, the usual tools, and the users that Dockerfiles name.
base() {
  local root=$1
  mkdir -p "$root"/{bin,etc,root,tmp,usr/bin,usr/local/bin,usr/sbin,var/tmp,proc,sys,dev,home}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  install -m 755 "$(command -v busybox)" "$root/bin/busybox"
  "$root/bin/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  ln -s /bin/env "$root/usr/bin/env"
  printf 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000:node:/home/node:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnode:x:1000:\nnogroup:x:65534:\n' >"$root/etc/group"
  mkdir -p "$root/home/node" && chown 1000:1000 "$root/home/node"
}

# Copies a program to the same place, with the libraries it is linked to.
program() {
  local root=$1 file
  file=$(readlink -f "$2")
  copy "$root" "$file"
  { ldd "$file" 2>/dev/null | grep -o "/[^ )]*" || true; } | while read -r library; do copy "$root" "$library"; done
}

copy() {
  if [ -e "$1$2" ]; then return; fi
  mkdir -p "$1$(dirname "$2")"
  cp -L "$2" "$1$2"
}

make() {
  local name=$1 root=$2
  shift 2
  tar -C "$root" -c . | docker import "$@" - "$name" >/dev/null
  echo "made $name"
}

# Other official names of the same image.
also() {
  local name=$1
  shift
  for other in "$@"; do docker tag "$name" "$other"; done
}

busybox_image() {
  if have busybox:stable; then return; fi
  base "$work/busybox"
  make busybox:stable "$work/busybox" -c 'CMD ["sh"]'
}

debian_image() {
  if have debian:bookworm-slim; then return; fi
  base "$work/debian"
  make debian:bookworm-slim "$work/debian" -c 'CMD ["sh"]'
}

python_image() {
  if have python:3.13; then return; fi
  local root=$work/python python library
  base "$root"
  python=$(readlink -f /usr/bin/python3)
  program "$root" "$python"
  library=/usr/lib/$(basename "$python")
  mkdir -p "$root$library"
  tar -C "$library" --exclude=__pycache__ --exclude=test --exclude=idlelib --exclude=tkinter \
    --exclude='config-*' --exclude=ensurepip -c . | tar -C "$root$library" -x
  find "$library/lib-dynload" -name '*.so' | while read -r module; do program "$root" "$module"; done
  ln -s "$python" "$root/usr/local/bin/python3"
  ln -s python3 "$root/usr/local/bin/python"
  make python:3.13-slim "$root" -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'CMD ["python3"]'
  also python:3.13-slim python:3.13
}

node_image() {
  if have node:22-slim; then return; fi
  local root=$work/node npm
  base "$root"
  program "$root" "$(command -v node)"
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  # Debian's npm finds most of its parts elsewhere: then it is the registry's, which is whole.
  if [ ! -d "$npm/node_modules/semver" ]; then
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work/npm" npm@10.9.4
    npm=$work/npm/node_modules/npm
  fi
  mkdir -p "$root/usr/local/lib/node_modules"
  cp -a "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -s "$(readlink -f "$(command -v node)")" "$root/usr/local/bin/node"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  make node:22-bookworm-slim "$root" -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'CMD ["node"]'
  also node:22-bookworm-slim node:22 node:22-slim
}

if [ $# = 0 ]; then set -- busybox debian python node; fi
for image in "$@"; do
  case $image in
    busybox | debian | python | node) "${image}_image" ;;
    *) echo "no image is called $image" >&2; exit 2 ;;
  esac
done
