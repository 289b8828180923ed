//! Servers that are slow, gone, or back again.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use harness::{Flow, Proxy, RedisServer};
use sea_orm_cache::{__testing::RemoteTier, Error, ErrorKind, RedisSettings, Tag};

use super::{LONG, PATIENCE, open, patient, tier, use_everything};

/// The defaults that an application gets.
fn hasty(url: &str) -> std::sync::Arc<dyn RemoteTier> {
    open(&RedisSettings::new(url).with_namespace("shop")).0
}

async fn ask(tier: &dyn RemoteTier) -> Result<(), Error> {
    tier.fetch(&["f:v1:[]"], &[Tag::table("user")]).await.map(drop)
}

async fn until_it_answers(tier: &dyn RemoteTier) {
    let until = Instant::now() + PATIENCE;
    while let Err(error) = ask(tier).await {
        assert!(error.is_remote(), "{error:?}");
        assert!(Instant::now() < until, "{error:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_stopped_server_costs_no_more_than_the_deadline() {
    let server = RedisServer::start();
    let tier = hasty(&server.url());
    until_it_answers(&*tier).await;
    server.pause();
    let begun = Instant::now();
    let error = ask(&*tier).await.expect_err("the server is stopped");
    // The deadline is 80 ms; the rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    server.resume();
    until_it_answers(&*tier).await;
}

#[tokio::test]
async fn a_server_that_is_back_is_used_again() {
    let server = RedisServer::start();
    let tier = tier(&server.url());
    use_everything(&tier).await.expect("everything works");
    server.kill();
    for _ in 0..3 {
        let error = ask(&*tier).await.expect_err("the server is gone");
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
    server.restart();
    until_it_answers(&*tier).await;
    use_everything(&tier).await.expect("the scripts are loaded again");
}

#[tokio::test]
async fn a_server_may_come_up_after_its_users() {
    let server = RedisServer::start();
    server.kill();
    let tier = tier(&server.url());
    let error = ask(&*tier).await.expect_err("there is no server");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    server.restart();
    until_it_answers(&*tier).await;
}

#[tokio::test]
async fn a_half_open_connection_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let tier = hasty(&format!("redis://{}", proxy.address()));
    until_it_answers(&*tier).await;
    let connections = proxy.accepted();
    proxy.freeze();
    let error = ask(&*tier).await.expect_err("nothing comes through");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    until_it_answers(&*tier).await;
    assert!(proxy.accepted() > connections);
}

#[tokio::test]
async fn a_cut_connection_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let (tier, _) = open(&patient(&format!("redis://{}", proxy.address())));
    until_it_answers(&*tier).await;
    for _ in 0..3 {
        proxy.cut();
        until_it_answers(&*tier).await;
    }
}

#[tokio::test]
async fn a_request_whose_reply_is_lost_may_be_repeated() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let tier = hasty(&format!("redis://{}", proxy.address()));
    until_it_answers(&*tier).await;
    // The server knows the scripts from another node.
    use_everything(&super::tier(&server.url())).await.expect("everything works");
    let tag = [Tag::table("post")];
    proxy.replies(Flow::Hang);
    let error = tier.begin_intent(&tag, 1, LONG).await.expect_err("the reply is lost");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    proxy.replies(Flow::Pass);
    let until = Instant::now() + PATIENCE;
    let held = loop {
        match tier.begin_intent(&tag, 1, LONG).await {
            Ok(held) => break held,
            Err(error) => assert!(Instant::now() < until, "{error:?}"),
        }
    };
    assert_eq!(held, [true], "the first request had its effect");
}

/// Set for a test process of its own, whose environment names the root certificate: the URL to use.
const TLS_URL: &str = "REDIS_ADAPTER_TLS_URL";

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked() {
    if let Ok(url) = std::env::var(TLS_URL) {
        let tier = tier(&url);
        return use_everything(&tier).await.expect("the server has a certificate that is trusted");
    }
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let (key, certificate) = (place.path().join("key.pem"), place.path().join("certificate.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]);
    openssl.args([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
    let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");

    let port = harness::free_port().to_string();
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
    let arguments = [&["--tls-port", &port, "--tls-auth-clients", "no"], &files[..]].concat();
    let _server = harness::RedisServer::start_with(&arguments);
    let url = format!("rediss://localhost:{port}");

    let error = ask(&*tier(&url)).await.expect_err("nobody trusts that certificate");
    assert!(error.is_remote(), "{error:?}");
    let this = "redis_adapter::connection::tls_is_spoken_and_certificates_are_checked";
    let trusting = Command::new(std::env::current_exe().expect("a process has a program"))
        .args(["--exact", this])
        .env(TLS_URL, url)
        .env("SSL_CERT_FILE", &certificate)
        .output()
        .expect("the test binary can be started");
    let said = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success() && said.contains("1 passed"), "{said}");
}
