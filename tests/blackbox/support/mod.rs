//! What the tests stand on: the server as a process, clients of its three ways out, an endpoint that misbehaves.

pub(crate) mod http;
pub(crate) mod meddler;
#[path = "../../ports/mod.rs"]
pub(crate) mod ports;
pub(crate) mod receiver;
pub(crate) mod rogue;
pub(crate) mod server;
pub(crate) mod sse;
pub(crate) mod wait;

pub(crate) use http::{Connection, Request, Response};
pub(crate) use ports::free_port;
pub(crate) use receiver::{Delivery, Receiver, Reply};
pub(crate) use rogue::{Peer, Rogue};
pub(crate) use server::{
    ADMIN, DESTINATIONS_READER, OPERATOR, PUBLISHER, READER, STRANGER, Server, Settings, exit_of, number,
    signal, spawn_binary, text_of,
};
pub(crate) use sse::{EventStream, Item, Message, Next};
pub(crate) use wait::{PATIENCE, eventually, eventually_within, in_seconds};
