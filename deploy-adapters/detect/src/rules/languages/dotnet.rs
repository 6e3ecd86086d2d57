//! .NET: which project of a solution is the program, and whether it is a site.

use deploy_core::detect::{Detection, ProjectKind};

use super::asked;
use super::parts::Around;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::apps;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases =
    Releases { language: ".NET", all: &["3.1", "5.0", "6.0", "7.0", "8.0", "9.0", "10.0"], usual: "8.0" };

/// A project that makes a program.
#[derive(Debug, Clone)]
struct Project {
    /// Its file, relative to the base directory.
    file: String,
    text: String,
}

impl Project {
    fn name(&self) -> &str {
        let file = self.file.rsplit('/').next().unwrap_or(&self.file);
        file.rsplit_once('.').map_or(file, |(name, _)| name)
    }

    fn element(&self, tag: &str) -> Option<&str> {
        let (_, after) = self.text.split_once(&format!("<{tag}>"))?;
        Some(after.split_once("</")?.0.trim()).filter(|text| !text.is_empty() && !text.contains("$("))
    }

    /// The name of what it makes.
    fn assembly(&self) -> &str {
        self.element("AssemblyName").unwrap_or_else(|| self.name())
    }

    fn is_web(&self) -> bool {
        self.text.contains("Microsoft.NET.Sdk.Web\"")
            || self.text.contains("Microsoft.AspNetCore.App")
            || self.text.contains("Microsoft.AspNetCore.All")
    }

    fn is_browser(&self) -> bool {
        self.text.contains("Microsoft.NET.Sdk.BlazorWebAssembly")
    }

    fn is_test(&self) -> bool {
        let marks = ["Microsoft.NET.Test.Sdk", "<IsTestProject>true", "xunit", "MSTest.Sdk"];
        marks.iter().any(|mark| self.text.contains(mark))
    }

    fn is_program(&self) -> bool {
        let runs = ["<OutputType>Exe", "<OutputType>WinExe", "Microsoft.NET.Sdk.Worker\""];
        // The shared defaults of Aspire are a library with a server's packages.
        !self.is_test()
            && !self.text.contains("<IsAspireSharedProject>true")
            && (self.is_web() || self.is_browser() || runs.iter().any(|mark| self.text.contains(mark)))
    }
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let projects = projects(scene);
    let solution = scene.files("").into_iter().find(|file| file.ends_with(".sln") || file.ends_with(".slnx"));
    let first = projects.first().map(|project| project.file.clone());
    let file =
        first.clone().filter(|file| !file.contains('/')).or_else(|| solution.map(str::to_owned)).or(first)?;
    let mut program = Program::new("dotnet", scene.fact(&file, "belongs to a .NET program"));
    program.detection.package_manager = Some("dotnet".to_owned());
    let programs: Vec<&Project> = projects.iter().filter(|project| project.is_program()).collect();
    let hosts = |project: &&&Project| project.is_web() && !project.text.contains("Aspire.Hosting");
    let webs: Vec<&&Project> = programs.iter().filter(hosts).collect();
    let only = match (&programs[..], &webs[..]) {
        ([only], _) => Some(*only),
        (_, [only]) => Some(**only),
        // A site in the browser with the server that gives it out.
        (_, _) => None,
    };
    if let Some(project) = only {
        plan(scene, project, &mut program);
        return Some(program.plan(scene));
    }
    if programs.is_empty() {
        let message = "none of these .NET projects is a program: no <OutputType>Exe, and no SDK of a web or worker program";
        let evidence = scene.fact(&file, "is a library, or holds only libraries");
        program.detection.blocked.push(start_unknown(evidence, message.to_owned(), "dotnet out/App.dll"));
        return Some(program.plan(scene));
    }
    let named = if webs.is_empty() { programs } else { webs.into_iter().copied().collect() };
    let directory = |project: &&Project| {
        project.file.rsplit_once('/').map_or(".".to_owned(), |(directory, _)| directory.to_owned())
    };
    let directories: Vec<String> = named.iter().map(directory).collect();
    let several = apps::several(scene, &directories);
    Some(Detection { blocked: several.blocked, planner: several.planner, ..program.detection })
}

