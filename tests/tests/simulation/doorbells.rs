//! The mesh of a simulated region, behind the seam that libp2p is behind.

use mesh::{Command, Event, NodeKey, OpenError, Rung, Switchboard, Ticket, Verdict};
use tlog::leaf_hash;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    courier::open_over_mesh,
    net::{Net, No, pair},
};

/// Carries out what a host asks of the mesh, and tells it what happens. Ends with the host.
pub(crate) fn serve(
    net: Net,
    own: No,
    far: Switchboard,
) -> mpsc::UnboundedSender<(Instant, Event)> {
    let Switchboard { mut commands, events, listening } = far;
    let (post, mut posted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((at, event)) = posted.recv().await {
            sleep_until(at).await;
            if events.send(event).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let _listening = listening;
        while let Some(command) = commands.recv().await {
            carry_out(&net, own, command);
        }
    });
    post
}

fn carry_out(net: &Net, own: No, command: Command) {
    match command {
        Command::Connect(key) => connect(net, own, key),
        Command::Open(key, answer) => {
            let _ = answer.send(open(net, own, key));
        }
        Command::Ring(message) => ring(net, own, &message),
        Command::Judge(Ticket(number), verdict) => {
            let message = net.lock().doorbells.remove(&number);
            if let (Some(message), Verdict::Sound) = (message, verdict) {
                ring(net, own, &message);
            }
        }
        Command::Expel(key) | Command::Cut(key, _) => {
            let mut inner = net.lock();
            let known = inner.stations.iter().position(|it| it.key == key);
            if let Some(ends) =
                known.map(|no| pair(own, no)).filter(|it| inner.connected.contains(it))
            {
                inner.disconnect(ends);
            }
        }
        // Everybody is found by everybody, and nobody's word is needed for it.
        Command::Admit(_) | Command::Learn(..) | Command::Look(_) => {}
    }
}

fn connect(net: &Net, own: No, key: NodeKey) {
    let mut inner = net.lock();
    let found = inner.reach(own, |it| it.key == key).map(|(no, _)| no);
    if found.is_none_or(|no| !inner.meet(own, no)) {
        inner.tell(own, own, Event::Unreachable(key));
    }
}

fn open(net: &Net, own: No, key: NodeKey) -> Result<mesh::FrameStream, OpenError> {
    let (own_key, to) = {
        let inner = net.lock();
        let connected =
            |no: &No| inner.stations[*no].key == key && inner.connected.contains(&pair(own, *no));
        let to = (0..inner.stations.len()).find(connected).ok_or(OpenError::NotConnected)?;
        (inner.stations[own].key, to)
    };
    let (near, far) = open_over_mesh(net, own, to);
    net.lock().tell(own, to, Event::Opened(own_key, far));
    Ok(near)
}

/// Passes a doorbell on to everybody connected who has not heard it.
fn ring(net: &Net, own: No, message: &[u8]) {
    let mut inner = net.lock();
    let hash = leaf_hash(message);
    inner.heard.insert((own, hash));
    let from = inner.stations[own].key;
    let near: Vec<No> = (0..inner.stations.len())
        .filter(|no| inner.connected.contains(&pair(own, *no)) && inner.is_open(own, *no))
        .collect();
    for to in near {
        if inner.heard.insert((to, hash)) {
            let number = inner.heard.len() as u64;
            inner.doorbells.insert(number, message.to_vec());
            let rung = Rung { from, message: message.to_vec(), ticket: Ticket(number) };
            inner.tell(own, to, Event::Rung(rung));
        }
    }
}
