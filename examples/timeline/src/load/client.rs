//! Sends forms and reads pages, as a browser does.

use std::error::Error;

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE},
};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};

type Failed = Box<dyn Error + Send + Sync>;

/// A client that keeps its connections.
pub struct Client(HyperClient<HttpConnector, Full<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        Self(HyperClient::builder(TokioExecutor::new()).build_http())
    }
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    /// Where a redirection leads.
    pub location: Option<String>,
    /// A cookie that was set: `name=value`.
    pub cookie: Option<String>,
    /// How many seconds to wait before the next attempt.
    pub retry_after: Option<String>,
    pub body: String,
}

impl Client {
    pub async fn get(&self, site: &str, path: &str, cookie: Option<&str>) -> Result<Answer, Failed> {
        let mut request = Request::get(format!("{site}{path}"));
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        self.send(request.body(Full::default())?).await
    }

    pub async fn post(
        &self,
        site: &str,
        path: &str,
        cookie: Option<&str>,
        form: &[(&str, &str)],
    ) -> Result<Answer, Failed> {
        let mut request = Request::post(format!("{site}{path}"))
            .header(ORIGIN, site)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        self.send(request.body(serde_urlencoded::to_string(form)?.into())?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failed> {
        let response = self.0.request(request).await?;
        let text = |name| response.headers().get(name).map(HeaderValue::to_str).transpose();
        let location = text(LOCATION)?.map(str::to_owned);
        let cookie = text(SET_COOKIE)?.and_then(|value| value.split(';').next()).map(str::to_owned);
        let retry_after = text(RETRY_AFTER)?.map(str::to_owned);
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, location, cookie, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
