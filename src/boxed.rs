//! Tasks behind one type.
//!
//! Of each type of task the runtime makes some kilobytes of code, and there is a type for each place that starts one. For tasks that
//! begin rarely one allocation more is the better price.

use std::future::Future;
use std::pin::Pin;

/// A task that gives a `T`.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// `task`, for a `spawn`.
pub(crate) fn boxed<T>(task: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    Box::pin(task)
}
