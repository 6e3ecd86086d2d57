//! Every spelling of an address that must not be reached (threat F10).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use deploy_core::time::Span;
use deploy_probe::{
    Address, AddressPolicy, HttpUrl, Resolve, SystemResolver, Target, UrlError, resolve_and_check,
};
use proptest::prelude::*;

/// Knows a few names, and gives anything else to the system, which reads numbers in every spelling C ever had.
struct Names {
    answers: &'static [(&'static str, &'static [&'static str])],
    asked: AtomicUsize,
}

impl Names {
    const fn new(answers: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { answers, asked: AtomicUsize::new(0) }
    }
}

impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.answers.iter().find(|(name, _)| *name == host) {
            Some((_, addresses)) => {
                Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
            }
            None if host
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'x' | b'X' | b':')) =>
            {
                SystemResolver.resolve(host, port).await
            }
            None => Err(io::Error::other("no such name")),
        }
    }
}

static NAMES: Names = Names::new(&[
    ("localhost", &["127.0.0.1", "::1"]),
    ("localhost.", &["127.0.0.1"]),
    ("LOCALHOST", &["127.0.0.1"]),
    ("ip6-localhost", &["::1"]),
    ("metadata.google.internal", &["169.254.169.254"]),
    ("169.254.169.254.nip.io", &["169.254.169.254"]),
    ("a9fea9fe.nip.io", &["169.254.169.254"]),
    ("127.0.0.1.nip.io", &["127.0.0.1"]),
    ("10.0.0.5.sslip.io", &["10.0.0.5"]),
    ("mixed.example", &["93.184.215.14", "169.254.169.254"]),
    ("mixed6.example", &["93.184.215.14", "::ffff:a9fe:a9fe"]),
    ("public.example", &["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]),
    ("none.example", &[]),
]);

async fn resolve(url: &str, policy: &AddressPolicy) -> Result<Target, UrlError> {
    resolve_and_check(url, policy, &NAMES, Span::from_secs(5)).await
}

/// Refused to everybody: metadata, link-local, and what is no address of one machine.
const NEVER: &[&str] = &[
    // The metadata service in every notation.
    "169.254.169.254",
    "169.254.169.254:80",
    "2852039166",
    "0xa9fea9fe",
    "0xA9FEA9FE",
    "025177524776",
    "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",
    "169.16689662",
    "0xa9.254.0251.254",
    "0251.254.169.254",
    "169.0376.43518",
    "0xa9.0xfea9fe",
    "00251.00376.000251.0000376",
    "169.254.0xa9fe",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::FFFF:A9FE:A9FE]",
    "[::a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:4136:e378:8000:63bf:5601:5601]",
    "[::ffff:0:a9fe:a9fe]",
    "[fe80::5efe:a9fe:a9fe]",
    "[fe80::200:5efe:169.254.169.254]",
    "[2001:db8::5efe:a9fe:a9fe]",
    "metadata.google.internal",
    "169.254.169.254.nip.io",
    "a9fea9fe.nip.io",
    "mixed.example",
    "mixed6.example",
    // Other services that hand out credentials.
    "100.100.100.200",
    "1684301000",
    "192.0.0.192",
    "168.63.129.16",
    "0xa83f8110",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd20:ce::254]",
    "[::ffff:168.63.129.16]",
    "[64:ff9b::6464:64c8]",
    // Link-local.
    "169.254.0.1",
    "169.254.170.2",
    "169.254.255.255",
    "[fe80::1]",
    "[febf::1]",
    "[::ffff:169.254.1.1]",
    // This network, broadcast, multicast, reserved, documentation.
    "0",
    "0.0.0.0",
    "00",
    "0x0",
    "0.0",
    "0.1.2.3",
    "[::]",
    "[::ffff:0.0.0.0]",
    "[::ffff:0:0]",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "[ff02::1]",
    "[ff0e::1]",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "198.18.0.1",
    "192.88.99.1",
    "[2001:db8::1]",
    "[fec0::1]",
    "[100::1]",
    "[5f00::1]",
    "[4000::1]",
    "none.example",
];

/// Refused to whoever came over the network.
const LOCAL: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.255.255.254",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ip6-localhost",
    "127.0.0.1.nip.io",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "10.255.255.255",
    "0xa000001",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "3232235777",
    "100.64.0.1",
    "100.127.255.255",
    "[::ffff:10.0.0.1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[::ffff:c0a8:101]",
    "10.0.0.5.sslip.io",
];

/// Not read at all.
const INVALID: &[&str] = &[
    "",
    "http://",
    "http:///",
    "unix:///run/docker.sock",
    "unix://x",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "ftp://127.0.0.1/",
    "//127.0.0.1",
    "127.0.0.1",
    "/etc/passwd",
    "javascript:1",
    "http://h@127.0.0.1",
    "http://127.0.0.1@public.example/",
    "http://user:pass@public.example/",
    "http://@127.0.0.1",
    "http://public.example\\@127.0.0.1/",
    "http://public.example /",
    "http://public.example/\r\nHost: x",
    "http://public.example/a b",
    "http://public.example:99999/",
    "http://public.example:/",
    "http://public.example:x/",
    "http://[::1",
    "http://::1/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://public.example\t/",
    "http:// public.example/",
    "http:\\\\127.0.0.1",
];

