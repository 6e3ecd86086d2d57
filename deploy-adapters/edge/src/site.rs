//! A release loaded for serving: an index of its files, and the rules from a requested path to one of them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;

use crate::digest::{ContentHash, Digest};
use crate::manifest::FileEntry;
use crate::release::{self, Depth, ReleaseError};
use crate::web::coding::Coding;
use crate::web::media;
use crate::web::path::RequestPath;

/// A loaded release. Requests are answered only by lookup in its index, so a file that is not in the manifest cannot
/// be opened, whatever is asked and whatever was put into the directory later.
#[derive(Debug)]
pub(crate) struct Site {
    /// Which release this is.
    pub(crate) digest: Digest,
    /// The digest as a header value, sent with every response.
    pub(crate) digest_header: HeaderValue,
    /// The directory the files are in, kept open: it stays readable while the release is renamed or removed.
    pub(crate) files: Arc<OwnedFd>,
    index: HashMap<Box<str>, Entry>,
}

/// One file in the index.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    pub(crate) content: ContentHash,
    /// Strong entity tag of the stored bytes (RFC 9110 section 8.8.1).
    pub(crate) etag: HeaderValue,
    pub(crate) content_type: HeaderValue,
    /// The name carries a content hash, so the response may be cached for good.
    pub(crate) immutable: bool,
    pub(crate) compressible: bool,
    /// The release has compressed siblings of this file.
    pub(crate) has_siblings: bool,
}

/// A file found in a site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) entry: &'a Entry,
}

/// What a path means in a site.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// This file.
    File(FoundFile<'a>),
    /// The directory of this name: ask again with a slash at the end.
    Directory,
    /// Nothing.
    Nothing,
}

impl Site {
    /// Loads and verifies the release `digest` (sizes, not contents). Blocking.
    pub(crate) fn load(releases: &Path, digest: &Digest) -> Result<Self, ReleaseError> {
        let (manifest, files) = release::verify(releases, digest, Depth::Sizes)?;
        let digest_header = HeaderValue::try_from(digest.to_string())
            .map_err(|e| ReleaseError::Damaged { digest: *digest, what: e.to_string() })?;
        Ok(Self {
            digest: *digest,
            digest_header,
            files: Arc::new(files),
            index: build_index(manifest.files),
        })
    }

    /// The file at exactly `path`.
    pub(crate) fn file(&self, path: &str) -> Option<FoundFile<'_>> {
        let (path, entry) = self.index.get_key_value(path)?;
        Some(FoundFile { path, entry })
    }

    /// A file compressed beforehand: `path` with the coding's extension.
    pub(crate) fn sibling(&self, file: FoundFile<'_>, coding: Coding) -> Option<FoundFile<'_>> {
        if !file.entry.has_siblings || coding == Coding::Identity {
            return None;
        }
        self.file(&format!("{}{}", file.path, coding.extension()))
    }

    /// What a request path means:
    ///
    /// - `/` and `/dir/` mean `index.html` in that directory;
    /// - `/name` means the file `name`, else `name.html` (clean URLs; both spellings answer, neither redirects), else,
    ///   if `name/index.html` exists, the directory;
    /// - what is left means `fallback`, if there is one and the last segment has no extension (a page of a
    ///   single-page application, not a missing asset).
    pub(crate) fn resolve(&self, path: &RequestPath<'_>, fallback: Option<&str>) -> Found<'_> {
        let name = path.name.as_ref();
        let direct = if name.is_empty() {
            self.file("index.html").map(Found::File)
        } else if path.directory {
            self.file(&format!("{name}/index.html")).map(Found::File)
        } else {
            self.page(name)
        };
        let navigates = !name.rsplit('/').next().unwrap_or_default().contains('.');
        direct
            .or_else(|| fallback.filter(|_| navigates).and_then(|file| self.file(file)).map(Found::File))
            .unwrap_or(Found::Nothing)
    }

    fn page(&self, name: &str) -> Option<Found<'_>> {
        if let Some(file) = self.file(name).or_else(|| self.file(&format!("{name}.html"))) {
            return Some(Found::File(file));
        }
        self.index.contains_key(format!("{name}/index.html").as_str()).then_some(Found::Directory)
    }
}

