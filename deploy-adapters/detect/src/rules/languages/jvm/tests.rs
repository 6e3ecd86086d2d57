use deploy_core::detect::ProjectKind;
use deploy_core::reason::ReasonCode;

use crate::testing::{detect, lines, value};

const SPRING: &str = "<project><parent><artifactId>spring-boot-starter-parent</artifactId><version>3.3.0</version></parent>
  <artifactId>shop</artifactId><version>1.2</version><properties><java.version>17</java.version></properties>
  <dependencies><dependency><artifactId>spring-boot-starter-web</artifactId></dependency>
  <dependency><artifactId>spring-boot-starter-actuator</artifactId></dependency></dependencies>
  <build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>";

#[test]
fn spring_on_maven_runs_its_own_jar() {
    let files = [
        ("pom.xml", SPRING),
        ("src/main/java/a/App.java", ""),
        ("src/main/resources/application.properties", "server.port=${PORT:9000}\n"),
    ];
    let detection = detect(&files);
    assert_eq!(value(&detection.build), "mvn --batch-mode -DskipTests package");
    assert_eq!(value(&detection.start), "java -Dserver.port=${PORT:-9000} -jar target/shop-1.2.jar");
    assert_eq!(value(&detection.health_path), "/actuator/health");
    assert_eq!(detection.internal_port.unwrap().value, 9000);
    assert_eq!(
        (value(&detection.build_image), value(&detection.runtime_image)),
        ("maven:3.9-eclipse-temurin-17", "eclipse-temurin:17-jre")
    );
    assert_eq!(
        (detection.language.as_deref(), detection.framework.as_deref()),
        (Some("java"), Some("spring-boot"))
    );
}

#[test]
fn modules_of_maven_are_planned_if_one_runs() {
    let root = ("pom.xml", "<project><modules><module>api</module><module>lib</module></modules></project>");
    let lib = ("lib/pom.xml", "<project><artifactId>lib</artifactId></project>");
    let detection = detect(&[root, ("api/pom.xml", SPRING), lib]);
    assert_eq!(value(&detection.build), "mvn --batch-mode -DskipTests --projects api --also-make package");
    assert!(value(&detection.start).ends_with("api/target/shop-1.2.jar"));
    let detection = detect(&[root, ("api/pom.xml", SPRING), ("lib/pom.xml", SPRING)]);
    assert_eq!(detection.blocked[0].code, ReasonCode::SeveralApps);
    assert!(lines(&detection.blocked[0]).contains(&"source.base_directory = \"lib\""));
}

#[test]
fn what_is_no_pom_is_broken() {
    let detection = detect(&[("pom.xml", "nothing of the sort")]);
    assert!(detection.blocked.iter().any(|reason| reason.code == ReasonCode::ManifestInvalid));
}

#[test]
fn gradle_packs_with_the_task_of_its_plugin() {
    for (build, task, start) in [
        (
            "plugins { id 'org.springframework.boot' version '3.1.3' }\nimplementation 'spring-boot-starter-web'",
            "bootJar",
            "java -Dserver.port=${PORT:-8080} -jar build/libs/*.jar",
        ),
        (
            "plugins { id(\"io.ktor.plugin\") version \"3.0\" }",
            "buildFatJar",
            "java -jar build/libs/*-all.jar",
        ),
        (
            "plugins {\n application\n}\nkotlin { jvmToolchain(17) }",
            "installDist",
            "./build/install/shop/bin/shop",
        ),
        (
            "plugins { id 'application'\nid 'com.github.johnrengelman.shadow' }",
            "shadowJar",
            "java -jar build/libs/*-all.jar",
        ),
    ] {
        let files = [
            ("build.gradle.kts", build),
            ("settings.gradle.kts", "rootProject.name = \"shop\""),
            ("src/main/kotlin/App.kt", "fun main() {}"),
            ("gradlew", ""),
        ];
        let detection = detect(&files);
        assert_eq!(value(&detection.build), format!("sh ./gradlew --no-daemon {task}"));
        assert_eq!(value(&detection.start), start);
        assert_eq!(detection.language.as_deref(), Some("kotlin"));
    }
}

#[test]
fn projects_of_gradle_are_planned_if_one_is_a_program() {
    let settings = ("settings.gradle", "rootProject.name = 'x'\ninclude(\n  ':app',\n  ':lib'\n)\n");
    let app = (
        "app/build.gradle",
        "plugins { id 'application' }\njava { toolchain { languageVersion = JavaLanguageVersion.of(25) } }",
    );
    let lib = ("lib/build.gradle", "plugins { id 'java-library' }");
    let detection = detect(&[settings, app, lib]);
    assert_eq!(value(&detection.build), "gradle --no-daemon :app:installDist");
    assert_eq!(value(&detection.start), "./app/build/install/app/bin/app");
    assert_eq!((value(&detection.build_image), detection.kind), ("gradle:9-jdk25", ProjectKind::Worker));
    let detection = detect(&[settings, app, ("lib/build.gradle", "apply plugin: 'application'")]);
    assert_eq!(detection.blocked[0].code, ReasonCode::SeveralApps);
    let detection = detect(&[("build.gradle", "plugins { id 'java-library' }")]);
    assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
}

#[test]
fn a_module_is_built_from_the_root_that_it_belongs_to() {
    let files = [
        ("pom.xml", "<project><modules><module>api</module><module>job</module></modules></project>"),
        ("api/pom.xml", SPRING),
        ("job/pom.xml", SPRING),
        ("x/settings.gradle", "include ':app', ':b'"),
        ("x/app/build.gradle", "plugins { id 'application' }"),
        ("x/b/build.gradle", "plugins { id 'application' }"),
    ];
    let at = |directory: &str| {
        crate::testing::detect_with(&files, |profile| {
            profile.source.base_directory = Some(directory.to_owned());
        })
    };
    let detection = at("api");
    let build = "mvn --batch-mode -DskipTests --file ../pom.xml --projects api --also-make package";
    assert_eq!(
        (value(&detection.build), detection.workspace.map(|found| found.value)),
        (build, Some(String::new()))
    );
    let detection = at("x/app");
    assert_eq!(
        value(&detection.build),
        "gradle --no-daemon --project-dir ../ :app:installDist"
            .replace("--no-daemon --project-dir ../", "--project-dir ../ --no-daemon")
    );
    assert_eq!(value(&detection.start), "./build/install/app/bin/app");
    assert_eq!(detection.workspace.map(|found| found.value).as_deref(), Some("x"));
}
