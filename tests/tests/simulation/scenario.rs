//! What happens in a region: drawn from a seed, from the founding to the laws.

use std::collections::BTreeSet;

use peer::Role;
use record::CommunityId;
use replica::silence::{ACK_WITHIN_MILLIS, INDEX_WITHIN_MILLIS};
use tokio::time::{Duration, Instant, sleep};

use crate::{
    chance::Chance,
    clocks,
    epochs::{self, Proposal},
    erasing, keys,
    laws::{self, Compared},
    lies::Lie,
    net::{No, pair},
    polls,
    world::{FORGED, World},
    writing::{Ledger, write},
};

/// How long things happen.
const SHORTEST_RUN_MILLIS: u64 = 10_000;
const LONGEST_RUN_MILLIS: u64 = 26_000;
/// How long two hosts that are joined may take to complete an exchange.
const EXCHANGE_TIME: Duration = Duration::from_secs(120);
/// How long a restored host may take to ask the others.
const RESTORE_TIME: Duration = Duration::from_secs(30);
/// How long a region that is joined may take until everybody holds everything.
const LEVEL_TIME: Duration = Duration::from_secs(400);

/// Who lies, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deceit {
    Nobody,
    /// A coordinator runs twice, and shows some the one log and some the other.
    TwoFaces,
    /// A node runs twice, and writes another history in each.
    Equivocates,
    /// A coordinator shows the records of one node to nobody.
    Withholds,
    /// A coordinator acknowledges nothing to one node.
    AcksNothing,
    /// A coordinator shows nobody its receipts and indexes.
    HidesItself,
    /// A coordinator changes the sums in its own file.
    ForgesSums,
}

/// What a seed has drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) n_nodes: usize,
    pub(crate) n_coordinators: usize,
    pub(crate) deceit: Deceit,
    /// Whether a host is restored from an old backup.
    pub(crate) restores: bool,
    /// How many years one clock is fast, or slow if below 0.
    pub(crate) years_fast: i64,
    /// Whether members file epochs.
    pub(crate) epochs: bool,
    /// Whether a host replaces its keys.
    pub(crate) rotates: bool,
    millis: u64,
}

impl Plan {
    fn draw(chance: &mut Chance) -> Self {
        let deceit = match chance.within(0, 20) {
            0..=5 => Deceit::Nobody,
            6..=8 => Deceit::TwoFaces,
            9..=11 => Deceit::Equivocates,
            12..=14 => Deceit::Withholds,
            15 | 16 => Deceit::AcksNothing,
            17 => Deceit::HidesItself,
            _ => Deceit::ForgesSums,
        };
        Self {
            n_nodes: usize::try_from(chance.within(3, 7)).unwrap(),
            n_coordinators: usize::try_from(chance.within(1, 3)).unwrap(),
            deceit,
            restores: chance.percent(40),
            years_fast: clocks::draw_years(chance),
            epochs: epochs::draw(chance, deceit),
            rotates: keys::draw(chance),
            millis: chance.within(SHORTEST_RUN_MILLIS, LONGEST_RUN_MILLIS),
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) digest: String,
    pub(crate) n_frames: u64,
    pub(crate) n_written: usize,
    /// What was met on the way.
    pub(crate) met: BTreeSet<&'static str>,
    pub(crate) broken: Vec<String>,
}

/// One run of a region.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) plan: Plan,
    /// Both faces of whoever has two.
    pub(crate) faces: Option<(No, No)>,
    /// Who leaves something out, and to whose cost.
    pub(crate) silent: Option<(No, Option<No>)>,
    /// Whose clock is years away.
    pub(crate) far: Option<No>,
    /// The epochs that were proposed, in order of their numbers.
    pub(crate) proposals: Vec<Proposal>,
    /// What was written after a backup and held by nobody else when the disk was lost.
    pub(crate) excused: BTreeSet<[u8; 32]>,
    pub(crate) met: BTreeSet<&'static str>,
    pub(crate) broken: Vec<String>,
}

