//! Reading a Compose file: its services, and which of them people reach.

use serde_json::Value;

use super::dockerfile::health_path;
use crate::image::Reference;
use crate::manifest::Values;
use crate::rule::Scene;

/// The names, in the order that Compose looks for them.
pub(super) const FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Images of what an app needs beside it, by the last part of their names.
const BACKING: [&str; 62] = [
    "postgres",
    "postgresql",
    "postgis",
    "timescaledb",
    "pgvector",
    "pgbouncer",
    "mysql",
    "mariadb",
    "mongo",
    "mongodb",
    "redis",
    "redis-stack",
    "redis-stack-server",
    "valkey",
    "keydb",
    "dragonfly",
    "memcached",
    "rabbitmq",
    "kafka",
    "cp-kafka",
    "zookeeper",
    "cp-zookeeper",
    "redpanda",
    "nats",
    "elasticsearch",
    "opensearch",
    "kibana",
    "minio",
    "mailhog",
    "mailpit",
    "maildev",
    "mailcatcher",
    "adminer",
    "pgadmin4",
    "pgadmin",
    "phpmyadmin",
    "mongo-express",
    "redis-commander",
    "redisinsight",
    "localstack",
    "azurite",
    "dynamodb-local",
    "clickhouse-server",
    "clickhouse",
    "meilisearch",
    "typesense",
    "qdrant",
    "weaviate",
    "chroma",
    "cassandra",
    "cockroach",
    "couchdb",
    "influxdb",
    "neo4j",
    "etcd",
    "consul",
    "vault",
    "jaeger",
    "all-in-one",
    "prometheus",
    "grafana",
    "server-mssql",
];

/// A Compose file.
#[derive(Debug)]
pub(super) struct Compose {
    pub(super) file: String,
    /// All of it.
    pub(super) content: Value,
    pub(super) services: Vec<Service>,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) image: Option<String>,
    builds: bool,
    /// Whether it has a port on the host, and which.
    published: Option<u16>,
    /// The port inside its container.
    pub(super) port: Option<u16>,
    pub(super) health: Option<String>,
    /// A volume that keeps data.
    pub(super) volume: Option<String>,
    /// Whether it is started only when it is asked for.
    pub(super) optional: bool,
}

impl Compose {
    /// The Compose file at the usual place.
    pub(super) fn find(scene: &Scene<'_>) -> Option<Self> {
        let file = scene.first_of(&FILES)?;
        let content = scene.yaml(file)?;
        let services = content.at(&["services"]).as_object().into_iter().flatten();
        let services = services.map(|(name, service)| Service::read(name, service)).collect();
        Some(Self { file: file.to_owned(), services, content })
    }

    /// Whether any service is more than what an app needs beside it.
    pub(super) fn runs_something(&self) -> bool {
        self.services.iter().any(|service| !service.is_backing())
    }

    /// The services that people could reach: those with a port on the host, of which the one on the web's own port is
    /// the door to the others; else those that are built here; else all.
    pub(super) fn candidates(&self) -> Vec<&Service> {
        let own: Vec<&Service> =
            self.services.iter().filter(|service| !service.is_backing() && !service.optional).collect();
        let published: Vec<&Service> =
            own.iter().copied().filter(|service| service.published.is_some()).collect();
        let doors: Vec<&Service> =
            published.iter().copied().filter(|service| matches!(service.published, Some(80 | 443))).collect();
        let built: Vec<&Service> = own.iter().copied().filter(|service| service.builds).collect();
        [doors, published, built].into_iter().find(|some| !some.is_empty()).unwrap_or(own)
    }
}

impl Service {
    fn read(name: &str, service: &Value) -> Self {
        let ports: Vec<(Option<u16>, u16)> = match service.at(&["ports"]) {
            Value::Array(ports) => ports.iter().filter_map(mapping).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Vec::new()
            }
        };
        let exposed = service.at(&["expose"]).as_array().into_iter().flatten().find_map(port_number);
        let best = ports.iter().find(|(published, _)| matches!(published, Some(80 | 443))).or(ports.first());
        Self {
            name: name.to_owned(),
            image: service.text_at(&["image"]).map(str::to_owned),
            builds: !service.at(&["build"]).is_null(),
            published: best.map(|(published, inside)| published.unwrap_or(*inside)),
            port: best.map(|(_, inside)| *inside).or(exposed),
            health: health(service.at(&["healthcheck", "test"])),
            volume: volume(service.at(&["volumes"])),
            optional: service.at(&["profiles"]).as_array().is_some_and(|profiles| !profiles.is_empty()),
        }
    }

    /// Whether it is what an app needs beside it: a database, a cache, a queue.
    pub(super) fn is_backing(&self) -> bool {
        let image = self.image.as_deref().map(variables_gone);
        let reference = image.as_deref().and_then(|image| Reference::parse(image).ok());
        !self.builds && reference.is_some_and(|image| BACKING.contains(&image.short_name()))
    }
}

/// `postgres:${VERSION:-16}` is an image of postgres, whatever the version.
fn variables_gone(image: &str) -> String {
    image.split_once(":$").or_else(|| image.split_once('$')).map_or(image, |(name, _)| name).to_owned()
}

/// The port on the host and the one inside: `8080:80`, `127.0.0.1:8080:80/tcp`, `80`, or the long form.
fn mapping(port: &Value) -> Option<(Option<u16>, u16)> {
    match port {
        Value::Number(_) => Some((None, port_number(port)?)),
        Value::String(text) => {
            let text = defaults(text);
            let text = text.split('/').next().unwrap_or_default();
            let mut parts = text.rsplit(':');
            let inside = parts.next()?.split('-').next()?.parse().ok()?;
            Some((parts.next().and_then(|host| host.split('-').next()?.parse().ok()), inside))
        }
        Value::Object(_) => Some((port_number(port.at(&["published"])), port_number(port.at(&["target"]))?)),
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

/// `${PORT:-8080}` with its default in its place.
fn defaults(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (variable, behind) = after.split_once('}').unwrap_or((after, ""));
        let default = variable.split_once(":-").or_else(|| variable.split_once('-'));
        out.push_str(default.map_or("", |(_, default)| default));
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn port_number(value: &Value) -> Option<u16> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(text) => text.split(['/', '-']).next()?.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
    .filter(|port| *port > 0)
}

fn health(test: &Value) -> Option<String> {
    match test {
        Value::String(text) => health_path(text),
        Value::Array(words) => {
            health_path(&words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The first named volume; a directory of the source that is mounted is not one.
fn volume(volumes: &Value) -> Option<String> {
    let name = |volume: &Value| match volume {
        Value::String(text) => text.split_once(':').map(|(name, _)| name.to_owned()),
        Value::Object(_) => volume.text_at(&["source"]).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    let named = |name: &String| !name.starts_with(['.', '/', '~', '$']);
    volumes.as_array().into_iter().flatten().filter_map(name).find(named)
}
