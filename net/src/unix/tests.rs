//! Sockets of AF_UNIX without a kernel: a caller with names in memory, and files that are sockets.

use std::any::Any;
use std::sync::Arc;

use abi::flags::{
    AF_UNIX, MSG_PEEK, MSG_WAITALL, SO_PASSCRED, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM,
};
use abi::{Errno, Result};
use fs::budget::{Budget, Class, Limits};
use fs::io::{Stall, Try, VecSink};
use fs::vfs::file::Events;
use fs::vfs::path::Location;

use super::{UnixNetwork, UnixSocket};
use crate::message::{Credentials, Incoming, Outgoing, PassedFile, Received};
use crate::socket::{Caller, Peer, Shutdown, Socket};

/// Who makes all calls here: no names in a file system.
struct Tester;

const ME: Credentials = Credentials {
    pid: 7,
    uid: 1000,
    gid: 100,
};

impl Caller for Tester {
    fn credentials(&self) -> Credentials {
        ME
    }

    fn make_socket_name(&self, _: &[u8]) -> Result<Location> {
        Err(Errno::EROFS.into())
    }

    fn find_socket_name(&self, _: &[u8]) -> Result<Location> {
        Err(Errno::ENOENT.into())
    }
}

/// An open file: of a socket, which its end releases, or of nothing.
#[derive(Debug)]
struct TestFile {
    id: u64,
    socket: Option<Arc<dyn Socket>>,
}

impl PassedFile for TestFile {
    fn id(&self) -> u64 {
        self.id
    }

    fn socket(&self) -> Option<&Arc<dyn Socket>> {
        self.socket.as_ref()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            socket.release();
        }
    }
}

fn file(socket: &Arc<UnixSocket>) -> Arc<TestFile> {
    let socket: Arc<dyn Socket> = socket.clone();
    Arc::new(TestFile {
        id: socket.number(),
        socket: Some(socket),
    })
}

fn network() -> Arc<UnixNetwork> {
    UnixNetwork::new(&Budget::unlimited())
}

fn pair(network: &Arc<UnixNetwork>, kind: i32) -> (Arc<UnixSocket>, Arc<UnixSocket>) {
    network.pair(kind, 0, ME).unwrap()
}

fn name(name: &str) -> Vec<u8> {
    let mut address = u16::try_from(AF_UNIX).unwrap().to_le_bytes().to_vec();
    address.push(0);
    address.extend_from_slice(name.as_bytes());
    address
}

fn send_files(
    socket: &UnixSocket,
    mut bytes: &[u8],
    to: Option<&Peer>,
    files: &[Arc<TestFile>],
) -> Try<usize> {
    let mut passed: Vec<Arc<dyn PassedFile>> = Vec::new();
    for file in files {
        passed.push(Arc::<TestFile>::clone(file));
    }
    socket.try_send(&mut Outgoing {
        source: &mut bytes,
        to,
        sender: Some(ME),
        claimed: None,
        files: &mut passed,
    })
}

fn send(socket: &UnixSocket, bytes: &[u8]) -> Try<usize> {
    send_files(socket, bytes, None, &[])
}

fn receive_with(socket: &UnixSocket, size: usize, flags: u32) -> Try<(Vec<u8>, Received)> {
    let mut sink = VecSink::new(size);
    let received = socket.try_receive(&mut Incoming {
        sink: &mut sink,
        flags,
        only_from: None,
    })?;
    Ok((sink.bytes, received))
}

fn receive(socket: &UnixSocket, size: usize) -> Try<Vec<u8>> {
    receive_with(socket, size, 0).map(|(bytes, _)| bytes)
}

fn fails<T: std::fmt::Debug>(result: Try<T>, errno: Errno) {
    match result {
        Err(Stall::Failed(error)) => assert_eq!(error.errno, errno),
        other => panic!("{other:?} instead of {errno:?}"),
    }
}

fn listener(network: &Arc<UnixNetwork>, backlog: i32) -> Arc<UnixSocket> {
    let socket = network.socket(SOCK_STREAM, 0).unwrap();
    socket.bind(&Tester, &name("server")).unwrap();
    socket.listen(&Tester, backlog).unwrap();
    socket
}

