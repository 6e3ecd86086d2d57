#!/usr/bin/env python3
"""Runs `deploy plan --json` over a corpus that was laid out, and writes what it says in the form that the scorer reads.

    cargo build --release -p deploy-cli
    python3 run.py CORPUS.json LAID_OUT RESULTS.json [--deploy target/release/deploy] [--only PREFIX]

LAID_OUT holds MANIFEST.json: {id: directory below LAID_OUT}. An entry with `app_dir` is planned from the whole source
with that base directory. A field is "none" where the plan recognised the project and affirms that there is no such thing.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile


def plan(deploy, source, base, state):
    command = [deploy, "plan", str(source), "--json", "--resource", "app", "--state-dir", state]
    if base:
        config = pathlib.Path(state) / "deploy.toml"
        config.write_text(f'[source]\nbase_directory = "{base}"\n')
        command += ["--config", str(config)]
    run = subprocess.run(command, capture_output=True, timeout=60)
    if run.returncode not in (0, 4):
        raise SystemExit(f"{source}: exit code {run.returncode}: {run.stderr.decode()[:500]}")
    return json.loads(run.stdout)


def answers(document):
    detection = document["detection"]
    recognised = bool(detection["planner"])
    none = "none" if recognised else None
    commands = {command["kind"]: command["command"] for command in document["commands"]}
    artifact = document["artifact"] or {}
    return {
        "language": detection["language"],
        "framework": detection["framework"] or none,
        "package_manager": detection["packageManager"] or none,
        "kind": detection["kind"],
        "install": commands.get("install", none),
        "build": commands.get("build", none),
        "start": commands.get("start", none),
        "port": document["network"]["internalPort"],
        "output_dir": artifact.get("publishDirectory"),
        "readiness": document["readiness"]["status"],
        "codes": document["readiness"]["reasonCodes"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("laid_out")
    parser.add_argument("results")
    parser.add_argument("--deploy", default="target/release/deploy")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    entries = json.load(open(arguments.corpus))["entries"]
    top = pathlib.Path(arguments.laid_out)
    places = json.load(open(top / "MANIFEST.json"))
    results = {}
    with tempfile.TemporaryDirectory() as state:
        for entry in entries:
            name = entry["id"]
            if name not in places or arguments.only and not name.startswith(arguments.only):
                continue
            source = (top / places[name]).resolve()
            results[name] = answers(plan(arguments.deploy, source, entry.get("app_dir"), state))
    json.dump(results, open(arguments.results, "w"), indent=1)
    print(f"{len(results)} planned")


if __name__ == "__main__":
    main()
