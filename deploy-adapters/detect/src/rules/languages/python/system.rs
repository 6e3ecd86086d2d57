//! Debian packages that Python packages need.

use super::dependencies::Dependencies;
use crate::rules::languages::program::Program;

/// Python packages, with what they need to be built and to run. The build image has compilers and common headers.
const NEEDS: &[(&[&str], &[&str], &[&str])] = &[
    (&["psycopg2", "psycopg", "psycopg-c", "asyncpg-c"], &["libpq-dev"], &["libpq5"]),
    (&["mysqlclient"], &["default-libmysqlclient-dev", "pkg-config"], &["libmariadb3"]),
    (&["pyodbc"], &["unixodbc-dev"], &["unixodbc"]),
    (&["python-ldap"], &["libldap-dev", "libsasl2-dev"], &["libldap-2.5-0", "libsasl2-2"]),
    (&["pdf2image"], &[], &["poppler-utils"]),
    (&["pydub", "moviepy", "ffmpeg-python", "yt-dlp", "openai-whisper"], &[], &["ffmpeg"]),
    (&["opencv-python", "opencv-contrib-python"], &[], &["libgl1", "libglib2.0-0"]),
    (&["weasyprint"], &[], &["libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"]),
    (&["pytesseract"], &[], &["tesseract-ocr"]),
    (&["cairosvg", "pycairo"], &["libcairo2-dev", "pkg-config"], &["libcairo2"]),
    (&["python-magic"], &[], &["libmagic1"]),
    (&["graphviz", "pygraphviz"], &["libgraphviz-dev"], &["graphviz"]),
    (&["pyaudio"], &["portaudio19-dev"], &["libportaudio2"]),
    (&["wand"], &[], &["libmagickwand-6.q16-6"]),
    (&["gdal", "geodjango", "fiona"], &["libgdal-dev"], &["libgdal32"]),
    (&["uwsgi"], &[], &["libpcre3", "libxml2"]),
    (&["pyzbar"], &[], &["libzbar0"]),
    (&["python-sane"], &["libsane-dev"], &["libsane1"]),
    (&["gitpython", "pygit2"], &[], &["git"]),
];

pub(super) fn packages(dependencies: &Dependencies, program: &mut Program) {
    for (names, build, runtime) in NEEDS {
        let is_bundled =
            names.contains(&"psycopg") && dependencies.has_any(&["psycopg-binary", "psycopg2-binary"]);
        if dependencies.has_any(names) && !is_bundled {
            program.packages(build, runtime);
        }
    }
}
