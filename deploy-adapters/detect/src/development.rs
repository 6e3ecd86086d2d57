//! Commands that are made for development, and what they are.

/// Parts of a command that tell, each with what is started.
const SIGNS: &[(&str, &str)] = &[
    ("nx serve", "the development server of Nx"),
    ("run dev", "the script dev"),
    ("yarn dev", "the script dev"),
    ("pnpm dev", "the script dev"),
    ("next dev", "the development server of Next.js"),
    ("nuxt dev", "the development server of Nuxt"),
    ("nodemon", "nodemon, which restarts at every change"),
    ("ts-node-dev", "ts-node-dev"),
    ("tsx watch", "tsx in watch mode"),
    ("--watch", "a program that watches its sources"),
    ("--reload", "a server that reloads its code"),
    ("ng serve", "the development server of Angular"),
    ("react-scripts start", "the development server of Create React App"),
    ("vue-cli-service serve", "the development server of Vue CLI"),
    ("webpack-dev-server", "webpack's development server"),
    ("webpack serve", "webpack's development server"),
    ("manage.py runserver", "Django's development server"),
    ("flask run", "Flask's development server"),
    ("fastapi dev", "FastAPI's development server"),
    ("php -S", "PHP's built-in server"),
    ("artisan serve", "PHP's built-in server"),
    ("symfony serve", "Symfony's development server"),
    ("symfony server:start", "Symfony's development server"),
    ("cargo watch", "a build at every change"),
    ("dotnet watch", "a build at every change"),
    ("quarkus:dev", "Quarkus' development mode"),
    ("quarkusDev", "Quarkus' development mode"),
    ("bin/dev", "the processes for development"),
    ("foreman start", "the processes for development"),
];

/// Commands that build before they start, at every start.
const BUILDS: &[&str] = &[
    "cargo run",
    "go run",
    "dotnet run",
    "bootRun",
    "spring-boot:run",
    "lein run",
    "sbt run",
    "stack run",
    "cabal run",
    "swift run",
    "crystal run",
    "zig build run",
    "dart run",
    "gleam run",
];

/// Programs that only the image of the build has.
const TOOLCHAINS: &[&str] =
    &["mix", "iex", "mvn", "./mvnw", "gradle", "./gradlew", "sbt", "lein", "clojure", "clj", "rebar3", "air"];

/// What a command starts, if that is made for development.
pub(crate) fn command(command: &str) -> Option<&'static str> {
    let padded = format!("{command} ");
    if let Some((_, what)) = SIGNS.iter().find(|(sign, _)| padded.contains(sign)) {
        return Some(what);
    }
    if builds(command) {
        return Some("a build");
    }
    command.split(['&', ';', '|']).find_map(bundler)
}

/// The servers of bundlers, which are called as their builds are.
fn bundler(command: &str) -> Option<&'static str> {
    let mut words = command.split_whitespace().skip_while(|word| word.contains('=') || *word == "npx");
    match (words.next(), words.next()) {
        (Some("vite"), None | Some("dev" | "serve" | "--host" | "--port")) => {
            Some("the development server of Vite")
        }
        (Some("astro"), Some("dev")) => Some("the development server of Astro"),
        (Some("parcel"), Some("serve")) => Some("the development server of Parcel"),
        _ => None,
    }
}

/// Whether a command only runs where the source can be built.
pub(crate) fn needs_toolchain(command: &str) -> bool {
    let is_setting = |word: &&str| word.contains('=') || matches!(*word, "exec" | "env");
    let first = |part: &str| {
        let word = part.split_whitespace().find(|word| !is_setting(word));
        word.is_some_and(|word| TOOLCHAINS.contains(&word))
    };
    builds(command) || command.split(['&', ';', '|']).any(first)
}

fn builds(command: &str) -> bool {
    let padded = format!("{command} ");
    BUILDS.iter().any(|sign| padded.contains(&format!("{sign} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_servers_are_told_apart() {
        for (text, found) in [
            ("python manage.py runserver 0.0.0.0:8000", true),
            ("uvicorn main:app --reload", true),
            ("gunicorn app:app", false),
            ("bundle exec rails server", false),
            ("php -S 0.0.0.0:80 -t public", true),
            ("go run .", true),
            ("vite preview", false),
            ("vite", true),
            ("yarn && vite", true),
            ("vite build && node server.js", false),
        ] {
            assert_eq!(command(text).is_some(), found, "{text}");
        }
    }

    #[test]
    fn what_builds_at_every_start_needs_what_builds() {
        for (command, needs) in [
            ("go run main.go", true),
            ("MIX_ENV=prod mix phx.server", true),
            ("bin/migrate && exec mix phx.server", true),
            ("./bin/app", false),
            ("java -jar target/mix.jar", false),
        ] {
            assert_eq!(needs_toolchain(command), needs, "{command}");
        }
    }
}
