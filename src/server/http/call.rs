//! The calls: what a node can ask over HTTP, and the work behind each.

use super::answer::{Answer, Style};
use super::query::Params;
use super::{Asker, Http};
use crate::server::mailbox::{Node, secret};
use crate::server::net::{Either, race};
use crate::server::port_check::port_check;
use crate::server::store::unix_now;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

/// Longest node id, password or network id.
const NAME: usize = 128;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    WanIp,
    PortCheck,
    Register,
    Mutex,
    Alive,
    Neighbours,
    Put,
    List,
}

impl Call {
    /// The call that a path and its parameters mean.
    pub(super) fn find(path: &str, params: &Params) -> Option<(Call, Style)> {
        let old = |call| Some((call, Style::Old));
        let clean = |call| Some((call, Style::Clean));
        match path {
            "/net.php" => match params.get("action") {
                "get_wan_ip" => old(Call::WanIp),
                "is_port_forwarded" => old(Call::PortCheck),
                _ => None,
            },
            "/dht_msg.php" => match params.get("call") {
                "register" => old(Call::Register),
                "get_mutex" => old(Call::Mutex),
                "last_alive" => old(Call::Alive),
                "find_neighbours" => old(Call::Neighbours),
                "put" => old(Call::Put),
                "list" => old(Call::List),
                _ => None,
            },
            "/v1/wan-ip" => clean(Call::WanIp),
            "/v1/port-check" => clean(Call::PortCheck),
            "/v1/mailbox/register" => clean(Call::Register),
            "/v1/mailbox/mutex" => clean(Call::Mutex),
            "/v1/mailbox/alive" => clean(Call::Alive),
            "/v1/mailbox/neighbours" => clean(Call::Neighbours),
            "/v1/mailbox/put" => clean(Call::Put),
            "/v1/mailbox/list" => clean(Call::List),
            _ => None,
        }
    }

    /// Its name in logs and counters.
    pub(super) fn word(self) -> &'static str {
        match self {
            Call::WanIp => "wan_ip",
            Call::PortCheck => "port_check",
            Call::Register => "register",
            Call::Mutex => "mutex",
            Call::Alive => "alive",
            Call::Neighbours => "neighbours",
            Call::Put => "put",
            Call::List => "list",
        }
    }
}

impl Http {
    /// Does what was asked.
    pub(super) async fn run(&self, call: Call, style: Style, asker: &Asker, params: &Params) -> Answer {
        match call {
            Call::WanIp => return Answer::Ip(asker.ip),
            Call::PortCheck => return self.port_check(asker.ip, params).await,
            _ => {}
        }
        let id = params.get("node_id");
        let password = params.get("password");
        let network = Some(params.get("network_id")).filter(|n| !n.is_empty()).unwrap_or("default");
        if id.is_empty() {
            return Answer::Bad("node_id is missing");
        }
        if [id, password, network].iter().any(|name| name.len() > NAME) {
            return Answer::Bad("node_id, password and network_id have at most 128 bytes");
        }
        // As in PyP2P's script: 1 is the default, and messages with 0 are open to everybody.
        let pop = params.get("list_pop") != "0";
        let is_public = call == Call::List && !pop && style == Style::Old;
        if call == Call::Register {
            return self.register(id, password, network, asker, params).await;
        }
        if !is_public && !self.post.with(|mailbox| mailbox.is(id, &secret(password))) {
            return Answer::WrongPassword;
        }
        match call {
            Call::Alive => {
                self.post.alive(id);
                Answer::Done
            }
            Call::Mutex => Answer::Mutex(self.post.with(|mailbox| mailbox.mutex(unix_now(), id))),
            Call::Neighbours => {
                Answer::Neighbours(self.post.with(|mailbox| mailbox.neighbours(unix_now(), id, network)))
            }
            Call::Put => {
                let (dest, text) = (params.get("dest_node_id"), params.get("msg"));
                if dest.is_empty() || dest.len() > NAME || text.is_empty() {
                    return match style {
                        Style::Old => Answer::WrongPassword,
                        Style::Clean => Answer::Bad("dest_node_id (at most 128 bytes) and msg are needed"),
                    };
                }
                match self.post.put(dest, text, pop).await {
                    Ok(()) => Answer::Done,
                    Err(refused) => Answer::Refused(refused),
                }
            }
            _ => self.list(id, pop, style, asker, params).await,
        }
    }

