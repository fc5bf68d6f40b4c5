//! Wake-ups from the same thread, from another one, and after the end of a runtime.

use std::sync::Arc;

use super::super::Waiter;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn many_waiters_are_woken_by_another_thread() {
    runtime().block_on(async {
        for _ in 0..100 {
            let waiters: Vec<Arc<Waiter>> = (0..50).map(|_| Waiter::new(2)).collect();
            let others = waiters.clone();
            let waking = std::thread::spawn(move || {
                for waiter in others.iter().chain(&others) {
                    waiter.add(1);
                }
            });
            for waiter in &waiters {
                waiter.woken().await;
            }
            waking.join().unwrap();
        }
    });
}

#[test]
fn a_waiter_is_woken_at_once_by_its_own_thread() {
    runtime().block_on(async {
        let waiter = Waiter::new(1);
        waiter.add(1);
        tokio::select! {
            biased;
            () = waiter.woken() => {}
            () = std::future::ready(()) => panic!("the wake-up took a way round"),
        }
    });
}

#[test]
fn each_runtime_of_a_thread_answers_its_own_bell() {
    let (one, two) = (runtime(), runtime());
    let of_one = one.block_on(async { Waiter::new(1) });
    let of_two = two.block_on(async { Waiter::new(1) });
    for waiter in [&of_one, &of_two] {
        let waiter = waiter.clone();
        std::thread::spawn(move || waiter.add(1)).join().unwrap();
    }
    one.block_on(of_one.woken());
    two.block_on(of_two.woken());
}

#[test]
fn who_outlives_the_runtime_is_woken_without_it() {
    let first = runtime();
    let waiter = first.block_on(async { Waiter::new(1) });
    drop(first);
    let waking = waiter.clone();
    std::thread::spawn(move || waking.add(1)).join().unwrap();
    runtime().block_on(waiter.woken());
}
