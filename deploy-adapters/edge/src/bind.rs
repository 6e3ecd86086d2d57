//! Binding an address that a process which is just ending may still hold.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Binds `address`, trying again while it is in use until `deadline`.
pub(crate) async fn bind_until(address: SocketAddr, deadline: Instant) -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            result => return result,
        }
    }
}
