//! What the scripted UPnP router says in XML: its description, and the answers to the actions on its table.

use std::net::SocketAddr;
use std::time::Duration;

use super::http::{Line, Script};

const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

pub(super) fn description(control: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
         <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>\
         <serviceType>{SERVICE}</serviceType><controlURL>{control}</controlURL><SCPDURL>/scpd.xml</SCPDURL>\
         </service></serviceList></device></root>"
    )
}

pub(super) fn scpd() -> String {
    let action = |name: &str, arguments: &[&str]| {
        let arguments: String = arguments
            .iter()
            .map(|a| format!("<argument><name>{a}</name><direction>in</direction></argument>"))
            .collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let add = [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let actions = action("AddPortMapping", &add) + &action("DeletePortMapping", &add[..3]);
    format!("<?xml version=\"1.0\"?><scpd><actionList>{actions}</actionList></scpd>")
}

/// The text between an element's tags.
fn element<'a>(body: &'a str, name: &str) -> &'a str {
    let after = body.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once('<').map_or("", |(text, _)| text)
}

pub(super) fn soap(script: &mut Script, body: &str, from: SocketAddr) -> (u16, String, Duration) {
    let port = |name: &str| element(body, name).parse::<u16>().unwrap_or(0);
    let ok = |action: &str, inner: String| {
        let text = format!(
            "<?xml version=\"1.0\"?>\
             <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <u:{action}Response xmlns:u=\"{SERVICE}\">{inner}</u:{action}Response></s:Body></s:Envelope>"
        );
        (200, text, Duration::ZERO)
    };
    let no = |code: u16| {
        let text = format!(
            "<?xml version=\"1.0\"?>\
             <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
             <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode>\
             <errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
        );
        (500, text, Duration::ZERO)
    };
    let external = port("NewExternalPort");
    if body.contains(":GetExternalIPAddress") {
        return ok(
            "GetExternalIPAddress",
            format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", script.external_ip),
        );
    }
    if body.contains(":GetGenericPortMappingEntry") {
        script.asked.push("list".into());
        let index: usize = element(body, "NewPortMappingIndex").parse().unwrap_or(usize::MAX);
        let line = script.table.get(index).filter(|_| script.lists);
        return line.map_or_else(
            || no(713),
            |line| {
                let inner = format!(
                    "<NewRemoteHost></NewRemoteHost><NewExternalPort>{}</NewExternalPort>\
                     <NewProtocol>TCP</NewProtocol>\
                     <NewInternalPort>{}</NewInternalPort><NewInternalClient>{}</NewInternalClient>\
                     <NewEnabled>1</NewEnabled><NewPortMappingDescription>{}</NewPortMappingDescription>\
                     <NewLeaseDuration>{}</NewLeaseDuration>",
                    line.external, line.internal, line.client, line.description, line.lease
                );
                ok("GetGenericPortMappingEntry", inner)
            },
        );
    }
    if body.contains(":DeletePortMapping") {
        script.asked.push(format!("delete {external}"));
        let before = script.table.len();
        script.table.retain(|line| line.external != external);
        return if before == script.table.len() { no(714) } else { ok("DeletePortMapping", String::new()) };
    }
    if !body.contains(":AddPortMapping") {
        return no(401);
    }
    let lease: u32 = element(body, "NewLeaseDuration").parse().unwrap_or(1);
    let client = element(body, "NewInternalClient").to_owned();
    script.asked.push(format!("add {external} {lease}"));
    if let Some(code) = (script.refuse)(external, lease) {
        return no(code);
    }
    let internal = port("NewInternalPort");
    let theirs =
        |line: &Line| line.external == external && (&line.client, line.internal) != (&client, internal);
    if script.table.iter().any(theirs) {
        return no(718);
    }
    assert!(from.ip().is_loopback());
    script.table.retain(|line| line.external != external);
    let description = element(body, "NewPortMappingDescription").to_owned();
    script.table.push(Line { external, client, internal, description, lease });
    let (status, text, _) = ok("AddPortMapping", String::new());
    (status, text, script.slow_add)
}
