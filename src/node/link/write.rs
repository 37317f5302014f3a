//! What the connection's task writes: all that is queued, as far as it goes.

use std::io;

use super::{Life, Writer};
use crate::error::Error;
use crate::node::sendbuf::TIDY;

impl Life {
    /// Writes what is queued, as far as it goes. True: all of it.
    pub(super) fn try_write_out(&mut self, blocked: &mut bool) -> bool {
        self.write_out(blocked).unwrap_or_else(|e| {
            self.rare.get_or_insert_default().broken = Some(e);
            false
        })
    }

    /// Writes what is queued. True: all of it.
    fn write_out(&mut self, blocked: &mut bool) -> Result<bool, Error> {
        loop {
            if self.writer.as_ref().is_none_or(|writer| writer.written == writer.bytes.len()) {
                let mut out = self.conn.out.lock();
                if out.is_early() {
                    drop(out);
                    // Returns at once if nobody waits for this CPU.
                    std::thread::yield_now();
                    out = self.conn.out.lock();
                }
                let mut fresh = Vec::new();
                let bytes = self.writer.as_mut().map_or(&mut fresh, |writer| &mut writer.bytes);
                let taken = self.conn.out.take(out, bytes);
                match &mut self.writer {
                    Some(writer) => writer.written = 0,
                    // Most connections never have one: what is sent seldom is written by whoever sends it.
                    None if !taken.nothing => {
                        self.writer = Some(Box::new(Writer { bytes: fresh, written: 0 }));
                    }
                    None => {}
                }
                if taken.room_is_news {
                    self.shared.tell_writable(&self.conn);
                }
                if taken.nothing {
                    if taken.untidy {
                        let rare = self.rare.get_or_insert_default();
                        rare.tidy.get_or_insert_with(|| Box::pin(tokio::time::sleep(TIDY)));
                    }
                    return Ok(true);
                }
            }
            let Some(Writer { bytes, written }) = self.writer.as_deref_mut() else { return Ok(true) };
            match self.shared.write(&self.conn, &self.stream, bytes.get(*written..).unwrap_or_default()) {
                Ok(n) => *written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    *blocked = true;
                    return Ok(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken("sending to", &e)),
            }
        }
    }
}
