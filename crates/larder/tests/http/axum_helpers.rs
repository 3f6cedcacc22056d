//! Extractors and routes for axum.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderName, Request, StatusCode};
use larder::Larder;
use larder::http::HttpCacheLayer;
use larder::http::axum::{TenantLarder, TenantLayer, TenantName, health, purge};
use tower::ServiceExt;

use crate::common::eventually;
use crate::origin::{Answer, lines};

const TOKEN: &str = "a token that is long";

async fn ask(router: &Router, method: &str, uri: &str, headers: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .body(Body::empty())
        .unwrap();
    *request.headers_mut() = lines(headers);
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

async fn service() -> (Larder, Router) {
    let larder = Larder::in_memory().await.unwrap();
    let cached = HttpCacheLayer::application(&larder)
        .tenant(TenantName::of)
        .tags(|request| vec![format!("path:{}", request.uri.path())])
        .build()
        .unwrap();
    let page = async |tenant: Option<TenantName>| tenant.map_or("nobody".to_owned(), |name| name.0);
    let only = async |TenantName(name): TenantName, TenantLarder(_larder): TenantLarder| name;
    let router = Router::new()
        .route("/page", get(page))
        .route("/only", get(only))
        .route(
            "/own",
            get(async |larder: Larder| format!("{}", larder.is_closed())),
        )
        .layer(cached)
        .layer(TenantLayer::header(HeaderName::from_static("x-tenant")))
        .route("/health", health(&larder))
        .route("/purge", purge(&larder, TOKEN).unwrap())
        .with_state(larder.clone());
    (larder, router)
}

#[tokio::test]
async fn each_tenant_has_its_own_responses() {
    let (_larder, router) = service().await;
    for again in [false, true] {
        for (header, name) in [
            ("x-tenant: one", "one"),
            ("x-tenant: two", "two"),
            ("", "nobody"),
        ] {
            let answer = ask(&router, "GET", "/page", header).await;
            assert_eq!((&*answer.body, answer.is_hit()), (name, again));
        }
    }
}

#[tokio::test]
async fn a_handler_may_demand_a_tenant() {
    let (_larder, router) = service().await;
    assert_eq!(
        ask(&router, "GET", "/only", "x-tenant: one").await.body,
        "one"
    );
    let long = format!("x-tenant: {}", "x".repeat(300));
    for bad in ["", "x-tenant:", "x-tenant: one\nx-tenant: two", &long] {
        let answer = ask(&router, "GET", "/only", bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(answer.body.contains("1 to 200 bytes"), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_larder_is_an_argument() {
    let (_larder, router) = service().await;
    assert_eq!(ask(&router, "GET", "/own", "").await.body, "false");
}

#[tokio::test]
async fn health_says_how_it_is() {
    let (larder, router) = service().await;
    let healthy = ask(&router, "GET", "/health", "").await;
    let json: serde_json::Value = serde_json::from_str(&healthy.body).unwrap();
    assert_eq!(
        (healthy.status, &json["status"]),
        (StatusCode::OK, &"ok".into())
    );
    assert_eq!(healthy.header("cache-control"), "no-store");
    larder.close().await;
    let closed = ask(&router, "GET", "/health", "").await;
    assert_eq!(closed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(closed.body.contains("\"closed\""));
}

#[tokio::test]
async fn who_has_the_token_may_purge() {
    let (_larder, router) = service().await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    let is_hit = async |tenant: &str| {
        ask(&router, "GET", "/page", &format!("x-tenant: {tenant}"))
            .await
            .is_hit()
    };
    for (query, one, two) in [
        ("tenant=one&tag=path:/page", false, true),
        ("tenant=two&all=true", true, false),
        ("all=true", false, false),
        ("tag=path:/other&tenant=one", true, true),
    ] {
        for tenant in ["one", "two"] {
            // The answer comes before it is stored.
            eventually("it is stored", async || is_hit(tenant).await).await;
        }
        let purged = ask(&router, "POST", &format!("/purge?{query}"), &bearer).await;
        assert_eq!(purged.status, StatusCode::NO_CONTENT, "{query}");
        assert_eq!(
            (is_hit("one").await, is_hit("two").await),
            (one, two),
            "{query}"
        );
    }
}

#[tokio::test]
async fn who_has_no_token_may_not() {
    let (_larder, router) = service().await;
    ask(&router, "GET", "/page", "").await;
    for bad in [
        String::new(),
        "authorization: Bearer".to_owned(),
        "authorization: Bearer ".to_owned(),
        format!("authorization: Basic {TOKEN}"),
        format!("authorization: Bearer {TOKEN}x"),
        format!("authorization: Bearer {}", &TOKEN[1..]),
        format!("authorization: Bearer {TOKEN}\nauthorization: Bearer {TOKEN}"),
    ] {
        let answer = ask(&router, "POST", "/purge?all=true", &bad).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(
        ask(&router, "GET", "/purge?all=true", "").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert!(ask(&router, "GET", "/page", "").await.is_hit());
}

#[tokio::test]
async fn a_purge_of_nothing_says_what_can_be() {
    let (_larder, router) = service().await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    for bad in [
        "",
        "all=false",
        "tag=a&all=true",
        "key=x",
        "tenant=one",
        "tenant=a&tenant=b&all=true",
        "tag=",
    ] {
        let answer = ask(&router, "POST", &format!("/purge?{bad}"), &bearer).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_refused() {
    let larder = Larder::in_memory().await.unwrap();
    for bad in [
        "",
        "short",
        "fifteen bytes..",
        " begins with a space",
        "has a \n line's end in it",
    ] {
        let error = purge::<()>(&larder, bad).unwrap_err();
        assert!(error.to_string().contains("at least 16"), "{error}");
    }
}

#[tokio::test]
async fn a_request_whose_tenant_is_in_doubt_is_not_stored() {
    let (_larder, router) = service().await;
    let long = format!("x-tenant: {}", "x".repeat(300));
    for bad in ["x-tenant:", "x-tenant: one\nx-tenant: two", &long] {
        for _ in 0..2 {
            let answer = ask(&router, "GET", "/page", bad).await;
            assert_eq!((&*answer.body, answer.is_hit()), ("nobody", false), "{bad}");
        }
    }
    let by = TenantLayer::by(|_| Some(String::new()));
    let larder = Larder::in_memory().await.unwrap();
    let cached = HttpCacheLayer::application(&larder).tenant(TenantName::of);
    let page = Router::new().route("/page", get(async || "x"));
    let router = page.layer(cached.build().unwrap()).layer(by);
    for _ in 0..2 {
        assert!(!ask(&router, "GET", "/page", "").await.is_hit());
    }
}

#[tokio::test]
async fn a_tenant_layer_inside_of_the_cache_shares_nothing() {
    let larder = Larder::in_memory().await.unwrap();
    let cached = HttpCacheLayer::application(&larder).tenant(TenantName::of);
    let router = Router::new()
        .route("/page", get(async |TenantName(name): TenantName| name))
        .layer(TenantLayer::header(HeaderName::from_static("x-tenant")))
        .layer(cached.build().unwrap());
    for name in ["one", "two", "one"] {
        let answer = ask(&router, "GET", "/page", &format!("x-tenant: {name}")).await;
        assert_eq!((&*answer.body, answer.is_hit()), (name, false));
    }
}

#[tokio::test]
async fn metrics_are_told_in_the_format_of_prometheus() {
    let told = || "larder_loads_total 1\n".to_owned();
    let router = Router::new().route("/metrics", larder::http::axum::metrics(told));
    let answer = ask(&router, "GET", "/metrics", "").await;
    assert_eq!(answer.body, "larder_loads_total 1\n");
    let kind = answer.header("content-type");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
}
