//! Trying a filter on the stored log before anything is made of it.

use super::destinations::draft::{read_filter, read_types};
use super::fields::Fields;
use super::replays::read_time;
use super::{Broker, ManageError};
use crate::log::{LogError, Order, Query};
use crate::model::{EventFilter, Sequence, StoredEvent, TenantId};
use serde_json::{Map, Value};
use std::sync::Arc;

/// So many of the events are shown.
const SHOWN: usize = 20;

/// A page looks at no more; so many pages are read for an expression over payloads.
const PAGE_EVENTS: usize = 1000;
const PAGE_BYTES: usize = 4 << 20;
const MOST_PAGES: usize = 100;

/// What a filter would have caught.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// How many events match up to `scanned_to`.
    pub count: u64,
    /// The first of them, oldest first.
    pub events: Vec<Arc<StoredEvent>>,
    /// Whether the whole log was looked at.
    pub is_complete: bool,
    /// Up to here.
    pub scanned_to: Sequence,
}

impl Broker {
    /// Counts the stored events of a tenant that a filter in a request body catches, and shows the first.
    pub async fn dry_run(&self, tenant: TenantId, body: Map<String, Value>) -> Result<DryRun, ManageError> {
        let filter = read(body)?;
        let bounds = *self.log().bounds().borrow();
        let mut query = Query {
            tenant,
            filter,
            from: bounds.oldest.previous(),
            up_to: bounds.head,
            order: Order::Ascending,
            limit: PAGE_EVENTS,
            max_bytes: PAGE_BYTES,
        };
        let scanned_to = query.from;
        let mut run = DryRun { count: 0, events: Vec::new(), is_complete: false, scanned_to };
        for _ in 0..MOST_PAGES {
            if run.events.len() >= SHOWN && query.filter.payload.is_none() {
                // The rest is counted by index.
                let rest = Query { limit: usize::MAX, ..query.clone() };
                run.count += self.log().count(rest).await?;
                (run.scanned_to, run.is_complete) = (query.up_to, true);
                return Ok(run);
            }
            let page = match self.log().read(query.clone()).await {
                Err(LogError::Trimmed { oldest, .. }) => {
                    query.from = oldest.previous();
                    continue;
                }
                Err(LogError::Corrupt { resume, .. }) => {
                    query.from = resume;
                    continue;
                }
                page => page?,
            };
            run.count += page.events.len() as u64;
            let room = SHOWN - run.events.len();
            run.events.extend(page.events.into_iter().take(room));
            (query.from, run.scanned_to) = (page.scanned_to, page.scanned_to);
            if !page.has_more {
                run.is_complete = true;
                break;
            }
        }
        Ok(run)
    }
}

fn read(body: Map<String, Value>) -> Result<EventFilter, ManageError> {
    let mut fields = Fields::of(body, "");
    let types = fields.read("events", read_types).unwrap_or_default();
    let payload = read_filter(&mut fields).flatten();
    let (since, until) = (fields.read("since", read_time), fields.read("until", read_time));
    let violations = fields.finish();
    if !violations.is_empty() {
        return Err(ManageError::Invalid(violations));
    }
    Ok(EventFilter { since, until, payload, ..EventFilter::of_types(types) })
}
