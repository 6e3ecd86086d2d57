//! Directories that are never a part of a site: version control, installed packages, caches.
//!
//! They are left out of the listing only: they are large, and no rule reads them. They are not left out of the copy
//! that a build runs in (there, ignore files decide), and never if `runtime.publish_directory` lies in them.

/// Left out wherever a directory of that name is found.
const NAMES: [&str; 21] = [
    // Version control.
    ".git",
    ".hg",
    ".jj",
    ".svn",
    // Installed packages.
    "bower_components",
    "node_modules",
    ".pnpm-store",
    ".venv",
    ".yarn",
    // Caches and states of tools.
    ".cache",
    ".direnv",
    ".gradle",
    ".mypy_cache",
    ".nox",
    ".parcel-cache",
    ".pytest_cache",
    ".ruff_cache",
    ".terraform",
    ".tox",
    ".turbo",
    "__pycache__",
];

/// Left out is a directory that holds one of these: the tools that make such directories mark them. `CACHEDIR.TAG` is
/// the convention of caches (cargo's `target` has it), `pyvenv.cfg` that of Python's environments.
const MARKERS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

/// Whether a directory of that name is left out of the listing.
pub(crate) fn by_name(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a directory is left out of the listing because it holds a file of that name.
pub(crate) fn by_marker(name: &str) -> bool {
    MARKERS.contains(&name)
}
