//! CRC-32 as of IEEE 802.3 (also zlib's, PNG's): the checksum of a locator against typing errors.
//!
//! A CRC, because it promises what a cut hash only makes likely: every change within 32 bits in a row is noticed, so
//! every wrong letter (6 bits) and every swapped pair. It is no protection against people; the signature is.

/// The generator, its bits reversed.
const GENERATOR: u32 = 0xEDB8_8320;

/// The checksum of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ GENERATOR } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The usual check value, and what zlib answers.
    #[test]
    fn known_values() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(&[0; 32]), 0x190A_55AD);
    }
}
