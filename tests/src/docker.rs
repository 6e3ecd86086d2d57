//! An engine for the docker target: whether there is one, images for it, and clearing up behind a test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::binary::command;
use crate::installation::Installation;

/// The program of the images: it says which site it is, over and over if need be, and over WebSockets.
const APP: &str = include_str!("docker_app.py");

/// An engine with the base images, as the docker command finds it.
#[derive(Debug)]
pub struct Engine {
    /// Tests of one process have images of their own.
    number: u32,
    images: Vec<String>,
}

impl Engine {
    /// The engine; `None`, loudly, where there is none.
    ///
    /// # Panics
    /// Where there is none although `DEPLOY_TEST_REQUIRE` names docker.
    #[must_use]
    pub fn find() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/build.sh");
        let made = docker(&["version"]).and_then(|_| output(&build, &["python"]));
        let Err(why) = made else {
            return Some(Self { number: COUNT.fetch_add(1, Ordering::Relaxed), images: Vec::new() });
        };
        let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split([',', ' ']).any(|name| name == "docker"), "docker is required: {why}");
        let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: docker: {why} ***\n");
        None
    }

    /// Makes an image that answers as a site on port 8080, and gives its name.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn image(&mut self, directory: &Path, number: usize) -> String {
        let dockerfile = format!(
            "FROM python:3.13-slim\nCOPY app.py /app.py\nENV SITE={number}\nUSER 1000\nCMD [\"python3\",\"/app.py\"]\n"
        );
        self.build(directory, "load", &number.to_string(), &[("Dockerfile", &dockerfile), ("app.py", APP)])
    }

    /// Makes an image of a directory with these files, and gives its name.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn build(&mut self, directory: &Path, what: &str, tag: &str, files: &[(&str, &str)]) -> String {
        let name = format!("deploy-{what}-{}-{}:{tag}", std::process::id(), self.number);
        let written = "the test's directory can be written";
        std::fs::create_dir_all(directory).expect(written);
        for (file, text) in files {
            std::fs::write(directory.join(file), text).expect(written);
        }
        let context = directory.to_str().expect("the tests' directories are plain text");
        docker(&["build", "--quiet", "--tag", &name, context]).expect("the image can be built");
        self.images.push(name.clone());
        name
    }

    /// Removes what an installation made on the engine. Its processes must have ended.
    pub fn sweep(&self, installation: &Installation) {
        let Ok(owner) = std::fs::read_to_string(installation.state().join("installation")) else { return };
        let label = format!("label=deploy.owner={owner}");
        let reference = format!("reference=deploy.local/{owner}/*/*");
        let each = |list: &[&str], remove: &[&str]| {
            for id in docker(list).unwrap_or_default().split_whitespace() {
                let _ = docker(&[remove, &[id]].concat());
            }
        };
        each(&["ps", "--all", "--quiet", "--filter", &label], &["rm", "--force"]);
        for reference in [reference.clone(), format!("{reference}/*")] {
            each(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &reference], &["rmi"]);
        }
        each(&["network", "ls", "--quiet", "--filter", &label], &["network", "rm"]);
        each(&["volume", "ls", "--quiet", "--filter", &label], &["volume", "rm"]);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for image in &self.images {
            let _ = docker(&["rmi", "--force", image]);
        }
    }
}

/// What the docker command says.
///
/// # Errors
/// What it complains about.
pub fn docker(words: &[&str]) -> Result<String, String> {
    output(&PathBuf::from("docker"), words)
}

fn output(program: &Path, words: &[&str]) -> Result<String, String> {
    let ran = command(program).args(words).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if ran.status.success() { Ok(text(&ran.stdout)) } else { Err(text(&ran.stderr)) }
}
