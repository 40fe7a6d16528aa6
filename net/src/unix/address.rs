//! `struct sockaddr_un`: the family in two bytes, then a path, or a NUL and any bytes, or nothing.

use abi::flags::{AF_UNIX, AF_UNSPEC};
use abi::{Errno, Result};
use fs::vfs::path::Location;

/// Where the path begins.
const PATH_OFFSET: usize = 2;
/// Bytes of the longest address.
const ADDRESS_MAX: usize = 110;

/// What a socket is called.
#[derive(Debug)]
pub(super) enum Name {
    /// A name in the file system.
    Path {
        /// As it was given to `bind(2)`, without a NUL.
        path: Box<[u8]>,
        /// Device and inode.
        inode: (u64, u64),
        /// Keeps the inode from being used again while somebody may ask for it.
        _location: Location,
    },
    /// A name of sockets only, without the NUL in front.
    Abstract(Box<[u8]>),
}

/// An address as a guest gives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// Only the family: any name, for `bind`.
    Any,
    /// No family: ends the association of a datagram socket.
    Unspecified,
    Path(&'a [u8]),
    Abstract(&'a [u8]),
}

/// Reads an address.
///
/// # Errors
/// `EINVAL` for another family or length.
pub(super) fn parse(address: &[u8]) -> Result<Given<'_>> {
    let (family, name) = address
        .split_first_chunk::<PATH_OFFSET>()
        .ok_or_else(|| Errno::EINVAL.because("too short an address"))?;
    let family = i32::from(u16::from_le_bytes(*family));
    if family == AF_UNSPEC {
        return Ok(Given::Unspecified);
    }
    if family != AF_UNIX || address.len() > ADDRESS_MAX {
        return Err(Errno::EINVAL.because("no address of AF_UNIX"));
    }
    Ok(match name {
        [] => Given::Any,
        [0, name @ ..] => Given::Abstract(name),
        path => Given::Path(path.split(|&byte| byte == 0).next().unwrap_or(path)),
    })
}

/// Writes the address of a socket. A path ends with a NUL, as Linux adds one.
pub(super) fn to_bytes(name: Option<&Name>) -> Vec<u8> {
    let mut bytes = u16::try_from(AF_UNIX).unwrap_or(0).to_le_bytes().to_vec();
    match name {
        None => {}
        Some(Name::Path { path, .. }) => {
            bytes.extend_from_slice(path);
            bytes.push(0);
        }
        Some(Name::Abstract(name)) => {
            bytes.push(0);
            bytes.extend_from_slice(name);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_names_or_nothing() {
        assert_eq!(
            parse(b"\x01\0/tmp/x\0rest").unwrap(),
            Given::Path(b"/tmp/x")
        );
        assert_eq!(parse(b"\x01\0\0a\0b").unwrap(), Given::Abstract(b"a\0b"));
        assert_eq!(parse(b"\x01\0").unwrap(), Given::Any);
        assert_eq!(parse(b"\0\0").unwrap(), Given::Unspecified);
        for bad in [&b"\x02\0abc"[..], b"\x01", b"", &[1; 111]] {
            assert_eq!(parse(bad).unwrap_err().errno, Errno::EINVAL);
        }
        let mut long = [b'x'; 111];
        long[..2].copy_from_slice(&[1, 0]);
        assert!(parse(&long).is_err());
        assert!(parse(&long[..110]).is_ok());
    }

    #[test]
    fn a_name_is_written_as_it_is_read() {
        let name = Name::Abstract(b"a\0b".as_slice().into());
        let bytes = to_bytes(Some(&name));
        assert_eq!(parse(&bytes).unwrap(), Given::Abstract(b"a\0b"));
        assert_eq!(to_bytes(None), [1, 0]);
    }
}
