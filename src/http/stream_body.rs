//! The body of an event stream: what the hub of this thread has queued for its socket.
//!
//! `actix_web_lab::sse` would encode every event again for every client, writes no id-only block and says `retry`
//! only at the start: this hands on bytes that are joined once for all clients that want the same.

use crate::actors::Subscription;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ends the stream when it is dropped.
pub(super) struct StreamBody(pub(super) Subscription);

impl MessageBody for StreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0.poll_bytes(context).map(|bytes| bytes.map(Ok))
    }
}
