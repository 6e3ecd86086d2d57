use super::*;
use proptest::prelude::*;

const RELEASE: HeaderValue = HeaderValue::from_static("sha256:00");

fn headers(fields: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Heads as clients and upstreams may send them: ordinary fields, fields of the connection, claims of origin, and
/// `Connection` naming any of them.
fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "accept",
        "cookie",
        "x-own",
        "content-type",
        "connection",
        "keep-alive",
        "te",
        "upgrade",
        "transfer-encoding",
        "proxy-authorization",
        "proxy-connection",
        "x-forwarded-for",
        "x_forwarded_for",
        "x-forwarded_host",
        "x-forwarded-proto",
        "forwarded",
        "x-real-ip",
        "proxy",
        "expect",
        "host",
        "deploy-error",
        "deploy-release",
    ]);
    let value = prop_oneof![
        "[a-z0-9 ,;=.-]{0,20}",
        Just("close, X-Own, x-forwarded-for".to_owned()),
        Just("Upgrade,cookie , ,host".to_owned()),
        Just("websocket".to_owned()),
        Just("h2c, websocket".to_owned()),
        Just("trailers".to_owned()),
        Just("chunked".to_owned()),
    ];
    prop::collection::vec((name, value), 0..12).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers(&fields)
    })
}

fn any_version() -> impl Strategy<Value = Version> {
    prop::sample::select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2])
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Http1, Protocol::Http2])
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION);
    values.iter().flat_map(tokens).map(str::to_ascii_lowercase).collect()
}

fn all(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

proptest! {
    #[test]
    fn no_field_of_one_connection_reaches_the_next(
        before in any_headers(), version in any_version(), protocol in any_protocol(), trusted: bool,
    ) {
        let host = HeaderValue::from_static("web.example");
        let source = Source { peer: IpAddr::from([10, 1, 2, 3]), trusted, host: &host };
        let upgrade = wanted_upgrade(version, &before).filter(|_| protocol == Protocol::Http1);
        let mut after = before.clone();
        for_upstream(&mut after, version, &source, upgrade.as_ref(), protocol);

        for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, EXPECT, PROXY] {
            prop_assert!(!after.contains_key(&name), "{}", name);
        }
        prop_assert_eq!(after.get(UPGRADE), upgrade.as_ref());
        prop_assert!(after.get(TE).is_none_or(|te| te == "trailers"));
        let connection = all(&after, &CONNECTION);
        match (protocol, upgrade.is_some(), after.contains_key(TE)) {
            (Protocol::Http2, _, _) | (Protocol::Http1, false, false) => prop_assert!(connection.is_empty()),
            (Protocol::Http1, true, _) => prop_assert_eq!(connection, vec!["upgrade"]),
            (Protocol::Http1, false, true) => prop_assert_eq!(connection, vec!["te"]),
        }
        prop_assert_eq!(after.get(HOST).is_some(), protocol == Protocol::Http1);
        prop_assert!(after.get(HOST).is_none_or(|sent| sent == host));

        // Everything else arrives as it was sent, unless `Connection` claims it for itself.
        let named = named_by_connection(&before);
        for name in ["accept", "x-own", "content-type"].map(HeaderName::from_static) {
            let expected = if named.contains(&name.as_str().to_owned()) { vec![] } else { all(&before, &name) };
            prop_assert_eq!(all(&after, &name), expected, "{}", name);
        }
    }

    #[test]
    fn an_origin_cannot_be_claimed(before in any_headers(), version in any_version()) {
        let host = HeaderValue::from_static("web.example");
        let source = Source { peer: IpAddr::from([10, 1, 2, 3]), trusted: false, host: &host };
        let mut after = before;
        for_upstream(&mut after, version, &source, None, Protocol::Http1);
        prop_assert_eq!(all(&after, &X_FORWARDED_FOR), vec!["10.1.2.3"]);
        prop_assert_eq!(all(&after, &X_FORWARDED_PROTO), vec!["http"]);
        prop_assert_eq!(all(&after, &X_FORWARDED_HOST), vec!["web.example"]);
        for name in after.keys() {
            let read_as = name.as_str().replace('_', "-");
            let claims = ORIGIN.iter().any(|own| own.as_str() == read_as);
            let set = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST].contains(name);
            prop_assert!(!claims || set, "{}", name);
        }
    }

    #[test]
    fn a_trusted_proxy_ends_every_list_with_itself(before in any_headers()) {
        let host = HeaderValue::from_static("web.example");
        let source = Source { peer: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), trusted: true, host: &host };
        let named = named_by_connection(&before);
        let mut after = before.clone();
        for_upstream(&mut after, Version::HTTP_11, &source, None, Protocol::Http1);
        let list = all(&after, &X_FORWARDED_FOR);
        prop_assert_eq!(list.len(), 1);
        let list = list[0].to_str().unwrap();
        prop_assert!(list.ends_with("::1"));
        if !named.contains(&"x-forwarded-for".to_owned()) {
            for claimed in before.get_all(X_FORWARDED_FOR) {
                prop_assert!(list.contains(claimed.to_str().unwrap()));
            }
        }
        if let Some(forwarded) = after.get(FORWARDED) {
            prop_assert!(forwarded.to_str().unwrap().ends_with("for=\"[::1]\""));
        }
        prop_assert!(after.keys().all(|name| name != PROXY && !name.as_str().starts_with("x_forwarded")));
    }

    #[test]
    fn a_visitor_gets_no_field_of_the_other_connection_and_no_forged_word_of_the_edge(before in any_headers()) {
        let mut after = before.clone();
        for_visitor(&mut after);
        name_release(&mut after, &RELEASE);
        for name in HOP_BY_HOP.iter().chain([&ERROR_HEADER]) {
            prop_assert!(!after.contains_key(name), "{}", name);
        }
        prop_assert_eq!(all(&after, &RELEASE_HEADER), vec![RELEASE]);
        for name in named_by_connection(&before) {
            prop_assert!(!after.contains_key(&name) || name == RELEASE_HEADER.as_str(), "{}", name);
        }
        let once = after.clone();
        for_visitor(&mut after);
        name_release(&mut after, &RELEASE);
        prop_assert_eq!(after, once, "doing it twice changes nothing");
    }

    #[test]
    fn an_upgrade_is_only_what_was_asked_for_and_never_h2c(before in any_headers(), version in any_version()) {
        if let Some(upgrade) = wanted_upgrade(version, &before) {
            prop_assert_eq!(version, Version::HTTP_11);
            prop_assert!(named_by_connection(&before).contains(&"upgrade".to_owned()));
            prop_assert_eq!(all(&before, &UPGRADE), vec![upgrade.clone()]);
            prop_assert!(!tokens(&upgrade).any(|token| token.eq_ignore_ascii_case("h2c")));
        }
    }
}

