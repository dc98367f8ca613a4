//! Who knows the addresses of names. Nothing is remembered: each attempt is judged by what a name is then.
//!
//! What must hold: names that cannot be resolved cost others nothing. The system's resolver takes a thread for as long
//! as it likes, of which there are only so many; so a name has one lookup under way at a time, however many wait for it.

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// The addresses of a name, or why there are none.
pub(super) type Addresses = Result<Vec<SocketAddr>, String>;

/// Who knows the addresses of a name.
pub(super) trait Resolve {
    /// The addresses that it has now.
    fn resolve(&self, host: &str, port: u16) -> LocalBoxFuture<'static, Addresses>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> LocalBoxFuture<'static, Addresses> {
        let host = host.to_owned();
        let looked_up = async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) };
        looked_up.map(|addresses: io::Result<_>| addresses.map_err(|error| error.to_string())).boxed_local()
    }
}

type UnderWay = Rc<RefCell<HashMap<(String, u16), Shared<LocalBoxFuture<'static, Addresses>>>>>;

/// Lets everybody who asks for a name while it is being looked up wait for the same lookup.
pub(super) struct Together<R> {
    resolver: R,
    under_way: UnderWay,
}

impl<R> Together<R> {
    pub(super) fn new(resolver: R) -> Self {
        Self { resolver, under_way: UnderWay::default() }
    }
}

impl<R: Resolve> Resolve for Together<R> {
    fn resolve(&self, host: &str, port: u16) -> LocalBoxFuture<'static, Addresses> {
        let name = (host.to_owned(), port);
        let mut under_way = self.under_way.borrow_mut();
        if let Some(lookup) = under_way.get(&name) {
            return lookup.clone().boxed_local();
        }
        let lookup = self.resolver.resolve(host, port).shared();
        under_way.insert(name.clone(), lookup.clone());
        let (ended, driven) = (Rc::clone(&self.under_way), lookup.clone());
        // It goes on when nobody waits any more: its thread is taken all the same.
        actix_rt::spawn(async move {
            drop(driven.await);
            ended.borrow_mut().remove(&name);
        });
        lookup.boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::sync::Semaphore;

    /// Answers when it is let, each time with another port.
    struct Slow(Rc<Cell<u16>>, Rc<Semaphore>);

    impl Resolve for Slow {
        fn resolve(&self, _: &str, _: u16) -> LocalBoxFuture<'static, Addresses> {
            self.0.set(self.0.get() + 1);
            let (answer, goes) = (SocketAddr::from(([127, 0, 0, 1], self.0.get())), Rc::clone(&self.1));
            async move {
                goes.acquire().await.unwrap().forget();
                Ok(vec![answer])
            }
            .boxed_local()
        }
    }

    #[actix_rt::test]
    async fn a_name_has_one_lookup_under_way_and_none_is_remembered() {
        let (asked, goes) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(0)));
        let together = Together::new(Slow(Rc::clone(&asked), Rc::clone(&goes)));
        drop(together.resolve("a", 1));
        let waiting: Vec<_> = (0..100).map(|_| together.resolve("a", 1)).collect();
        assert_eq!(asked.get(), 1, "whoever waits, and whoever gave up");
        let other = together.resolve("b", 1);
        assert_eq!(asked.get(), 2);
        goes.add_permits(2);
        for one in waiting {
            assert_eq!(one.await.unwrap()[0].port(), 1);
        }
        assert_eq!(other.await.unwrap()[0].port(), 2);
        while !together.under_way.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        goes.add_permits(1);
        assert_eq!(
            together.resolve("a", 1).await.unwrap()[0].port(),
            3,
            "the next is judged by what it is then"
        );
    }
}
