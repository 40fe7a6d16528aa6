//! What a server's answer to a request for a byte range means.
//!
//! # References
//! RFC 9110, sections 13.1.5 (`If-Range`), 14.4 (`Content-Range`), 15 (status codes).

use core::fmt;
use core::ops::Range;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response whose body has ended.
    Response {
        /// The status code.
        status: u16,
        /// `ETag`.
        etag: Option<String>,
        /// `Content-Range`.
        content_range: Option<String>,
        /// Bytes of the body as they arrived, decoded.
        body_len: u64,
        /// `Retry-After` in seconds.
        retry_after_s: Option<u32>,
    },
    /// There is no network, no such host, or the connection broke.
    Network,
    /// Nothing arrived for too long; the host has aborted it.
    Stalled,
}

/// Why there are no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Network,
    /// No bytes for too long.
    Stalled,
    /// The server is in trouble, or has had enough of us: this status.
    Busy(u16),
    /// Fewer bytes came than were announced.
    Short,
    /// Other bytes than those that were asked for.
    WrongRange,
    /// The image is not the one that it was.
    Changed,
    /// The server does not give ranges; only a whole image or a chunked one helps.
    NoRanges,
    /// There is no such file, or no access: this status.
    Refused(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("no connection"),
            Self::Stalled => f.write_str("the server stopped sending"),
            Self::Busy(status) => write!(f, "the server cannot answer now (status {status})"),
            Self::Short => f.write_str("the answer was cut off"),
            Self::WrongRange => f.write_str("the server sent other bytes"),
            Self::Changed => f.write_str("the image has changed on the server"),
            Self::NoRanges => f.write_str("the server does not give byte ranges"),
            Self::Refused(status) => write!(f, "the server refuses the image (status {status})"),
        }
    }
}

impl core::error::Error for Failure {}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The body is the first so many bytes of what was asked for.
    Take(u64),
    /// Ask again, not before so many seconds if the server says so.
    Again(Failure, Option<u32>),
    /// Asking again does not help.
    Never(Failure),
}

/// Judges the answer to a request for the bytes `range` of an image of `total` bytes with this `ETag`.
pub fn judge(range: &Range<u64>, total: u64, etag: Option<&str>, answer: &Answer) -> Verdict {
    let (status, found, content_range, body_len, retry_after_s) = match answer {
        Answer::Network => return Verdict::Again(Failure::Network, None),
        Answer::Stalled => return Verdict::Again(Failure::Stalled, None),
        Answer::Response {
            status,
            etag,
            content_range,
            body_len,
            retry_after_s,
        } => (*status, etag, content_range, *body_len, *retry_after_s),
    };
    // A server that gives tags now and then is not to be trusted less than one that gives none.
    let is_other = matches!((etag, found), (Some(etag), Some(found)) if etag != found);
    match status {
        200 | 206 if is_other => Verdict::Never(Failure::Changed),
        206 => take(range, total, content_range.as_deref(), body_len),
        // `If-Range` failed, or ranges are unknown there.
        200 if body_len == total => Verdict::Never(Failure::NoRanges),
        200 if found.is_some() && etag.is_some() => Verdict::Never(Failure::NoRanges),
        200 | 412 | 416 => Verdict::Never(Failure::Changed),
        408 | 425 | 429 | 500 | 502..=504 | 506..=599 => {
            Verdict::Again(Failure::Busy(status), retry_after_s)
        }
        _ => Verdict::Never(Failure::Refused(status)),
    }
}

/// Judges a partial answer.
fn take(range: &Range<u64>, total: u64, content_range: Option<&str>, body_len: u64) -> Verdict {
    let wrong = Verdict::Again(Failure::WrongRange, None);
    // A page of another origin sees the header only if the server exposes it.
    let Some(text) = content_range else {
        let len = range.end.saturating_sub(range.start);
        return match body_len {
            body if body == len => Verdict::Take(len),
            body if body < len => Verdict::Again(Failure::Short, None),
            _ => wrong,
        };
    };
    let Some((first, last, size)) = parse(text) else {
        return wrong;
    };
    if size.is_some_and(|size| size != total) {
        return Verdict::Never(Failure::Changed);
    }
    let Some(len) = last.checked_add(1).and_then(|end| end.checked_sub(first)) else {
        return wrong;
    };
    if first != range.start || last >= range.end || len == 0 || body_len > len {
        return wrong;
    }
    if body_len < len {
        return Verdict::Again(Failure::Short, None);
    }
    // A server may give less than it was asked for.
    Verdict::Take(len)
}

/// First and last byte and, unless it is `*`, the size in `bytes 0-99/1000`.
fn parse(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, size) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let size = match size.trim() {
        "*" => None,
        size => Some(number(size)?),
    };
    (unit.eq_ignore_ascii_case("bytes")).then_some((number(first)?, number(last)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, etag: &str, content_range: &str, body_len: u64) -> Answer {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Answer::Response {
            status,
            etag: some(etag),
            content_range: some(content_range),
            body_len,
            retry_after_s: None,
        }
    }

    #[test]
    fn answers_mean_what_the_rfc_says() {
        use Verdict::{Again, Never, Take};
        for (status, etag, content_range, body_len, expected) in [
            (206, "\"a\"", "bytes 100-199/1000", 100, Take(100)),
            (206, "", "bytes 100-199/*", 100, Take(100)),
            (206, "\"a\"", "", 100, Take(100)),
            (206, "\"a\"", "", 99, Again(Failure::Short, None)),
            (206, "\"a\"", "", 101, Again(Failure::WrongRange, None)),
            (206, "\"a\"", "bytes 100-149/1000", 50, Take(50)),
            (
                206,
                "\"a\"",
                "bytes 100-199/1000",
                99,
                Again(Failure::Short, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 100-199/1000",
                101,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 0-99/1000",
                100,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 100-299/1000",
                200,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 199-100/1000",
                0,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "pages 100-199/1000",
                100,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 100-18446744073709551615/1000",
                9,
                Again(Failure::WrongRange, None),
            ),
            (
                206,
                "\"a\"",
                "bytes 100-199/2000",
                100,
                Never(Failure::Changed),
            ),
            (
                206,
                "\"b\"",
                "bytes 100-199/1000",
                100,
                Never(Failure::Changed),
            ),
            (200, "\"b\"", "", 1000, Never(Failure::Changed)),
            (200, "", "", 1200, Never(Failure::Changed)),
            (200, "\"a\"", "", 1000, Never(Failure::NoRanges)),
            (200, "", "", 1000, Never(Failure::NoRanges)),
            (416, "", "bytes */50", 0, Never(Failure::Changed)),
            (404, "", "", 12, Never(Failure::Refused(404))),
            (403, "", "", 12, Never(Failure::Refused(403))),
            (302, "", "", 0, Never(Failure::Refused(302))),
            (503, "", "", 12, Again(Failure::Busy(503), None)),
            (429, "", "", 12, Again(Failure::Busy(429), None)),
            (505, "", "", 12, Never(Failure::Refused(505))),
        ] {
            let answer = response(status, etag, content_range, body_len);
            let verdict = judge(&(100..200), 1000, Some("\"a\""), &answer);
            assert_eq!(verdict, expected, "{answer:?}");
        }
        let stalled = judge(&(0..1), 9, None, &Answer::Stalled);
        assert_eq!(stalled, Again(Failure::Stalled, None));
    }
}
