//! From what was written on the command line to a source: a directory, a repository, an archive or an image.
//!
//! What exists on disk is what is on disk, whatever its name looks like. A message never repeats a URL that was refused:
//! it may hold a password.

use std::path::{Path, PathBuf};

use deploy_core::source::{Credential, GitRef, GitUrl, Source};

use crate::args::SourceArgs;
use crate::config::Config;
use crate::exit::Failed;

/// What the names of archives end with.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".zip"];

/// A source, its name for people, and the configuration that goes with it.
pub(crate) struct Chosen {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) config: Config,
}

/// What the flags name.
pub(crate) fn chosen(args: &SourceArgs) -> Result<Chosen, Failed> {
    if let Some(text) = &args.image {
        let reference = text.parse::<deploy_core::source::ImageReference>();
        let reference = reference.map_err(|error| Failed::usage("invalid_image", error.to_string()))?;
        let config = Config::load(args.config.as_deref(), Path::new("."))?;
        return Ok(Chosen { name: reference.name().to_owned(), source: Source::Image { reference }, config });
    }
    let given = args.source.as_deref().or(args.dir.as_deref());
    let text = given.and_then(Path::to_str).filter(|text| is_remote(text));
    match text {
        Some(text) => remote(text, args),
        None => local(given, args),
    }
}

/// Whether it can only be a repository somewhere else.
fn is_remote(text: &str) -> bool {
    let short = text.split_once(':').is_some_and(|(place, _)| place.contains('@') && !place.contains('/'));
    (text.contains("://") || text.contains("::") || short) && !Path::new(text).exists()
}

/// `URL`, `URL#REF`, or `URL` with `--ref`. Only a configuration that was named goes with it: the nearest one belongs to
/// something else.
fn remote(text: &str, args: &SourceArgs) -> Result<Chosen, Failed> {
    let (url, fragment) = text.split_once('#').map_or((text, None), |(url, name)| (url, Some(name)));
    if fragment.is_some() && args.git_ref.is_some() {
        return Err(Failed::usage("invalid_ref", "a ref is given twice: after # and with --ref"));
    }
    let url = url.parse::<GitUrl>().map_err(|error| {
        Failed::usage("invalid_url", error.to_string()).hint("write https://host/repository.git#branch")
    })?;
    let git_ref = fragment.or(args.git_ref.as_deref()).map(git_ref).transpose()?;
    let config = args
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), |file| Config::load(Some(file), file))?;
    Ok(Chosen { name: url.name().to_owned(), source: git(url, git_ref, args), config })
}

/// The configuration that holds for a source, or the one that would: in the directory itself.
pub(crate) fn config_file(args: &SourceArgs) -> Result<PathBuf, Failed> {
    let start = args.source.clone().or_else(|| args.dir.clone()).unwrap_or_else(|| PathBuf::from("."));
    if let (Some(named), false) = (&args.config, args.config.as_ref().is_some_and(|named| named.exists())) {
        return Ok(named.clone());
    }
    match chosen(args)?.config.file {
        Some(file) => Ok(file),
        None if start.is_dir() => Ok(start.join("deploy.toml")),
        None => Err(Failed::usage("config_needed", "this source has no place for a configuration")
            .hint("name the file to write with --config")),
    }
}

fn local(given: Option<&Path>, args: &SourceArgs) -> Result<Chosen, Failed> {
    let start = given.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let archive = is_archive(&start);
    // An archive's configuration is not beside it.
    let config = match (archive, &args.config) {
        (true, None) => Config::default(),
        (_, named) => Config::load(named.as_deref(), &start)?,
    };
    let beside = config.file.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = locate(&given.map_or_else(|| beside.unwrap_or(start), Path::to_owned))?;
    let last = Path::new(&path).file_name().and_then(|name| name.to_str()).unwrap_or("site");
    if archive {
        let name = ARCHIVES.iter().rev().find_map(|end| last.strip_suffix(end)).unwrap_or(last).to_owned();
        return Ok(Chosen { name, source: Source::Archive { path, digest: None }, config });
    }
    let name = last.to_owned();
    let Some(text) = &args.git_ref else {
        return Ok(Chosen { name, source: Source::Directory { path }, config });
    };
    let url = path.parse::<GitUrl>().map_err(|error| Failed::usage("invalid_url", error.to_string()))?;
    Ok(Chosen { name, source: git(url, Some(git_ref(text)?), args), config })
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    ARCHIVES.iter().any(|end| name.ends_with(end)) && !path.is_dir()
}

fn git_ref(text: &str) -> Result<GitRef, Failed> {
    text.parse()
        .map_err(|error: deploy_core::source::InvalidGitRef| Failed::usage("invalid_ref", error.to_string()))
}

fn git(url: GitUrl, git_ref: Option<GitRef>, args: &SourceArgs) -> Source {
    let credential = args.git_credential.clone().map(|env| Credential { env });
    Source::Git { url, git_ref, commit: None, credential }
}

/// The absolute path as text. That it exists is for detection to say.
pub(crate) fn locate(source: &Path) -> Result<String, Failed> {
    let empty = source.as_os_str().is_empty();
    let source = if empty { Path::new(".") } else { source };
    let absolute = source.canonicalize().or_else(|_| std::path::absolute(source));
    let absolute = absolute
        .map_err(|error| Failed::usage("source_invalid", format!("{}: {error}", source.display())))?;
    absolute.into_os_string().into_string().map_err(|path| {
        Failed::usage("source_invalid", format!("{} is not UTF-8", path.display()))
            .hint("rename the directory")
    })
}
