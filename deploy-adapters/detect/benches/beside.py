#!/usr/bin/env python3
"""Measures whole previews, `deploy plan --json` beside `nixpacks plan`, both in one run.

    cargo build --release -p deploy-cli; cargo install nixpacks
    python3 beside.py DEPLOY NIXPACKS DIRECTORY... [--runs 20]

Each directory is planned in turn by both, so that what else the machine does meets both. Printed are, for each program,
the shortest wall time, the processor time that went with the cheapest run, and the peak of its memory; and how many
times the other one took. The shortest of many is what the program needs; the rest is the machine.

Measured on two cores that others used as well (a virtual machine, 25 runs each, nixpacks 1.41.0). Ten projects of the
corpus, and three sites of Vite with 3,000, 17,000 and 60,000 files, the two large ones with node_modules installed:

                                 deploy: wall, cpu, MiB     nixpacks: wall, cpu, MiB   wall ×  cpu ×
    node-next                     4.7      4.4     13.0        7.4      7.1     10.3      1.6    1.6
    node-vite-vanilla-ts          5.1      4.4     12.9        6.9      6.4     10.4      1.4    1.4
    python-fastapi                4.1      3.6     12.1        4.9      4.4     10.4      1.2    1.2
    python-django                 4.4      4.0     12.4        5.7      5.3     10.4      1.3    1.3
    go-gin                        4.0      3.8     11.9        4.7      4.4     10.4      1.2    1.2
    ruby-rails-postgres           4.5      4.1     12.9        6.3      6.0     10.4      1.4    1.5
    php-laravel-84                5.5      5.2     12.9        7.9      7.6     10.4      1.4    1.4
    java-spring-boot-3            5.1      4.3     11.8        5.5      5.1     10.4      1.1    1.2
    dotnet-cli                    4.0      3.7     11.6        4.0      3.7     10.4      1.0    1.0
    node-vite-sveltekit           4.8      4.6     12.9        8.1      7.7     10.4      1.7    1.7
    t3k                           7.1      5.3     12.3       74.5     50.6     10.4     10.5    9.6
    t17k                         11.0      5.6     12.2      826.5    298.9     10.4     75.4   53.3
    t60k                          6.5      5.6     12.1     1499.5   1017.0     13.7    230.5  181.3
"""

import argparse
import os
import tempfile
import time


def run(command):
    """Wall seconds, processor seconds and peak MiB of one run. Its output goes nowhere."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.execvp(command[0], command)
    _, _, used = os.wait4(child, 0)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def best(runs):
    walls, processor, memory = zip(*runs)
    return min(walls) * 1e3, min(processor) * 1e3, max(memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deploy")
    parser.add_argument("nixpacks")
    parser.add_argument("directories", nargs="+")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{'':24} {'deploy: wall, cpu, MiB':>26} {'nixpacks: wall, cpu, MiB':>28}   wall ×  cpu ×")
    with tempfile.TemporaryDirectory() as state:
        for directory in arguments.directories:
            ours = [arguments.deploy, "plan", directory, "--json", "--resource", "app", "--state-dir", state]
            theirs = [arguments.nixpacks, "plan", directory]
            pairs = [(run(ours), run(theirs)) for _ in range(arguments.runs)]
            a, b = best([pair[0] for pair in pairs]), best([pair[1] for pair in pairs])
            name = os.path.basename(os.path.normpath(directory))
            print(
                f"{name:24} {a[0]:8.1f} {a[1]:8.1f} {a[2]:8.1f} {b[0]:10.1f} {b[1]:8.1f} {b[2]:8.1f}"
                f" {b[0] / a[0]:8.1f} {b[1] / a[1]:6.1f}"
            )


if __name__ == "__main__":
    main()
