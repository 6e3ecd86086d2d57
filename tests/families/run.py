#!/usr/bin/env python3
"""Deploys a small application of every family to Docker and says what came of it: a table, and exit code 1 if
anything differs from what `apps.py` expects.

    tests/families/images.sh                  # the base images, once
    tests/families/run.py [--work DIR] [NAME…]  # all of them, or those whose names begin so

Needs an engine (`DOCKER_HOST`), the images, and a `deploy` (`DEPLOY`, else target/debug/deploy).
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
from apps import ALL, App  # noqa: E402

MINUTES = 10
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = os.environ.get("DEPLOY", str(ROOT / "target/debug/deploy"))


class Wrong(Exception):
    """It is not as it should be, and this is why."""


def run(words, what, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=MINUTES * 60, check=False, **more)
    if done.returncode:
        raise Wrong(f"{what}: {last(done.stderr) or last(done.stdout)}")
    return done.stdout


def last(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:400]


def in_container(app, place, command):
    mounted = ["docker", "run", "--rm", "--network=bridge", "-v", f"{place}:/app", "-w", "/app", "-u", "0", "-e", "CI=1", app.image]
    run([*mounted, "sh", "-c", command], "laying it out")


def lay_out(app, place):
    if place.exists():
        return
    place.mkdir(parents=True)
    if app.create:
        in_container(app, place, app.create)
    for name, text in app.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    if app.lock:
        in_container(app, place, app.lock)


def plan(app, source):
    words = [DEPLOY, "plan", str(source), "--target", "docker", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    made = json.loads(done.stdout)
    reasons = [reason["code"] for reason in made["blockedReasons"]]
    if app.blocked and app.blocked not in reasons:
        raise Wrong(f"it should be blocked by {app.blocked}, not {reasons}")
    if reasons and not app.blocked:
        raise Wrong(f"blocked: {made['blockedReasons'][0]['message']}")
    return made


def answer(url, path):
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(f"http://127.0.0.1:{parts.port or 80}{path}", headers={"Host": parts.netloc})
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            return got.status, got.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def check_files(app, container):
    for path, wanted in [(path, False) for path in app.gone] + [(path, True) for path in app.kept]:
        found = subprocess.run(["docker", "exec", container, "test", "-e", path], check=False).returncode == 0
        if found != wanted:
            raise Wrong(f"{path} is {'in' if found else 'not in'} the release")


def sweep(state):
    subprocess.run([DEPLOY, "serve", "--stop"], env={**os.environ, "DEPLOY_STATE_DIR": str(state)}, capture_output=True, check=False)
    owner = (state / "installation").read_text().strip() if (state / "installation").exists() else None
    if owner:
        listed = run(["docker", "ps", "-aq", "--filter", f"label=deploy.owner={owner}"], "listing").split()
        if listed:
            run(["docker", "rm", "-f", *listed], "removing")
        images = run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference=deploy.local/{owner}/*/*"], "listing").split()
        if images:
            subprocess.run(["docker", "rmi", *images], capture_output=True, check=False)
    shutil.rmtree(state, ignore_errors=True)


def deploy(app, source, state):
    env = {**os.environ, "DEPLOY_STATE_DIR": str(state), "DEPLOY_EDGE_LISTEN": "127.0.0.1:0"}
    words = [DEPLOY, "up", str(source), "--target", "docker", "--resource", "app"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=MINUTES * 60, env=env, check=False)
    if done.returncode:
        (state.parent / f"{app.name}.log").write_text(done.stderr)
        raise Wrong(f"exit {done.returncode}: {last(done.stderr)}")
    status, body = answer(done.stdout.strip(), app.path)
    if status != 200 or app.text not in body:
        raise Wrong(f"{app.path} answered {status}: {body[:200]!r}")
    owner = (state / "installation").read_text().strip()
    [container] = run(["docker", "ps", "-q", "--filter", f"label=deploy.owner={owner}"], "listing").split()
    image = run(["docker", "inspect", "--format", "{{.Image}}", container], "inspecting").strip()
    check_files(app, container)
    return int(run(["docker", "image", "inspect", "--format", "{{.Size}}", image], "inspecting")) >> 20


def try_one(app: App, work):
    place, state = work / app.name, work / f".{app.name}"
    source = place / app.base
    try:
        lay_out(app, place)
    except (Wrong, subprocess.TimeoutExpired) as why:
        shutil.rmtree(place, ignore_errors=True)
        return "not laid out", 0, 0, str(why)
    began = time.monotonic()
    try:
        plan(app, source)
        if app.blocked:
            return "blocked, as it should be", 0, 0, app.blocked
        size = deploy(app, source, state)
        return "answers", time.monotonic() - began, size, ""
    except (Wrong, subprocess.TimeoutExpired) as why:
        return "FAILED", time.monotonic() - began, 0, str(why)
    finally:
        sweep(state)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/families"))
    chosen = arguments.parse_args()
    wanted = [app for app in ALL if not chosen.names or any(app.name.startswith(name) for name in chosen.names)]
    failed = 0
    print("| family | outcome | seconds | image MiB | why |\n|---|---|---|---|---|", flush=True)
    for app in wanted:
        outcome, seconds, size, why = try_one(app, chosen.work)
        failed += outcome in ("FAILED", "not laid out")
        why = why.replace("|", "/").replace("\n", " ")
        print(f"| {app.name} | {outcome} | {seconds:.0f} | {size} | {why} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
