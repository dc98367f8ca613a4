//! What every connection is told about itself, so that a slow or vanished peer costs little.

use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use std::any::Any;
use std::time::Duration;

/// The kernel takes at most about this much that it cannot send yet: the rest of a slow reader's events stays in
/// the log.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_UNSENT: u32 = 32 * 1024;

/// Sets up a connection. A peer that takes no byte for `stall` is gone, also when it answers the kernel's probes.
///
/// None of it is vital: a kernel that refuses an option serves all the same.
pub(super) fn tune(connection: &dyn Any, stall: Duration) {
    let Some(socket) = connection.downcast_ref::<TcpStream>() else { return };
    let _ = socket.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let socket = SockRef::from(socket);
        let _ = socket.set_tcp_notsent_lowat(MOST_UNSENT);
        let _ = socket.set_tcp_user_timeout(Some(stall));
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (SockRef::from(socket), stall);
}
