//! Following an event stream across restarts of the broker: what `tail` and `listen` share.

use super::remote::Remote;
use super::{Failure, output};
use crate::client::sse::Message;
use crate::client::{Heard, Query};
use clap::Args;

/// Which events.
#[derive(Args)]
pub(super) struct Selection {
    /// Only these types, such as pipeline.*
    #[arg(long = "type")]
    types: Vec<String>,
    /// Only this pipeline
    #[arg(long)]
    pipeline: Option<String>,
    /// Only this run
    #[arg(long)]
    run_id: Option<String>,
    /// Only events that this expression holds for, such as 'data.rows > 1000'
    #[arg(long)]
    filter: Option<String>,
    /// Begin at this time instead of now
    #[arg(long)]
    since: Option<String>,
    /// Resume after this sequence or event id
    #[arg(long)]
    after: Option<String>,
    /// End after this many events
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// What is done with each event.
pub(super) trait Hear {
    /// Takes one event. What comes after it waits.
    async fn hear(&mut self, message: &Message) -> Result<(), Failure>;
}

impl Selection {
    fn query(&self) -> Query {
        let given = |query: Query, value: &Option<String>, with: fn(Query, String) -> Query| match value {
            Some(value) => with(query, value.clone()),
            None => query,
        };
        let query = self.types.iter().fold(Query::new(), Query::of_type);
        let query = given(query, &self.pipeline, Query::pipeline);
        let query = given(query, &self.run_id, Query::run_id);
        let query = given(query, &self.filter, Query::filter);
        let query = given(query, &self.since, Query::since);
        given(query, &self.after, Query::after)
    }
}

/// Gives every event that is selected to `to`, in order, until there were as many as asked for.
pub(super) async fn follow(
    remote: &Remote,
    selection: &Selection,
    to: &mut impl Hear,
) -> Result<(), Failure> {
    let mut stream = remote.client()?.events().stream(&selection.query());
    // Whether the outage that goes on has been told.
    let (mut shown, mut is_told) = (0, false);
    while let Some(heard) = stream.advance().await {
        match heard? {
            Heard::Message(message) => {
                to.hear(&message).await?;
                shown += 1;
                if selection.count.is_some_and(|count| shown >= count) {
                    return Ok(());
                }
            }
            Heard::Gap(gap) => output::note(format_args!("events are missing: {gap}")),
            Heard::Interrupted(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    output::note(format_args!("{error}; trying again"));
                }
            }
            Heard::Connected => {
                if std::mem::take(&mut is_told) {
                    output::note(format_args!("{} answers again", remote.url));
                }
            }
        }
    }
    Ok(())
}
