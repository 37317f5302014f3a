//! Where the node's log lines go: to a descriptor of the program, or into its event queue.

use std::fmt;

use super::shared::Shared;
use crate::event::LogLevel;

impl Shared {
    /// Logs `what` at `level`, if the program wants that much.
    pub(crate) fn log(&self, level: LogLevel, what: fmt::Arguments<'_>) {
        if level > self.config.log_level {
            return;
        }
        if self.config.log_fd >= 0 {
            let ms = self.queue.now_ms();
            let line = format!(
                "p2pnet {:>6}.{:03} {:<5} {what}\n",
                ms / 1000,
                ms % 1000,
                level.name().to_uppercase()
            );
            crate::os::fd::write_all(self.config.log_fd, line.as_bytes());
        } else {
            self.queue.push_log(level, what.to_string());
        }
    }
}

/// `log!(shared, Info, "listening on {addr}")`
macro_rules! log {
    ($shared:expr, $level:ident, $($what:tt)*) => {
        $shared.log($crate::event::LogLevel::$level, format_args!($($what)*))
    };
}
pub(crate) use log;
