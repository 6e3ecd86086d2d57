//! Too little memory, too little disk.

use super::From::{Any, Build, Run};
use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "out_of_memory",
        Build,
        &["JavaScript heap out of memory"],
        "The build needs more memory than Node.js allows itself.",
        "allow it more",
    )
    .set("env.NODE_OPTIONS = \"--max-old-space-size=4096\""),
    rule(
        "out_of_memory",
        Run,
        &[
            "JavaScript heap out of memory",
            "java.lang.OutOfMemoryError",
            "Cannot allocate memory",
            "^MemoryError$",
        ],
        "It needs more memory than it may use.",
        "allow it more, or make it need less",
    )
    .set("limits.memory = \"{memory}\""),
    rule(
        "out_of_memory",
        Build,
        &["java.lang.OutOfMemoryError", "Cannot allocate memory", "^MemoryError$"],
        "The build needs more memory than there is.",
        "free memory on the machine that builds, or make the build need less",
    ),
    rule(
        "disk_full",
        Any,
        &["ENOSPC: no space left", "npm error code ENOSPC", "No space left on device"],
        "There is no space left on the disk.",
        "free disk space where this shows that there is none, then deploy again",
    )
    .run(&["deploy", "doctor"]),
];
