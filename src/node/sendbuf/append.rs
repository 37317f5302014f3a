//! The callers' side of the send buffer: what is accepted, and whether the caller's thread writes it or leaves it to the task.

use std::time::Duration;

use super::{After, CALM, LONG, MUCH, QUIET, SendBuf, Way};
use crate::error::Code;
use crate::node::moment::Moment;
use crate::proto::line::CRLF;

impl SendBuf {
    /// Whether `len` bytes more are accepted. Alone, a piece may be larger than the whole buffer.
    #[inline]
    fn admit(&mut self, len: usize) -> Result<(), Code> {
        let queued = self.queued();
        if !self.closing && (queued == 0 || queued + len <= self.limit as usize) {
            return Ok(());
        }
        if self.closing {
            return Err(Code::Closed);
        }
        self.wants_writable = true;
        Err(Code::WouldBlock)
    }

    /// Accepts `text` with its `end`, whole or not at all, and has it written by `way` if the connection has been quiet or
    /// enough has come together.
    #[inline]
    pub(crate) fn append<const N: usize>(
        &mut self,
        text: &[u8],
        end: &[u8; N],
        way: &mut impl Way,
    ) -> Result<After, Code> {
        self.admit(text.len() + N)?;
        self.lines += 1;
        let after = if self.queued() == 0 {
            self.append_first(text, end, way)
        } else {
            self.pending.push_line(text, end);
            self.appended(way)
        };
        self.expect_more();
        Ok(after)
    }

    /// As [`SendBuf::append`] with CR LF where there is nothing more to it: something was appended before and left to the
    /// writer, and there is neither much yet nor anything to hinder. `line` is looked at, too: it may hold no LF. False: nothing
    /// was done.
    #[inline(always)]
    pub(crate) fn append_quickly(&mut self, line: &[u8]) -> bool {
        let fits = self.pending.len() + line.len() + CRLF.len() <= self.quick_until as usize;
        if !fits || !self.pending.push_checked(line) {
            return false;
        }
        self.lines += 1;
        true
    }

    /// After an append: up to where the next ones are quick.
    fn expect_more(&mut self) {
        let left = self.writer_awake && !self.closing && !self.pending.is_empty();
        let most =
            (MUCH - 1).min(self.pending.capacity()).min((self.limit as usize).saturating_sub(self.in_flight));
        self.quick_until = if left { most as u32 } else { 0 };
    }

    /// Somebody else than who appends has the lock, and may change everything.
    pub(crate) fn interrupted(&mut self) {
        self.quick_until = 0;
    }

    /// The first piece after everything was written.
    fn append_first<const N: usize>(&mut self, text: &[u8], end: &[u8; N], way: &mut impl Way) -> After {
        let now = self.is_turn_of_caller();
        // From where it lies: a long line is copied only if the socket has no room for it; so is what needs no end.
        if (text.len() >= LONG || N == 0 && now)
            && let Some(wrote) = way.direct([text, end])
        {
            self.bytes_written += wrote as u64;
            self.pending.push_lines(text.get(wrote..).unwrap_or_default());
            self.pending.push_lines(end.get(wrote.saturating_sub(text.len())..).unwrap_or_default());
            return self.by_caller();
        }
        self.pending.push_line(text, end);
        if now || self.pending.len() >= LONG { self.write_pending(way) } else { self.leave_to_task() }
    }

    /// Accepts a message.
    pub(crate) fn append_message(&mut self, message: &[u8], way: &mut impl Way) -> Result<After, Code> {
        self.admit(message.len() + 1)?;
        self.lines += 1;
        let now = self.queued() == 0 && (self.is_turn_of_caller() || message.len() >= LONG);
        self.pending.push_message(message);
        Ok(if now { self.write_pending(way) } else { self.appended(way) })
    }

    /// Accepts lines as long as there are any and each is good: how many.
    pub(crate) fn append_lines<'a>(
        &mut self,
        lines: impl Iterator<Item = Result<&'a [u8], Code>>,
        way: &mut impl Way,
    ) -> (usize, After, Result<(), Code>) {
        let now = self.queued() == 0 && self.is_turn_of_caller();
        let (mut taken, mut woken, mut outcome) = (0, false, Ok(()));
        for line in lines {
            if let Err(code) = line.and_then(|text| {
                self.admit(text.len() + CRLF.len())?;
                self.lines += 1;
                taken += 1;
                let after = if self.queued() == 0 && text.len() >= LONG {
                    self.append_first(text, CRLF, way)
                } else {
                    self.pending.push_line(text, CRLF);
                    if self.pending.len() >= MUCH { self.much(way) } else { After::Nothing }
                };
                woken |= after == After::WakeWriter;
                Ok(())
            }) {
                outcome = Err(code);
                break;
            }
        }
        if !self.pending.is_empty() {
            let rest = if now && self.may_write() { self.write_pending(way) } else { self.leave_to_task() };
            woken |= rest == After::WakeWriter;
        }
        // The task tells of room, also of that which this very call has made by writing everything.
        if outcome == Err(Code::WouldBlock) {
            woken |= self.leave_to_task() == After::WakeWriter;
        }
        self.expect_more();
        (taken, if woken { After::WakeWriter } else { After::Nothing }, outcome)
    }

    /// Whether the caller writes the first piece after everything was written: the connection has been quiet.
    fn is_turn_of_caller(&mut self) -> bool {
        let now = Moment::now();
        let since = self.last_write.map_or(Duration::MAX, |last| now.since(last));
        self.last_write = Some(now);
        if since > CALM {
            self.small_writes = 0;
        }
        since > QUIET && !self.writer_awake
    }

    /// Something has come to what was pending.
    #[inline]
    fn appended(&mut self, way: &mut impl Way) -> After {
        if self.pending.len() >= MUCH { self.much(way) } else { self.leave_to_task() }
    }

    /// Much has come together.
    #[inline(never)]
    fn much<W: Way>(&mut self, way: &mut W) -> After {
        if self.may_write() {
            let after = self.write_pending(way);
            // That took longer than what counts as quiet, and the next line is not to take it for that. (Only here: while a short line
            // is written, the peer may have the CPU, and the next line be the answer to its answer.)
            self.last_write = Some(Moment::now());
            return after;
        }
        if W::STOWS {
            self.in_flight += way.stow(&mut self.pending);
        }
        self.leave_to_task()
    }

    /// Whether a caller may write: nothing has to come before, and the socket is not known to be full.
    #[inline]
    fn may_write(&self) -> bool {
        self.in_flight == 0 && !self.blocked
    }

    /// Writes what is pending on the caller's thread.
    #[inline(never)]
    fn write_pending(&mut self, way: &mut impl Way) -> After {
        let wrote = way.pending(&mut self.pending);
        self.bytes_written += wrote.by_system as u64;
        self.in_flight = wrote.waiting;
        self.by_caller()
    }

    /// A caller has written.
    fn by_caller(&mut self) -> After {
        if self.queued() == 0 {
            let tidy = self.is_large() && !std::mem::replace(&mut self.tidying, true);
            return if tidy { self.leave_to_task() } else { After::Nothing };
        }
        self.blocked = true;
        self.leave_to_task()
    }

    #[inline]
    fn leave_to_task(&mut self) -> After {
        if std::mem::replace(&mut self.writer_awake, true) { After::Nothing } else { After::WakeWriter }
    }
}
