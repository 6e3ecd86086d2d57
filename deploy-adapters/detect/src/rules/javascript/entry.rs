//! The file a program starts with, and what it says about listening.

use super::package::Package;
use crate::ports::{self, Port};
use crate::rule::Scene;

/// Names of a program's first file, most telling first.
const NAMES: [&str; 12] = [
    "server",
    "index",
    "app",
    "main",
    "bot",
    "src/server",
    "src/index",
    "src/app",
    "src/main",
    "bin/www",
    "lib/index",
    "start",
];
const ENDINGS: [&str; 7] = ["js", "mjs", "cjs", "ts", "mts", "tsx", "jsx"];

/// The file that is run when nothing says which.
pub(super) fn find(scene: &Scene<'_>, package: &Package) -> Option<String> {
    if let Some(main) = package.main() {
        let main = main.trim_start_matches("./");
        let spelled = [main.to_owned(), format!("{main}.js"), format!("{main}/index.js")];
        if let Some(file) = spelled.into_iter().find(|file| scene.has(file)) {
            return Some(file);
        }
    }
    let files = NAMES.iter().flat_map(|name| ENDINGS.iter().map(move |ending| format!("{name}.{ending}")));
    files.into_iter().find(|file| scene.has(file))
}

/// The file of the source that a command runs: `src/server.ts` of `node --enable-source-maps src/server.ts`.
pub(super) fn of_command(scene: &Scene<'_>, command: &str) -> Option<String> {
    let words = command
        .split([' ', '\t', '"', '\'', '&', ';'])
        .filter(|word| !word.is_empty() && !word.starts_with('-'));
    let words: Vec<&str> = words.collect();
    let direct = words.iter().map(|word| word.trim_start_matches("./").to_owned());
    let spelled = direct.flat_map(|word| [word.clone(), format!("{word}.js"), format!("{word}/index.js")]);
    let is_code = |file: &String| ENDINGS.iter().any(|ending| file.ends_with(&format!(".{ending}")));
    if let Some(file) = spelled.filter(is_code).find(|file| scene.has(file)) {
        return Some(file);
    }
    // What is built from TypeScript keeps its place below the output: `dist/server.js` of `src/server.ts`.
    let built = words.iter().find_map(|word| {
        let word = word.trim_start_matches("./");
        let below = ["dist/", "build/", "lib/", "out/"].iter().find_map(|out| word.strip_prefix(out))?;
        Some(below.trim_end_matches(".js").trim_end_matches(".mjs").trim_end_matches(".cjs").to_owned())
    })?;
    let places = ["", "src/"].iter().map(|place| format!("{place}{}", built.trim_start_matches("src/")));
    let files = places.flat_map(|place| ["ts", "mts", "js", "tsx"].map(|ending| format!("{place}.{ending}")));
    files.into_iter().find(|file| scene.has(file))
}

/// Whether a file is written for Node, not for a browser.
pub(super) fn is_for_node(scene: &Scene<'_>, file: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "require(",
        "process.",
        "module.exports",
        "from 'node:",
        "from \"node:",
        "from 'http'",
        "from \"http\"",
    ];
    scene.text(file).is_some_and(|code| SIGNS.iter().any(|sign| code.contains(sign)))
}

/// Whether a file listens.
pub(super) fn serves(scene: &Scene<'_>, file: &str) -> bool {
    scene.text(file).is_some_and(|code| match listens(code) {
        Listens::On(_) | Listens::Somewhere => true,
        Listens::Nowhere => false,
    })
}

/// What a program's first file says about listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listens {
    /// On a port that is written out, or where `PORT` says.
    On(Port),
    /// On a port that is not written out.
    Somewhere,
    /// Nothing in it listens.
    Nowhere,
}

/// What the code says.
pub(super) fn listens(code: &str) -> Listens {
    const SIGNS: [&str; 13] = [
        ".listen(",
        "createServer(",
        "Bun.serve",
        "Deno.serve",
        "serve(",
        "listen({",
        "startStandaloneServer",
        "WebSocketServer",
        "new Server(",
        "export default {",
        "app.start(",
        "createApp(",
        "fastify(",
    ];
    let reads = [
        "process.env.PORT",
        "env.PORT",
        "process.env[\"PORT\"]",
        "process.env['PORT']",
        "Bun.env.PORT",
        "Deno.env.get(\"PORT\")",
    ];
    let near = code.match_indices("PORT").find_map(|(at, _)| {
        let behind: String =
            code[at + 4..].chars().take(40).take_while(|c| *c != '\n' && *c != ';').collect();
        let number = behind.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() >= 2)?;
        number.parse::<u16>().ok().filter(|port| *port > 0)
    });
    if reads.iter().any(|read| code.contains(read)) {
        return Listens::On(Port::Variable(near));
    }
    let literal = [".listen(", "port:", "PORT =", "port ="].iter().find_map(|sign| {
        let (_, behind) = code.split_once(sign)?;
        let behind =
            behind.trim_start().trim_start_matches('{').trim_start().trim_start_matches("port:").trim_start();
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().ok().filter(|port| *port > 0)
    });
    match literal {
        Some(port) => Listens::On(Port::Fixed(port)),
        None if SIGNS.iter().any(|sign| code.contains(sign)) => Listens::Somewhere,
        None => Listens::Nowhere,
    }
}

/// What a command or the file it runs says.
pub(super) fn port_of(scene: &Scene<'_>, command: &str) -> Option<(String, Listens)> {
    let by_command =
        ports::of_command(command).map(|port| ("the start command".to_owned(), Listens::On(port)));
    by_command.or_else(|| {
        let file = of_command(scene, command)?;
        let code = scene.text(&file)?;
        Some((file, listens(code)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_says_where_it_listens() {
        for (code, expected) in [
            (
                "const port = process.env.PORT || 4000;\napp.listen(port)",
                Listens::On(Port::Variable(Some(4000))),
            ),
            ("app.listen(process.env.PORT)", Listens::On(Port::Variable(None))),
            ("app.listen(8080, () => {})", Listens::On(Port::Fixed(8080))),
            ("const PORT = 5000\napp.listen(PORT)", Listens::On(Port::Fixed(5000))),
            ("fastify.listen({ port: 3001 })", Listens::On(Port::Fixed(3001))),
            ("app.listen(port)", Listens::Somewhere),
            ("console.log('hello')", Listens::Nowhere),
        ] {
            assert_eq!(listens(code), expected, "{code}");
        }
    }
}
