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
    go-gin                        3.8      3.5     16.9        5.7      5.6     10.4      1.5    1.6
    java-spring-boot-3            4.7      4.5     16.4        6.8      6.7     10.4      1.4    1.5
    node-vite-sveltekit           4.3      4.1     17.6       10.2     10.1     10.4      2.3    2.5
    node-vite-vanilla-ts          4.6      4.3     17.5        8.8      8.8     10.4      1.9    2.0
    php-laravel-84                4.7      4.5     17.7       14.0     13.8     10.4      3.0    3.1
    python-django                 3.9      3.7     16.4        6.2      6.0     10.4      1.6    1.6
    ruby-rails-postgres           4.6      4.3     17.5       10.1     10.0     10.4      2.2    2.3
    dotnet-cli                    3.8      3.5     16.3        4.0      3.9     10.4      1.1    1.1
    python-fastapi                3.8      3.5     16.6        5.4      5.3     10.4      1.4    1.5
    ruby-rails-postgres (railpack)  4.8    4.5     18.3       10.5     10.2     10.4      2.2    2.3
    t3k                           4.7      4.3     16.8       47.6     47.4     10.4     10.2   11.1
    t17k                          5.1      4.7     16.8      287.0    286.5     10.4     56.0   61.4
    t60k                          5.2      4.8     16.7     1005.2   1004.0     13.7    191.6  210.8

Of the 16 MiB half a MiB is the program's own; the rest are pages of the file it is, 27 MiB of code.
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
