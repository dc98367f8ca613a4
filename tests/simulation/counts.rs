//! What happened in a run.

/// What happened in a run: one that only idles shows nothing.
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
        self.most_settled = self.most_settled.max(other.most_settled);
    }
}
