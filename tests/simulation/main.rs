//! Seeded simulations: many destinations with the real machines and the real state, in virtual time, with crashes, slow and
//! broken endpoints, users who switch, change, rotate and replay, and clocks that jump.
//!
//! Every choice comes from a seed, which is printed when a run fails. `CAMPANILE_SEED=<n>` runs that one alone,
//! `CAMPANILE_SEEDS=<n>` so many instead of the usual number.

#![allow(clippy::unwrap_used)]

mod child;
mod counts;
mod dice;
mod endpoint;
mod functions;
mod judge;
mod keeper;
mod ledger;
mod log;
mod replaying;
mod users;
mod world;

use counts::Counts;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// So many seeds are run when nothing else is asked for.
const SEEDS: u64 = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seeds = match number("CAMPANILE_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("CAMPANILE_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut failed, mut counts) = (Vec::new(), Counts::default());
    thread::scope(|scope| {
        let seeds = &seeds;
        let of_thread =
            |first: usize| scope.spawn(move || run_all(seeds.iter().skip(first).step_by(threads)));
        let running: Vec<_> = (0..threads).map(of_thread).collect();
        for part in running {
            let (bad, counted) = part.join().unwrap();
            failed.extend(bad);
            counts.add(counted);
        }
    });
    println!("{} seeds: {counts:?}", seeds.len());
    failed.sort_unstable();
    assert!(failed.is_empty(), "run one of these alone with CAMPANILE_SEED: {failed:?}");
    assert!(seeds.len() < 100 || counts.is_eventful(), "too little happens: {counts:?}");
}

fn run_all<'s>(seeds: impl Iterator<Item = &'s u64>) -> (Vec<u64>, Counts) {
    let (mut failed, mut counts) = (Vec::new(), Counts::default());
    for seed in seeds.copied() {
        match catch_unwind(AssertUnwindSafe(|| users::run(seed).judge.counts)) {
            Ok(counted) => counts.add(counted),
            Err(_) => {
                eprintln!("seed {seed} failed");
                failed.push(seed);
            }
        }
    }
    (failed, counts)
}
