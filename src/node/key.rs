//! The node's key: given by the program, kept in a file, or made for this run.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::proto::identity::{Identity, KEY_LEN};

/// A file of this many bytes or more holds no key.
const MAX_FILE: u64 = 1024;

/// The identity a configuration asks for.
///
/// # Errors
/// [`Code::Io`] or [`Code::Invalid`] with the file's name; [`Code::Io`] if the system has no randomness.
pub(crate) fn identity(config: &Config) -> Result<Arc<Identity>> {
    match (&config.key, &config.key_file) {
        (Some(key), _) => Ok(Arc::clone(key)),
        (None, Some(file)) => of_file(file).map(Arc::new),
        (None, None) => Ok(Arc::new(new()?)),
    }
}

/// A secret key as text.
pub(crate) fn from_hex(text: &str) -> Option<Identity> {
    let digits = text.as_bytes();
    let mut secret = [0; KEY_LEN];
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    let identity = Identity::from_secret(&secret);
    secret.fill(0);
    Some(identity)
}

/// Bytes that nobody can foresee.
///
/// # Errors
/// [`Code::Io`] if the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(Code::Io, format!("asking the system for random bytes: {e}")))?;
    Ok(bytes)
}

fn new() -> Result<Identity> {
    Ok(Identity::from_secret(&random()?))
}

fn of_file(file: &Path) -> Result<Identity> {
    let failed = |e: &io::Error| Error::io(format_args!("the key file {}", file.display()), e);
    match OpenOptions::new().read(true).open(file) {
        Ok(opened) => {
            let mut text = String::new();
            opened.take(MAX_FILE).read_to_string(&mut text).map_err(|e| failed(&e))?;
            from_hex(text.trim()).ok_or_else(|| {
                let message =
                    format!("the key file {} holds no key; expected 64 hexadecimal digits", file.display());
                Error::new(Code::Invalid, message)
            })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let identity = new()?;
            write_new(file, &identity).map_err(|e| failed(&e))?;
            Ok(identity)
        }
        Err(e) => Err(failed(&e)),
    }
}

/// Writes a key where there is none; never over one that has come meanwhile.
fn write_new(file: &Path, identity: &Identity) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(file)?;
    let digits: String = identity.secret().iter().map(|byte| format!("{byte:02x}")).collect();
    opened.write_all(format!("{digits}\n").as_bytes())?;
    opened.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_from_then_on() {
        let dir = std::env::temp_dir().join(format!("p2pnet-key-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("key");
        let config = Config { key_file: Some(file.clone()), ..Config::default() };
        let first = identity(&config).unwrap().public();
        assert_eq!(identity(&config).unwrap().public(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&file, "no key").unwrap();
        let e = identity(&config).unwrap_err();
        assert!(e.code == Code::Invalid && e.message.contains("64 hexadecimal"), "{e}");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(identity(&config).unwrap_err().message.contains("key file"));
    }

    #[test]
    fn each_start_has_its_own() {
        let config = Config::default();
        assert_ne!(identity(&config).unwrap().public(), identity(&config).unwrap().public());
    }
}
