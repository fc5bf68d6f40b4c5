//! Finding a free port, and who sits on a busy one.
//!
//! Reads the kernel's socket tables; Linux only, elsewhere nobody is named.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Ports tried after the preferred one.
const PORTS_TRIED_MAX: u16 = 100;

/// Whether a port of the loopback address can be listened on.
pub fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first free port from `preferred` on.
pub fn next_free(preferred: u16) -> io::Result<Option<u16>> {
    for port in preferred..=preferred.saturating_add(PORTS_TRIED_MAX) {
        if is_free(port)? {
            return Ok(Some(port));
        }
    }
    Ok(None)
}

/// `java (pid 4711)`, for a process that listens on the port, if this user may see it.
pub fn listening_process(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = descriptors.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).any(
            |target| {
                let target = target.to_string_lossy();
                let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
                inode.is_some_and(|inode| inodes.iter().any(|listening| listening == inode))
            },
        );
        if holds {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim_end()));
        }
    }
    None
}

/// Inodes of the sockets in a `/proc/net/tcp` table that listen on the port.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_wanted = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTEN;
        is_wanted.then(|| fields.get(9).map(|inode| (*inode).to_owned())).flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests;
