//! Which port a command says that a program listens on.

/// What a command says about its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// This one, whatever the environment says.
    Fixed(u16),
    /// What the variable `PORT` says, with a value for when it says nothing.
    Variable(Option<u16>),
}

/// What a command says: `--port 8080`, `-p 3000`, `--bind 0.0.0.0:8000`, `PORT=4000 …`, `${PORT:-3000}`.
pub(crate) fn of_command(command: &str) -> Option<Port> {
    if let Some(at) = command.find("$PORT").or_else(|| command.find("${PORT")) {
        let default =
            command[at..].strip_prefix("${PORT:-").or_else(|| command[at..].strip_prefix("${PORT-"));
        return Some(Port::Variable(default.and_then(leading_number)));
    }
    let words: Vec<&str> =
        command.split([' ', '\t', '"', '\'', ',', '[', ']']).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().find_map(|(index, word)| {
        let next = words.get(index + 1).copied().unwrap_or_default();
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value),
            None => (*word, next),
        };
        let port = match name {
            "--port" | "--server.port" | "--server_port" | "-p" | "-P" | "--http-port" | "PORT" | "-l"
            | "--listen" => after_colon(value),
            "--bind" | "-b" | "--host" | "--address" | "--addr" | "-addr" | "-port" | "-H" => {
                after_colon(value)
            }
            // `php -S 0.0.0.0:8000`, `manage.py runserver 0.0.0.0:8000`.
            "-S" | "runserver" => after_colon(next),
            _ => None,
        };
        port.map(Port::Fixed)
    })
}

/// The number after the last colon, or the whole text if it is a number.
fn after_colon(text: &str) -> Option<u16> {
    let text = text.trim_matches(['"', '\'']);
    let number = text.rsplit_once(':').map_or(text, |(_, port)| port);
    number.parse().ok().filter(|port| *port > 0)
}

fn leading_number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_say_their_port_in_many_ways() {
        for (command, port) in [
            ("next start -p 4000", Some(Port::Fixed(4000))),
            ("uvicorn main:app --host 0.0.0.0 --port 8000", Some(Port::Fixed(8000))),
            ("gunicorn --bind 0.0.0.0:8000 app:app", Some(Port::Fixed(8000))),
            ("gunicorn -b :$PORT app:app", Some(Port::Variable(None))),
            ("rails server -p ${PORT:-3000}", Some(Port::Variable(Some(3000)))),
            ("streamlit run app.py --server.port=8501", Some(Port::Fixed(8501))),
            ("PORT=5000 node server.js", Some(Port::Fixed(5000))),
            ("serve -s dist -l 4173", Some(Port::Fixed(4173))),
            ("php -S 0.0.0.0:8080 -t public", Some(Port::Fixed(8080))),
            ("[\"uvicorn\", \"main:app\", \"--port\", \"80\"]", Some(Port::Fixed(80))),
            ("node server.js", None),
            ("cp -p a b", None),
            ("x --port 99999", None),
            ("x --port 0", None),
        ] {
            assert_eq!(of_command(command), port, "{command}");
        }
    }
}
