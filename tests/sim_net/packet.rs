//! What travels between hosts.

use std::net::SocketAddr;

use p2pnet::proto::punch::Frame;

/// A packet; `D` is what its data are.
#[derive(Clone, Debug)]
pub struct Packet<D = Frame> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub what: What<D>,
}

#[derive(Clone, Debug)]
pub enum What<D = Frame> {
    Syn {
        iss: u32,
    },
    SynAck {
        iss: u32,
        ack: u32,
    },
    Ack {
        ack: u32,
    },
    /// `ack`: in answer to a SYN; `seq`: in answer to anything else.
    Rst {
        ack: Option<u32>,
        seq: Option<u32>,
    },
    Data {
        iss: u32,
        ack: u32,
        number: u32,
        data: Box<D>,
    },
    DataAck {
        ack: u32,
        next: u32,
    },
    Fin {
        ack: u32,
    },
    /// ICMP about a SYN.
    Unreachable,
}

impl<D> Packet<D> {
    pub fn is_rst(&self) -> bool {
        matches!(self.what, What::Rst { .. })
    }

    pub fn reply(&self, what: What<D>) -> Packet<D> {
        Packet { from: self.to, to: self.from, what }
    }

    /// The RST that answers this packet, if any does.
    pub fn refusal(&self) -> Option<Packet<D>> {
        match self.what {
            What::Syn { iss } => Some(self.reply(What::Rst { ack: Some(iss + 1), seq: None })),
            What::SynAck { ack, .. }
            | What::Ack { ack }
            | What::Data { ack, .. }
            | What::DataAck { ack, .. }
            | What::Fin { ack } => Some(self.reply(What::Rst { ack: None, seq: Some(ack) })),
            What::Rst { .. } | What::Unreachable => None,
        }
    }
}
