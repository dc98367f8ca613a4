//! Where the broker is and who asks: one call at a time, made again where that is safe.

use super::call::Call;
use super::error::{Error, Problem, header};
use super::exchange::{Ask, Exchange, Reply};
use super::{events, resources, retry};
use crate::clock;
use crate::protocol::tls::tls_config;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RETRIES: u32 = 2;
const LARGEST_ANSWER: usize = 256 << 20;

/// A broker's address, a key, and a pool of connections. Clones share the pool.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    url: String,
    authorization: String,
    timeout: Duration,
    max_retries: u32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

/// How a client is to be.
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    key: String,
    timeout: Duration,
    max_retries: u32,
    ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// How long an answer may take; 30 s unless said otherwise. Streams have no such end.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How often a call is made again; 2 unless said otherwise.
    #[must_use]
    pub fn max_retries(self, max_retries: u32) -> Self {
        Self { max_retries, ..self }
    }

    /// A PEM file with certificate authorities to trust beside the system's.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { ca_file: Some(path.into()), ..self }
    }

    /// Makes the client; nothing is sent yet.
    pub fn build(self) -> Result<Client, Error> {
        let parsed = Url::parse(&self.url).ok();
        let is_plain = |url: &Url| url.has_host() && url.query().is_none() && url.fragment().is_none();
        let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && is_plain(url));
        let Some(parsed) = parsed.filter(|url| url.username().is_empty() && url.password().is_none()) else {
            let detail = format!("{:?} is no address such as https://events.example.com", self.url);
            return Err(Error::Configuration(detail));
        };
        if self.key.is_empty() || !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Configuration("the key has characters that no key has".to_owned()));
        }
        let is_secure = parsed.scheme() == "https";
        let tls = if is_secure { Some(tls_config(self.ca_file.as_deref())?) } else { None };
        let shared = Shared {
            exchange: Exchange::new(tls),
            url: parsed.as_str().trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {}", self.key),
            timeout: self.timeout,
            max_retries: self.max_retries,
        };
        Ok(Client { shared: Arc::new(shared) })
    }
}

/// An answer as it came.
#[derive(Clone)]
pub struct Answer {
    /// Its status, from 200 to 299.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, byte for byte.
    pub body: Bytes,
    url: String,
}

impl std::fmt::Debug for Answer {
    /// Without the body: some hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as a value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Unexpected { url: self.url.clone(), detail: error.to_string() })
    }
}