fn connect(socket: &UnixSocket, to: &str) -> Try<()> {
    let peer = socket.find(&Tester, &name(to))?;
    socket.try_connect(ME, &peer)
}

#[test]
fn stream_keeps_order_and_forgets_boundaries() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    assert_eq!(send(&one, b"hello "), Ok(6));
    assert_eq!(send(&one, b"world"), Ok(5));
    assert_eq!(
        receive_with(&other, 20, MSG_PEEK).unwrap().0,
        b"hello world"
    );
    assert_eq!(receive(&other, 3).unwrap(), b"hel");
    assert_eq!(receive(&other, 20).unwrap(), b"lo world");
    assert_eq!(receive(&other, 20), Err(Stall::WouldBlock));
    assert_eq!(one.unread_bytes().unwrap(), 0);
}

#[test]
fn random_pieces_arrive_as_they_were_sent() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    let (mut state, mut next_sent, mut next_received) = (0x9e37_79b9_u32, 0_u8, 0_u8);
    for _ in 0..2000 {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let size = usize::try_from(state >> 4).unwrap() % 9000;
        if state & 1 == 0 {
            let bytes: Vec<u8> = (0..size)
                .map(|n| next_sent.wrapping_add(u8::try_from(n % 256).unwrap()))
                .collect();
            if let Ok(sent) = send(&one, &bytes) {
                next_sent = next_sent.wrapping_add(u8::try_from(sent % 256).unwrap());
            }
        } else if let Ok(bytes) = receive(&other, size) {
            for byte in bytes {
                assert_eq!(byte, next_received);
                next_received = next_received.wrapping_add(1);
            }
        }
    }
    while let Ok(bytes) = receive(&other, 100_000) {
        next_received = next_received.wrapping_add(u8::try_from(bytes.len() % 256).unwrap());
    }
    assert_eq!(next_received, next_sent);
    assert_eq!(one.unread_bytes().unwrap(), 0);
}

#[test]
fn full_stream_says_so_until_most_of_it_is_read() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    let chunk = [1_u8; 32768];
    let mut sent = 0;
    while let Ok(count) = send(&one, &chunk) {
        sent += count;
    }
    assert_eq!(send(&one, b"x"), Err(Stall::WouldBlock));
    assert!(!one.events().intersects(Events::OUT));
    let mut received = receive(&other, 1000).unwrap().len();
    assert!(!one.events().intersects(Events::OUT));
    while let Ok(bytes) = receive(&other, 100_000) {
        received += bytes.len();
    }
    assert_eq!(sent, received);
    assert!(one.events().intersects(Events::OUT));
}

#[test]
fn datagrams_keep_boundaries_and_lose_what_does_not_fit() {
    let network = network();
    for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
        let (one, other) = pair(&network, kind);
        for message in [&b"one"[..], b"", b"three"] {
            assert_eq!(send(&one, message), Ok(message.len()));
        }
        assert_eq!(receive(&other, 2).unwrap(), b"on");
        assert_eq!(receive(&other, 2).unwrap(), b"");
        let (bytes, received) = receive_with(&other, 2, 0).unwrap();
        assert_eq!((bytes.as_slice(), received.full_len), (&b"th"[..], 5));
        assert_eq!(receive(&other, 2), Err(Stall::WouldBlock));
    }
}

#[test]
fn peek_for_all_waits_for_all() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    send(&one, b"abc").unwrap();
    let peek = |size| receive_with(&other, size, MSG_PEEK | MSG_WAITALL).map(|(bytes, _)| bytes);
    assert_eq!(peek(4), Err(Stall::WouldBlock));
    assert_eq!(peek(3).unwrap(), b"abc");
    one.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peek(4).unwrap(), b"abc");
}

