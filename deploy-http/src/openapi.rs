//! The description of the API, made from the route table and from the types that are really sent.

use std::sync::OnceLock;

use axum::body::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::operation::{Content, Operation, SchemaOf};
use crate::problem::Problem;
use crate::routes::{Route, routes};
use crate::stream::Line;

/// The document as JSON. It never changes while the process runs.
pub(crate) fn document() -> Bytes {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let made = || serde_json::to_vec_pretty(&describe()).expect("every key is a string").into();
    DOCUMENT.get_or_init(made).clone()
}

fn describe() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    // Streams are text to a client of this document; what stands on their lines is still described.
    generator.subschema_for::<Line<'_>>();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = operation(&mut generator, &route);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "deploy",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Deployments whose state is always true: preview, run, verify, roll back.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "Made by `deploy token create`" },
            },
        },
    })
}

fn operation(generator: &mut SchemaGenerator, route: &Route) -> Value {
    let Operation { id, summary, query, headers, body, bytes, answers, problems } = &route.operation;
    let mut parameters = path_parameters(route.path);
    parameters.extend(query.map(|query| query_parameters(generator, query)).unwrap_or_default());
    parameters.extend(headers.iter().map(|(name, what)| {
        json!({ "name": name, "in": "header", "description": what, "schema": { "type": "string" } })
    }));
    let mut responses = Map::new();
    for (status, what, content) in answers {
        let mut answer = json!({ "description": what });
        match content {
            Content::Nothing => {}
            Content::Json(schema) => {
                answer["content"] = json!({ "application/json": { "schema": schema(generator) } });
            }
            Content::Bytes(kind) => answer["content"][kind] = json!({}),
            Content::Text(kinds) => kinds
                .iter()
                .for_each(|kind| answer["content"][kind] = json!({ "schema": { "type": "string" } })),
        }
        responses.insert(status.as_str().to_owned(), answer);
    }
    let problem = generator.subschema_for::<Problem>();
    for status in problems {
        let what = status.canonical_reason().unwrap_or_default();
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(status.as_str().to_owned(), json!({ "description": what, "content": content }));
    }
    let mut described = json!({
        "operationId": id, "summary": summary, "parameters": parameters, "responses": responses,
    });
    if let Some((schema, required)) = body {
        let content = json!({ "application/json": { "schema": schema(generator) } });
        described["requestBody"] = json!({ "required": required, "content": content });
    }
    if !bytes.is_empty() {
        let content: Map<String, Value> = bytes.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    if let Some(scope) = route.needs {
        described["security"] = json!([{ "token": [] }]);
        described["x-scope"] = json!(scope);
    }
    described
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let pattern = match path {
            _ if path.starts_with("/api/deployments/") => "^dep_[0-9a-f]{32}$",
            _ if path.starts_with("/api/tokens/") => "^[0-9a-f]{16}$",
            // A resource id, or a name with or without its environment.
            _ => {
                "^(res_[0-9a-f]{32}|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(@[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?)$"
            }
        };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } })
    };
    names.map(parameter).collect()
}

/// The fields of a type as parameters.
fn query_parameters(generator: &mut SchemaGenerator, of: SchemaOf) -> Vec<Value> {
    let schema = of(generator).to_value();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(fields) = schema["properties"].as_object() else { return Vec::new() };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let required = required.contains(&name.as_str());
        json!({ "name": name, "in": "query", "required": required, "description": description, "schema": not_null(schema) })
    };
    fields.iter().map(parameter).collect()
}

/// A parameter that is absent is absent: it is never written as `null`.
fn not_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = &kinds[..] {
            schema["type"] = kind.clone();
        }
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let mut rest = choices.iter().filter(|choice| choice["type"] != "null");
        if let (Some(only), None) = (rest.next(), rest.next()) {
            return only.clone();
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = describe();
        let text = document.to_string();
        let names = text.split("\"#/components/schemas/").skip(1);
        let names: Vec<&str> = names.filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 20);
        for name in names {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    #[test]
    fn every_route_is_described_with_its_answers() {
        let document = describe();
        for route in routes() {
            let method = route.method.as_str().to_ascii_lowercase();
            let responses = &document["paths"][route.path][&method]["responses"];
            let succeeds = responses.as_object().unwrap().keys().any(|status| status.starts_with('2'));
            assert!(succeeds, "{method} {}", route.path);
        }
        assert!(document["components"]["schemas"]["StreamLine"].is_object());
    }
}