#[tokio::test]
async fn threat_f10_no_spelling_gets_through() {
    assert!(NEVER.len() + LOCAL.len() + INVALID.len() >= 120, "the list has to stay long");
    for host in NEVER {
        for policy in [AddressPolicy::local(), AddressPolicy::public_only()] {
            let answer = resolve(&format!("http://{host}/latest/meta-data"), &policy).await;
            assert!(answer.is_err(), "{host}: {answer:?}");
        }
    }
    for host in LOCAL {
        let url = format!("http://{host}/");
        let answer = resolve(&url, &AddressPolicy::public_only()).await;
        assert!(matches!(answer, Err(UrlError::Refused { .. })), "{host}: {answer:?}");
        let answer = resolve(&url, &AddressPolicy::local()).await;
        assert!(answer.is_ok(), "{host}: {answer:?}");
    }
    for url in INVALID {
        let answer = resolve(url, &AddressPolicy::local()).await;
        assert!(matches!(answer, Err(UrlError::Invalid { .. })), "{url:?}: {answer:?}");
    }
}

#[tokio::test]
async fn what_may_be_reached_is_reached_at_the_address_that_was_checked() {
    for policy in [AddressPolicy::local(), AddressPolicy::public_only()] {
        let target = resolve("http://public.example:8080/health?deep=1", &policy).await.unwrap();
        assert_eq!(target.address, Address::Tcp("93.184.215.14:8080".parse().unwrap()));
        assert_eq!((target.host.as_str(), target.path.as_str()), ("public.example:8080", "/health?deep=1"));
    }
    for host in
        ["8.8.8.8", "134744072", "[2606:2800:21f:cb07::1]", "172.32.0.1", "100.128.0.1", "169.253.1.1"]
    {
        assert!(resolve(&format!("http://{host}"), &AddressPolicy::public_only()).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn threat_f10_a_name_is_resolved_once() {
    let names = Names::new(&[("rebind.example", &["93.184.215.14"])]);
    let policy = AddressPolicy::public_only();
    let target =
        resolve_and_check("http://rebind.example/", &policy, &names, Span::from_secs(1)).await.unwrap();
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    assert!(matches!(target.address, Address::Tcp(_)), "nothing in a target can be resolved again");
}

#[tokio::test]
async fn ports_of_the_engine_and_of_docker_are_refused() {
    let policy = AddressPolicy::public_only().without_port(7474);
    for port in [0, 2375, 2376, 7474] {
        let answer = resolve(&format!("http://public.example:{port}/"), &policy).await;
        assert!(matches!(answer, Err(UrlError::Refused { .. })), "{port}: {answer:?}");
    }
    assert!(resolve("http://public.example:8080/", &policy).await.is_ok());
}

#[test]
fn urls_are_read_into_their_parts() {
    for (url, host, port, authority, path) in [
        ("http://a", "a", 80, "a", "/"),
        ("http://a/", "a", 80, "a", "/"),
        ("http://a:8080/x?y=1", "a", 8080, "a:8080", "/x?y=1"),
        ("http://a?y", "a", 80, "a", "/?y"),
        ("http://[::1]:81/x", "::1", 81, "[::1]:81", "/x"),
        ("HTTP://a/#part", "a", 80, "a", "/"),
        ("https://a/x", "a", 443, "a", "/x"),
        ("https://a:8443", "a", 8443, "a:8443", "/"),
    ] {
        let parts = HttpUrl::parse(url).unwrap();
        assert_eq!(
            (&*parts.host, parts.port, &*parts.authority, &*parts.path),
            (host, port, authority, path)
        );
    }
}

proptest! {
    #[test]
    fn reading_a_url_never_panics(url in any::<String>(), tail in "[-a-z0-9@:/\\[\\]%.?#]{0,40}") {
        let _ = HttpUrl::parse(&url);
        if let Ok(parts) = HttpUrl::parse(&format!("http://{tail}")) {
            prop_assert!(parts.path.starts_with('/') && !parts.host.is_empty());
            prop_assert!(!parts.authority.contains('@'));
        }
    }

    #[test]
    fn what_wraps_an_address_is_that_address(bits in any::<u32>()) {
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let class = deploy_probe::classify(v4.into());
        prop_assert_eq!(class, deploy_probe::classify(v4.to_ipv6_mapped().into()));
        let [a, b] = [(bits >> 16) as u16, bits as u16];
        prop_assert_eq!(class, deploy_probe::classify(std::net::Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1).into()));
        prop_assert_eq!(class, deploy_probe::classify(std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b).into()));
    }
}
