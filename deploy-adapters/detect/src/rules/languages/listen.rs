//! What a program's own source says about its port and its health path.
//!
//! This reads text, not a language: a port counts only where it stands beside a word for listening, and a health path
//! only as a whole string.

/// Where a source says that it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listening {
    /// On this port.
    Port(u16),
    /// On the one that the variable `PORT` names, with a value for when it names none.
    Variable(Option<u16>),
}

impl Listening {
    pub(super) fn sentence(self) -> String {
        match self {
            Self::Port(port) => format!("listens on port {port}"),
            Self::Variable(Some(port)) => format!("listens on the port that PORT names, {port} without it"),
            Self::Variable(None) => "listens on the port that PORT names".to_owned(),
        }
    }
}

/// Words that stand before a port, in lower case.
const WORDS: &[&str] = &[
    "listenandservetls(",
    "listenandserve(",
    "listen(",
    ".listen",
    "bind(",
    ".bind",
    ".run(",
    ".start(",
    ".serve(",
    "serve(",
    "server(",
    "runsettings",
    "addr:",
    "addr =",
    "address",
    "port",
    "socketaddr::from",
    "urls",
];

/// How far from its word a port may stand, in bytes.
const REACH: usize = 80;

/// Where it listens, if it says so.
pub(super) fn port(text: &str) -> Option<Listening> {
    let lines = || text.lines().filter(|line| !is_comment(line));
    if let Some(line) = lines().find(|line| names_variable(line)) {
        return Some(Listening::Variable(default_beside_variable(line).or_else(|| default_after(text))));
    }
    lines().find_map(literal).map(Listening::Port)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "--", ";", "*", "/*", "%"].iter().any(|mark| line.starts_with(mark))
}

/// Reads the variable `PORT` of the environment.
fn names_variable(line: &str) -> bool {
    ["\"PORT\"", "'PORT'", "env.PORT", "ENV.PORT", "$PORT", "${PORT", ":PORT]"]
        .iter()
        .any(|name| line.contains(name))
}

/// `os.environ.get("PORT", 8080)`, `ENV.fetch('PORT') { 3000 }`, `getenv("PORT") ?: 8080`, `${PORT:8080}`.
fn default_beside_variable(line: &str) -> Option<u16> {
    let at = line.find("PORT")?;
    numbers(&line[at + 4..]).next()
}

/// `port := os.Getenv("PORT")`, and some lines later `port = "8080"`.
fn default_after(text: &str) -> Option<u16> {
    const LINES: usize = 10;
    let after = text.lines().skip_while(|line| is_comment(line) || !names_variable(line)).skip(1).take(LINES);
    let mut lines = after.filter(|line| !is_comment(line));
    lines.find_map(|line| {
        let quoted = line.split(['"', '`', '\'']).skip(1).step_by(2);
        let mut found = quoted.filter_map(|text| numbers(text).next());
        let simple = || literal(line);
        found.next().or_else(simple)
    })
}

/// A port that stands behind a word for listening.
fn literal(line: &str) -> Option<u16> {
    let lower = line.to_ascii_lowercase();
    WORDS.iter().find_map(|word| {
        let at = lower.find(word)? + word.len();
        let end = (at + REACH).min(lower.len());
        let near = lower.get(at..end).or_else(|| lower.get(at..))?;
        numbers(near).next()
    })
}

/// The numbers of a text that may be ports of a program: standing alone, in quotes or behind a colon, not a part of an
/// address, a version or a length of time.
fn numbers(text: &str) -> impl Iterator<Item = u16> + '_ {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let words = text.split(move |c: char| !is_word(c));
    words.filter_map(|word| {
        let word = word.trim_end_matches("_u16").trim_end_matches("u16");
        let word = word.strip_suffix('.').unwrap_or(word).replace('_', "");
        word.parse::<u16>().ok().filter(|port| *port == 80 || *port == 443 || *port >= 1000)
    })
}

/// Paths that tell health, by their usual names.
const HEALTH: &[&str] = &[
    "/healthz",
    "/health",
    "/health-check",
    "/healthcheck",
    "/health_check",
    "/api/health",
    "/api/healthz",
    "/api/healthcheck",
    "/api/v1/health",
    "/_health",
    "/readyz",
    "/livez",
    "/ready",
    "/up",
    "/ping",
];

/// The path that tells health, if the source answers one by its usual name.
pub(super) fn health(text: &str) -> Option<&'static str> {
    let is_there = |path: &&str| {
        ['"', '\'', '`'].iter().any(|quote| {
            let exact = |end: &str| text.contains(&format!("{quote}{path}{end}{quote}"));
            // Go's `"GET /healthz"`, and Python's `"/health/"`.
            exact("") || text.contains(&format!("{quote}GET {path}{quote}"))
        })
    };
    HEALTH.iter().copied().find(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_where_a_source_listens() {
        use Listening::{Port, Variable};
        for (text, found) in [
            ("http.ListenAndServe(\":8080\", nil)", Some(Port(8080))),
            ("r.Run() // listen and serve on 0.0.0.0:8080", Some(Port(8080))),
            (
                "port := os.Getenv(\"PORT\")\nif port == \"\" {\n port = \"8080\"\n}",
                Some(Variable(Some(8080))),
            ),
            ("app.run(host='0.0.0.0', port=5000)", Some(Port(5000))),
            ("port=int(os.environ.get('PORT', 8000))", Some(Variable(Some(8000)))),
            ("uvicorn.run(app, host=\"0.0.0.0\", port=8000)", Some(Port(8000))),
            ("TcpListener::bind(\"127.0.0.1:3000\").await", Some(Port(3000))),
            ("SocketAddr::from(([0, 0, 0, 0], 3000))", Some(Port(3000))),
            (".bind((\"0.0.0.0\", 8080))?", Some(Port(8080))),
            ("let port = std::env::var(\"PORT\").unwrap_or(\"3000\".into())", Some(Variable(Some(3000)))),
            ("set :port, ENV['PORT'] || 4567", Some(Variable(Some(4567)))),
            ("ENV.fetch(\"PORT\") { 3000 }", Some(Variable(Some(3000)))),
            ("server.listen(3_000)", Some(Port(3000))),
            ("embeddedServer(Netty, port = 8080, host = \"0.0.0.0\")", Some(Port(8080))),
            ("// http.ListenAndServe(\":8080\")", None),
            ("timeout = 3000", None),
            ("print(\"hello\")", None),
            ("import port from './x'", None),
        ] {
            assert_eq!(port(text), found, "{text}");
        }
    }

    #[test]
    fn health_paths_are_found_as_whole_strings() {
        assert_eq!(health("@app.get(\"/health\")"), Some("/health"));
        assert_eq!(health("mux.HandleFunc(\"GET /healthz\", h)"), Some("/healthz"));
        assert_eq!(health("@app.get(\"/healthy-food\")"), None);
    }
}
