//! `campanile tail`: follows the stream and resumes it, so that no restart of the broker loses an event.

use super::follow::{Hear, Selection, follow};
use super::remote::{Remote, block_on};
use super::{Failure, output};
use crate::client::sse::Message;
use clap::Args;

#[derive(Args)]
pub(super) struct Tail {
    #[command(flatten)]
    selection: Selection,
    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Prints what is heard.
struct Printer {
    json: bool,
}

impl Tail {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut printer = Printer { json: self.json };
        block_on(follow(&self.remote, &self.selection, &mut printer))
    }
}

impl Hear for Printer {
    async fn hear(&mut self, message: &Message) -> Result<(), Failure> {
        self.show(message)
    }
}

/// The event as the API shows it: with its sequence, so that whoever keeps a line can resume after it.
fn with_sequence(message: &Message) -> String {
    match message.data.strip_prefix('{') {
        Some(members) => format!("{{\"sequence\":{},{members}", message.id),
        None => message.data.clone(),
    }
}

impl Printer {
    fn show(&self, message: &Message) -> Result<(), Failure> {
        if self.json {
            return output::line(with_sequence(message));
        }
        let Message { id, event, data } = message;
        if !output::is_terminal() {
            return output::line(format_args!("{id} {event} {data}"));
        }
        let (id, event, data) = (output::printable(id), output::printable(event), output::printable(data));
        if output::has_colours() {
            output::line(format_args!("\x1b[2m{id}\x1b[0m \x1b[1m{event}\x1b[0m {data}"))
        } else {
            output::line(format_args!("{id} {event} {data}"))
        }
    }
}