/// The projects at the top, or those of up to three levels below it.
fn projects(scene: &Scene<'_>) -> Vec<Project> {
    const MOST: usize = 48;
    let is_project =
        |name: &&str| [".csproj", ".fsproj", ".vbproj"].iter().any(|ending| name.ends_with(ending));
    let project = |directory: &str, name: &str| {
        let file = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        let text = scene.text(&file)?.to_owned();
        Some(Project { file, text })
    };
    let at = |directory: &str| -> Vec<Project> {
        let names = scene.files(directory).into_iter().filter(is_project);
        names.filter_map(|name| project(directory, name)).collect()
    };
    let top = at("");
    let has_solution = scene.files("").iter().any(|file| file.ends_with(".sln") || file.ends_with(".slnx"));
    let is_dotnet = has_solution || scene.has("global.json") || scene.has("Directory.Build.props");
    if !top.is_empty() || !is_dotnet {
        return top;
    }
    let mut level = vec![String::new()];
    let mut found = Vec::new();
    for _ in 0..3 {
        let below = |parent: &String| {
            let names = scene.directories(parent).into_iter();
            let names = names.filter(|name| !matches!(*name, "bin" | "obj" | "test" | "tests" | "docs"));
            names
                .map(|name| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") })
                .collect::<Vec<_>>()
        };
        level = level.iter().flat_map(below).take(MOST).collect();
        found.extend(level.iter().flat_map(|directory| at(directory)));
    }
    found
}

fn plan(scene: &Scene<'_>, project: &Project, program: &mut Program) {
    let fact = |fact: &str| scene.fact(&project.file, fact);
    let of_global = || {
        let global = crate::manifest::jsonc(scene.text("global.json")?).ok()?;
        use crate::manifest::Values;
        asked::asks(scene, "global.json", global.text_at(&["sdk", "version"])?)
    };
    let of_project = || {
        let framework = project
            .element("TargetFramework")
            .or_else(|| project.element("TargetFrameworks")?.split(';').next_back())?;
        let version = framework.trim_start_matches(|c: char| !c.is_ascii_digit()).split('-').next()?;
        asked::asks(scene, &project.file, version)
    };
    let of_directory = || {
        let text = scene.text("Directory.Build.props")?.to_owned();
        let shared = Project { file: "Directory.Build.props".to_owned(), text };
        let version =
            shared.element("TargetFramework")?.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned();
        asked::asks(scene, "Directory.Build.props", &version)
    };
    let release = RELEASES.choose(of_project().or_else(of_directory).or_else(of_global));
    let version = release.version;
    let kind = if project.is_web() { "aspnet" } else { "runtime" };
    let build = format!("mcr.microsoft.com/dotnet/sdk:{version}");
    let runtime = (!project.is_browser()).then(|| format!("mcr.microsoft.com/dotnet/{kind}:{version}"));
    program.images(release, build, runtime);
    program.caches(&["/root/.nuget/packages"]);
    let at_top = !project.file.contains('/');
    let which = if at_top { String::new() } else { format!(" {}", project.file) };
    let locked = if scene.has("packages.lock.json") { " --locked-mode" } else { "" };
    let restore = format!("dotnet restore{which}{locked}");
    let publish = format!("dotnet publish{which} --no-restore -c Release -o out");
    program.detection.install = Some(scene.found(restore, &project.file, "names the packages"));
    program.detection.build = Some(scene.found(publish, &project.file, "describes the build"));
    let shared = [
        "global.json",
        "NuGet.config",
        "nuget.config",
        "Directory.Build.props",
        "Directory.Packages.props",
        "packages.lock.json",
    ];
    // A project that refers to others needs theirs as well, and then everything is copied first.
    if at_top && !project.text.contains("ProjectReference") {
        program.manifests(scene, &[&project.file]);
        program.manifests(scene, &shared);
    }
    // Projects beside it, outside of the base directory.
    if at_top && (project.text.contains("Include=\"..\\") || project.text.contains("Include=\"../")) {
        let is_root = |root: &Scene<'_>, _: &str| {
            root.at().is_empty()
                || root.files("").iter().any(|file| file.ends_with(".sln") || file.ends_with(".slnx"))
        };
        if let Some(around) = Around::of(scene, is_root) {
            around.note(program, &project.file);
        }
    }
    if project.is_browser() {
        program.framework("blazor", fact("is a site that runs in the browser"));
        program.detection.kind = ProjectKind::Static;
        program.detection.publish_directory =
            Some(scene.found("out/wwwroot".to_owned(), &project.file, "is published there"));
        return;
    }
    let start = match project.assembly() {
        name if name.contains(' ') => format!("dotnet \"out/{name}.dll\""),
        name => format!("dotnet out/{name}.dll"),
    };
    program.detection.start =
        Some(scene.found(start, &project.file, format!("makes {}.dll", project.assembly())));
    program.detection.runtime_files = vec!["out/".to_owned()];
    program.detection.kind = ProjectKind::Worker;
    if project.is_web() {
        web(scene, project, program);
    }
}

