//! Faults of the system under a running server: slow syncs, failing writes. Made with strace; needs its rights.

use super::server::{Server, signal};
use super::wait::eventually;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync";

/// Meddles with the system calls of a running process; lets go of it when dropped.
pub(crate) struct Meddler(Child);

impl Meddler {
    /// Makes every sync slow.
    pub(crate) fn slow_syncs(server: &Server, delay: Duration) -> Self {
        Self::attach(server, SYNCS, &format!("delay_enter={}", delay.as_micros()))
    }

    pub(crate) fn attach(server: &Server, calls: &str, what: &str) -> Self {
        let said = server.folder().join("meddler.log");
        let attach = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:{what}"), "-p", &server.pid().to_string()])
            .stderr(fs::File::create(&said).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .expect("strace is installed");
        eventually("strace to attach", || {
            let said = fs::read_to_string(&said).unwrap();
            assert!(
                !said.contains("not permitted"),
                "these tests meddle with processes and must be run by root: {said}"
            );
            said.contains("attached").then_some(())
        });
        Self(attach)
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        signal("TERM", self.0.id());
        self.0.wait().ok();
    }
}
