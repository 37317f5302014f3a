//! Waiting for whatever comes first, for the tasks of the server and the relay.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;
use tokio::sync::Notify;

/// What finished first.
pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two futures (the left one if both are ready) and drops the other.
pub(crate) async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if let Poll::Ready(value) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(value));
        }
        b.as_mut().poll(cx).map(Either::Right)
    })
    .await
}

/// Waits until `at`, if that is any time. False if it is to be looked up anew, as something earlier has come up.
pub(crate) async fn due(at: Option<Instant>, earlier: &Notify) -> bool {
    let sleep = async {
        match at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => pending().await,
        }
    };
    matches!(race(sleep, earlier.notified()).await, Either::Left(()))
}
