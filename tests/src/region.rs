//! A region of real processes: one node, one coordinator, on ports that outlive a restart.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use proto::{
    clerk::{OpenPoolRequest, clerk_service_client::ClerkServiceClient},
    kinds::{
        pool::{LockRule, Opening},
        text::{Text, Wording},
    },
    v1::{Community, GetRegionRequest, region_service_client::RegionServiceClient},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    args,
    process::{Server, free_port, run_json},
};

/// The network of the tests.
pub const NETWORK: &str = "test.folkmoot.example";

/// Who can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The node.
    Node,
    /// The coordinator.
    Coordinator,
}

/// The folders and ports of a region; its processes come and go.
#[derive(Debug)]
pub struct Region {
    folder: PathBuf,
    /// The node's community.
    pub node_id: String,
    /// The coordinator's community.
    pub coordinator_id: String,
    ports: [u16; 2],
}

impl Region {
    /// Founds one community and one coordinator in a folder.
    ///
    /// # Errors
    ///
    /// If a command fails.
    pub async fn found(folder: &Path) -> Result<Self> {
        Self::found_with(folder, "").await
    }

    /// The same in a region whose charter has these lines more.
    ///
    /// # Errors
    ///
    /// If a command fails.
    pub async fn found_with(folder: &Path, lines: &str) -> Result<Self> {
        let mut ids = Vec::new();
        for (kind, name) in [("server-node", "node"), ("server-coordinator", "coordinator")] {
            let dir = folder.join(name);
            let made =
                run_json(&args![kind, "init", "--dir", dir, "--network", NETWORK, "--name", name])
                    .await?;
            ids.push(made.get("community").and_then(Value::as_str).context("an id")?.to_owned());
        }
        let [node_id, coordinator_id] = <[String; 2]>::try_from(ids).ok().context("two ids")?;
        let ports = [free_port()?, free_port()?];
        let charter = format!(
            "network = \"{NETWORK}\"\nname = \"Test\"\n{lines}\n[[coordinators]]\nid = \"{coordinator_id}\"\n\
             address = \"127.0.0.1:{}\"\n\n[[founders]]\nid = \"{node_id}\"\n",
            ports[1]
        );
        std::fs::write(folder.join("charter.toml"), charter)?;
        Ok(Self { folder: folder.to_path_buf(), node_id, coordinator_id, ports })
    }

    /// The data folder of a seat.
    #[must_use]
    pub fn dir(&self, seat: Seat) -> PathBuf {
        self.folder.join(match seat {
            Seat::Node => "node",
            Seat::Coordinator => "coordinator",
        })
    }

    /// Starts the process of a seat.
    ///
    /// # Errors
    ///
    /// If it does not become ready.
    pub async fn start(&self, seat: Seat) -> Result<Server> {
        self.start_with(seat, &[]).await
    }

    /// The same with further arguments.
    ///
    /// # Errors
    ///
    /// If it does not become ready.
    pub async fn start_with(&self, seat: Seat, args: &[OsString]) -> Result<Server> {
        let (kind, port) = match seat {
            Seat::Node => ("server-node", self.ports[0]),
            Seat::Coordinator => ("server-coordinator", self.ports[1]),
        };
        let charter = self.folder.join("charter.toml");
        let listen = format!("127.0.0.1:{port}");
        let own = args!["--listen", listen, "--charter", charter];
        Server::start(kind, &self.dir(seat), &[&own[..], args].concat()).await
    }

    /// Where the coordinator is reached over TLS.
    #[must_use]
    pub fn coordinator_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[1])
    }

    /// The clerk of the node.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn clerk(&self) -> Result<ClerkServiceClient<Channel>> {
        let socket = self.dir(Seat::Node).join("clerk.sock");
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(socket).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        });
        let channel =
            Endpoint::from_static("http://clerk").connect_with_connector(connector).await?;
        Ok(ClerkServiceClient::new(channel))
    }
}

/// The log of a community as a server holds it.
///
/// # Errors
///
/// If the server does not answer.
pub async fn held(plain: &str, community: &str) -> Result<Community> {
    let channel = Channel::from_shared(format!("http://{plain}"))?.connect().await?;
    let region = RegionServiceClient::new(channel).get_region(GetRegionRequest {}).await?;
    let communities = region.into_inner().communities;
    communities.into_iter().find(|it| it.id == community).context("the community is in the region")
}

/// What opens a pool of lamps that are bought together from so many on.
#[must_use]
pub fn lamps(threshold: u64) -> OpenPoolRequest {
    let opening = Opening {
        unit: "each".to_owned(),
        threshold,
        closes_at: 4_000_000_000_000,
        grace_millis: 86_400_000,
        lock_rule: LockRule::AtClose.into(),
        ..Opening::default()
    };
    let wording = Wording {
        language: "en".to_owned(),
        title: "Lamps".to_owned(),
        text: String::new(),
        labels: Vec::new(),
    };
    OpenPoolRequest { opening: Some(opening), text: Some(Text { wordings: vec![wording] }) }
}

/// A page of a server, as JSON.
///
/// # Errors
///
/// If the server does not answer with 200 and JSON.
pub async fn page(plain: &str, path: &str) -> Result<Value> {
    let mut connection = TcpStream::connect(plain).await?;
    let asked = format!("GET {path} HTTP/1.0\r\nHost: {plain}\r\n\r\n");
    connection.write_all(asked.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a page has a head")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    Ok(serde_json::from_str(body)?)
}
