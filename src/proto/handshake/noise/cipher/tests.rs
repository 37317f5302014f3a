use sha2::{Digest, Sha256};

use super::*;

const BOTH: [Cipher; 2] = [Cipher::ChaChaPoly, Cipher::AesGcm];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seal(state: &mut CipherState, ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut text = vec![0; plain.len()];
    let tag = state.encrypt(ad, plain, &mut text).unwrap();
    [&text[..], &tag].concat()
}

/// Test case 14 of *The Galois/Counter Mode of Operation* (McGrew, Viega), which NIST's SP 800-38D is made of: its nonce is that of number 0.
#[test]
fn the_published_vector_of_aes_gcm() {
    let mut state = CipherState::new(Cipher::AesGcm, &[0; KEY]);
    let sealed = seal(&mut state, &[], &[0; 16]);
    assert_eq!(hex(&sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

/// The answers are OpenSSL's, which was told the nonces in bytes: the order of a number's bytes, associated data, long texts, what
/// becomes of a key.
#[test]
fn another_implementation_says_the_same() {
    let key: [u8; KEY] = std::array::from_fn(|i| i as u8);
    let long: Vec<u8> = (0..16384).map(|i| i as u8).collect();
    for (cipher, [first, control, long_hash, big, rekeyed]) in [
        (
            Cipher::ChaChaPoly,
            [
                "70dd2e5dc20b4c4d4898a053334e265cbd1a1b62f7",
                "9757f35fb2c7ff1d70f66b399ad114f08116c8b03b",
                "bd9668133a18bc34168d1aa3958c1d252aaacbebcca965afda27096c22ffdbc7",
                "982cc188c4c7aa0b60353523981e36e763e2b1d869",
                "0a9640310c274f5fd3163c22c869d58a90012fea67",
            ],
        ),
        (
            Cipher::AesGcm,
            [
                "66d9d9b2da0e0c4679f3a82524f5e0499271e16f30",
                "1dd6bffc439cac73ebae0f1946afd756d2c288bec6",
                "e6912f57bad2db698c8e3a89d5192f11309b8be5dc7cdaea1505a94a9620ceb4",
                "6c340962b2d4c990a6d1cdde34092f39eede538011",
                "d257018ee5e89b7654957c881e65bad167517cd280",
            ],
        ),
    ] {
        let mut state = CipherState::new(cipher, &key);
        assert_eq!(hex(&seal(&mut state, &[], b"hello")), first, "{cipher}");
        assert_eq!(hex(&seal(&mut state, b"control", &[8, 0, 0, 0, 7])), control, "{cipher}");
        let sealed = seal(&mut state, &[], &long);
        assert_eq!(hex(&Sha256::digest(&sealed)), long_hash, "{cipher}");
        // Where it lies, the same.
        state.set_count(2);
        let mut text = long.clone();
        let tag = state.encrypt_here(&[], &mut text).unwrap();
        assert_eq!([&text[..], &tag].concat(), sealed, "{cipher}");
        state.set_count(0x0102_0304_0506_0708);
        assert_eq!(hex(&seal(&mut state, &[], b"hello")), big, "{cipher}");
        state.rekey();
        state.set_count(1 << 16);
        assert_eq!(hex(&seal(&mut state, &[], b"hello")), rekeyed, "{cipher}");
    }
}

#[test]
fn numbers_run_out_before_they_repeat() {
    for cipher in BOTH {
        let mut state = CipherState::new(cipher, &[7; KEY]);
        state.set_count(u64::MAX - 1);
        let tag = state.encrypt(&[], b"last", &mut [0; 4]).unwrap();
        assert_eq!(state.encrypt(&[], b"more", &mut [0; 4]), Err(CipherError::Exhausted));
        assert_eq!(state.decrypt(&[], &mut [0; 4], &tag), Err(CipherError::Exhausted));
    }
}

/// What was forged is left as it was, and the number with it.
#[test]
fn what_was_forged_is_not_decrypted() {
    for cipher in BOTH {
        let mut text = *b"some text of more than one block of sixteen";
        let (mut ours, mut theirs) =
            (CipherState::new(cipher, &[7; KEY]), CipherState::new(cipher, &[7; KEY]));
        let tag = ours.encrypt_here(b"ad", &mut text).unwrap();
        for (ad, bit) in [(&b"ad"[..], 1), (b"AD", 0), (b"", 0)] {
            let mut forged = text;
            forged[20] ^= bit;
            let before = forged;
            assert_eq!(theirs.decrypt(ad, &mut forged, &tag), Err(CipherError::Forged));
            assert_eq!((forged, theirs.count()), (before, 0));
        }
        let mut other = tag;
        other[15] ^= 0x80;
        assert_eq!(theirs.decrypt(b"ad", &mut text, &other), Err(CipherError::Forged));
        assert_eq!(theirs.decrypt(b"ad", &mut text, &tag), Ok(()));
        assert_eq!(&text, b"some text of more than one block of sixteen");
    }
}

#[test]
fn only_two_who_both_have_it_use_aes() {
    for (here, there) in [(false, false), (true, false), (false, true), (true, true)] {
        let cipher = if here && there { Cipher::AesGcm } else { Cipher::ChaChaPoly };
        assert_eq!(Cipher::agreed(here, there), cipher);
    }
}

/// What decides for a node is what decides in the crate, where it can be asked.
#[test]
fn aes_is_not_said_to_be_fast_in_software() {
    assert!(!aes_is_fast() || aes_gcm::aes::hardware_accelerated());
    #[cfg(target_os = "linux")]
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) && !cfg!(aes_backend = "soft") {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let has = |flag: &str| flags.split(' ').any(|other| other == flag);
        let fast = has("aes") && has("pclmulqdq") && has("avx") && !cfg!(polyval_backend = "soft");
        assert_eq!(aes_is_fast(), fast, "{flags}");
    }
}
