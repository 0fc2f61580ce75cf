//! MQTT topics as routes: who speaks on them, how large and how often delivered a message may be.
//!
//! Component topics are `p/<id>/<leaf>`, hub-to-cloud topics `h/<id>/<leaf>`, where `<id>` is the
//! logical id of the component or the hub. A command names its receiver too. Nothing else is a route.

use crate::id::{ComponentId, Slug};
use std::fmt;

/// Longest topic any route has: `p/` + 36 + `/command/` + 36 + `/` + 32.
pub const MAX_TOPIC: usize = 116;

/// Longest payload that an application makes, in bytes.
pub const MAX_PAYLOAD: usize = 8192;

/// Longest message that carries one of another component: the payload, what the hub vouches for and its
/// signature.
pub const MAX_RELAYED: usize = MAX_PAYLOAD + 1536;

/// Longest message with a block of an update: the block and what it is of.
pub const MAX_BLOCK_MESSAGE: usize = 66_048;

/// Longest message with records of the hub's log: 64 KiB of them, or one that is longer alone.
pub const MAX_UPLINK_MESSAGE: usize = 73_728;

/// A topic that names something the protocol knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Component to hub.
    Up(ComponentId, Up),
    /// Hub to component.
    Down(ComponentId, Down),
    /// Hub to cloud.
    ToCloud(ComponentId, ToCloud),
    /// Cloud to hub.
    FromCloud(ComponentId, FromCloud),
}

/// What a component tells the hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Up {
    /// `announce`: what the component is; [`crate::message::Announcement`].
    Announce,
    /// `heartbeat`: a sign of life; [`crate::message::Heartbeat`].
    Heartbeat,
    /// `bye`: it leaves the product or goes to sleep; [`crate::message::Bye`].
    Bye,
    /// `lost`: its last will; [`crate::message::Lost`].
    Lost,
    /// `reported`: what its configuration is; [`crate::message::Reported`].
    Reported,
    /// `stream/<name>`: the newest value of one of its streams, a map with text keys.
    Stream(Slug),
    /// `command/<receiver>/<name>`: what another component shall do, a map with text keys.
    Command(ComponentId, Slug),
    /// `upd/req`: it wants blocks of an update; [`crate::message::BlockRequest`].
    UpdateRequest,
    /// `upd/st`: how far an update got; [`crate::message::UpdateStatus`].
    UpdateStatus,
    /// `upd/rep`: what it runs; a signed [`crate::message::UpdateReport`].
    UpdateReport,
    /// `log`: what happened to it; [`crate::message::LogBatch`].
    Log,
}

/// What the hub tells a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Down {
    /// `trust`: how the hub regards it; [`crate::message::TrustNotice`]. Retained.
    Trust,
    /// `config`: what its configuration shall be; [`crate::message::Config`].
    Config,
    /// `relayed`: what another component says, vouched for by the hub; a signed
    /// [`crate::message::Assertion`].
    Relayed,
    /// `upd/offer`: an update is there; [`crate::message::UpdateOffer`].
    UpdateOffer,
    /// `upd/blk`: one block of it; [`crate::message::Block`].
    UpdateBlock,
    /// `upd/ctl`: what it shall do about it; [`crate::message::UpdateControl`].
    UpdateControl,
    /// `log/ctl`: what of its log is durable, or wanted; [`crate::message::LogControl`].
    LogControl,
}

/// What the hub tells the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToCloud {
    /// `status`: the hub's state; [`crate::message::HubStatus`]. Retained.
    Status,
    /// `lost`: the hub's last will; [`crate::message::Lost`].
    Lost,
    /// `answer`: what came of what it asked; [`crate::message::CloudAnswer`].
    Answer,
    /// `log`: records of the hub's log; [`crate::message::UplinkFrame`].
    Log,
}

/// What the cloud tells the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FromCloud {
    /// `hello`: what the cloud is; [`crate::message::CloudHello`]. Retained.
    Hello,
    /// `ask`: what it wants of a component; [`crate::message::CloudAsk`].
    Ask,
    /// `log/ack`: what it has of the hub's log; [`crate::message::UplinkAck`].
    LogAck,
}

