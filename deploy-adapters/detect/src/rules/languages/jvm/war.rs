//! A web archive that does not run by itself: Tomcat runs it.

use deploy_core::detect::{Found, ProjectKind};

use super::Module;
use crate::rule::Scene;
use crate::rules::languages::program::Program;

/// Tomcat with everything that it writes to in a directory of its own: the release may write nowhere else.
const BASE: &str = "/tmp/tomcat";

/// Runs the archive as the site at `/`, in the newest Tomcat that will do.
pub(super) fn serve(scene: &Scene<'_>, module: &Module, program: &mut Program, archive: &str) {
    let java = program.detection.runtime_version.clone().unwrap_or_default();
    let tomcat = tomcat(&module.description, &java);
    if let Some(image) = &mut program.detection.runtime_image {
        image.value = format!("tomcat:{tomcat}-jre{java}");
    }
    let fact = scene.fact(&module.file, format!("makes {archive}, which Tomcat {tomcat} runs"));
    let start = format!(
        "mkdir -p {BASE}/logs {BASE}/temp {BASE}/webapps {BASE}/work && cp -r /usr/local/tomcat/conf {BASE}/ && \
         sed -i \"s/port=\\\"8080\\\"/port=\\\"${{PORT:-8080}}\\\"/\" {BASE}/conf/server.xml && \
         cp {archive} {BASE}/webapps/ROOT.war && CATALINA_BASE={BASE} exec /usr/local/tomcat/bin/catalina.sh run"
    );
    program.detection.kind = ProjectKind::Server;
    program.detection.start = Some(Found { value: start, evidence: fact });
    program.detection.runtime_files = vec![archive.to_owned()];
    program.usual_port = Some((8080, "is where Tomcat listens"));
}

/// Servlets changed their names in Jakarta EE 9, which Tomcat 10 was the first to know, and 9 the last not to.
fn tomcat(description: &str, java: &str) -> &'static str {
    let is_new = description.contains("jakarta.servlet")
        || description.contains("jakarta.jakartaee")
        || description.contains("jakarta.platform");
    match (is_new, java) {
        (true, "8" | "11") => "10.1",
        (true, _) => "11.0",
        (false, _) => "9.0",
    }
}

#[cfg(test)]
mod tests {
    use deploy_core::detect::ProjectKind;

    use crate::testing::{detect, value};

    #[test]
    fn archives_run_in_the_tomcat_that_knows_their_servlets() {
        let pom = |servlets: &str, java: &str| {
            format!(
                "<project><artifactId>shop</artifactId><version>1</version><packaging>war</packaging>\
                 <properties><maven.compiler.release>{java}</maven.compiler.release></properties>\
                 <dependencies><groupId>{servlets}</groupId></dependencies></project>"
            )
        };
        for (servlets, java, image) in [
            ("javax.servlet", "8", "tomcat:9.0-jre8"),
            ("jakarta.servlet", "11", "tomcat:10.1-jre11"),
            ("jakarta.servlet", "21", "tomcat:11.0-jre21"),
        ] {
            let detection = detect(&[("pom.xml", &pom(servlets, java))]);
            assert_eq!((value(&detection.runtime_image), detection.kind), (image, ProjectKind::Server));
            assert_eq!((detection.blocked.len(), detection.internal_port.unwrap().value), (0, 8080));
            assert!(value(&detection.start).contains("cp target/shop-1.war /tmp/tomcat/webapps/ROOT.war"));
        }
        let gradle =
            "plugins {\n  id 'war'\n}\ndependencies { compileOnly 'jakarta.servlet:jakarta.servlet-api:6' }";
        let detection = detect(&[("build.gradle", gradle)]);
        assert_eq!(value(&detection.build), "gradle --no-daemon war");
        assert!(value(&detection.start).contains("cp build/libs/*.war "));
    }
}