/// Runs a seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let mut chance = Chance::of(seed);
    let plan = Plan::draw(&mut chance);
    let world = World::found(chance.next(), plan.n_nodes, plan.n_coordinators);
    let mut run = Run {
        world,
        ledger: Ledger::default(),
        plan,
        faces: None,
        silent: None,
        far: None,
        proposals: Vec::new(),
        excused: BTreeSet::new(),
        met: BTreeSet::new(),
        broken: Vec::new(),
    };
    if run.world.chance.percent(50) {
        run.lose_the_time();
    }
    run.world.start_all().await;
    sleep(Duration::from_secs(2)).await;
    run.happen().await;
    run.end().await;
    let (digest, n_frames) = run.world.net.digest();
    run.broken.extend(run.world.failures());
    let n_written = run.ledger.written.len();
    let Run { broken, met, .. } = run;
    Outcome { plan, digest: digest.to_string(), n_frames, n_written, met, broken }
}

impl Run {
    /// Writes, faults and lies, in an order that the seed has drawn.
    async fn happen(&mut self) {
        let until = Instant::now() + Duration::from_millis(self.plan.millis);
        let lies_at = Instant::now() + Duration::from_millis(self.plan.millis / 3);
        let restores_at = Instant::now() + Duration::from_millis(self.plan.millis * 2 / 3);
        let (mut has_lied, mut has_restored) = (false, !self.plan.restores);
        let mut has_rotated = !self.plan.rotates;
        while Instant::now() < until {
            let pause = self.world.chance.millis(50, 1_200);
            sleep(pause).await;
            if !has_lied && lies_at <= Instant::now() {
                has_lied = true;
                if self.plan.restores {
                    self.world.honest().into_iter().for_each(|no| self.world.back_up(no));
                }
                self.lose_the_time();
                self.lie().await;
            }
            if !has_restored && restores_at <= Instant::now() {
                has_restored = true;
                self.restore().await;
            }
            if !has_rotated && self.world.chance.percent(10) {
                has_rotated = true;
                self.rotate().await;
            }
            self.go_on_with_epochs().await;
            match self.world.chance.within(0, 100) {
                0..70 => {
                    let no = self.any_host();
                    write(&mut self.world, &mut self.ledger, no).await;
                }
                70..76 => self.part(),
                76..82 => self.world.net.join(),
                82..87 => self.kill_any(),
                87..93 => self.start_any().await,
                93..96 => self.slow_down(),
                96..98 => self.skew(),
                _ => {
                    let no = self.any_host();
                    self.world.back_up(no);
                }
            }
        }
    }

    pub(crate) fn any_host(&mut self) -> No {
        let n = self.world.hosts.len() as u64;
        usize::try_from(self.world.chance.within(0, n)).unwrap()
    }

    /// Parts the region in two.
    fn part(&mut self) {
        let n = self.world.hosts.len();
        let sides: Vec<u8> = (0..n).map(|_| u8::from(self.world.chance.percent(50))).collect();
        self.met.insert("partition");
        self.world.net.note(&format!("parted {sides:?}"));
        self.world.net.part(sides);
    }

    fn kill_any(&mut self) {
        let no = self.any_host();
        if self.world.peer(no).is_some() {
            self.met.insert("crash");
            self.world.kill(no);
        }
    }

    async fn start_any(&mut self) {
        let down: Vec<No> = self.world.hosts.iter().map(|it| it.no).collect();
        let down: Vec<No> = down.into_iter().filter(|no| self.world.peer(*no).is_none()).collect();
        if let Some(no) = self.world.chance.pick(&down) {
            self.world.start(no).await;
        }
    }

    fn slow_down(&mut self) {
        let ends = pair(self.any_host(), self.any_host());
        let delay = self.world.chance.within(100, 1_500);
        self.world.net.note(&format!("slow {ends:?} {delay}"));
        self.world.net.slow_down(ends, Some(delay));
    }

