//! What is said about a route in the description of the API.

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of one type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a successful answer holds.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// No body.
    Nothing,
    /// JSON of this type.
    Json(SchemaOf),
    /// One of these media types, as text.
    Text(&'static [&'static str]),
    /// Bytes of this media type.
    Bytes(&'static str),
}

/// What is said about a route.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<(SchemaOf, bool)>,
    /// The media types of a body that is no JSON.
    pub(crate) bytes: &'static [&'static str],
    pub(crate) answers: Vec<(StatusCode, &'static str, Content)>,
    pub(crate) problems: Vec<StatusCode>,
}

/// What every route can answer: a foreign host, a bad token, too many requests, a store that is gone.
const ALWAYS: [StatusCode; 5] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

impl Operation {
    pub(crate) fn new(id: &'static str, summary: &'static str) -> Self {
        let (query, body, bytes) = (None, None, &[][..]);
        let (headers, answers, problems) = (Vec::new(), Vec::new(), ALWAYS.to_vec());
        Self { id, summary, query, headers, body, bytes, answers, problems }
    }

    /// Its query parameters are the fields of this type.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| T::json_schema(generator));
        self.fails(&[StatusCode::BAD_REQUEST])
    }

    pub(crate) fn header(mut self, name: &'static str, what: &'static str) -> Self {
        self.headers.push((name, what));
        self
    }

    /// It takes a JSON body of this type.
    pub(crate) fn body<T: JsonSchema>(mut self, required: bool) -> Self {
        self.body = Some((|generator| generator.subschema_for::<T>(), required));
        self.fails(&[
            StatusCode::BAD_REQUEST,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ])
    }

    /// It takes bytes of these media types.
    pub(crate) fn bytes(mut self, kinds: &'static [&'static str]) -> Self {
        self.bytes = kinds;
        self.fails(&[StatusCode::BAD_REQUEST, StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE])
    }

    /// It answers with JSON of this type.
    pub(crate) fn gives<T: JsonSchema>(self, status: StatusCode, what: &'static str) -> Self {
        self.answers(status, what, Content::Json(|generator| generator.subschema_for::<T>()))
    }

    pub(crate) fn answers(mut self, status: StatusCode, what: &'static str, content: Content) -> Self {
        self.answers.push((status, what, content));
        self
    }

    /// Problems it can answer beside those that every route can.
    pub(crate) fn fails(mut self, more: &[StatusCode]) -> Self {
        self.problems.extend(more);
        self.problems.sort();
        self.problems.dedup();
        self
    }
}
