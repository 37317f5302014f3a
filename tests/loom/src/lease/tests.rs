//! Turns of the program's threads, and the own thread's watch over them: one at a time, and nobody waits for ever.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
use loom::thread;

use super::turns::Turns;

/// What only the one whose turn it is may touch.
#[derive(Default)]
struct Scene {
    turns: Turns,
    runtime: UnsafeCell<u32>,
    over: AtomicBool,
}

fn explore(model: impl Fn(Arc<Scene>) + Send + Sync + 'static) {
    let mut builder = Builder::new();
    // Others come between so often at most; without a bound it takes hours.
    builder.preemption_bound = Some(3);
    builder.check(move || model(Arc::default()));
}

/// Takes `n` turns, as far as nobody else has one.
fn visit(scene: &Scene, n: u32) {
    for _ in 0..n {
        if let Some(_turn) = scene.turns.enter() {
            // SAFETY: loom sees to it that there is nobody else.
            scene.runtime.with_mut(|n| unsafe { *n += 1 });
        }
    }
}

#[test]
fn two_at_once_never_and_the_own_thread_comes_back() {
    explore(|scene| {
        let others = [(); 2].map(|()| {
            let scene = Arc::clone(&scene);
            thread::spawn(move || visit(&scene, 1))
        });
        scene.turns.stand_by(|| false);
        others.into_iter().for_each(|other| other.join().unwrap());
        // The next one finds it free.
        assert!(scene.turns.enter().is_some());
    });
}

#[test]
fn who_comes_and_goes_while_the_own_thread_falls_asleep_wakes_it() {
    explore(|scene| {
        let other = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || visit(&scene, 3))
        };
        scene.turns.stand_by(|| false);
        other.join().unwrap();
    });
}

#[test]
fn whoever_presses_or_ends_it_is_heard() {
    explore(|scene| {
        let visitor = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let turn = scene.turns.enter();
                scene.turns.press();
                // It stays inside until the end has been told, as who drives does.
                scene.over.store(true, SeqCst);
                scene.turns.rouse();
                drop(turn);
            })
        };
        scene.turns.stand_by(|| scene.over.load(SeqCst));
        visitor.join().unwrap();
    });
}
