//! Sites to deploy. Every file of a site says which one it belongs to, so a mixture is noticed.

use std::path::{Path, PathBuf};

/// The size of the download that slow readers are in the middle of.
const DOWNLOAD_BYTES: usize = 20 * 1024 * 1024;
/// The download repeats its site's number in blocks of this size.
const BLOCK_BYTES: usize = 16;

/// What an answer of a site says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page(pub usize);

impl Page {
    /// The whole front page of a site.
    #[must_use]
    pub fn text(self) -> String {
        format!("<!doctype html><title>site</title><p>this is site {}, whole\n", self.0)
    }

    /// The site whose front page or download this is, if it is whole and of one site only.
    #[must_use]
    pub fn of(body: &[u8]) -> Option<Self> {
        Self::of_text(body).or_else(|| Self::of_download(body))
    }

    fn of_text(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let number = text.split("this is site ").nth(1)?.split(',').next()?.parse().ok()?;
        (Self(number).text() == text).then_some(Self(number))
    }

    fn of_download(body: &[u8]) -> Option<Self> {
        let first = std::str::from_utf8(body.get(..BLOCK_BYTES)?).ok()?;
        let page = Self(first.trim().parse().ok()?);
        let block = page.block();
        let whole = body.len() == DOWNLOAD_BYTES && body.chunks(BLOCK_BYTES).all(|chunk| chunk == block);
        whole.then_some(page)
    }

    fn block(self) -> Vec<u8> {
        format!("{:>width$}\n", self.0, width = BLOCK_BYTES - 1).into_bytes()
    }
}

/// A directory to deploy.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where it is.
    pub path: PathBuf,
}

impl Site {
    /// A new site, or an old one emptied.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn new(path: PathBuf, page: Page) -> Self {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the test's directory can be written");
        let site = Self { path };
        site.write("index.html", page.text());
        site
    }

    /// Writes one of its files.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path.join(name), content).expect("the test's directory can be written");
    }

    /// The same site with a configuration.
    #[must_use]
    pub fn with_config(self, text: &str) -> Self {
        self.write("deploy.toml", text);
        self
    }

    /// The same site with a download of 20 MiB.
    #[must_use]
    pub fn with_download(self, page: Page) -> Self {
        self.write("download.txt", page.block().repeat(DOWNLOAD_BYTES / BLOCK_BYTES));
        self
    }

    /// The same site, built by a shell script into `out`; the script ends by copying its pages there.
    #[must_use]
    pub fn with_build(self, script: &str, more_config: &str) -> Self {
        self.write("build.sh", format!("{script}\nmkdir -p out && cp index.html out/\nif [ -e download.txt ]; then cp download.txt out/; fi\n"));
        let runtime = "[runtime]\nbuild = \"sh ./build.sh\"\npublish_directory = \"out\"\n";
        self.with_config(&format!("{runtime}{more_config}"))
    }

    /// Where it is, as an argument.
    ///
    /// # Panics
    /// Never: the tests' directories are plain text.
    #[must_use]
    pub fn argument(&self) -> &str {
        Path::to_str(&self.path).expect("the tests' directories are plain text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_only_if_it_is_whole_and_of_one_site() {
        assert_eq!(Page::of(Page(7).text().as_bytes()), Some(Page(7)));
        assert_eq!(Page::of(&Page(7).text().as_bytes()[..40]), None);
        let download = Page(7).block().repeat(DOWNLOAD_BYTES / BLOCK_BYTES);
        assert_eq!(Page::of(&download), Some(Page(7)));
        let mut mixed = download.clone();
        let end = mixed.len() - BLOCK_BYTES;
        mixed[end..].copy_from_slice(&Page(8).block());
        assert_eq!(Page::of(&mixed), None);
        assert_eq!(Page::of(&download[BLOCK_BYTES..]), None);
    }
}
