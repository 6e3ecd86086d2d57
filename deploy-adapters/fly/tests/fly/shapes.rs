//! What the stand-in answers has the shape that the Machines API's own document gives it.

use deploy_core::port::Executor as _;
use serde_json::Value;

use crate::failing::Bench;
use crate::lab::Lab;

/// Names and types of the Machines API's `Machine` and all it holds, from its OpenAPI document.
const SHAPES: &str = include_str!("../../../../tests/flyctl/machine-shapes.json");

/// What of a value a shape does not allow.
fn misfits(value: &Value, shape: &Value, shapes: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(name) = shape["$ref"].as_str() {
        return misfits(value, &shapes[name], shapes, at, out);
    }
    for part in shape["allOf"].as_array().into_iter().flatten() {
        misfits(value, part, shapes, at, out);
    }
    let fits = match shape["type"].as_str() {
        Some("object") => value.is_object() || value.is_null(),
        Some("array") => value.is_array() || value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    let listed = shape["enum"].as_array().is_none_or(|words| words.contains(value));
    if !fits || !listed {
        out.push(format!("{at}: {value}"));
    }
    for (key, below) in value.as_object().into_iter().flatten() {
        let known = &shape["properties"][key];
        let other = &shape["additionalProperties"];
        if !known.is_null() {
            misfits(below, known, shapes, &format!("{at}.{key}"), out);
        } else if other.is_object() {
            misfits(below, other, shapes, &format!("{at}.{key}"), out);
        } else if shape["properties"].is_object() && !FLYCTL_ADDS.contains(&key.as_str()) {
            out.push(format!("{at}.{key} is not in the document"));
        }
    }
    for below in value.as_array().into_iter().flatten() {
        misfits(below, &shape["items"], shapes, at, out);
    }
}

/// What flyctl's own library has in a machine beside the document.
const FLYCTL_ADDS: [&str; 3] = ["version", "cordoned", "containers"];

#[tokio::test]
async fn what_the_standin_answers_is_a_machine_of_the_api() {
    let lab = Lab::new().await;
    let shapes: Value = serde_json::from_str(SHAPES).unwrap();
    lab.plays(&serde_json::json!({ "deploy": [{ "crash": true, "oom": true }] }));
    let mut bench = Bench::image(&lab, "ghcr.io/acme/web:1");
    let _ = bench.run().await;
    let machines = lab.machines();
    assert_eq!(machines.len(), 2, "{}", lab.executor.name());
    let mut out = Vec::new();
    machines.iter().for_each(|machine| misfits(machine, &shapes["Machine"], &shapes, "machine", &mut out));
    assert_eq!(out, Vec::<String>::new());
    let mut wrong = machines[0].clone();
    wrong["state"] = Value::from(7);
    wrong["host_status"] = Value::from("fine");
    wrong["surprise"] = Value::from("x");
    misfits(&wrong, &shapes["Machine"], &shapes, "machine", &mut out);
    assert_eq!(out.len(), 3, "{out:?}");
}
