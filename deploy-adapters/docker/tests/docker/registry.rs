//! Images from a registry that wants to know who asks: a small one of the test's own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use deploy_core::failure::FailureCode;
use deploy_core::id::Digest;
use deploy_core::spec::{Profile, RegistryAccess, SecretRef, Strategy};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{World, world};

const PASSWORD: &str = "CANARY-registry-90210";
/// `robot:CANARY-registry-90210`
const AUTHORIZATION: &str = "authorization: basic cm9ib3q6Q0FOQVJZLXJlZ2lzdHJ5LTkwMjEw";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What it holds, by the end of the path, and who it was asked by.
struct Registry {
    image: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The layers and the configuration of an image, as `docker save` writes them.
async fn saved(world: &World, image: &str) -> BTreeMap<String, Vec<u8>> {
    let mut bytes = Vec::new();
    let mut exported = world.docker.export_image(image);
    while let Some(piece) = exported.next().await {
        bytes.extend_from_slice(&piece.expect("a piece"));
    }
    let mut archive = tar::Archive::new(&*bytes);
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        files.insert(path, content);
    }
    files
}

impl Registry {
    /// A registry that has one image, and gives it to nobody but the robot.
    async fn with(world: &World, image: &str) -> Self {
        let files = saved(world, image).await;
        let index: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).expect("an index");
        let of = |path: &serde_json::Value| files[path.as_str().expect("a path")].clone();
        let blob = |kind: &str, bytes: &[u8]| serde_json::json!({ "mediaType": kind, "size": bytes.len(), "digest": Digest::of(bytes).as_str() });
        let config = of(&index[0]["Config"]);
        let layers: Vec<Vec<u8>> = index[0]["Layers"].as_array().expect("layers").iter().map(of).collect();
        let layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": blob("application/vnd.docker.container.image.v1+json", &config),
            "layers": layers.iter().map(|layer| blob(layer_type, layer)).collect::<Vec<_>>(),
        });
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        let digest = Digest::of(&manifest);
        let mut held = BTreeMap::from([(digest.to_string(), manifest)]);
        held.extend(layers.into_iter().chain([config]).map(|bytes| (Digest::of(&bytes).to_string(), bytes)));

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("an address");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (heard, held) = (Arc::clone(&asked), Arc::new(held));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&held), Arc::clone(&heard)));
            }
        });
        Self { image: format!("{address}/{}@{digest}", world.owner), asked }
    }
}

