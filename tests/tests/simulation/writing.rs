//! What communities write: covenants, pools, pledges, and words of a kind that no register knows.

use std::collections::{BTreeMap, BTreeSet};

use peer::{Peer, Role};
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    commitment::Salt,
    payload::{
        CovenantAction, PledgeAction, PoolAction,
        covenant::{CovenantType, Party, PartyRole, Proposal, Signature},
        pool::{LockRule, PoolOpening},
        words::{Language, TextHash},
    },
};
use store::{Draft, Guard, Reference, Store, StoreError};

use crate::{
    erasing::{self, Gone},
    net::No,
    polls,
    world::World,
};

const HOUR: u64 = 3_600_000;

/// What was acknowledged, by its salt, which stays with a record whatever its place.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) written: BTreeMap<[u8; 32], CommunityId>,
    /// When each record was written, as a right clock showed.
    pub(crate) times: BTreeMap<RecordId, u64>,
    /// What must never count.
    pub(crate) forged: BTreeSet<RecordId>,
    /// What was erased by its author.
    pub(crate) gone: Vec<Gone>,
}

/// What a community says, and in which case.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) payload: Payload,
    pub(crate) about: Option<RecordId>,
    /// Whether it must never count.
    pub(crate) is_forged: bool,
    /// What it erases.
    pub(crate) gone: Option<Gone>,
}

impl Said {
    pub(crate) fn new(payload: Payload, about: Option<RecordId>) -> Self {
        Self { payload, about, is_forged: false, gone: None }
    }
}

/// Has a host write something, if it is up; whether it did.
pub(crate) async fn write(world: &mut World, ledger: &mut Ledger, no: No) -> bool {
    let Some(peer) = world.peer(no).cloned() else { return false };
    let drawn = match peer.role() {
        Role::Node => draw(world, &peer, no).await,
        Role::Coordinator => None,
    };
    say(world, ledger, no, drawn).await
}

/// Has a host write this, or what no register knows, if it is up; whether it did.
pub(crate) async fn say(
    world: &mut World,
    ledger: &mut Ledger,
    no: No,
    said: Option<Said>,
) -> bool {
    let Some(peer) = world.peer(no).cloned() else { return false };
    let salt = Salt(world.chance.bytes());
    let is_forged = said.as_ref().is_some_and(|it| it.is_forged);
    let gone = said.as_ref().and_then(|it| it.gone.clone());
    let draft = match said {
        Some(Said { payload, about, .. }) => Draft {
            kind: payload.kind().into(),
            payload: proto::payload::encode(&payload),
            salt,
            references: about.into_iter().map(Reference::Record).collect(),
        },
        None => Draft {
            kind: "folkmoot.record.problem.v1".parse().unwrap(),
            payload: vec![7; usize::try_from(world.chance.within(1, 400)).unwrap()],
            salt,
            references: Vec::new(),
        },
    };
    match peer.store().append(vec![draft], Guard::None).await {
        Ok(appended) => {
            ledger.written.insert(salt.0, world.hosts[no].id);
            ledger.times.extend(appended.iter().map(|it| (it.id, world.now())));
            ledger.gone.extend(gone);
            ledger.forged.extend(appended.iter().filter(|_| is_forged).map(|it| it.id));
            true
        }
        // What comes back from others is waited for.
        Err(StoreError::Refused { reason, .. }) if reason == "log.catching_up" => false,
        Err(error) => panic!("host {no} cannot write: {error}"),
    }
}

async fn draw(world: &mut World, peer: &Peer, no: No) -> Option<Said> {
    let store = peer.store();
    if world.chance.percent(40)
        && let Some(due) = polls::due(&mut world.chance, peer).await
    {
        return Some(due);
    }
    match world.chance.within(0, 14) {
        0 | 1 => Some(Said::new(open_pool(world), None)),
        2..=4 => {
            let pool = a_case(world, store, "pool").await?;
            let quantity = world.chance.within(1, 8);
            let pledge = Payload::Pledge(PledgeAction::Make { quantity, firm: true });
            Some(Said::new(pledge, Some(pool)))
        }
        5 => {
            let pool = a_case(world, store, "pool").await?;
            let case = store.fold(pool).await.unwrap()?;
            let pledges = civic::pool::closing_list(&case);
            Some(Said::new(Payload::Pool(PoolAction::Close { pledges }), Some(pool)))
        }
        6 => Some(Said::new(propose(world, no), None)),
        7 | 8 => {
            let proposal = a_case(world, store, "covenant").await?;
            let signature = Signature { proposal, texts: texts(), minute: None, poll_result: None };
            let signed = Payload::Covenant(CovenantAction::Sign(signature));
            Some(Said::new(signed, Some(proposal)))
        }
        9 => Some(Said::new(polls::open(world, peer).await?, None)),
        10 | 11 => Some(erasing::words(&mut world.chance)),
        12 => erasing::erase(&mut world.chance, peer).await,
        _ => None,
    }
}

fn open_pool(world: &mut World) -> Payload {
    // People know the date, whatever their machine's clock shows. Within the run, or long after it: no deadline falls between the clocks of two hosts when registers are compared.
    let lasts =
        if world.chance.percent(40) { world.chance.within(5_000, 60_000) } else { 720 * HOUR };
    let lock_rule =
        if world.chance.percent(50) { LockRule::AtClose } else { LockRule::OnThreshold };
    Payload::Pool(PoolAction::Open(PoolOpening {
        region: world.charter().region,
        unit: "each".to_owned(),
        threshold: world.chance.within(5, 25),
        opportunity: None,
        cpv: None,
        unit_price: None,
        closes_at: UnixMillis(world.now() + lasts),
        grace_millis: 48 * HOUR,
        lock_rule,
    }))
}

fn propose(world: &mut World, no: No) -> Payload {
    let mut ids: Vec<CommunityId> = world.charter().founders.iter().map(|it| it.id).collect();
    ids.retain(|it| *it == world.hosts[no].id || world.chance.percent(60));
    let party = |community| Party { community, role: PartyRole::Community };
    Payload::Covenant(CovenantAction::Propose(Proposal {
        region: world.charter().region,
        covenant_type: CovenantType::CommunityCovenant,
        parties: ids.into_iter().map(party).collect(),
        area: Vec::new(),
        powers: Vec::new(),
        commitments: Vec::new(),
        sign_before: UnixMillis(world.now() + 720 * HOUR),
        review_months: 12,
        term_months: None,
        texts: texts(),
    }))
}

fn texts() -> Vec<TextHash> {
    vec![TextHash { language: Language::parse("en").unwrap(), sha256: [7; 32] }]
}

/// Some case that this host knows and that goes on.
async fn a_case(world: &mut World, store: &Store, kind: &str) -> Option<RecordId> {
    let cases = store.cases(kind, 0, 100).await.unwrap();
    // Some are late, or have a clock by which others seem to be.
    let any = world.chance.percent(15);
    let goes_on = |state: &str| matches!(state, "forming" | "threshold met" | "ratifying");
    let open: Vec<RecordId> =
        cases.iter().filter(|it| any || goes_on(&it.state)).map(|it| it.id).collect();
    world.chance.pick(&open)
}
