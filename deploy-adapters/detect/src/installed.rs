//! Directories that nobody wrote: version control, installed packages, caches. No rule looks into them.

/// The names of such directories, wherever they are.
const NAMES: [&str; 25] = [
    // Version control.
    ".git",
    ".hg",
    ".jj",
    ".svn",
    // Installed packages.
    "bower_components",
    "node_modules",
    "site-packages",
    "vendor",
    "venv",
    "env",
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

/// Whether a directory of that name holds what was installed or made by a tool.
pub(crate) fn is_installed(name: &str) -> bool {
    NAMES.contains(&name)
}
