use super::*;
use crate::proto::portmap::Transport;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        let name = format!("p2pnet-journal-{}-{:x}", std::process::id(), fastrand::u64(..));
        Dir(std::env::temp_dir().join(name))
    }

    fn journal(&self) -> Journal {
        Journal::new(Some(self.0.clone()))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entry(journal: &Journal, port: u16, expires: u64) -> Entry {
    Entry {
        owner: journal.owner().into(),
        transport: Transport::Tcp,
        gateway: [192, 168, 1, 1].into(),
        scope: 0,
        internal: ([192, 168, 1, 5], port).into(),
        external_port: port,
        expires,
        key: Key::NatPmp,
    }
}

fn on_runtime<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn the_living_are_left_alone_and_the_dead_are_found() {
    on_runtime(async {
        let (dir, threads) = (Dir::new(), Threads::new());
        let (one, two) = (dir.journal(), dir.journal());
        let (of_one, of_two) = (entry(&one, 1, 0), entry(&two, 2, 0));
        one.add(&threads, of_one.clone()).await;
        two.add(&threads, of_two.clone()).await;
        assert_eq!(one.left_behind(&threads).await, [], "the other lives, in the same process");
        // What the end of the process does.
        drop(two);
        assert_eq!(one.left_behind(&threads).await, std::slice::from_ref(&of_two));
        one.strike_dead(&threads, vec![of_two]).await;
        assert_eq!(one.left_behind(&threads).await, []);
        assert_eq!(read(&dir.0).unwrap(), std::slice::from_ref(&of_one));
        one.strike(&threads, of_one).await;
        one.close(&threads).await;
        let left: Vec<_> = fs::read_dir(&dir.0).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["portmap.lock"], "nothing else stays");
        assert_eq!(one.trouble(), None);
    });
}

#[test]
fn a_renewal_replaces_its_entry() {
    on_runtime(async {
        let (dir, threads) = (Dir::new(), Threads::new());
        let journal = dir.journal();
        let far = unix_seconds() + 10_000;
        journal.add(&threads, entry(&journal, 1, far)).await;
        journal.add(&threads, entry(&journal, 1, far + 5)).await;
        assert_eq!(read(&dir.0).unwrap(), [entry(&journal, 1, far + 5)]);
    });
}

#[test]
fn what_has_ended_is_forgotten_but_not_at_once() {
    on_runtime(async {
        let (dir, threads) = (Dir::new(), Threads::new());
        let (dead, journal) = (dir.journal(), dir.journal());
        let now = unix_seconds();
        for (port, expires) in [(1, now - GRACE - 5), (2, now - 5), (3, 0)] {
            dead.add(&threads, entry(&dead, port, expires)).await;
        }
        drop(dead);
        let ports: Vec<_> = journal.left_behind(&threads).await.iter().map(|e| e.external_port).collect();
        assert_eq!(ports, [3, 2]);
    });
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_does_no_harm() {
    on_runtime(async {
        let threads = Threads::new();
        let journal = Journal::new(Some("/dev/null/nowhere".into()));
        journal.add(&threads, entry(&journal, 1, 0)).await;
        assert!(journal.trouble().unwrap().contains("/dev/null/nowhere"));
        assert_eq!(journal.left_behind(&threads).await, []);
    });
}

#[test]
fn a_damaged_list_is_no_obstacle() {
    on_runtime(async {
        let (dir, threads) = (Dir::new(), Threads::new());
        fs::create_dir_all(&dir.0).unwrap();
        fs::write(list_path(&dir.0), [0xff; 4096]).unwrap();
        let journal = dir.journal();
        journal.add(&threads, entry(&journal, 1, 0)).await;
        assert_eq!(read(&dir.0).unwrap(), [entry(&journal, 1, 0)]);
    });
}

#[test]
fn two_nodes_that_write_at_once_lose_nothing() {
    on_runtime(async {
        let (dir, threads) = (Dir::new(), Arc::new(Threads::new()));
        let journals = [dir.journal(), dir.journal()];
        let mut tasks = tokio::task::JoinSet::new();
        for (n, journal) in journals.iter().enumerate() {
            for port in 0..10 {
                let (journal, threads) = (journal.clone(), Arc::clone(&threads));
                let port = (n * 100 + port + 1) as u16;
                tasks.spawn(async move { journal.add(&threads, entry(&journal, port, 0)).await });
            }
        }
        while tasks.join_next().await.is_some() {}
        assert_eq!(read(&dir.0).unwrap().len(), 20);
    });
}
