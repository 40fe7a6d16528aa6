//! `/proc/net/unix` (proc_net(5)).

use std::fmt::Write as _;
use std::sync::{Arc, Weak};

use abi::flags::SO_ACCEPTCON;

use super::address::Name;
use super::state::Phase;
use super::{UnixNetwork, UnixSocket};

/// `SS_UNCONNECTED`, `SS_CONNECTING`, `SS_CONNECTED`, `SS_DISCONNECTING`.
const UNCONNECTED: u32 = 1;
const CONNECTING: u32 = 2;
const CONNECTED: u32 = 3;

impl UnixNetwork {
    /// One line for each socket, in the order of their numbers. Addresses of the kernel are zero.
    pub fn proc_text(&self) -> Vec<u8> {
        let mut text = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
        let sockets: Vec<_> = self.sockets.lock().values().map(Weak::clone).collect();
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            socket.write_line(&mut text);
        }
        text
    }
}

impl UnixSocket {
    fn write_line(self: Arc<Self>, text: &mut Vec<u8>) {
        let is_owned = self.is_owned.load(std::sync::atomic::Ordering::Relaxed);
        let (flags, state, nr_references, name) = {
            let state = self.state.lock();
            let (flags, shown) = match &state.phase {
                Phase::Listening { .. } => (SO_ACCEPTCON, UNCONNECTED),
                Phase::Connected if is_owned => (0, CONNECTED),
                Phase::Connected => (0, CONNECTING),
                Phase::Closed => (0, UNCONNECTED),
            };
            let nr_references = if state.peer.is_some() { 3 } else { 2 };
            (flags, shown, nr_references, state.name.clone())
        };
        let mut line = String::new();
        let _ = write!(
            line,
            "{:016x}: {nr_references:08X} {:08X} {flags:08X} {:04X} {state:02X} {:5}",
            0,
            0,
            self.kind.number(),
            self.number,
        );
        text.extend_from_slice(line.as_bytes());
        match name.as_deref() {
            None => {}
            Some(Name::Path { path, .. }) => {
                text.push(b' ');
                text.extend_from_slice(path);
            }
            Some(Name::Abstract(name)) => {
                text.extend_from_slice(b" @");
                text.extend(name.iter().map(|&byte| if byte == 0 { b'@' } else { byte }));
            }
        }
        text.push(b'\n');
    }
}
