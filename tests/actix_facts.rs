//! What the design rests on about how actix actors die. If one of these fails, the registry must be thought over.

#![allow(clippy::unwrap_used)]

use actix::prelude::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping;

#[derive(Message)]
#[rtype(result = "()")]
struct ChildStopped(&'static str);

/// Stands for the registry: hears who ended.
struct Registry(Sender<&'static str>);

impl Actor for Registry {
    type Context = Context<Self>;
}

impl Handler<ChildStopped> for Registry {
    type Result = ();
    fn handle(&mut self, stopped: ChildStopped, _: &mut Context<Self>) {
        self.0.send(stopped.0).unwrap();
    }
}

struct Child {
    name: &'static str,
    registry: Recipient<ChildStopped>,
    starts: u32,
}

impl Actor for Child {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.starts += 1;
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        let _ = self.registry.try_send(ChildStopped(self.name));
    }
}

impl Supervised for Child {}

impl Handler<Panic> for Child {
    type Result = ();
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("a handler that panics");
    }
}

impl Handler<Ping> for Child {
    type Result = u32;
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> u32 {
        self.starts
    }
}

fn heard(stopped: &Receiver<&'static str>) -> &'static str {
    stopped.recv_timeout(Duration::from_secs(120)).expect("the registry hears of the death")
}

async fn death_is_seen(address: &Addr<Child>) {
    while address.connected() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_panic_kills_its_actor_only_and_stopped_still_tells_the_registry() {
    System::new().block_on(async {
        let (tell, stopped) = channel();
        let registry = Registry(tell).start().recipient();
        let shard = Arbiter::new();
        let child = |name| {
            let registry = registry.clone();
            Child::start_in_arbiter(&shard.handle(), move |_| Child { name, registry, starts: 0 })
        };
        let (doomed, sibling) = (child("doomed"), child("sibling"));
        doomed.do_send(Panic);
        let news = tokio::task::spawn_blocking(move || heard(&stopped)).await.unwrap();
        assert_eq!(news, "doomed");
        death_is_seen(&doomed).await;
        assert!(matches!(doomed.send(Ping).await, Err(MailboxError::Closed)));
        assert_eq!(sibling.send(Ping).await.unwrap(), 1, "the sibling on the same thread lives");
        assert_eq!(child("new").send(Ping).await.unwrap(), 1, "the thread takes new actors");
        shard.stop();
    });
}

#[test]
fn the_supervisor_of_actix_does_not_restart_after_a_panic() {
    System::new().block_on(async {
        let (tell, stopped) = channel();
        let registry = Registry(tell).start().recipient();
        let shard = Arbiter::new();
        let supervised = Supervisor::start_in_arbiter(&shard.handle(), move |_| Child {
            name: "supervised",
            registry,
            starts: 0,
        });
        assert_eq!(supervised.send(Ping).await.unwrap(), 1);
        supervised.do_send(Panic);
        death_is_seen(&supervised).await;
        assert!(matches!(supervised.send(Ping).await, Err(MailboxError::Closed)), "it stays dead");
        drop(stopped);
        shard.stop();
    });
}
