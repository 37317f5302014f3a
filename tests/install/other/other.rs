//! Another Rust library with a C interface, for a program that links two of them: threads, allocation, printing and a panic
//! that is caught, so that it brings its own copy of all that ours brings.

use std::collections::HashMap;
use std::panic::catch_unwind;

/// For 10 it returns 55, and 1000 for the panic that was caught (built to abort, it does not panic).
#[unsafe(no_mangle)]
pub extern "C" fn other_work(n: u32) -> u32 {
    let sum: u32 = std::thread::spawn(move || (0..=n).collect::<Vec<_>>().iter().sum()).join().unwrap_or(0);
    if cfg!(aborting) {
        return sum + 1000;
    }
    let caught = catch_unwind(|| {
        let map: HashMap<u32, String> = HashMap::from([(1, format!("{n}"))]);
        map[&(n + 1)].len()
    });
    sum + if caught.is_err() { 1000 } else { 0 }
}
