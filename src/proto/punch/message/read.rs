//! Reading a message's fields, each with its limits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{MAX_PORTS, MessageError, Side};
use crate::proto::nat::behaviour::{Allocation, Mapping};

/// What is left of a message.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(MessageError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, MessageError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn side(&mut self) -> Result<Side, MessageError> {
        let outside_ip = match self.byte()? {
            0 => None,
            4 => Some(IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))),
            6 => match Ipv6Addr::from(self.array::<16>()?) {
                mapped if mapped.to_ipv4_mapped().is_some() => {
                    return Err(MessageError::Field("an IPv4 address written as IPv6"));
                }
                ip => Some(IpAddr::V6(ip)),
            },
            _ => return Err(MessageError::Field("an address family that is neither 0, 4 nor 6")),
        };
        let mapping = match self.byte()? {
            0 => Mapping::Unknown,
            1 => Mapping::EndpointIndependent,
            2 => Mapping::AddressDependent,
            3 => Mapping::AddressAndPortDependent,
            _ => return Err(MessageError::Field("an unknown mapping; expected 0 to 3")),
        };
        let allocation = match self.byte()? {
            0 => Allocation::Unknown,
            1 => Allocation::Preserving,
            2 => Allocation::Delta,
            3 => Allocation::Sequential,
            4 => Allocation::Random,
            _ => return Err(MessageError::Field("an unknown allocation; expected 0 to 4")),
        };
        Ok(Side { outside_ip, mapping, allocation, ..Side::default() })
    }

    pub(super) fn ports(&mut self) -> Result<Vec<u16>, MessageError> {
        let count = usize::from(self.byte()?);
        if count > MAX_PORTS {
            return Err(MessageError::Field("more than 32 ports"));
        }
        let mut ports = Vec::with_capacity(count);
        for _ in 0..count {
            match u16::from_be_bytes(self.array()?) {
                0 => return Err(MessageError::Field("port 0")),
                port => ports.push(port),
            }
        }
        Ok(ports)
    }

    pub(super) fn milliseconds(&mut self) -> Result<Duration, MessageError> {
        match u16::from_be_bytes(self.array()?) {
            ms if ms <= 60_000 => Ok(Duration::from_millis(ms.into())),
            _ => Err(MessageError::Field("a round trip of more than a minute")),
        }
    }
}