fn build_index(files: Vec<FileEntry>) -> HashMap<Box<str>, Entry> {
    let mut types = HashMap::new();
    let mut index: HashMap<Box<str>, Entry> = HashMap::with_capacity(files.len());
    for file in files {
        let content_type = content_type_header(&file.path, &mut types);
        let entry = Entry {
            size: file.size,
            content: file.sha256,
            etag: etag_header(&file.sha256),
            compressible: media::is_compressible(&content_type),
            content_type,
            immutable: media::is_content_hashed(&file.path),
            has_siblings: false,
        };
        index.insert(file.path.into_boxed_str(), entry);
    }
    mark_siblings(&mut index);
    index
}

fn etag_header(content: &ContentHash) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", content.short_hex())).expect("hex digits are visible characters")
}

/// One header value per media type: clones share their bytes.
fn content_type_header(path: &str, types: &mut HashMap<String, HeaderValue>) -> HeaderValue {
    let text = media::content_type(path);
    let value = types.entry(text).or_insert_with_key(|text| {
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
    });
    value.clone()
}

fn mark_siblings(index: &mut HashMap<Box<str>, Entry>) {
    let compressed: Vec<Box<str>> = index
        .keys()
        .filter_map(|path| {
            let mut extensions = Coding::COMPRESSED.iter().map(|coding| coding.extension());
            extensions.find_map(|extension| path.strip_suffix(extension)).map(Box::from)
        })
        .collect();
    for original in compressed {
        if let Some(entry) = index.get_mut(&original) {
            entry.has_siblings = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::path::decode;

    fn site(paths: &[&str]) -> Site {
        let files = paths.iter().map(|path| FileEntry {
            path: (*path).into(),
            size: 1,
            sha256: ContentHash::of(path.as_bytes()),
        });
        Site {
            digest: Digest::of(b""),
            digest_header: HeaderValue::from_static(""),
            files: Arc::new(crate::beneath::anchor(Path::new("/")).unwrap()),
            index: build_index(files.collect()),
        }
    }

    fn answer(site: &Site, path: &str, fallback: Option<&str>) -> String {
        match site.resolve(&decode(path).unwrap(), fallback) {
            Found::File(file) => file.path.to_owned(),
            Found::Directory => "->/".to_owned(),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn paths_resolve_to_files_directories_and_pages() {
        let site = site(&[
            "index.html",
            "a.html",
            "a/index.html",
            "b/index.html",
            "c.html",
            "d/x.css",
            "e.f/index.html",
        ]);
        let table = [
            ("/", "index.html"),
            ("/index.html", "index.html"),
            ("/a", "a.html"),
            ("/a.html", "a.html"),
            ("/a/", "a/index.html"),
            ("/b", "->/"),
            ("/b/", "b/index.html"),
            ("/c", "c.html"),
            ("/c/", "404"),
            ("/d", "404"),
            ("/d/", "404"),
            ("/d/x.css", "d/x.css"),
            ("/d/x.css/", "404"),
            ("/e.f", "->/"),
            ("/nothing", "404"),
            ("/A", "404"),
        ];
        for (path, expected) in table {
            assert_eq!(answer(&site, path, None), expected, "{path}");
        }
    }

    #[test]
    fn the_fallback_answers_navigation_but_not_missing_assets() {
        let site = site(&["index.html", "app.js"]);
        for (path, expected) in [
            ("/users/7", "index.html"),
            ("/users/", "index.html"),
            ("/app.js", "app.js"),
            ("/old.js", "404"),
            ("/x/y.css", "404"),
        ] {
            assert_eq!(answer(&site, path, Some("index.html")), expected, "{path}");
        }
        assert_eq!(answer(&site, "/users", Some("gone.html")), "404");
    }

    #[test]
    fn siblings_are_found_only_where_they_exist() {
        let site = site(&["a.js", "a.js.br", "a.js.gz", "b.js"]);
        let (a, b) = (site.file("a.js").unwrap(), site.file("b.js").unwrap());
        assert_eq!(site.sibling(a, Coding::Brotli).unwrap().path, "a.js.br");
        assert!(site.sibling(a, Coding::Zstd).is_none() && site.sibling(a, Coding::Identity).is_none());
        assert!(site.sibling(b, Coding::Gzip).is_none());
    }
}
