//! The two forms of a stream: NDJSON, and server-sent events.

use axum::http::{HeaderMap, header};

use super::line::Line;

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One envelope a line.
    Lines,
    /// Server-sent events: the same envelopes as unnamed messages, with the sequence as `id`.
    Sse,
}

impl Form {
    /// What a client asks for; NDJSON unless it names `text/event-stream`.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds = accept.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next());
        let sse = kinds.any(|kind| kind.is_some_and(|kind| kind.trim() == "text/event-stream"));
        if sse { Self::Sse } else { Self::Lines }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Sse => "text/event-stream",
        }
    }

    /// What a stream begins with.
    pub(crate) const fn opening(self) -> &'static str {
        match self {
            Self::Lines => "",
            Self::Sse => "retry: 5000\n\n",
        }
    }

    /// Writes one envelope. JSON on one line holds no line end, so no text in it can end the message or
    /// begin another.
    pub(crate) fn write(self, out: &mut String, id: Option<u64>, json: &str) {
        match self {
            Self::Lines => out.extend([json, "\n"]),
            Self::Sse => {
                if let Some(id) = id {
                    out.extend(["id: ", &id.to_string(), "\n"]);
                }
                out.extend(["data: ", json, "\n\n"]);
            }
        }
    }

    /// Writes a line that is no record.
    pub(crate) fn say(self, out: &mut String, id: Option<u64>, line: &Line<'_>) {
        self.write(out, id, &line.json());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sse_is_written_when_it_is_asked_for() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Form::asked(&headers)
        };
        assert_eq!(asked("text/event-stream"), Form::Sse);
        assert_eq!(asked("text/html, text/event-stream;q=0.9"), Form::Sse);
        assert_eq!(asked("*/*"), Form::Lines);
        assert_eq!(Form::asked(&HeaderMap::new()), Form::Lines);
    }

    #[test]
    fn threat_f17_no_text_ends_a_message_or_begins_another() {
        let json = serde_json::json!({ "message": "a\n\ndata: forged\r\nid: 9\u{2028}\u{0}" }).to_string();
        let mut out = String::new();
        Form::Sse.write(&mut out, Some(7), &json);
        assert_eq!(out.matches('\n').count(), 3, "{out:?}");
        assert!(!out.contains('\r') && out.starts_with("id: 7\ndata: {"));
    }
}