#[test]
fn connection_holds_before_it_is_accepted() {
    let network = network();
    let server = listener(&network, 0);
    let client = network.socket(SOCK_STREAM, 0).unwrap();
    assert_eq!(client.events(), Events::OUT | Events::HUP);
    assert_eq!(connect(&client, "server"), Ok(()));
    assert_eq!(send(&client, b"early"), Ok(5));
    assert_eq!(server.events(), Events::IN);
    let late = network.socket(SOCK_STREAM, 0).unwrap();
    assert_eq!(connect(&late, "server"), Err(Stall::WouldBlock));
    let accepted = server.accept_one().unwrap();
    assert_eq!(accepted.peer_credentials(), ME);
    assert_eq!(accepted.local_address(), name("server"));
    assert_eq!(receive(&accepted, 9).unwrap(), b"early");
    fails(connect(&client, "server"), Errno::EISCONN);
    assert_eq!(connect(&late, "server"), Ok(()));
    server.release();
    fails(receive(&late, 1), Errno::ECONNRESET);
    assert_eq!(receive(&late, 1).unwrap(), b"");
    let refused = network.socket(SOCK_STREAM, 0).unwrap();
    fails(connect(&refused, "server"), Errno::ECONNREFUSED);
    accepted.release();
    assert_eq!(receive(&client, 1).unwrap(), b"");
    fails(send(&client, b"x"), Errno::EPIPE);
}

#[test]
fn closing_with_unread_bytes_resets_the_peer() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    send(&one, b"unread").unwrap();
    send(&other, b"kept").unwrap();
    other.release();
    assert!(one.events().intersects(Events::ERR));
    assert_eq!(receive(&one, 9).unwrap(), b"kept");
    fails(receive(&one, 9), Errno::ECONNRESET);
    assert_eq!(one.take_error(), 0);
    assert_eq!(one.unread_bytes().unwrap(), 0);
}

#[test]
fn datagram_queue_is_short_for_strangers() {
    let network = network();
    let busy = network.socket(SOCK_DGRAM, 0).unwrap();
    busy.bind(&Tester, &name("busy")).unwrap();
    let sender = network.socket(SOCK_DGRAM, 0).unwrap();
    connect(&sender, "busy").unwrap();
    for _ in 0..11 {
        assert_eq!(send(&sender, b"x"), Ok(1));
    }
    assert_eq!(send(&sender, b"x"), Err(Stall::WouldBlock));
    assert_eq!(sender.events(), Events::empty());
    receive(&busy, 1).unwrap();
    assert_eq!(sender.events(), Events::OUT);
    busy.release();
    fails(send(&sender, b"x"), Errno::ECONNREFUSED);
    fails(send(&sender, b"x"), Errno::ENOTCONN);
}

#[test]
fn senders_are_told_and_kept_apart() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    send(&one, b"untold").unwrap();
    let (_, received) = receive_with(&other, 9, 0).unwrap();
    assert_eq!(received.credentials, Some(Credentials::UNKNOWN));
    other.options().set_switch(SO_PASSCRED, true);
    send(&one, b"told").unwrap();
    let claimed = Credentials { pid: 9, ..ME };
    one.try_send(&mut Outgoing {
        source: &mut b"claimed".as_slice(),
        to: None,
        sender: Some(ME),
        claimed: Some(claimed),
        files: &mut Vec::new(),
    })
    .unwrap();
    let (bytes, received) = receive_with(&other, 99, 0).unwrap();
    assert_eq!(
        (bytes.as_slice(), received.credentials),
        (&b"told"[..], Some(ME))
    );
    let (bytes, received) = receive_with(&other, 99, 0).unwrap();
    assert_eq!(bytes, b"claimed");
    assert_eq!(received.credentials, Some(claimed));
}

#[test]
fn files_end_a_piece_of_a_stream() {
    let network = network();
    let (one, other) = pair(&network, SOCK_STREAM);
    let plain = Arc::new(TestFile {
        id: 1000,
        socket: None,
    });
    send(&one, b"a").unwrap();
    send_files(&one, b"b", None, &[Arc::clone(&plain)]).unwrap();
    send(&one, b"c").unwrap();
    assert_eq!(network.nr_in_flight(), 1);
    let (bytes, received) = receive_with(&other, 9, 0).unwrap();
    assert_eq!(bytes, b"ab");
    assert_eq!(received.files.len(), 1);
    assert_eq!(network.nr_in_flight(), 0);
    assert_eq!(receive(&other, 9).unwrap(), b"c");
    drop(received);
    assert_eq!(Arc::strong_count(&plain), 1);
}

