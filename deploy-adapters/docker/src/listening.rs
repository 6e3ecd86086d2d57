//! Which ports a container listens on: what to say when nobody answers on the one that was expected.

use std::collections::BTreeSet;

/// The state of a socket that listens, in the kernel's table.
const LISTEN: &str = "0A";

/// Where a container that was asked on a port listens, as a person would write it; `None` where this machine
/// does not tell.
pub(crate) fn of_process(pid: i64, asked: u16) -> Option<String> {
    let table = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let (four, six) = (table("tcp").ok()?, table("tcp6").unwrap_or_default());
    Some(describe(&four, &six, asked))
}

fn describe(four: &str, six: &str, asked: u16) -> String {
    let ports: BTreeSet<String> = four.lines().chain(six.lines()).filter_map(listening).collect();
    if ports.is_empty() {
        return "it listens on no port".to_owned();
    }
    let port = |shown: &String| shown.split(' ').next() == Some(asked.to_string().as_str());
    let missed = if ports.iter().any(port) { String::new() } else { format!(", not on {asked}") };
    format!("it listens on {}{missed}", ports.into_iter().collect::<Vec<_>>().join(", "))
}

/// `sl local_address rem_address st …`, where the address is in hexadecimal and in the machine's byte order.
fn listening(line: &str) -> Option<String> {
    let mut columns = line.split_whitespace();
    let (local, state) = (columns.nth(1)?, columns.nth(1)?);
    let (address, port) = local.split_once(':').filter(|_| state == LISTEN)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // The engine's own resolver listens inside too.
    if is_resolver(address) {
        return None;
    }
    let only_itself = is_loopback(address);
    Some(if only_itself { format!("{port} (only from inside the container)") } else { port.to_string() })
}

fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => ipv4(address).is_some_and(|bytes| bytes[0] == 127),
        _ => address == "00000000000000000000000001000000",
    }
}

fn is_resolver(address: &str) -> bool {
    address.len() == 8 && ipv4(address) == Some([127, 0, 0, 11])
}

fn ipv4(address: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(address, 16).ok()?.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_listen_are_named() {
        let four = "  sl  local_address rem_address   st tx_queue\n   0: 00000000:1F90 00000000:0000 0A 0\n   \
                    1: 0100007F:0BB8 00000000:0000 0A 0\n   2: 0B00007F:9C40 00000000:0000 0A 0\n   \
                    3: 0200B40A:D431 0100B40A:01BB 01 0";
        assert_eq!(describe(four, "", 8080), "it listens on 3000 (only from inside the container), 8080");
        let missed = "it listens on 3000 (only from inside the container), 8080, not on 80";
        assert_eq!(describe(four, "", 80), missed);
        let six = "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0";
        assert_eq!(describe("", six, 80), "it listens on 80");
        assert_eq!(describe("", "", 80), "it listens on no port");
    }
}