fn web(scene: &Scene<'_>, project: &Project, program: &mut Program) {
    program.framework("aspnet", scene.fact(&project.file, "is a program for the web"));
    program.detection.kind = ProjectKind::Server;
    let port = scene.profile().network.internal_port.unwrap_or(8080);
    program.variable("ASPNETCORE_URLS", format!("http://0.0.0.0:{port}"));
    program.variable("ASPNETCORE_ENVIRONMENT", "Production");
    program.usual_port = Some((8080, "ASP.NET listens there unless it is told otherwise"));
    let directory =
        project.file.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    let file = format!("{directory}Program.cs");
    let text = scene.text(&file).unwrap_or_default();
    // `app.MapHealthChecks("/healthz")`, or Aspire's defaults.
    let path = text.split_once("MapHealthChecks(").and_then(|(_, after)| after.split('"').nth(1));
    let path = path.or_else(|| super::listen::health(text));
    if let Some(path) = path.filter(|path| path.starts_with('/')) {
        program.detection.health_path = Some(scene.found(path.to_owned(), &file, format!("answers {path}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, lines, value};
    use deploy_core::reason::ReasonCode;

    const WEB: &str = "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><PropertyGroup><TargetFramework>net9.0</TargetFramework></PropertyGroup></Project>";
    const TOOL: &str = "<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net6.0</TargetFramework></PropertyGroup></Project>";
    const LIBRARY: &str = "<Project Sdk=\"Microsoft.NET.Sdk\"></Project>";

    #[test]
    fn a_site_is_published_and_told_its_port() {
        let detection = detect(&[("Shop.csproj", WEB), ("Program.cs", "app.MapHealthChecks(\"/healthz\");")]);
        assert_eq!(value(&detection.install), "dotnet restore");
        assert_eq!(value(&detection.build), "dotnet publish --no-restore -c Release -o out");
        assert_eq!(value(&detection.start), "dotnet out/Shop.dll");
        assert_eq!(detection.environment["ASPNETCORE_URLS"], "http://0.0.0.0:8080");
        assert_eq!(value(&detection.runtime_image), "mcr.microsoft.com/dotnet/aspnet:9.0");
        assert_eq!(
            (value(&detection.health_path), detection.framework.as_deref()),
            ("/healthz", Some("aspnet"))
        );
        let detection = detect(&[("tool.fsproj", TOOL)]);
        assert_eq!(
            (detection.kind, value(&detection.runtime_image)),
            (ProjectKind::Worker, "mcr.microsoft.com/dotnet/runtime:6.0")
        );
    }

    #[test]
    fn the_program_of_a_solution_is_the_one_for_the_web() {
        let files = [
            ("Shop.sln", ""),
            ("src/Api/Api.csproj", WEB),
            ("src/Core/Core.csproj", LIBRARY),
            ("src/Tool/Tool.csproj", TOOL),
        ];
        let detection = detect(&files);
        assert_eq!(
            value(&detection.build),
            "dotnet publish src/Api/Api.csproj --no-restore -c Release -o out"
        );
        let more = [&files[..], &[("src/Web/Web.csproj", WEB)]].concat();
        let detection = detect(&more);
        assert_eq!(detection.blocked[0].code, ReasonCode::SeveralApps);
        assert!(lines(&detection.blocked[0]).contains(&"source.base_directory = \"src/Web\""));
        assert_eq!(detect(&[("a.csproj", LIBRARY)]).blocked[0].code, ReasonCode::StartUnknown);
    }
}