#[test]
fn circles_of_sockets_are_collected_and_others_stay() {
    let network = network();
    let witness = Arc::new(TestFile {
        id: 5000,
        socket: None,
    });
    let kept = pair(&network, SOCK_STREAM);
    let kept_files = (file(&kept.0), file(&kept.1));
    send_files(&kept.0, b"me", None, &[Arc::clone(&kept_files.1)]).unwrap();
    for nr in 2..6 {
        let pairs: Vec<_> = (0..nr).map(|_| pair(&network, SOCK_STREAM)).collect();
        let files: Vec<_> = pairs.iter().map(|(a, b)| (file(a), file(b))).collect();
        for (index, (a, _)) in pairs.iter().enumerate() {
            let (_, next) = &files[(index + 1) % nr];
            send_files(a, b"next", None, &[Arc::clone(next)]).unwrap();
            send_files(a, b"witness", None, &[Arc::clone(&witness)]).unwrap();
        }
        drop(pairs);
        drop(files);
        // As in Linux, the next socket that is closed empties the circle of the second ends.
        let (one, other) = pair(&network, SOCK_STREAM);
        one.release();
        other.release();
        assert_eq!(Arc::strong_count(&witness), 1, "a circle of {nr}");
    }
    assert_eq!(network.nr_in_flight(), 1);
    drop(kept_files.1);
    let (_, received) = receive_with(&kept.1, 9, 0).unwrap();
    assert_eq!(received.files.len(), 1);
}

#[test]
fn long_chains_are_closed_without_recursion() {
    let network = network();
    let (first, second) = pair(&network, SOCK_STREAM);
    let mut ends = [file(&first), file(&second)];
    for _ in 0..5_000 {
        let (one, other) = pair(&network, SOCK_STREAM);
        send_files(&one, b"chain", None, &ends).unwrap();
        ends = [file(&one), file(&other)];
    }
    drop(ends);
    assert_eq!(network.nr_in_flight(), 0);
    assert!(network.sockets.lock().is_empty());
}

#[test]
fn messages_are_charged_and_given_back() {
    let limits = Limits {
        memory: Some(1 << 20),
        ..Limits::NONE
    };
    let budget = Budget::new(limits, Box::new(|| 0));
    let network = UnixNetwork::new(&budget);
    let mut pairs = Vec::new();
    let refused = loop {
        let (one, other) = pair(&network, SOCK_STREAM);
        let result = loop {
            match send(&one, &[0; 20_000]) {
                Ok(_) => {}
                Err(stall) => break stall,
            }
        };
        pairs.push((one, other));
        if result != Stall::WouldBlock {
            break result;
        }
    };
    fails::<()>(Err(refused), Errno::ENOMEM);
    for (one, other) in pairs {
        one.release();
        other.release();
    }
    assert_eq!(budget.used(Class::Pipes), 0);
}

#[test]
fn names_are_listed_with_their_states() {
    let network = network();
    let server = listener(&network, 4);
    let client = network.socket(SOCK_STREAM, 0).unwrap();
    connect(&client, "server").unwrap();
    let text = String::from_utf8(network.proc_text()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].contains("00010000 0001 01") && lines[1].ends_with(" @server"));
    assert!(lines[2].contains("00000000 0001 03"));
    assert!(lines[3].contains("00000000 0001 02") && lines[3].ends_with(" @server"));
    client.release();
    server.release();
    assert_eq!(
        network.proc_text().iter().filter(|&&b| b == b'\n').count(),
        1
    );
}

#[test]
fn a_name_asked_for_by_nobody_is_free() {
    let network = network();
    let one = network.socket(SOCK_DGRAM, 0).unwrap();
    let other = network.socket(SOCK_DGRAM, 0).unwrap();
    other.bind(&Tester, &name("00000")).unwrap();
    one.bind(&Tester, &[1, 0]).unwrap();
    assert_eq!(one.local_address(), name("00001"));
    assert_eq!(
        other.bind(&Tester, &name("x")).unwrap_err().errno,
        Errno::EINVAL
    );
    one.release();
    let again = network.socket(SOCK_DGRAM, 0).unwrap();
    again.bind(&Tester, &name("00001")).unwrap();
}
