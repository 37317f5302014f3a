//! The node's key: given by the program, kept in a file, or made for this run.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::proto::hex;
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

/// A secret as text.
pub(crate) fn secret_of_hex(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let mut secret = Zeroizing::new([0; KEY_LEN]);
    hex::read(text, &mut *secret).then_some(secret)
}

fn from_hex(text: &str) -> Option<Identity> {
    secret_of_hex(text).map(|secret| Identity::from_secret(&secret))
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
    match read(file) {
        Ok(identity) => identity,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let identity = new()?;
            match write_new(file, &identity) {
                Ok(()) => Ok(identity),
                // Another process was faster: then that is the key.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read(file).map_err(|e| failed(&e))?,
                Err(e) => Err(failed(&e)),
            }
        }
        Err(e) => Err(failed(&e)),
    }
}

fn read(file: &Path) -> io::Result<Result<Identity>> {
    let mut text = String::new();
    OpenOptions::new().read(true).open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(from_hex(text.trim()).ok_or_else(|| {
        let message = format!("the key file {} holds no key; expected 64 hexadecimal digits", file.display());
        Error::new(Code::Invalid, message)
    }))
}

/// Writes a key where there is none; never over one that has come meanwhile. The file is whole as soon as it is there: a
/// process that starts at the same time, or after one that died here, never reads half of a key.
fn write_new(file: &Path, identity: &Identity) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{:016x}", fastrand::u64(..)));
    let draft = Path::new(&name);
    let written = write_at(draft, identity).and_then(|()| std::fs::hard_link(draft, file));
    let _ = std::fs::remove_file(draft);
    match written {
        // Not every file system has links.
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists && !file.exists() => write_at(file, identity),
        other => other,
    }
}

fn write_at(file: &Path, identity: &Identity) -> io::Result<()> {
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
    fn many_that_start_at_once_have_one_key_and_leave_one_file() {
        let dir = std::env::temp_dir().join(format!("p2pnet-keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for round in 0..20 {
            let config = Config { key_file: Some(dir.join(format!("key-{round}"))), ..Config::default() };
            let start = std::sync::Barrier::new(8);
            let keys: Vec<_> = std::thread::scope(|scope| {
                let one = || {
                    start.wait();
                    identity(&config).unwrap().public()
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]), "round {round}");
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 20);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn each_start_has_its_own() {
        let config = Config::default();
        assert_ne!(identity(&config).unwrap().public(), identity(&config).unwrap().public());
    }
}