/// One request, one answer.
async fn answer(mut stream: TcpStream, held: Arc<BTreeMap<String, Vec<u8>>>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let known = head.to_ascii_lowercase().contains(&AUTHORIZATION.to_ascii_lowercase());
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().expect("the list").push(format!("{path} {known}"));
    let name = path.rsplit('/').next().unwrap_or_default();
    let (status, more, body) = match held.get(name) {
        _ if !known => {
            ("401 Unauthorized", "www-authenticate: Basic realm=\"robots\"\r\n".to_owned(), &[][..])
        }
        _ if path == "/v2/" => ("200 OK", String::new(), &b"{}"[..]),
        Some(body) if path.contains("/manifests/") => {
            ("200 OK", format!("content-type: {MANIFEST}\r\ndocker-content-digest: {name}\r\n"), &body[..])
        }
        Some(body) => ("200 OK", "content-type: application/octet-stream\r\n".to_owned(), &body[..]),
        None => ("404 Not Found", String::new(), &[][..]),
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n");
    let body = if head.starts_with("HEAD ") { &[][..] } else { body };
    // Whoever asked may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}

fn profile(image: &str) -> Profile {
    let mut profile = Profile::default();
    profile.runtime.strategy = Strategy::Image;
    profile.runtime.image = Some(image.to_owned());
    profile.runtime.registry = Some(RegistryAccess {
        server: None,
        username: "robot".to_owned(),
        password: SecretRef { env: "REGISTRY_TOKEN".to_owned(), build: false, file: false },
    });
    profile.network.internal_port = Some(8080);
    profile
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_an_image_is_fetched_by_digest_with_a_password_that_nothing_tells() {
    let Some(world) = world().await else { return };
    let mut made = world.run(world.app("from afar"));
    world.steps(&mut made, "start").await.expect("an image");
    let registry = Registry::with(&world, made.digest().as_str()).await;
    let id = made.digest();
    world.undo_all(&made).await;
    assert!(world.docker.inspect_image(id.as_str()).await.is_err(), "the image is nowhere but there");

    let mut unknown = world.run(profile(&registry.image));
    let (_, failure) = world.deploy(&mut unknown).await.expect_err("the variable is not set");
    assert_eq!(failure.code, FailureCode::SecretMissing, "{failure:?}");
    assert!(failure.message.contains("REGISTRY_TOKEN"), "{failure:?}");

    world
        .variables
        .lock()
        .expect("variables")
        .insert("REGISTRY_TOKEN".to_owned(), "wrong-password".to_owned());
    let mut refused = world.run(profile(&registry.image));
    let (step, failure) = world.deploy(&mut refused).await.expect_err("it is the wrong one");
    assert_eq!((step.as_str(), failure.code), ("image", FailureCode::ImageUnavailable), "{failure:?}");
    assert!(!format!("{failure:?}{}", world.said.text()).contains("wrong-password"), "{failure:?}");

    world.variables.lock().expect("variables").insert("REGISTRY_TOKEN".to_owned(), PASSWORD.to_owned());
    let mut run = world.run(profile(&registry.image));
    let plan = serde_json::to_string(&*run.plan).expect("a plan");
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "from afar".to_owned()));
    assert_eq!(run.digest(), id, "the image that was pushed is the one that runs");
    let asked = registry.asked.lock().expect("the list").join("\n");
    assert!(asked.contains("true"), "{asked}");
    let container = world.inspect(&run.fact("container")).await.expect("the container");
    let outputs = serde_json::to_string(&run.outputs).expect("outputs");
    for text in [plan, world.said.text(), outputs, format!("{container:?}")] {
        assert!(!text.contains(PASSWORD) && !text.contains("CANARY"), "{text}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_base_image_that_a_registry_gives_to_the_robot_alone_is_built_on_and_nothing_tells_the_password()
 {
    let Some(world) = world().await else { return };
    let mut made = world.run(world.app("from a private base"));
    world.steps(&mut made, "start").await.expect("an image");
    let registry = Registry::with(&world, made.digest().as_str()).await;
    world.undo_all(&made).await;
    world.variables.lock().expect("variables").insert("REGISTRY_TOKEN".to_owned(), PASSWORD.to_owned());
    let server = registry.image.split('/').next().expect("a registry").to_owned();
    let built_on = |server: &str| {
        world.write("Dockerfile", &format!("FROM {}\nENV AGAIN=1\n", registry.image));
        let mut profile = profile(&registry.image);
        (profile.runtime.strategy, profile.runtime.image) = (Strategy::Dockerfile, None);
        if let Some(access) = profile.runtime.registry.as_mut() {
            access.server = Some(server.to_owned());
        }
        world.run(profile)
    };
    let mut other = built_on("registry.example");
    let (step, failure) = world.deploy(&mut other).await.expect_err("another registry is told nothing");
    assert_eq!((step.as_str(), failure.code), ("build", FailureCode::ImageUnavailable), "{failure:?}");
    assert!(!registry.asked.lock().expect("the list").join("\n").contains("true"), "told who asks");

    let mut run = built_on(&server);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "from a private base".to_owned()));
    let image = world.docker.inspect_image(run.digest().as_str()).await.expect("the image");
    let history = world.docker.image_history(run.digest().as_str()).await.expect("its history");
    let outputs = serde_json::to_string(&run.outputs).expect("outputs");
    for text in [world.said.text(), outputs, format!("{image:?}"), format!("{history:?}")] {
        assert!(!text.contains(PASSWORD) && !text.contains("CANARY"), "{text}");
    }
    world.close().await;
}