    /// A host loses its disk, and goes on from an old backup. The others are there, as two of them are asked, and hold the
    /// same: of what nobody shows, nobody can know.
    async fn restore(&mut self) {
        let kept: Vec<No> = self.world.honest();
        let kept = kept.into_iter().filter(|no| !self.world.hosts[*no].backups.is_empty());
        let Some(no) = self.world.chance.pick(&kept.collect::<Vec<_>>()) else { return };
        self.calm().await;
        // What a register shows is of its clock's time.
        let compared = if self.far.is_some() { Compared::None } else { Compared::All };
        if let Err(why) = self.until_level(compared).await {
            self.broken.push(format!("not level before a restore: {why}"));
        }
        for _ in 0..self.world.chance.within(0, 3) {
            write(&mut self.world, &mut self.ledger, no).await;
        }
        let pause = self.world.chance.millis(1, 300);
        sleep(pause).await;
        self.world.kill(no);
        // Finding the backup takes a while, in which the others tell each other what they hold.
        let pause = self.world.chance.millis(5_000, 15_000);
        sleep(pause).await;
        self.excused.extend(laws::held_by_nobody_else(&self.world, &self.ledger, no).await);
        let n_backups = self.world.hosts[no].backups.len() as u64;
        let backup = usize::try_from(self.world.chance.within(0, n_backups)).unwrap();
        self.world.restore(no, backup);
        self.met.insert("restore");
        self.world.start(no).await;
        for _ in 0..self.world.chance.within(0, 4) {
            write(&mut self.world, &mut self.ledger, no).await;
            let pause = self.world.chance.millis(1, 2_000);
            sleep(pause).await;
        }
        // Until it has asked, nobody is parted from it.
        sleep(RESTORE_TIME).await;
    }

    /// Everybody is joined and runs.
    async fn calm(&mut self) {
        self.world.net.join();
        self.world.net.speed_up_all();
        self.world.start_all().await;
    }

    /// The hosts of a role, by number.
    fn of_role(&self, role: Role) -> Vec<No> {
        self.world.hosts.iter().filter(|it| it.role == role).map(|it| it.no).collect()
    }

    /// Somebody begins to lie.
    async fn lie(&mut self) {
        let (coordinators, nodes) = (self.of_role(Role::Coordinator), self.of_role(Role::Node));
        let liar = self.world.chance.pick(&coordinators).unwrap();
        let victim = self.world.chance.pick(&nodes).unwrap();
        let community = self.world.hosts[victim].id;
        match self.plan.deceit {
            Deceit::Nobody => {}
            Deceit::TwoFaces => self.split(liar).await,
            Deceit::Equivocates => self.split(victim).await,
            Deceit::Withholds => {
                self.leave_out(liar, Some(victim), Lie::Withholds { victim, community })
            }
            Deceit::AcksNothing => {
                self.leave_out(liar, Some(victim), Lie::AcksNothing { victim, community });
            }
            Deceit::HidesItself => {
                let own = self.world.hosts[liar].id;
                self.leave_out(liar, None, Lie::HidesItself { own });
            }
            Deceit::ForgesSums => self.forge(liar).await,
        }
    }

    fn leave_out(&mut self, liar: No, victim: Option<No>, lie: Lie) {
        self.world.net.note(&format!("host {liar} lies: {lie:?}"));
        self.world.net.lock().lies.add(liar, lie);
        self.world.hosts[liar].is_honest = false;
        self.silent = Some((liar, victim));
    }

    /// A coordinator's operator changes the sums of pools in its file.
    async fn forge(&mut self, liar: No) {
        self.world.kill(liar);
        self.world.forge_sums(liar);
        self.world.hosts[liar].is_honest = false;
        self.world.start(liar).await;
        if let Some(peer) = self.world.peer(liar) {
            let shown = laws::register(peer).await;
            if shown.values().any(|it| it.contains(FORGED)) {
                self.met.insert("forged sum");
            }
        }
    }