/// What a route lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest payload in bytes.
    pub max_payload: usize,
    /// Whether a message may be retained.
    pub retain: bool,
    /// Least and greatest quality of service.
    pub qos: (u8, u8),
}

/// A topic that is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The topic is not of the form `p/<id>/<leaf>` or `h/<id>/<leaf>`.
    #[error("no route has this topic: it must be p/<id>/<leaf> or h/<id>/<leaf>")]
    Shape,
    /// The second level is no logical id.
    #[error("the topic's second level is no logical id")]
    Id,
    /// There is no such leaf below the id.
    #[error("no route ends like this topic")]
    Leaf,
}

impl Route {
    /// Reads a topic.
    ///
    /// # Errors
    /// When it is no route.
    pub fn parse(topic: &str) -> Result<Self, RouteError> {
        if topic.len() > MAX_TOPIC {
            return Err(RouteError::Shape);
        }
        let (root, rest) = topic.split_once('/').ok_or(RouteError::Shape)?;
        let (id, leaf) = rest.split_once('/').ok_or(RouteError::Shape)?;
        match root {
            "p" => component_route(id.parse().map_err(|_| RouteError::Id)?, leaf),
            "h" => cloud_route(id.parse().map_err(|_| RouteError::Id)?, leaf),
            _ => Err(RouteError::Shape),
        }
    }

    /// Whose topic it is.
    #[must_use]
    pub fn owner(&self) -> ComponentId {
        match self {
            Self::Up(id, _) | Self::Down(id, _) | Self::ToCloud(id, _) | Self::FromCloud(id, _) => {
                *id
            }
        }
    }

    /// What the route lets through.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let (max_payload, retain, qos) = match self {
            Self::Up(_, Up::Announce) => (2048, false, (1, 2)),
            Self::Up(_, Up::Heartbeat) => (64, false, (0, 1)),
            Self::Up(_, Up::Bye) => (64, false, (1, 2)),
            Self::Up(_, Up::Lost) | Self::ToCloud(_, ToCloud::Lost) => (64, false, (0, 1)),
            Self::Up(_, Up::Reported) => (MAX_PAYLOAD, false, (1, 2)),
            Self::Up(_, Up::Command(..)) => (MAX_PAYLOAD, false, (1, 2)),
            Self::Down(_, Down::Relayed) => (MAX_RELAYED, false, (0, 1)),
            Self::Down(_, Down::Config) => (MAX_PAYLOAD, false, (1, 1)),
            Self::Up(_, Up::Stream(_)) => (MAX_PAYLOAD, false, (0, 2)),
            Self::Up(_, Up::UpdateRequest) => (64, false, (0, 0)),
            Self::Up(_, Up::UpdateStatus) => (512, false, (1, 1)),
            Self::Up(_, Up::UpdateReport) => (1024, false, (1, 1)),
            Self::Up(_, Up::Log) => (MAX_PAYLOAD, false, (1, 1)),
            Self::Down(_, Down::LogControl) => (128, false, (1, 1)),
            Self::Down(_, Down::UpdateOffer) => (12_288, false, (1, 1)),
            Self::Down(_, Down::UpdateBlock) => (MAX_BLOCK_MESSAGE, false, (0, 0)),
            Self::Down(_, Down::UpdateControl) => (64, false, (1, 1)),
            Self::Down(_, Down::Trust) => (512, true, (1, 1)),
            Self::ToCloud(_, ToCloud::Status) => (1024, true, (1, 1)),
            Self::ToCloud(_, ToCloud::Answer) => (1024, false, (1, 1)),
            Self::ToCloud(_, ToCloud::Log) => (MAX_UPLINK_MESSAGE, false, (1, 1)),
            Self::FromCloud(_, FromCloud::LogAck) => (5120, false, (1, 1)),
            Self::FromCloud(_, FromCloud::Ask) => (MAX_RELAYED, false, (1, 1)),
            Self::FromCloud(_, FromCloud::Hello) => (512, true, (1, 1)),
        };
        Limits { max_payload, retain, qos }
    }
}

