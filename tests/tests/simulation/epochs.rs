//! Epochs: communities that are founded later are admitted or seated, and members leave, while the region goes on.

use peer::{CharterFile, Peer, Role};
use record::{
    Payload,
    region::{Epoch, RegionAction, Roster, SeatAddress},
};
use tokio::time::{Duration, sleep};

use crate::{
    chance::Chance,
    net::No,
    scenario::{Deceit, Run},
    world::{World, address},
    writing::{Said, say},
};

/// Epochs in one run.
const MOST_EPOCHS: usize = 2;
/// A region keeps so many members.
const FEWEST_MEMBERS: usize = 3;
/// How long the last epoch may take in the end until everybody knows of it, in seconds.
const EPOCH_SECS: usize = 120;

/// An epoch that members are asked to file.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    epoch: Epoch,
    addresses: Vec<SeatAddress>,
    /// Who is of the region once it holds.
    joins: Option<No>,
    what: &'static str,
}

/// Whether the region changes. Of a log with two histories not everybody holds the same filings.
pub(crate) fn draw(chance: &mut Chance, deceit: Deceit) -> bool {
    let is_drawn = chance.percent(35);
    is_drawn && !matches!(deceit, Deceit::TwoFaces | Deceit::Equivocates)
}

impl Run {
    /// Somebody proposes an epoch, or files the one that is proposed.
    pub(crate) async fn go_on_with_epochs(&mut self) {
        if !self.plan.epochs {
            return;
        }
        self.note_epoch();
        match self.proposals.last().cloned() {
            Some(proposal) if !self.is_known_somewhere(&proposal) => {
                if self.world.chance.percent(30) {
                    let no = self.any_host();
                    self.file(no, &proposal).await;
                }
            }
            Some(_) | None => {
                if self.proposals.len() < MOST_EPOCHS && self.world.chance.percent(15) {
                    self.propose().await;
                }
            }
        }
    }

    /// Whoever joins by an epoch that holds is of the region.
    fn note_epoch(&mut self) {
        let Some(proposal) = self.proposals.last().cloned() else { return };
        if self.is_known_somewhere(&proposal) {
            self.met.insert(proposal.what);
            if let Some(no) = proposal.joins {
                self.world.hosts[no].is_of_region = true;
            }
        }
    }

    fn is_known_somewhere(&self, proposal: &Proposal) -> bool {
        let mut peers = self.world.honest().into_iter().filter_map(|no| self.world.peer(no));
        peers.any(|it| proposal.epoch.number <= it.region().newest().number)
    }

    async fn propose(&mut self) {
        let up: Vec<No> = self.world.honest();
        let up: Vec<No> = up.into_iter().filter(|no| self.world.peer(*no).is_some()).collect();
        let Some(no) = self.world.chance.pick(&up) else { return };
        let Some(peer) = self.world.peer(no).cloned() else { return };
        // While a filing cannot be proved yet there is no certificate to join by.
        let Ok(certificate) = peer.certificate().await else { return };
        let charter = CharterFile::of_certificate(certificate.verify(None).unwrap());
        let region = peer.region();
        let newest = region.newest();
        if self.proposals.last().is_some_and(|it| newest.number < it.epoch.number) {
            return;
        }
        let before = &newest.roster;
        let (mut members, mut seats) = (before.members().to_vec(), before.coordinators().to_vec());
        let (mut addresses, mut joins) = (Vec::new(), None);
        let what = match self.world.chance.within(0, 3) {
            0 => {
                let joining = self.world.found_later(Role::Node, charter);
                members.push(self.world.hosts[joining].id);
                joins = Some(joining);
                "admission"
            }
            1 => {
                let joining = self.world.found_later(Role::Coordinator, charter);
                let community = self.world.hosts[joining].id;
                seats.push(community);
                addresses.push(SeatAddress { community, address: address(community) });
                joins = Some(joining);
                "seat"
            }
            _ => {
                if members.len() <= FEWEST_MEMBERS {
                    return;
                }
                let leaving = self.world.chance.pick(&members);
                members.retain(|it| Some(*it) != leaving);
                "removal"
            }
        };
        members.sort_unstable();
        seats.sort_unstable();
        let roster = Roster::new(members, seats, before.receipts_needed()).unwrap();
        let (region, number, previous) = (region.region(), newest.number + 1, newest.hash);
        let epoch = Epoch { region, number, previous, roster };
        self.world.net.note(&format!("epoch {number} is proposed: {what}, {joins:?}"));
        self.proposals.push(Proposal { epoch, addresses, joins, what });
        if let Some(joining) = joins.filter(|_| self.world.chance.percent(50)) {
            self.world.start(joining).await;
        }
    }

    /// A host files this epoch, if it is a member of the one before and has not; whether it did.
    async fn file(&mut self, no: No, proposal: &Proposal) -> bool {
        let Some(peer) = self.world.peer(no).cloned() else { return false };
        let epoch = &proposal.epoch;
        let region = peer.region();
        let is_next = region.newest().hash == epoch.previous;
        let has_vote = region.newest().roster.is_member(&peer.community());
        if !is_next || !has_vote || has_filed(&peer, epoch).await {
            return false;
        }
        let addresses = proposal.addresses.clone();
        let filing = RegionAction::File { epoch: epoch.clone(), addresses };
        let said = Said::new(Payload::RegionEpoch(filing), None);
        say(&mut self.world, &mut self.ledger, no, Some(said)).await
    }

    /// Every member files what is proposed, and everybody comes to know of it.
    pub(crate) async fn end_epochs(&mut self) {
        let Some(proposal) = self.proposals.last().cloned() else { return };
        for _ in 0..EPOCH_SECS {
            for no in self.world.honest() {
                self.file(no, &proposal).await;
            }
            sleep(Duration::from_secs(1)).await;
            self.note_epoch();
            let mut peers = self.world.honest().into_iter().filter_map(|no| self.world.peer(no));
            if peers.all(|it| it.region().newest().number == proposal.epoch.number) {
                return;
            }
        }
        self.broken.push(format!("epoch {} is not known to all", proposal.epoch.number));
    }
}

async fn has_filed(peer: &Peer, epoch: &Epoch) -> bool {
    let own = peer.community();
    let statements = peer.store().statements().await.unwrap();
    statements.iter().any(|it| {
        let filed = match &it.action {
            RegionAction::File { epoch, .. } => Some(epoch.number),
            RegionAction::Vouch { .. } => None,
        };
        it.community == own && filed == Some(epoch.number)
    })
}

/// The first honest host that knows the region otherwise than another does.
pub(crate) fn difference(world: &World) -> Option<String> {
    let known = |no: No| world.peer(no).map(Peer::region);
    let mut honest = world.honest().into_iter();
    let first = honest.next()?;
    let other = honest.find(|no| known(*no) != known(first))?;
    Some(format!("hosts {first} and {other} know the region otherwise"))
}