    /// A host runs twice; about half of the others, and one at least, are shown its other face.
    async fn split(&mut self, no: No) {
        let others: Vec<No> = (0..self.world.hosts.len()).filter(|it| *it != no).collect();
        for to in &others {
            let face = u8::from(self.world.chance.percent(50));
            self.world.net.show_face(*to, face);
        }
        // A lie that nobody could compare with another would be none.
        for (to, face) in others.iter().zip([0, 1]) {
            self.world.net.show_face(*to, face);
        }
        let other = self.world.split(no).await;
        self.world.net.break_all();
        self.faces = Some((no, other));
        for face in [no, other] {
            write(&mut self.world, &mut self.ledger, face).await;
        }
    }

    /// Everybody is joined and runs again, and the laws are asked for.
    async fn end(&mut self) {
        self.world.net.note("the end begins");
        self.calm().await;
        self.set_clocks();
        self.end_epochs().await;
        self.owe().await;
        self.count_out().await;
        if self.faces.is_some() {
            // A lie counts from when it is told: both faces are reached again.
            sleep(RESTORE_TIME).await;
        }
        for round in 1..=2 {
            if let Err(why) = self.exchange_all().await {
                self.broken.push(format!("exchange {round}: {why}"));
                return;
            }
        }
        laws::lies_are_known(self).await;
        if let Err(why) = self.until_level(Compared::All).await {
            self.broken.push(format!("not level: {why}"));
        }
        laws::nobody_innocent_is_accused(self).await;
        laws::nothing_acknowledged_is_lost(self).await;
        laws::silence_is_noted(self);
        clocks::verdicts_rest_on_receipts(self).await;
        polls::results_are_sums(self).await;
        erasing::erasures_are_followed(self).await;
    }

    /// Whoever leaves something out owes it now, and for longer than is waited for.
    async fn owe(&mut self) {
        let Some(_) = self.silent else { return };
        for no in self.of_role(Role::Node) {
            write(&mut self.world, &mut self.ledger, no).await;
        }
        let owed = match self.plan.deceit {
            Deceit::HidesItself => INDEX_WITHIN_MILLIS,
            Deceit::Nobody
            | Deceit::TwoFaces
            | Deceit::Equivocates
            | Deceit::Withholds
            | Deceit::ForgesSums
            | Deceit::AcksNothing => ACK_WITHIN_MILLIS,
        };
        // It is asked every second, and a stream may have to be opened first.
        sleep(Duration::from_millis(owed) + RESTORE_TIME).await;
    }

    /// Has every two honest hosts complete an exchange anew.
    async fn exchange_all(&mut self) -> Result<(), String> {
        let began = Instant::now();
        self.world.net.break_all();
        let honest = self.world.honest();
        let pairs = honest.iter().flat_map(|one| honest.iter().map(move |other| (*one, *other)));
        let mut left: Vec<_> = pairs.filter(|(one, other)| one < other).collect();
        while !left.is_empty() {
            sleep(Duration::from_millis(200)).await;
            left.retain(|ends| !self.world.net.has_exchanged(*ends, began));
            if EXCHANGE_TIME < began.elapsed() {
                return Err(format!("{left:?} did not complete one"));
            }
        }
        Ok(())
    }

    async fn until_level(&self, compared: Compared) -> Result<(), String> {
        let began = Instant::now();
        loop {
            match laws::is_level(&self.world, compared).await {
                Ok(()) => return Ok(()),
                Err(why) if LEVEL_TIME < began.elapsed() => return Err(why),
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
        }
    }

    /// Whether all receipts give records their times. Those of a coordinator whose log has two histories do up to where
    /// that log is frozen.
    pub(crate) fn all_receipts_count(&self) -> bool {
        match (self.plan.deceit, self.guilty()) {
            (Deceit::TwoFaces, Some(_)) => false,
            (_, Some(_) | None) => true,
        }
    }

    /// Of whom evidence is to be held, if anybody's.
    pub(crate) fn guilty(&self) -> Option<CommunityId> {
        self.faces.map(|(no, _)| self.world.hosts[no].id)
    }
}