    async fn register(
        &self,
        id: &str,
        password: &str,
        network: &str,
        asker: &Asker,
        params: &Params,
    ) -> Answer {
        if password.is_empty() {
            return Answer::Bad("password is missing");
        }
        let node = Node {
            secret: secret(password),
            ip: address(asker.ip, params.get("ip")),
            port: params.get("port").parse().unwrap_or(1),
            network: network.to_owned(),
            last_alive: unix_now(),
        };
        match self.post.register(id, node).await {
            Ok(known) => Answer::Registered { known },
            Err(refused) => Answer::Refused(refused),
        }
    }

    async fn list(&self, id: &str, pop: bool, style: Style, asker: &Asker, params: &Params) -> Answer {
        let lease = pop && style == Style::Old;
        let mut patience = self.limits.long_poll;
        if style == Style::Clean {
            if let Ok(seconds) = params.get("wait").parse() {
                patience = patience.min(Duration::from_secs(seconds));
            }
            if let Ok(ack) = params.get("ack").parse::<u64>() {
                self.post.remove(id, |message| message.pop && message.id <= ack);
            }
        }
        let Some(waiter) = self.post.wait(id, self.limits.waiters_per_node) else {
            return Answer::Busy("too many calls wait for messages to this node");
        };
        let Ok(_permit) = self.waiters.try_acquire() else {
            return Answer::Busy("too many calls wait for messages");
        };
        let mut ended = pin!(race(tokio::time::sleep(patience), asker.life.stopped()));
        loop {
            // Listening begins before looking, so that nothing arrives unnoticed in between.
            let arrived = waiter.arrived().notified();
            let found = self.post.with(|mailbox| mailbox.list(unix_now(), id, pop, lease));
            if !found.is_empty() {
                if lease {
                    asker.leases.add(id, found.iter().map(|(id, _)| *id).collect());
                }
                return Answer::Messages(found);
            }
            if let Either::Left(_) = race(ended.as_mut(), arrived).await {
                return Answer::Messages(Vec::new());
            }
        }
    }

    /// Whether a TCP connection to the asker, and to nobody else, comes about.
    async fn port_check(&self, ip: IpAddr, params: &Params) -> Answer {
        let proto = params.get("proto");
        let port = match params.get("port").parse::<u16>() {
            Ok(port) if port != 0 && (proto.is_empty() || proto.eq_ignore_ascii_case("TCP")) => port,
            // There is no way to tell for UDP.
            _ => return Answer::Reachable(None),
        };
        let Ok(_permit) = self.port_checks.try_acquire() else {
            return Answer::Busy("too many port checks are running");
        };
        Answer::Reachable(port_check(SocketAddr::new(ip, port), self.limits.port_check_timeout).await)
    }
}

/// The address a node is registered with. It may name another one only where we cannot see its outside address; else
/// anybody could have strangers sent to a victim.
fn address(seen: IpAddr, named: &str) -> IpAddr {
    let is_inside = match seen {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    named.parse().ok().filter(|_| is_inside).unwrap_or(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_can_only_be_named_from_inside() {
        for (seen, named, expected) in [
            ("8.8.8.8", "1.2.3.4", "8.8.8.8"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "host", "127.0.0.1"),
            ("2001:db8::1", "1.2.3.4", "2001:db8::1"),
        ] {
            assert_eq!(address(seen.parse().unwrap(), named).to_string(), expected);
        }
    }
}
