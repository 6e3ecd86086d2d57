//! Pictures of pages: one for each deployment, of the latest deployments, each of a bounded size.

use std::io;
use std::path::PathBuf;

use deploy_core::browser::{PICTURE_BYTES, Screenshot};
use deploy_core::id::{DeploymentId, Digest};

/// How many are kept.
pub(crate) const KEPT: usize = 50;

/// A directory of pictures. It is the directory `screenshots` of a state directory.
#[derive(Debug, Clone)]
pub struct Pictures {
    directory: PathBuf,
}

impl Pictures {
    /// The pictures in this directory, which is made when the first one comes.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps the picture of a deployment in place of an earlier one, and lets the oldest go.
    pub(crate) fn keep(&self, deployment: DeploymentId, png: &[u8]) -> io::Result<Screenshot> {
        if png.len() > PICTURE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {} bytes", png.len())));
        }
        std::fs::create_dir_all(&self.directory)?;
        let name = format!("{deployment}.png");
        let part = self.directory.join(format!("{deployment}.part"));
        let written = std::fs::write(&part, png);
        let written = written.and_then(|()| std::fs::rename(&part, self.directory.join(&name)));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
        self.forget_the_oldest()?;
        let bytes = u64::try_from(png.len()).unwrap_or(u64::MAX);
        Ok(Screenshot { file: format!("screenshots/{name}"), digest: Digest::of(png), bytes })
    }

    /// Ids are in the order of time, so names are.
    fn forget_the_oldest(&self) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            names.push(entry?.file_name());
        }
        names.sort();
        let surplus = names.len().saturating_sub(KEPT);
        names[..surplus].iter().try_for_each(|name| std::fs::remove_file(self.directory.join(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_bounded_in_number_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let pictures = Pictures::new(dir.path().join("screenshots"));
        let id = |n: usize| DeploymentId::new(uuid::Uuid::from_u128(n as u128));
        for n in 0..KEPT + 7 {
            let kept = pictures.keep(id(n), &[0, 1]).unwrap();
            let there = std::fs::read(dir.path().join(&kept.file)).unwrap();
            assert_eq!((Digest::of(&there), kept.bytes), (kept.digest, 2));
        }
        pictures.keep(id(KEPT + 6), &[2]).unwrap();
        assert!(pictures.keep(id(KEPT + 8), &vec![0; PICTURE_BYTES + 1]).is_err());
        let mut names: Vec<String> = std::fs::read_dir(&pictures.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected: Vec<String> = (7..KEPT + 7).map(|n| format!("{}.png", id(n))).collect();
        assert_eq!(names, expected);
    }
}
