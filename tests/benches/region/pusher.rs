//! The light end of a replication stream: offers a log from memory and answers what is wanted, until all is acked.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use proto::v1::{
    self, ExchangeRequest, frame::Step, replication_service_client::ReplicationServiceClient,
};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use transport::{DialLimits, Expect, dial};

use crate::author::{Author, NETWORK};

/// Pushes a log to a coordinator; returns once its last record is acknowledged.
pub async fn push(author: &Author, address: SocketAddr) -> Result<()> {
    let expect = Expect::AnyEd25519;
    let dialled =
        dial(&address.to_string(), &author.keys.transport, expect, DialLimits::default()).await?;
    let mut client = ReplicationServiceClient::new(dialled.channel)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    // As many as a coordinator ever grants at once, and a head: sending never waits.
    let (out, frames) = mpsc::channel(64);
    out.send(frame(Step::Hello(hello(author)))).await?;
    let requests = ReceiverStream::new(frames).map(|it| ExchangeRequest { frame: Some(it) });
    let mut answers = client.exchange(requests).await?.into_inner();
    let mut pusher = Pusher { author, out, offered: 0, next: 0 };
    pusher.offer_next().await?;
    loop {
        let answer = answers.message().await?.context("the coordinator ended the stream")?;
        match answer.frame.and_then(|it| it.step).context("an empty frame")? {
            Step::Want(want) => pusher.serve(&want).await?,
            Step::Ack(ack) if ack.size == author.size() => return Ok(()),
            Step::Refusal(refusal) => bail!("{}: {}", refusal.reason, refusal.detail),
            Step::Status(status) => bail!("the coordinator throttles the benchmark: {status:?}"),
            Step::Hello(_) | Step::Heads(_) | Step::Offered(_) | Step::Ack(_) | Step::Batch(_) => {}
        }
    }
}

struct Pusher<'a> {
    author: &'a Author,
    out: mpsc::Sender<v1::Frame>,
    /// Heads offered so far.
    offered: usize,
    /// The index of the record that is sent next.
    next: u64,
}

impl Pusher<'_> {
    async fn offer_next(&mut self) -> Result<()> {
        let Some((_, checkpoint)) = self.author.heads.get(self.offered) else { return Ok(()) };
        let is_first = self.offered == 0;
        self.offered += 1;
        let head = v1::Head {
            community: self.author.community().as_bytes().to_vec(),
            era: 0,
            checkpoint: checkpoint.clone(),
            identity: if is_first { self.author.bundle.clone() } else { Vec::new() },
            pushed_from: 0,
        };
        Ok(self.out.send(frame(Step::Heads(v1::Heads { heads: vec![head] }))).await?)
    }

    /// Sends as many batches as the credit allows, and the next head once this one is served.
    async fn serve(&mut self, want: &v1::Want) -> Result<()> {
        ensure!(want.community == self.author.community().as_bytes(), "another log is wanted");
        for _ in 0..want.credit {
            let batch = self.author.batch(self.next, want.end)?;
            self.next += batch.records.len() as u64;
            self.out.send(frame(Step::Batch(batch))).await?;
        }
        if self.next == want.end { self.offer_next().await } else { Ok(()) }
    }
}

fn frame(step: Step) -> v1::Frame {
    v1::Frame { step: Some(step) }
}

fn hello(author: &Author) -> v1::Hello {
    v1::Hello {
        protocol_versions: vec![1],
        network: NETWORK.to_owned(),
        identity: author.bundle.clone(),
        max_message_bytes: MAX_GRPC_MESSAGE_BYTES as u32,
        max_batch_records: 256,
        build: "folkmoot benchmark".to_owned(),
        region_epoch: 0,
        region: Vec::new(),
        time: 0,
    }
}
