//! Whether an `index.html` is a finished page, or the source that a tool makes one of.
//!
//! Serving the source as if it were the site is the classic wrong guess: the page answers with 200 and stays white.
//! Each sign below is something that no browser understands, or that shows nothing by itself. A page without any of
//! them counts as finished.

/// Why a page is not finished, as the end of the sentence "`index.html` …"; `None` if it looks finished.
pub(crate) fn unfinished(html: &str) -> Option<String> {
    let html = html.trim_start_matches('\u{feff}').trim_start();
    template(html).map(str::to_owned).or_else(|| source_reference(html)).or_else(|| empty_shell(html))
}

/// Text that another program replaces.
fn template(html: &str) -> Option<&'static str> {
    const PLACEHOLDERS: [(&str, &str); 8] = [
        ("%PUBLIC_URL%", "has the placeholder %PUBLIC_URL% of Create React App"),
        ("<%= BASE_URL %>", "has the placeholder <%= BASE_URL %> of Vue CLI"),
        ("<%= htmlWebpackPlugin", "has a placeholder of html-webpack-plugin"),
        ("%sveltekit.", "has a placeholder of SvelteKit"),
        ("%VITE_", "has a placeholder of Vite"),
        ("<!-- built files will be auto injected", "says that built files will be injected"),
        ("data-trunk", "has links that Trunk replaces"),
        ("<?php", "is a PHP program"),
    ];
    if front_matter(html) {
        return Some("begins with front matter, which a site generator reads");
    }
    if let Some((_, why)) = PLACEHOLDERS.iter().find(|(placeholder, _)| html.contains(placeholder)) {
        return Some(why);
    }
    // In the body, braces are as likely an example, or for a script in the browser.
    let ends = ["<body", "<BODY", "</head", "</HEAD"].iter().filter_map(|end| html.find(end)).min();
    let head = &html[..ends.unwrap_or(html.len())];
    let by_browser = ["ng-app", "x-data", "v-cloak"].iter().any(|sign| html.contains(sign));
    let braces = head.contains("{%") || head.contains("{{") && !by_browser;
    (braces && !in_script(head)).then_some("has the {{ braces }} of a template language in its head")
}

/// Lines of `---` around `key: value` at the very beginning.
fn front_matter(html: &str) -> bool {
    html.strip_prefix("---").is_some_and(|rest| rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n'))
}

/// Whether every brace of a head is inside an inline script or style.
fn in_script(head: &str) -> bool {
    let mut rest = head;
    while let Some(start) = ["<script", "<style"].iter().filter_map(|tag| rest.find(tag)).min() {
        if rest[..start].contains("{%") || rest[..start].contains("{{") {
            return false;
        }
        let after = &rest[start..];
        let end = after.find("</script").or_else(|| after.find("</style")).unwrap_or(after.len());
        rest = &after[end..];
        // Past the closing tag itself, so that the search goes on behind it.
        rest = rest.find('>').map_or("", |close| &rest[close..]);
    }
    !rest.contains("{%") && !rest.contains("{{")
}

/// A script or style sheet in a language that browsers don't read.
fn source_reference(html: &str) -> Option<String> {
    const SCRIPTS: [&str; 7] = [".ts", ".mts", ".tsx", ".jsx", ".vue", ".svelte", ".coffee"];
    const STYLES: [&str; 4] = [".scss", ".sass", ".less", ".styl"];
    for tag in tags(html) {
        let (attribute, endings) = match tag.name {
            "script" if tag.value("type").is_some_and(|kind| kind.starts_with("text/")) => continue,
            "script" => ("src", &SCRIPTS[..]),
            "link" if tag.value("rel") == Some("stylesheet") => ("href", &STYLES[..]),
            _ => continue,
        };
        let Some(address) = tag.value(attribute) else { continue };
        let path = address.split(['?', '#']).next().unwrap_or(address);
        if endings.iter().any(|ending| path.ends_with(ending)) {
            let shown: String =
                address.chars().filter(|character| !character.is_control()).take(80).collect();
            return Some(format!("refers to {shown}, which has to be built first"));
        }
    }
    None
}

/// A page without a single script whose only content is the element that a script would fill.
fn empty_shell(html: &str) -> Option<String> {
    const SHELLS: [(&str, &str); 5] = [
        ("<app-root></app-root>", "<app-root>"),
        ("<div id=\"root\"></div>", "<div id=\"root\">"),
        ("<div id=\"app\"></div>", "<div id=\"app\">"),
        ("<div id=root></div>", "<div id=root>"),
        ("<div id=app></div>", "<div id=app>"),
    ];
    if html.contains("<script") {
        return None;
    }
    let (_, element) = SHELLS.iter().find(|(shell, _)| html.contains(shell))?;
    Some(format!("has an empty {element}, but no script that fills it"))
}

/// One opening tag.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The value of an attribute, with or without quotes.
    fn value(&self, attribute: &str) -> Option<&'a str> {
        let mut rest = self.attributes;
        loop {
            let at = rest.find(attribute)?;
            let begins = rest[..at].ends_with(|before: char| before.is_ascii_whitespace());
            rest = &rest[at + attribute.len()..];
            if !begins {
                continue;
            }
            let Some(value) = rest.trim_start().strip_prefix('=') else { continue };
            let value = value.trim_start();
            return match value.chars().next()? {
                quote @ ('"' | '\'') => value[1..].split(quote).next(),
                _ => value.split(|end: char| end.is_ascii_whitespace() || end == '>').next(),
            };
        }
    }
}

