//! What holds of every region in the end, whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};

use peer::{Peer, Role};
use record::{LogName, RecordId};
use tlog::Hash;

use crate::{
    epochs,
    net::No,
    scenario::{Deceit, Run},
    world::{FORGED, World},
    writing::Ledger,
};

/// Which cases have to be the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    All,
    None,
}

/// Every honest host holds every log of every other as its author has it and the same register, as far as it is compared.
pub(crate) async fn is_level(world: &World, compared: Compared) -> Result<(), String> {
    let honest = world.honest();
    for author in &honest {
        let log = world.hosts[*author].log();
        let own = world.peer(*author).ok_or("somebody is down")?;
        if !own.store().is_settled() || 0 < own.store().n_unsigned().await.unwrap() {
            return Err(format!("host {author} has not signed everything"));
        }
        let written = head(own, log).await;
        for holder in &honest {
            let held = head(world.peer(*holder).ok_or("somebody is down")?, log).await;
            if held != written {
                let sizes = (held.map(|it| it.0), written.map(|it| it.0));
                return Err(format!("host {holder} holds another log of {author}: {sizes:?}"));
            }
        }
    }
    if let Some(why) = epochs::difference(world) {
        return Err(why);
    }
    if compared == Compared::None {
        return Ok(());
    }
    let mut registers = BTreeMap::new();
    for holder in &honest {
        let register = register(world.peer(*holder).ok_or("somebody is down")?).await;
        registers.insert(*holder, register);
    }
    let mut all = registers.iter();
    let (first, expected) = all.next().ok_or("nobody is honest")?;
    if expected.values().any(|it| it.contains(FORGED)) {
        return Err(format!("host {first} shows a forged sum"));
    }
    for (holder, found) in all {
        if let Some(case) = difference(expected, found) {
            return Err(format!("hosts {first} and {holder} show another {case}"));
        }
    }
    Ok(())
}

/// The first case that is not the same.
fn difference(
    one: &BTreeMap<RecordId, String>,
    other: &BTreeMap<RecordId, String>,
) -> Option<String> {
    let ids: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing = ids.into_iter().find(|id| one.get(id) != other.get(id))?;
    Some(format!("{differing}:\n  {:?}\n  {:?}", one.get(differing), other.get(differing)))
}

/// Size and root of a log as held.
async fn head(peer: &Peer, log: LogName) -> Option<(u64, Hash)> {
    let row = peer.store().log(log).await.unwrap()?;
    Some((row.frontier.size(), row.frontier.root()))
}

/// Every case that counts, as a host shows it.
pub(crate) async fn register(peer: &Peer) -> BTreeMap<RecordId, String> {
    let mut views = BTreeMap::new();
    for kind in ["covenant", "opportunity", "pool", "poll"] {
        let mut rows = peer.store().cases(kind, 0, 1_000).await.unwrap();
        rows.retain(|it| it.state != "refused");
        views.extend(rows.into_iter().map(|row| (row.id, without_refusals(&row.view))));
    }
    views
}

/// A case as it counts. Of a log with two histories not everybody holds the same records after the common beginning, and so
/// not the same are shown as refused; none of them counts.
fn without_refusals(view: &str) -> String {
    let mut view: serde_json::Value = serde_json::from_str(view).unwrap();
    if let Some(shown) = view.as_object_mut() {
        shown.remove("refused");
    }
    view.to_string()
}

/// Every honest host holds evidence of a log of which two histories were signed.
pub(crate) async fn lies_are_known(run: &mut Run) {
    let (Some(faces), Some(guilty)) = (run.faces, run.guilty()) else { return };
    let log = LogName { community: guilty, era: 0 };
    if !contradict(&run.world, faces, log).await {
        return;
    }
    run.met.insert("two histories");
    for no in run.world.honest() {
        let Some(peer) = run.world.peer(no) else { continue };
        if peer.store().fork(log).await.unwrap().is_none() {
            run.broken.push(format!("host {no} has no evidence against {guilty}"));
        }
    }
}

