//! What the actor says to a session, until the session hears it: a place in the connection, and its bell. (A channel for each
//! of thousands of sessions would be larger than all the rest of them.)

use parking_lot::Mutex;

use super::Order;

/// See the module. `None` = the session has ended, and hears no more.
pub(crate) struct Orders(Mutex<Option<Vec<Order>>>);

impl Orders {
    pub(crate) fn new() -> Orders {
        Orders(Mutex::new(Some(Vec::new())))
    }

    /// Leaves an order. Whoever does then rings the bell.
    ///
    /// # Errors
    /// The order, if the session has ended.
    pub(crate) fn put(&self, order: Order) -> Result<(), Order> {
        match &mut *self.0.lock() {
            Some(waiting) => {
                waiting.push(order);
                Ok(())
            }
            None => Err(order),
        }
    }

    /// The oldest one.
    pub(super) fn take(&self) -> Option<Order> {
        let mut orders = self.0.lock();
        let waiting = orders.as_mut().filter(|waiting| !waiting.is_empty())?;
        let order = waiting.remove(0);
        if waiting.is_empty() {
            *waiting = Vec::new();
        }
        Some(order)
    }

    /// Nobody hears what is said from now on; what was not heard.
    pub(super) fn close(&self) -> Vec<Order> {
        self.0.lock().take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_heard_in_turn_and_none_behind_the_end() {
        let orders = Orders::new();
        let cut = |why| Order::Cut(why);
        let text = |order| match order {
            Order::Cut(why) => why,
            Order::Link(_) => "a link",
        };
        assert!(orders.take().is_none());
        for why in ["one", "two", "three"] {
            assert!(orders.put(cut(why)).is_ok());
        }
        assert_eq!(orders.take().map(text), Some("one"));
        assert_eq!(orders.close().into_iter().map(text).collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(orders.put(cut("four")).err().map(text), Some("four"));
        assert!(orders.take().is_none() && orders.close().is_empty());
    }
}