impl Client {
    /// A client of the broker at an address.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url, key).build()
    }

    /// The same from the environment: `CAMPANILE_URL` (the broker of this machine when it is not set),
    /// `CAMPANILE_KEY`, and `CAMPANILE_CA_FILE` when it is set.
    pub fn from_env() -> Result<Self, Error> {
        let url = std::env::var("CAMPANILE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
        let key = std::env::var("CAMPANILE_KEY");
        let key = key.map_err(|_| Error::Configuration("CAMPANILE_KEY is not set".to_owned()))?;
        let builder = Self::builder(url, key);
        match std::env::var_os("CAMPANILE_CA_FILE") {
            Some(path) => builder.ca_file(path).build(),
            None => builder.build(),
        }
    }

    /// A client with settings of its own.
    pub fn builder(url: impl Into<String>, key: impl Into<String>) -> ClientBuilder {
        let (url, key) = (url.into(), key.into());
        ClientBuilder { url, key, timeout: TIMEOUT, max_retries: MAX_RETRIES, ca_file: None }
    }

    /// Where the broker is.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Publishing and hearing events.
    pub fn events(&self) -> events::Events<'_> {
        events::Events(self)
    }

    /// Webhooks.
    pub fn destinations(&self) -> resources::Destinations<'_> {
        resources::Destinations(self)
    }

    /// What became of events at destinations.
    pub fn deliveries(&self) -> resources::Deliveries<'_> {
        resources::Deliveries(self)
    }

    /// Sending stored events again.
    pub fn replays(&self) -> resources::Replays<'_> {
        resources::Replays(self)
    }

    /// The types that the broker knows.
    pub fn event_types(&self) -> resources::EventTypes<'_> {
        resources::EventTypes(self)
    }

    /// What functions belong to.
    pub fn apps(&self) -> resources::Apps<'_> {
        resources::Apps(self)
    }

    /// What runs on PRE and POST events.
    pub fn functions(&self) -> resources::Functions<'_> {
        resources::Functions(self)
    }

    /// Who may do what.
    pub fn keys(&self) -> resources::Keys<'_> {
        resources::Keys(self)
    }

    /// Makes any call, again where that is safe and may help.
    ///
    /// ```no_run
    /// # async fn run(client: campanile::client::Client) -> Result<(), campanile::client::Error> {
    /// use campanile::client::Call;
    ///
    /// let tenants = client.call(Call::get("/api/v1/tenants").query("limit", 10)).await?;
    /// println!("{}", tenants.json::<serde_json::Value>()?["data"]);
    /// # Ok(()) }
    /// ```
    pub async fn call(&self, call: Call) -> Result<Answer, Error> {
        let body = call.content()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.once(&call, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let unit = clock::random_unit();
            match retry::wait(&error, attempt, self.shared.max_retries, call.is_repeatable, unit) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Makes a call and reads its answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.call(call).await?.json()
    }

    async fn once(&self, call: &Call, body: Bytes) -> Result<Answer, Error> {
        let patience = self.shared.timeout.saturating_add(Duration::from_millis(call.patience_ms));
        let exchange = async {
            let reply = self.open(call, body).await?;
            let (status, headers) = (reply.status, reply.headers.clone());
            let body = reply.whole(LARGEST_ANSWER).await.map_err(|detail| self.unreachable(detail))?;
            Ok((status, headers, body))
        };
        let timed = tokio::time::timeout(patience, exchange).await;
        let timed_out = Error::TimedOut { url: self.shared.url.clone(), after: patience };
        let (status, headers, body) = timed.unwrap_or(Err(timed_out))?;
        if !(200..300).contains(&status) {
            return Err(Error::Refused(Box::new(Problem::of(status, &headers, &body))));
        }
        Ok(Answer { status, headers, body, url: self.shared.url.clone() })
    }

    /// Sends a request once, and gives the answer's head whatever its status is.
    pub(super) async fn open(&self, call: &Call, body: Bytes) -> Result<Reply, Error> {
        let url = format!("{}{}", self.shared.url, call.target());
        let mut headers = call.headers.clone();
        headers.push(("authorization".to_owned(), self.shared.authorization.clone()));
        let user_agent = concat!("campanile-rust/", env!("CARGO_PKG_VERSION"));
        headers.push(("user-agent".to_owned(), user_agent.to_owned()));
        let ask = Ask { method: call.method, url, headers, body };
        self.shared.exchange.send(ask).await.map_err(|detail| self.unreachable(detail))
    }

    pub(super) fn unreachable(&self, detail: impl Into<String>) -> Error {
        Error::Unreachable { url: self.shared.url.clone(), detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_said_before_anything_is_sent() {
        for (url, key) in [
            ("events.example.com", "k"),
            ("ftp://events.example.com", "k"),
            ("https://user:pass@events.example.com", "k"),
            ("https://events.example.com/?a=b", "k"),
            ("https://", "k"),
            ("https://events.example.com", ""),
            ("https://events.example.com", "a key"),
            ("https://events.example.com", "k\r\nX: y"),
        ] {
            assert!(matches!(Client::new(url, key), Err(Error::Configuration(_))), "{url} {key:?}");
        }
    }

    #[test]
    fn an_address_may_have_a_path_and_the_key_is_never_shown() {
        let client = Client::new("http://127.0.0.1:8080/behind/a/proxy/", "cmp_secret").unwrap();
        assert_eq!(client.url(), "http://127.0.0.1:8080/behind/a/proxy");
        let builder = Client::builder("http://127.0.0.1:8080", "cmp_secret");
        assert!(!format!("{client:?}{builder:?}").contains("cmp_secret"));
    }

    #[test]
    fn a_client_and_what_it_is_doing_may_go_to_another_thread() {
        fn is_shared<T: Send + Sync + 'static>(_: &T) {}
        fn is_sent<T: Send>(_: &T) {}
        let client = Client::new("http://127.0.0.1:8080", "k").unwrap();
        is_shared(&client);
        is_sent(&client.call(Call::get("/")));
        let mut stream = client.events().stream(&events::Query::new());
        is_sent(&stream.next());
        is_sent(&client.destinations().iterate().all());
    }
}
