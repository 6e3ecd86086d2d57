//! The `deploy` binary under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary, a debug build: it has crash points. Brought up to date at most once per test process.
///
/// # Panics
/// If there is none and it can't be built.
pub fn deploy() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("DEPLOY_TEST_BIN_DIR") {
        Some(directory) => {
            let binary = PathBuf::from(directory).join("deploy");
            assert!(binary.is_file(), "DEPLOY_TEST_BIN_DIR holds no deploy: {}", binary.display());
            binary
        }
        None => build(),
    })
}

/// As the tests of the whole workspace build it: where those run, nothing is left to do.
fn build() -> PathBuf {
    let target = target_directory();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let built = command(Path::new(&cargo))
        .args(["test", "--workspace", "--no-run", "--quiet", "--test", "cli", "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs the tests, so it can be started");
    assert!(built.success(), "deploy could not be built");
    target.join("debug/deploy")
}

/// This test is `<target>/<profile>/deps/<name>`.
fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.ancestors().nth(3).expect("cargo puts tests three directories below the target");
    target.to_owned()
}

/// A command for a program whose arguments are data.
#[expect(clippy::disallowed_methods, reason = "the named place of this crate: the program under test")]
pub(crate) fn command(program: &Path) -> Command {
    Command::new(program)
}