/// The opening tags of scripts and links, outside comments.
fn tags(html: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')?..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end..]);
                continue;
            }
            let inside = &rest[1..];
            let end = inside.find('>').unwrap_or(inside.len());
            let tag = &inside[..end];
            rest = &inside[end..];
            let name = tag.split(|end: char| end.is_ascii_whitespace() || end == '/').next().unwrap_or("");
            if matches!(name, "script" | "link") {
                return Some(Tag { name, attributes: &tag[name.len()..] });
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_pages_are_finished() {
        for html in [
            "",
            "<h1>hello</h1>",
            "<!doctype html><script type=module src=/assets/index-B8x.js></script><div id=\"root\"></div>",
            "<script type=\"text/babel\" src=\"app.jsx\"></script>",
            "<link rel=\"stylesheet/less\" href=\"a.less\"><script src=\"less.js\"></script>",
            "<!-- <script src=\"/src/main.tsx\"></script> -->",
            "<head><title>x</title></head><body><code>{{ page.title }} {% raw %}</code>",
            "<html ng-app><head><title>{{title}}</title></head>",
            "<head><script>var a = {{}: 1}; // {{</script><title>x</title></head>",
            "<div data-src='x'></div><script data-src=\"a.ts\"></script>",
            "--- not front matter ---\n<h1>x</h1>",
            "<",
            "<script src=",
            "<script src='é",
        ] {
            assert_eq!(unfinished(html), None, "{html}");
        }
    }

    #[test]
    fn sources_of_pages_are_not() {
        for (html, sign) in [
            ("---\ntitle: x\n---\n<h1>{{ page.title }}</h1>", "front matter"),
            ("\u{feff}--- \r\nlayout: home\r\n---\r\n", "front matter"),
            ("<link rel=icon href=\"%PUBLIC_URL%/favicon.ico\">", "%PUBLIC_URL%"),
            ("<link href=\"<%= BASE_URL %>favicon.ico\">", "BASE_URL"),
            ("<head>%sveltekit.head%</head>", "SvelteKit"),
            ("<script type=\"module\" src=\"/src/main.tsx\"></script>", "/src/main.tsx"),
            ("<script src=/src/main.ts></script>", "/src/main.ts"),
            ("<script type='module' src='./app.jsx?x'></script>", "./app.jsx?x"),
            ("<link rel=\"stylesheet\" href=\"style.scss\">", "style.scss"),
            ("<body><app-root></app-root></body>", "<app-root>"),
            ("<body><div id=\"root\"></div></body>", "id=\"root\""),
            ("<head><title>{{ .Title }}</title></head><body>", "braces"),
            ("{% extends \"base.html\" %}<h1>x</h1>", "braces"),
            ("<link data-trunk rel=\"css\" href=\"x.css\">", "Trunk"),
            ("<?php echo 1; ?>", "PHP"),
        ] {
            let why = unfinished(html).unwrap_or_default();
            assert!(why.contains(sign), "{html}: {why}");
        }
    }
}
