//! Delivery to one fast endpoint, next to a bare awc loop with the same body and as many requests under way.

use crate::broker::Broker;
use crate::load::Load;
use crate::receiver::{Count, Receiver};
use crate::report::{Goal, Report, Row, median};
use crate::{Effort, child};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let events: u64 = if effort.quick { 10_000 } else { 40_000 };
    let broker = Broker::empty();
    let fill = Load { batch: 1000, requests: Some(events / 1000), ..Load::single(broker.address, 2, 600.0) };
    assert_eq!(fill.run().refused, 0, "publishes were refused");
    let mut rows = Vec::new();
    for (destinations, window) in [(1, 16), (1, 64), (1, 256), (4, 64)] {
        let (mut ours, mut limit, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        let mut body_bytes = 0;
        for _ in 0..effort.rounds {
            let used = broker.cpu_seconds();
            let arrived = deliver(&broker, events, destinations, window);
            ours.push(arrived.posts as f64 / arrived.seconds);
            cpu.push((broker.cpu_seconds() - used) * 1e6 / arrived.posts as f64);
            body_bytes = arrived.body_bytes;
            limit.push(posts_of_awc(destinations * window, body_bytes, effort.seconds));
        }
        let case = match destinations {
            1 => format!("backlog to one endpoint, {window} in flight"),
            _ => format!("backlog to {destinations} endpoints, {window} in flight each"),
        };
        let note = format!("{body_bytes}-byte bodies, CPU µs/delivery {:.1}", median(&cpu));
        rows.push(Row::new(case, "posts/s", &ours).against(&limit).goal(Goal::Ratio(0.6)).note(note));
    }
    report.table(&rows);
}

/// Makes destinations that start at the oldest event and waits until each has got all of them.
fn deliver(broker: &Broker, events: u64, destinations: usize, window: usize) -> Count {
    let mut receiver = Receiver::start();
    let made: Vec<String> = (0..destinations)
        .map(|number| {
            let body = serde_json::json!({
                "url": format!("http://{}/hook/{number}", receiver.address),
                "events": ["pipeline.*"], "verification": "none", "start": "oldest",
                "max_in_flight": window,
            });
            let made = broker.call("POST", "/api/v1/destinations", &body.to_string());
            made["id"].as_str().expect("a destination has an id").to_owned()
        })
        .collect();
    let begin = campanile::clock::instant();
    let arrived = loop {
        let count = receiver.count();
        if count.posts >= events * destinations as u64 {
            break count;
        }
        if begin.elapsed() > Duration::from_secs(120) {
            eprintln!("only {} of {} arrived", count.posts, events * destinations as u64);
            break count;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    for id in made {
        broker.call("DELETE", &format!("/api/v1/destinations/{id}"), "");
    }
    arrived
}

#[derive(Debug, Serialize, Deserialize)]
struct Posts {
    address: SocketAddr,
    concurrency: usize,
    body_bytes: usize,
    seconds: f64,
}

fn posts_of_awc(concurrency: usize, body_bytes: usize, seconds: f64) -> f64 {
    let mut receiver = Receiver::start();
    let posts = Posts { address: receiver.address, concurrency, body_bytes, seconds: seconds.min(2.0) };
    child::Process::ask::<bool>("awc-load", &serde_json::json!(posts));
    let arrived = receiver.count();
    arrived.posts as f64 / arrived.seconds
}

/// The `awc-load` role: posts one body over and over.
pub(crate) fn bare_posts(settings: &str) {
    let posts: Posts = child::settings(settings);
    actix_web::rt::System::new().block_on(async move {
        let connector = awc::Connector::new().limit(0);
        let client = awc::Client::builder().connector(connector).disable_redirects().finish();
        let body = bytes::Bytes::from(vec![b'x'; posts.body_bytes]);
        let url = format!("http://{}/hook", posts.address);
        let request = client.post(url).content_type("application/json").freeze().expect("a sane request");
        let end = campanile::clock::instant() + Duration::from_secs_f64(posts.seconds);
        let loops: Vec<_> = (0..posts.concurrency)
            .map(|_| {
                let (request, body) = (request.clone(), body.clone());
                actix_web::rt::spawn(async move {
                    while campanile::clock::instant() < end {
                        let mut answer = request.send_body(body.clone()).await.expect("the receiver answers");
                        answer.body().await.expect("the answer has a body");
                    }
                })
            })
            .collect();
        for one in loops {
            one.await.expect("a loop does not panic");
        }
    });
    child::answer(&true);
}
