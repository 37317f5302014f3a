//! Where a punch aims, and from when on one is wanted.

use std::net::IpAddr;
use std::time::Instant;

use super::core::Core;
use crate::proto::nat::scope::Scope;
use crate::proto::punch::{Foresight, Side};
use crate::proto::unl::{CandidateKind, Record};

/// Whether we want to punch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No.
    None,
    /// Then, or as soon as nothing else is left to be waited for.
    By(Instant),
    /// Not before.
    From(Instant),
}

impl Wish {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Wish::None => None,
            Wish::By(at) | Wish::From(at) => Some(at),
        }
    }

    pub(super) fn is_due(self, now: Instant) -> bool {
        matches!(self, Wish::By(at) | Wish::From(at) if at <= now)
    }

    /// Whether a punch may still begin.
    pub(super) fn is_open(self) -> bool {
        self != Wish::None
    }
}

/// Two ends that can be aimed at each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    pub(super) ours: Side,
    pub(super) theirs: Side,
    pub(super) target: IpAddr,
}

/// The peer's outside address of a family, as its locator has it.
pub(super) fn outside(record: &Record, v4: bool) -> Option<IpAddr> {
    let fits = |ip: IpAddr| ip.is_ipv4() == v4 && Scope::of(ip) != Scope::None;
    let mut candidates = record.candidates.iter().filter(|c| fits(c.ip));
    let wan = candidates.clone().find(|c| c.kind == CandidateKind::Wan);
    wan.or_else(|| candidates.find(|c| c.kind == CandidateKind::Mapped)).map(|c| c.ip)
}

pub(super) fn aim(record: &Record, core: &Core, v4: bool) -> Option<Aim> {
    let target = outside(record, v4)?;
    let (ours, theirs) = if v4 {
        let nat = record.nat;
        let theirs = Side {
            outside_ip: Some(target),
            mapping: nat.mapping,
            allocation: nat.allocation,
            ..Side::default()
        };
        core.own.side.outside_ip.map(|_| (core.own.side, theirs))?
    } else {
        (Side::untranslated(core.own.outside6?.into()), Side::untranslated(target))
    };
    Some(Aim { ours, theirs, target })
}

/// Whether both ends can foresee their ports exactly.
pub(super) fn is_easy(aim: &Aim) -> bool {
    let exact = |side: &Side| matches!(side.foresight(), Foresight::Asked | Foresight::Computed { .. });
    exact(&aim.ours) && exact(&aim.theirs)
}
