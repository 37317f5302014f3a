//! A stream in chunks gives the lines the grammar says, whatever the chunks. The first byte of the input is the chunk
//! length; the rest is the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::line::{CRLF, LineScan, check_outgoing, split};

fuzz_target!(|data: &[u8]| {
    let Some((&chunk, stream)) = data.split_first() else { return };
    let (mut got, mut buf, mut scan) = (Vec::new(), Vec::new(), LineScan::new());
    for piece in stream.chunks(usize::from(chunk).max(1)) {
        buf.extend_from_slice(piece);
        if let Some(end) = scan.feed(&buf) {
            got.extend(split(&buf[..end]).map(<[u8]>::to_vec));
            buf.drain(..end);
        }
        assert_eq!(scan.unfinished(), buf.len());
        assert!(!buf.windows(2).any(|pair| pair == CRLF));
    }
    let (want, rest) = naive(stream);
    assert_eq!(got, want);
    assert_eq!(buf, rest);
    for line in &want {
        assert_eq!(check_outgoing(line, usize::MAX), Ok(()));
    }
    assert_eq!(check_outgoing(stream, usize::MAX).is_ok(), !stream.is_empty() && rest == stream);
});

/// The rule byte by byte: the lines that are not empty, and what is left.
fn naive(stream: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut lines, mut line, mut i) = (Vec::new(), Vec::new(), 0);
    while i < stream.len() {
        if stream[i..].starts_with(CRLF) {
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            i += 2;
        } else {
            line.push(stream[i]);
            i += 1;
        }
    }
    (lines, line)
}
