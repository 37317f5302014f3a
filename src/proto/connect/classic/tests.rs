//! Tests of the machine.

use super::Us;
use crate::proto::admit::Own;
use crate::proto::nat::NatType;
use crate::proto::unl::{ForwardingType, NodeType, UnlV2};

/// A node with these addresses that listens on port 50500, and can do everything.
pub(super) fn us(wan: &str, lan: &str, node_type: NodeType) -> Us {
    let (wan_ip, lan_ip) = (wan.parse().unwrap(), lan.parse().unwrap());
    let mut node_id = [b'a'; 20];
    node_id.iter_mut().zip(wan.bytes()).for_each(|(to, from)| *to = from);
    let unl = UnlV2 {
        node_id,
        node_type,
        nat_type: NatType::Preserving,
        forwarding_type: ForwardingType::Manual,
        listen_port: 50500,
        wan_ip,
        lan_ip,
        version: 2,
    };
    let listen = vec!["0.0.0.0:50500".parse().unwrap()];
    Us {
        text: Some(unl.encode()),
        own: Own { listen, lan_ip: Some(lan_ip.into()), wan_ip: Some(wan_ip.into()), allow_duplicate_ip: true },
        unl,
        local_peers: false,
        dht: true,
        no_punch: None,
        punches: 1,
    }
}
