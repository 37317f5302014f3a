//! A model of PyP2P 0.8.3's end of a fight: it keeps the first of its connections and closes the others.

use std::net::SocketAddr;
use std::time::Duration;

use p2pnet::proto::punch::ConnId;
use p2pnet::proto::punch::fight::LEAD;

use super::{Arena, NONCE};
use crate::world::LINE;

impl Arena {
    pub(super) fn original_fights(&mut self, i: usize, ntp: f64) {
        let at = self.net.now + Duration::from_secs_f64(ntp + LEAD - self.unix(i));
        let ip = self.net.outside(1 - i);
        for (n, port) in self.nodes[i].their_ports.clone().into_iter().enumerate() {
            let conn = ConnId(n as u32 + 1);
            self.nodes[i].tries.insert(conn, 20);
            self.dial_at(i, conn, (self.nodes[i].ports[n + 1], SocketAddr::new(ip, port)), at);
        }
    }

    /// When all its attempts are done, it keeps the first that succeeded.
    pub(super) fn original_done(&mut self, i: usize, conn: ConnId, connected: bool) {
        let node = &mut self.nodes[i];
        node.tries.remove(&conn);
        if connected {
            node.won.push(conn);
        }
        if node.tries.is_empty() && node.end.is_none() && !node.won.is_empty() {
            // Which of its threads was first is a matter of chance.
            let keep = node.won.swap_remove(self.net.rng.usize(..node.won.len()));
            node.end = Some(Ok(keep));
            for other in std::mem::take(&mut node.won) {
                self.net.homes[i].host.close(other);
            }
            let first = if i == 0 { NONCE } else { LINE };
            self.net.homes[i].host.send(keep, first);
            self.net.flush(i);
        }
    }

    pub(super) fn original_retries(&mut self, i: usize, conn: ConnId) {
        let Some(left) = self.nodes[i].tries.get_mut(&conn) else { return };
        *left -= 1;
        if *left == 0 {
            return self.original_done(i, conn, false);
        }
        let n = conn.0 as usize;
        let to = SocketAddr::new(self.net.outside(1 - i), self.nodes[i].their_ports[n - 1]);
        self.dial_at(i, conn, (self.nodes[i].ports[n], to), self.net.now);
    }
}
