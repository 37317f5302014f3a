//! The tool `p2p doctor`, as a person or a script runs it.

use serde_json::Value;

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::{Network, RENDEZVOUS_PORT};
use crate::node::serve;
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("doctor::mapped", "a router that opens the port: all is well, status 0", mapped),
        Case::new("doctor::closed", "a closed NAT: what it is and what to do, status 1", closed),
        Case::new("doctor::json", "the same for programs", json),
        Case::new("doctor::nobody", "nobody answers: said so, and in time", nobody),
        Case::new("doctor::wrong", "a server's address that is none: status 2, and what was expected", wrong),
    ]
}

/// The tool's output and exit status in host `a`.
fn doctor(network: &Network, arguments: &[&str]) -> Result<(String, i32)> {
    let server = network.server4(0, RENDEZVOUS_PORT).to_string();
    let all = [&["doctor", "--server", &server], arguments].concat();
    let output = network.host("a").output(env!("CARGO_BIN_EXE_p2p"), &all)?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((text, output.status.code().unwrap_or(-1)))
}

fn mapped(_: &Notes) -> Result {
    let network = Lab::new().with(Home::new("a", Nat::kernel(Kind::Delta)).upnpd(Upnpd::all())).build()?;
    let _server = serve(&network)?;
    let (text, status) = doctor(&network, &["--port", "4444"])?;
    for part in [
        "delta (+7)",
        "yes, by port 4444",
        "outside port 4444 leads to port 4444",
        "nothing to do",
        "passive",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert_eq!(status, 0, "{text}");
    network.upnpd("a").until_closed().map_err(|e| format!("{e}\n{text}").into())
}

fn closed(_: &Notes) -> Result {
    let network = Lab::new().home("a", Nat::kernel(Kind::Random)).build()?;
    let _server = serve(&network)?;
    let (text, status) = doctor(&network, &["--port", "4444"])?;
    let to_do = format!("forward TCP port 4444 to {}", network.host("a").ip());
    for part in ["address-and-port-dependent", "dropped without an answer", &to_do, "strict"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert_eq!(status, 1, "{text}");
    Ok(())
}

fn json(_: &Notes) -> Result {
    let network = Lab::new().home("a", Nat::kernel(Kind::Seq)).build()?;
    let _server = serve(&network)?;
    let (text, _) = doctor(&network, &["--json"])?;
    let it: Value = serde_json::from_str(&text).map_err(|e| format!("{e}:\n{text}"))?;
    assert_eq!(
        (&it["nat"], &it["allocation"], &it["nat_delta"]),
        (&"delta".into(), &"sequential".into(), &1.into())
    );
    assert_eq!(
        (&it["reachable"], &it["unsolicited"], &it["ready"]),
        (&false.into(), &"dropped".into(), &true.into())
    );
    assert!(it["steps"].as_array().is_some_and(|steps| steps.len() > 2), "{text}");
    Ok(())
}

fn nobody(_: &Notes) -> Result {
    let network = Lab::new().home("a", Nat::kernel(Kind::Preserve)).build()?;
    let (text, status) = doctor(&network, &["--timeout", "2"])?;
    for part in ["NAT could not be measured", "name a rendezvous server that answers"] {
        assert!(text.contains(part) || text.contains(&part.to_lowercase()), "no {part:?} in:\n{text}");
    }
    assert_eq!(status, 1, "{text}");
    Ok(())
}

fn wrong(_: &Notes) -> Result {
    let network = Lab::new().home("a", Nat::Public).build()?;
    let (text, status) = doctor(&network, &["--server", "nowhere"])?;
    assert!(text.contains("nowhere") && text.contains("expected host:port"), "{text}");
    assert_eq!(status, 2, "{text}");
    Ok(())
}
