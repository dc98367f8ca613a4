//! Lists: a page, or everything page after page.

use super::call::Call;
use super::connection::Client;
use super::error::Error;
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::marker::PhantomData;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Whether there is more after it now.
    pub has_more: bool,
    /// Where the next page begins. For events it is always given: whoever keeps it sees every event once.
    pub next_cursor: Option<String>,
    /// The oldest place that is kept; of lists of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_cursor: Option<String>,
    /// The newest place; of lists of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_cursor: Option<String>,
}

/// Everything of a list, fetched page by page.
#[derive(Debug, Clone)]
pub struct Pages<T> {
    client: Client,
    /// The call for the next page; `None` after the last one.
    call: Option<Call>,
    ready: VecDeque<T>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(super) fn new(client: Client, call: Call) -> Self {
        Self { client, call: Some(call), ready: VecDeque::new(), of: PhantomData }
    }

    /// The next row; `None` at the end. After an error the list goes on where it was.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Some(Ok(row));
            }
            let call = self.call.clone()?;
            let page: Page<T> = match self.client.fetch(call.clone()).await {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            let cursor = page.next_cursor.filter(|_| page.has_more);
            self.call = cursor.map(|cursor| call.with("cursor", &cursor));
            self.ready = page.data.into();
        }
    }

    /// All rows.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        while let Some(row) = self.next().await {
            rows.push(row?);
        }
        Ok(rows)
    }

    /// As a stream of rows, for the combinators of the futures libraries.
    pub fn into_stream(self) -> impl Stream<Item = Result<T, Error>> + Send
    where
        T: Send,
    {
        futures_util::stream::unfold(self, |mut pages| async move {
            let row = pages.next().await?;
            Some((row, pages))
        })
    }
}

impl Client {
    /// Everything that a call lists, page after page.
    pub fn pages<T: DeserializeOwned>(&self, call: Call) -> Pages<T> {
        Pages::new(self.clone(), call)
    }
}
