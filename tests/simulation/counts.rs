//! What happened in runs.

/// How often what happened. Runs in which nothing does show nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) attempts: u64,
    pub(crate) retries: u64,
    pub(crate) taken_twice: u64,
    pub(crate) dead: u64,
    pub(crate) put_back: u64,
    pub(crate) probes: u64,
    pub(crate) ended: u64,
    pub(crate) crashes: u64,
    pub(crate) deaths: u64,
    pub(crate) refused: u64,
    pub(crate) jumps: u64,
    pub(crate) skipped: u64,
    pub(crate) stopped: u64,
    pub(crate) done: u64,
    /// The most outcomes that one consumer kept out of order.
    pub(crate) most_settled: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.attempts += other.attempts;
        self.retries += other.retries;
        self.taken_twice += other.taken_twice;
        self.dead += other.dead;
        self.put_back += other.put_back;
        self.probes += other.probes;
        self.ended += other.ended;
        self.crashes += other.crashes;
        self.deaths += other.deaths;
        self.refused += other.refused;
        self.jumps += other.jumps;
        self.skipped += other.skipped;
        self.stopped += other.stopped;
        self.done += other.done;
        self.most_settled = self.most_settled.max(other.most_settled);
    }

    /// Whether everything that a simulation is there for happened.
    pub(crate) fn is_eventful(&self) -> bool {
        let common = [self.events, self.attempts, self.retries, self.taken_twice, self.dead, self.put_back];
        let rare = [self.probes, self.ended, self.crashes, self.deaths, self.refused, self.jumps];
        let users = [self.skipped, self.stopped, self.done];
        common.into_iter().chain(rare).chain(users).all(|count| count > 0)
    }
}
