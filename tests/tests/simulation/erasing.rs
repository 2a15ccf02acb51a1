//! Erasures: words that their author takes back, and what is left of them.

use std::collections::BTreeSet;

use peer::Peer;
use record::{
    CommunityId, LogName, Payload, RecordId,
    kind::Known,
    payload::{
        Erase, Text,
        erasure::{Asker, Ground},
        words::{Language, Wording},
    },
};

use crate::{chance::Chance, net::No, scenario::Run, writing::Said};

/// Words that nobody else would write.
pub(crate) fn words(chance: &mut Chance) -> Said {
    let text: String = chance.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let wording = Wording {
        language: Language::english(),
        title: "Remember".to_owned(),
        text,
        labels: Vec::new(),
    };
    Said::new(Payload::Text(Text { wordings: vec![wording] }), None)
}

/// What was erased.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    pub(crate) salt: [u8; 32],
    pub(crate) record: RecordId,
    pub(crate) text: String,
}

/// A community takes back some words of its own; `None` if it has none.
pub(crate) async fn erase(chance: &mut Chance, peer: &Peer) -> Option<Said> {
    let own = peer.own_log();
    let mut held = Vec::new();
    for record in peer.store().records(own, 0, u64::MAX).await.unwrap() {
        let kind = record.header().unwrap().kind.known();
        let Some(content) = record.content.as_ref().filter(|_| kind == Some(Known::Text)) else {
            continue;
        };
        let Some(Payload::Text(Text { wordings })) = record.payload() else { continue };
        let text = wordings.into_iter().map(|it| it.text).collect();
        held.push((record.index, (content.salt.0, record.id(), text)));
    }
    let nth = usize::try_from(chance.next() % held.len().max(1) as u64).unwrap();
    let (index, (salt, record, text)) = held.into_iter().nth(nth)?;
    let (ground, asked_by) = (Ground::Personal, Asker::Subject);
    let erase = Erase { era: own.era, index, record, ground, asked_by };
    let gone = Some(Gone { salt, record, text });
    Some(Said { gone, ..Said::new(Payload::Erase(erase), None) })
}

/// Every honest host has dropped what its author erased, has said so, and has nothing of it left in its file.
pub(crate) async fn erasures_are_followed(run: &mut Run) {
    let honest = run.world.honest();
    let everybody: BTreeSet<CommunityId> =
        honest.iter().map(|no| run.world.hosts[*no].id).collect();
    for author in &honest {
        let Some(peer) = run.world.peer(*author).cloned() else { continue };
        for erasure in peer.store().erasures(peer.own_log()).await.unwrap() {
            run.met.insert("erasure");
            let mut owed = everybody.clone();
            owed.remove(&peer.community());
            let silent: Vec<_> = owed.difference(&erasure.followed_by).collect();
            if !silent.is_empty() {
                run.broken.push(format!("host {author} is not told of an erasure by {silent:?}"));
            }
            let erased = (peer.community(), erasure.erase);
            for holder in &honest {
                if let Err(what) = has_dropped(run, *holder, erased).await {
                    run.broken.push(format!("host {holder} has not erased of {author}: {what}"));
                }
            }
        }
    }
}

async fn has_dropped(
    run: &Run,
    no: No,
    (author, erase): (CommunityId, Erase),
) -> Result<(), &'static str> {
    let peer = run.world.peer(no).ok_or("it is down")?;
    let log = LogName { community: author, era: erase.era };
    let held = peer.store().records(log, erase.index, erase.index + 1).await.unwrap();
    let held = held.first().filter(|it| it.id() == erase.record).ok_or("the record is not here")?;
    if held.content.is_some() {
        return Err("the payload is still here");
    }
    let gone = run.ledger.gone.iter().find(|it| it.record == erase.record);
    let Some(gone) = gone else { return Ok(()) };
    let is_left = run.world.files(no).iter().any(|it| it.contains(&gone.text));
    if is_left { Err("its file still has the words") } else { Ok(()) }
}
