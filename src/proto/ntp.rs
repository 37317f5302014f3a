//! NTP as a client speaks it (RFC 5905): the question, what makes an answer believable, and what one exchange measures.
//!
//! The question carries no time of ours, only a random number where the time would be: the server has to return it, so
//! nobody who does not see the question can answer it, and nothing about this machine's clock gets out. The local times
//! t1 (sent) and t4 (received) stay here.

use std::fmt;

/// Where NTP servers listen.
pub const PORT: u16 = 123;
/// A packet without extensions, in bytes.
pub const PACKET: usize = 48;
/// The greatest root distance of a server that is believed (RFC 5905, MAXDIST). Microseconds.
pub const MAX_DISTANCE_US: i64 = 1_000_000;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: i64 = 2_208_988_800;
/// A server's clock may tick coarsely; this much never counts as a contradiction. Microseconds.
const SLACK_US: i64 = 1000;

/// A client's question: version 4, mode 3 (client), and `cookie` as its transmit timestamp.
pub fn request(cookie: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = 4 << 3 | 3;
    packet[40..].copy_from_slice(&cookie.to_be_bytes());
    packet
}

/// What a server's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// t2: when the question arrived, as an NTP timestamp.
    pub receive: u64,
    /// t3: when the answer left, as an NTP timestamp.
    pub transmit: u64,
    /// How many servers it is from a reference clock, itself included.
    pub stratum: u8,
    /// How wrong the server thinks it may be: half its root delay, its root dispersion and its precision. Microseconds.
    pub distance_us: i64,
}

/// Why a datagram is no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not an answer to this question: too short, another mode or version, another cookie. To be ignored, for it may
    /// come from somebody else.
    NotOurs,
    /// A kiss-o'-death: the server will not answer, and asks not to be asked. Its code, such as `RATE` or `DENY`.
    Kiss([u8; 4]),
    /// The server's clock is not set, by its own word.
    Unsynchronised,
    /// Its root distance is beyond [`MAX_DISTANCE_US`].
    TooFar,
    /// Its times contradict each other, or the time the exchange took.
    Inconsistent,
}

impl Refused {
    /// Whether the server is to be left alone.
    pub fn is_final(self) -> bool {
        matches!(self, Refused::Kiss(_))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotOurs => write!(f, "sent something that is no answer to the question"),
            Refused::Kiss(code) => {
                let code = code.map(|b| if b.is_ascii_graphic() { char::from(b) } else { '.' });
                write!(f, "refuses to answer (kiss code {})", String::from_iter(code))
            }
            Refused::Unsynchronised => write!(f, "has no time itself"),
            Refused::TooFar => write!(f, "is too far from a reference clock"),
            Refused::Inconsistent => write!(f, "contradicts itself"),
        }
    }
}

impl std::error::Error for Refused {}

/// Reads the answer to the question with `cookie`. What follows the first 48 bytes is not looked at.
///
/// # Errors
/// What [`Refused`] lists, but for contradictions with the exchange, which [`measure`] finds.
pub fn reply(datagram: &[u8], cookie: u64) -> Result<Reply, Refused> {
    let packet: &[u8; PACKET] = datagram.first_chunk().ok_or(Refused::NotOurs)?;
    let u32_at = |at: usize| {
        let bytes = packet.get(at..).and_then(<[u8]>::first_chunk).copied();
        u32::from_be_bytes(bytes.unwrap_or_default())
    };
    let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
    let [first, stratum, _, precision, ..] = *packet;
    let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
    // The cookie first: what is wrong with an answer is believed only from the server.
    if u64_at(24) != cookie || mode != 4 || !(1..=4).contains(&version) {
        return Err(Refused::NotOurs);
    }
    if stratum == 0 {
        return Err(Refused::Kiss(u32_at(12).to_be_bytes()));
    }
    let (receive, transmit) = (u64_at(32), u64_at(40));
    if leap == 3 || stratum > 15 || receive == 0 || transmit == 0 {
        return Err(Refused::Unsynchronised);
    }
    let (delay, dispersion) = (short_us(u32_at(4)), short_us(u32_at(8)));
    let distance_us = delay / 2 + dispersion + precision_us(precision);
    if distance_us > MAX_DISTANCE_US {
        return Err(Refused::TooFar);
    }
    Ok(Reply { receive, transmit, stratum, distance_us })
}

/// Seconds in 16.16 bits, in microseconds.
fn short_us(short: u32) -> i64 {
    (i64::from(short) * 1_000_000) >> 16
}

/// A power of two of a second, in microseconds; capped where it is absurd anyway.
fn precision_us(exponent: u8) -> i64 {
    match i32::from(exponent as i8) {
        n @ -20..=2 => (1_000_000_f64 * f64::from(n).exp2()) as i64,
        n if n < -20 => 0,
        _ => 4 * MAX_DISTANCE_US,
    }
}

/// What one exchange measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// True time minus local time, by this server. Microseconds.
    pub offset_us: i64,
    /// What the exchange took on the way, there and back. Half of it is how far the way alone can make the offset
    /// wrong. Microseconds.
    pub delay_us: i64,
    /// How wrong the server says it may be. Microseconds.
    pub distance_us: i64,
}

/// Measures by an exchange: `t1_us` is the local clock when the question left, `t4_us` when the answer came, both in
/// microseconds since 1970 by a clock that nobody sets in between.
///
/// # Errors
/// [`Refused::Inconsistent`] if the server answered before it was asked, or took longer than the whole exchange.
pub fn measure(t1_us: i64, reply: &Reply, t4_us: i64) -> Result<Sample, Refused> {
    let [t1, t2, t3, t4] = [t1_us, unix_us(reply.receive), unix_us(reply.transmit), t4_us].map(i128::from);
    let slack = i128::from(reply.distance_us.clamp(SLACK_US, 20 * SLACK_US));
    let delay = (t4 - t1) - (t3 - t2);
    if t4 < t1 || t3 < t2 - slack || delay < -slack {
        return Err(Refused::Inconsistent);
    }
    // The order matters little: both halves are offsets already, each wrong by one way.
    let offset = ((t2 - t1) + (t3 - t4)).div_euclid(2);
    let whole = |n: i128| i64::try_from(n).map_err(|_| Refused::Inconsistent);
    Ok(Sample { offset_us: whole(offset)?, delay_us: whole(delay.max(0))?, distance_us: reply.distance_us })
}

/// An NTP timestamp (32.32 bits of seconds since 1900, or since 2036) in microseconds since 1970.
///
/// The era is told by the first bit (RFC 4330, section 3): times from 1968 to 2104. No clock is asked which it is.
pub fn unix_us(timestamp: u64) -> i64 {
    // Both halves have 32 bits.
    let (seconds, fraction) = ((timestamp >> 32) as i64, (timestamp & 0xffff_ffff) as i64);
    let era = if seconds < 1 << 31 { 1_i64 << 32 } else { 0 };
    (seconds + era - UNIX_EPOCH) * 1_000_000 + ((fraction * 1_000_000 + (1 << 31)) >> 32)
}

/// Microseconds since 1970 as an NTP timestamp, modulo its era.
pub fn timestamp(unix_us: i64) -> u64 {
    let seconds = unix_us.div_euclid(1_000_000) + UNIX_EPOCH;
    let micros = unix_us.rem_euclid(1_000_000);
    // The era is lost here by design; the fraction has less than 32 bits.
    ((seconds as u64) << 32) | (((micros as u64) << 32) / 1_000_000)
}

#[cfg(test)]
mod tests;
