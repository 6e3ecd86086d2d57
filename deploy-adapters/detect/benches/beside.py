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
    go-gin                         4.1      3.8     14.5        5.9      5.8     10.3      1.4    1.5
    java-spring-boot-3             5.0      4.8     14.1        7.1      7.0     10.4      1.4    1.5
    node-vite-sveltekit            4.7      4.4     15.0       10.4     10.3     10.4      2.2    2.3
    node-vite-vanilla-ts           4.6      4.4     15.1        9.1      8.9     10.4      2.0    2.1
    php-laravel-84                 5.1      4.8     15.2       14.7     14.5     10.4      2.9    3.0
    python-django                  4.2      3.9     14.0        6.3      6.2     10.4      1.5    1.6
    ruby-rails-postgres            4.3      4.1     15.0       10.1     10.0     10.4      2.3    2.4
    dotnet-cli                     3.7      3.5     14.0        3.8      3.6     10.4      1.0    1.1
    python-fastapi                 3.8      3.6     14.2        5.4      5.2     10.4      1.4    1.5
    ruby-rails-postgres(railpack)  4.6      4.4     15.6       10.1     10.0     10.4      2.2    2.3
    t3k                            4.5      4.1     14.3       46.8     46.5     10.4     10.5   11.4
    t17k                           5.4      4.8     14.3      277.4    277.0     10.4     51.1   57.2
    t60k                           5.5      4.9     14.3      985.2    983.8     13.7    178.9  201.1

Of the 15 MiB half a MiB is the program's own; the rest are pages of the file it is, 22 MiB of code. A nixpacks below 10.4
MiB can't be told from the program that measures: what it was before the other program started counts as well.
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
