//! One request and its answer over HTTP/1.1. No retries, no redirects, no proxy from the environment.

use super::dial::Dialler;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Shorter than servers keep a silent connection, so that a kept one is seldom found closed.
const IDLE: Duration = Duration::from_secs(4);

/// A pool of connections.
#[derive(Clone)]
pub(crate) struct Exchange {
    pool: Client<Dialler, Full<Bytes>>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// The head of what was answered, and its body as it comes.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    body: Incoming,
}

impl Exchange {
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        let mut settings = Client::builder(TokioExecutor::new());
        settings.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        Self { pool: settings.build(Dialler::new(tls)) }
    }

    /// Gives the head as soon as it is there; has no deadline of its own. The error says why there is none.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Reply, String> {
        let mut request = Request::builder().method(ask.method).uri(ask.url);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|error| error.to_string())?;
        let answer = self.pool.request(request).await.map_err(|error| chain(&error))?;
        let headers = readable(answer.headers());
        Ok(Reply { status: answer.status().as_u16(), headers, body: answer.into_body() })
    }
}

impl Reply {
    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(chain(&error))),
            }
        }
    }

    /// All of the body, if it is no longer than `most` bytes.
    pub(crate) async fn whole(mut self, most: usize) -> Result<Bytes, String> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > most {
                return Err(format!("the answer has more than {most} bytes"));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    texts.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
}

/// An error with its causes: the outermost alone says "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