fn component_route(id: ComponentId, leaf: &str) -> Result<Route, RouteError> {
    Ok(match leaf {
        "announce" => Route::Up(id, Up::Announce),
        "heartbeat" => Route::Up(id, Up::Heartbeat),
        "bye" => Route::Up(id, Up::Bye),
        "lost" => Route::Up(id, Up::Lost),
        "reported" => Route::Up(id, Up::Reported),
        "trust" => Route::Down(id, Down::Trust),
        "config" => Route::Down(id, Down::Config),
        "relayed" => Route::Down(id, Down::Relayed),
        "upd/req" => Route::Up(id, Up::UpdateRequest),
        "upd/st" => Route::Up(id, Up::UpdateStatus),
        "upd/rep" => Route::Up(id, Up::UpdateReport),
        "log" => Route::Up(id, Up::Log),
        "log/ctl" => Route::Down(id, Down::LogControl),
        "upd/offer" => Route::Down(id, Down::UpdateOffer),
        "upd/blk" => Route::Down(id, Down::UpdateBlock),
        "upd/ctl" => Route::Down(id, Down::UpdateControl),
        _ => Route::Up(id, named_route(leaf)?),
    })
}

fn named_route(leaf: &str) -> Result<Up, RouteError> {
    let slug = |name: &str| Slug::new(name).map_err(|_| RouteError::Leaf);
    if let Some(name) = leaf.strip_prefix("stream/") {
        return Ok(Up::Stream(slug(name)?));
    }
    let rest = leaf.strip_prefix("command/").ok_or(RouteError::Leaf)?;
    let (receiver, name) = rest.split_once('/').ok_or(RouteError::Leaf)?;
    Ok(Up::Command(receiver.parse().map_err(|_| RouteError::Id)?, slug(name)?))
}