#[test]
fn an_upgrade_is_recognised_in_its_usual_spellings() {
    let asked = |connection: &str, upgrade: &str| {
        let fields =
            [("connection", connection), ("upgrade", upgrade)].map(|(n, v)| (n.to_owned(), v.to_owned()));
        wanted_upgrade(Version::HTTP_11, &headers(&fields))
    };
    for (connection, upgrade) in
        [("Upgrade", "websocket"), ("keep-alive, upgrade", "WebSocket"), ("upgrade", "tcp")]
    {
        assert_eq!(asked(connection, upgrade).unwrap(), upgrade);
    }
    for (connection, upgrade) in
        [("keep-alive", "websocket"), ("upgrade", "h2c"), ("upgrade", "H2C, websocket")]
    {
        assert_eq!(asked(connection, upgrade), None, "{connection} {upgrade}");
    }
}

#[test]
fn a_split_cookie_is_one_again_before_http1() {
    let host = HeaderValue::from_static("web.example");
    let source = Source { peer: IpAddr::from([10, 1, 2, 3]), trusted: false, host: &host };
    let split = [("cookie", "a=1"), ("cookie", "b=2; c=3")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    for (version, protocol, expected) in [
        (Version::HTTP_2, Protocol::Http1, vec!["a=1; b=2; c=3"]),
        (Version::HTTP_2, Protocol::Http2, vec!["a=1", "b=2; c=3"]),
    ] {
        let mut headers = headers(&split);
        for_upstream(&mut headers, version, &source, None, protocol);
        assert_eq!(all(&headers, &COOKIE), expected);
    }
}
