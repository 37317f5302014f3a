//! Opening our port on the router: PCP, NAT-PMP and UPnP, raced.