/// Whether two faces have signed what cannot both be true.
async fn contradict(world: &World, (one, other): (No, No), log: LogName) -> bool {
    let mut logs = Vec::new();
    for no in [one, other] {
        let Some(peer) = world.peer(no) else { return false };
        let Some(row) = peer.store().log(log).await.unwrap() else { return false };
        let Some((size, _)) = row.checkpoint else { return false };
        logs.push(peer.store().headers(log, 0, size).await.unwrap());
    }
    let shorter = logs.iter().map(Vec::len).min().unwrap();
    logs[0][..shorter] != logs[1][..shorter]
}

/// Nobody is accused of a fork but who made one.
pub(crate) async fn nobody_innocent_is_accused(run: &mut Run) {
    let guilty = run.guilty();
    for no in run.world.honest() {
        let Some(peer) = run.world.peer(no) else { continue };
        for fork in peer.store().forks().await.unwrap() {
            if Some(fork.log.community) != guilty {
                run.broken.push(format!("host {no} accuses the innocent {}", fork.log));
            }
        }
    }
}

/// The salts of the records in a log as held.
async fn salts(peer: &Peer, log: LogName) -> BTreeMap<[u8; 32], usize> {
    let mut held = BTreeMap::new();
    for record in peer.store().records(log, 0, u64::MAX).await.unwrap_or_default() {
        if let Some(content) = record.content {
            *held.entry(content.salt.0).or_default() += 1;
        }
    }
    held
}

/// What a host has written and no honest one holds that is up.
pub(crate) async fn held_by_nobody_else(
    world: &World,
    ledger: &Ledger,
    no: No,
) -> BTreeSet<[u8; 32]> {
    let (id, log) = (world.hosts[no].id, world.hosts[no].log());
    let written = ledger.written.iter().filter(|(_, author)| **author == id);
    let mut missing: BTreeSet<[u8; 32]> = written.map(|(salt, _)| *salt).collect();
    for holder in world.honest().into_iter().filter(|it| *it != no) {
        let Some(peer) = world.peer(holder) else { continue };
        for salt in salts(peer, log).await.keys() {
            missing.remove(salt);
        }
    }
    missing
}

/// What an honest host acknowledged is in its log, once.
pub(crate) async fn nothing_acknowledged_is_lost(run: &mut Run) {
    for no in run.world.honest() {
        let Some(peer) = run.world.peer(no) else { continue };
        let held = salts(peer, peer.own_log()).await;
        let own = run.world.hosts[no].id;
        let written = run.ledger.written.iter().filter(|(_, author)| **author == own);
        for (salt, _) in written {
            match held.get(salt) {
                Some(1) => {}
                Some(n) => run.broken.push(format!("host {no} has a record {n} times")),
                None if run.excused.contains(salt) => {}
                // It is in its place without it.
                None if run.ledger.gone.iter().any(|it| it.salt == *salt) => {}
                None => run.broken.push(format!("host {no} has lost a record")),
            }
        }
    }
}

/// Whoever is not told what it is owed has noted it.
pub(crate) fn silence_is_noted(run: &mut Run) {
    let Some((liar, victim)) = run.silent else { return };
    let owed = match run.plan.deceit {
        Deceit::AcksNothing => "silence.no_ack",
        Deceit::HidesItself => "silence.no_index",
        Deceit::Nobody
        | Deceit::TwoFaces
        | Deceit::Equivocates
        | Deceit::Withholds
        | Deceit::ForgesSums => return,
    };
    run.met.insert(owed);
    for no in run.world.honest() {
        let host = &run.world.hosts[no];
        if host.role != Role::Node || victim.is_some_and(|it| it != no) {
            continue;
        }
        let links = host.peer().map(|it| it.links().all()).unwrap_or_default();
        let link = links.into_iter().find(|(id, _)| *id == run.world.hosts[liar].id);
        let noted = link.and_then(|(_, it)| it.silence).map(|it| it.reason);
        if noted != Some(owed) {
            run.broken.push(format!("host {no} has noted {noted:?}, not {owed}"));
        }
    }
}