fn cloud_route(id: ComponentId, leaf: &str) -> Result<Route, RouteError> {
    match leaf {
        "status" => Ok(Route::ToCloud(id, ToCloud::Status)),
        "lost" => Ok(Route::ToCloud(id, ToCloud::Lost)),
        "answer" => Ok(Route::ToCloud(id, ToCloud::Answer)),
        "log" => Ok(Route::ToCloud(id, ToCloud::Log)),
        "log/ack" => Ok(Route::FromCloud(id, FromCloud::LogAck)),
        "hello" => Ok(Route::FromCloud(id, FromCloud::Hello)),
        "ask" => Ok(Route::FromCloud(id, FromCloud::Ask)),
        _ => Err(RouteError::Leaf),
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(id, Up::Announce) => write!(f, "p/{id}/announce"),
            Self::Up(id, Up::Heartbeat) => write!(f, "p/{id}/heartbeat"),
            Self::Up(id, Up::Bye) => write!(f, "p/{id}/bye"),
            Self::Up(id, Up::Lost) => write!(f, "p/{id}/lost"),
            Self::Up(id, Up::Stream(name)) => write!(f, "p/{id}/stream/{name}"),
            Self::Up(id, Up::Reported) => write!(f, "p/{id}/reported"),
            Self::Up(id, Up::Command(receiver, name)) => {
                write!(f, "p/{id}/command/{receiver}/{name}")
            }
            Self::Up(id, Up::UpdateRequest) => write!(f, "p/{id}/upd/req"),
            Self::Up(id, Up::UpdateStatus) => write!(f, "p/{id}/upd/st"),
            Self::Up(id, Up::UpdateReport) => write!(f, "p/{id}/upd/rep"),
            Self::Up(id, Up::Log) => write!(f, "p/{id}/log"),
            Self::Down(id, Down::LogControl) => write!(f, "p/{id}/log/ctl"),
            Self::Down(id, Down::UpdateOffer) => write!(f, "p/{id}/upd/offer"),
            Self::Down(id, Down::UpdateBlock) => write!(f, "p/{id}/upd/blk"),
            Self::Down(id, Down::UpdateControl) => write!(f, "p/{id}/upd/ctl"),
            Self::Down(id, Down::Relayed) => write!(f, "p/{id}/relayed"),
            Self::Down(id, Down::Config) => write!(f, "p/{id}/config"),
            Self::Down(id, Down::Trust) => write!(f, "p/{id}/trust"),
            Self::ToCloud(id, ToCloud::Status) => write!(f, "h/{id}/status"),
            Self::ToCloud(id, ToCloud::Lost) => write!(f, "h/{id}/lost"),
            Self::ToCloud(id, ToCloud::Answer) => write!(f, "h/{id}/answer"),
            Self::ToCloud(id, ToCloud::Log) => write!(f, "h/{id}/log"),
            Self::FromCloud(id, FromCloud::LogAck) => write!(f, "h/{id}/log/ack"),
            Self::FromCloud(id, FromCloud::Ask) => write!(f, "h/{id}/ask"),
            Self::FromCloud(id, FromCloud::Hello) => write!(f, "h/{id}/hello"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;

    fn every_route() -> Vec<Route> {
        let id = ComponentId::from_key_digest(&Digest([7; 32]));
        let stream = Slug::new(&"s".repeat(32)).unwrap();
        vec![
            Route::Up(id, Up::Announce),
            Route::Up(id, Up::Heartbeat),
            Route::Up(id, Up::Bye),
            Route::Up(id, Up::Lost),
            Route::Up(id, Up::Reported),
            Route::Up(id, Up::Command(id, stream.clone())),
            Route::Up(id, Up::Stream(stream)),
            Route::Up(id, Up::UpdateRequest),
            Route::Up(id, Up::UpdateStatus),
            Route::Up(id, Up::UpdateReport),
            Route::Up(id, Up::Log),
            Route::Down(id, Down::LogControl),
            Route::Down(id, Down::UpdateOffer),
            Route::Down(id, Down::UpdateBlock),
            Route::Down(id, Down::UpdateControl),
            Route::Down(id, Down::Relayed),
            Route::Down(id, Down::Config),
            Route::Down(id, Down::Trust),
            Route::ToCloud(id, ToCloud::Status),
            Route::ToCloud(id, ToCloud::Lost),
            Route::ToCloud(id, ToCloud::Answer),
            Route::ToCloud(id, ToCloud::Log),
            Route::FromCloud(id, FromCloud::LogAck),
            Route::FromCloud(id, FromCloud::Hello),
            Route::FromCloud(id, FromCloud::Ask),
        ]
    }

    #[test]
    fn routes_read_what_they_print() {
        for route in every_route() {
            let topic = route.to_string();
            assert!(topic.len() <= MAX_TOPIC, "{topic}");
            assert_eq!(Route::parse(&topic), Ok(route));
        }
    }

    /// Criterion: T3.LA.1a (negative)
    #[test]
    fn refuses_topics_that_are_no_route() {
        let id = "abababab-abab-8bab-abab-abababababab";
        let long = format!("p/{id}/stream/{}", "s".repeat(33));
        for wrong in [
            "",
            "/",
            "p",
            "p//announce",
            "$SYS/x/announce",
            "x/y/announce",
            &long,
            &format!("p/{id}"),
            &format!("p/{id}/"),
            &format!("p/{id}/announce/"),
            &format!("p/{id}/stream/"),
            &format!("p/{id}/stream/a/b"),
            &format!("p/{id}/command/switch"),
            &format!("p/{id}/log/"),
            &format!("p/{id}/log/ack"),
            &format!("p/{id}/command/{id}"),
            &format!("p/{id}/command/{id}/"),
            &format!("p/{id}/command/lamp/switch"),
            &format!("/p/{id}/announce"),
            &format!("h/{id}/announce"),
            &format!("h/{id}/log/ctl"),
            &format!("p/{}/announce", id.to_uppercase()),
        ] {
            assert!(Route::parse(wrong).is_err(), "{wrong}");
        }
    }
}
