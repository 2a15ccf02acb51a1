//! The story: notices imported, a covenant signed, a pool filled, a poll counted. Each step is a command of a node.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use proto::v1::{
    Community as CommunityHeld, GetRegionRequest, ListCasesRequest, SubscribeRequest,
    feed_service_client::FeedServiceClient, region_service_client::RegionServiceClient,
    subscribe_response::Event,
};
use serde_json::Value;
use tonic::transport::Channel;

use super::{
    Teller,
    process::args,
    region::DemoRegion,
    summary::{
        CommunitySummary, CovenantSummary, FeedSummary, Imported, PollSummary, PoolSummary,
        QuarantinedRelease, Summary, number, text,
    },
};
use crate::ocds::json_files;

/// Invented notices, imported unless others are given.
const NOTICES: &str = include_str!("notices.json");
const COVENANT_TEXT: &str = include_str!("covenant.en.txt");
const COVENANT_TEXT_CY: &str = include_str!("covenant.cy.txt");
/// People on each roll: enough that no count of the poll falls below 5.
const N_PEOPLE: usize = 40;
/// What the first community pledges, and by how much each further one pledges more.
const FIRST_PLEDGE: usize = 40;
const PLEDGE_STEP: usize = 10;
/// The shortest time for which the poll is open.
const SHORTEST_POLL: Duration = Duration::from_secs(5);
/// The shortest time that one community has for its vote.
const SHORTEST_TURN: Duration = Duration::from_millis(1_500);
/// How long a state of the register is waited for: every step here takes well under a second on a quiet machine.
const SEEN_WITHIN: Duration = Duration::from_secs(120);
/// How often the register is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The region in which the story takes place.
pub(super) struct Story<'a> {
    region: &'a mut DemoRegion,
    teller: &'a Teller<'a>,
}

impl<'a> Story<'a> {
    pub(super) fn new(region: &'a mut DemoRegion, teller: &'a Teller<'a>) -> Self {
        Self { region, teller }
    }

    /// Tells what has not been told yet, and says what came of everything.
    pub(super) async fn tell(mut self, ocds: &[PathBuf], started: Instant) -> Result<Summary> {
        self.steps(ocds).await?;
        self.summary(started).await
    }

    /// Tells what has not been told yet.
    pub(super) async fn steps(&mut self, ocds: &[PathBuf]) -> Result<()> {
        self.import(ocds).await?;
        self.covenant().await?;
        self.pool().await?;
        self.poll().await
    }

    fn n_communities(&self) -> usize {
        self.region.communities.len()
    }

    async fn import(&mut self, ocds: &[PathBuf]) -> Result<()> {
        if self.region.state.imported.is_some() {
            return Ok(());
        }
        let invented = self.region.folder().join("notices.json");
        let mut line = args!["opportunity", "import"].to_vec();
        if ocds.is_empty() {
            runtime::files::write_private_file(&invented, NOTICES.as_bytes())?;
            line.push(invented.into());
        } else {
            let files = json_files(ocds);
            if files.is_empty() {
                bail!("There is no *.json file in what --ocds names.");
            }
            line.extend(files.into_iter().map(OsString::from));
        }
        self.teller.say("Importing notices of public contracts …")?;
        let said = self.region.node(0, &line).await?;
        let imported = imported(&said);
        self.teller
            .say(&format!("  {} of {} releases imported.", imported.accepted, imported.releases))?;
        self.region.state.imported = Some(imported);
        self.region.state.save()
    }

    async fn covenant(&mut self) -> Result<()> {
        if self.region.state.covenant.is_none() {
            self.teller.say("Proposing a covenant to every community …")?;
            let proposed = self.propose().await?;
            self.region.state.covenant = Some(proposed);
            self.region.state.save()?;
        }
        let id = self.region.state.covenant.clone().unwrap_or_default();
        while self.region.state.n_signed < self.n_communities() {
            let number = self.region.state.n_signed;
            self.until_seen_by(number, "covenant", &id).await?;
            let minute = format!("2026/{}", 11 + number);
            let line = args![
                "covenant",
                "sign",
                "--covenant",
                &id,
                "--minute",
                minute,
                "--meeting",
                "2026-11-18"
            ];
            self.once(number, &line).await?;
            self.region.state.n_signed += 1;
            self.region.state.save()?;
        }
        self.until_state("covenant", &id, "in force").await?;
        self.teller.say("  The covenant is in force: every party signed in its own log.")?;
        Ok(())
    }

    async fn propose(&self) -> Result<String> {
        let folder = self.region.folder();
        let (english, welsh) = (folder.join("covenant.en.txt"), folder.join("covenant.cy.txt"));
        runtime::files::write_private_file(&english, COVENANT_TEXT.as_bytes())?;
        runtime::files::write_private_file(&welsh, COVENANT_TEXT_CY.as_bytes())?;
        let mut line = args![
            "covenant",
            "propose",
            "--title",
            "Tidewater covenant on shared places",
            "--text",
            &english,
            "--title-cy",
            "Cyfamod Tidewater ar fannau a rennir",
            "--text-cy",
            &welsh,
            "--sign-by",
            "60d",
        ]
        .to_vec();
        for community in &self.region.communities {
            line.extend(args!["--party", format!("{}:community", community.id)]);
        }
        record_of(&self.region.node(0, &line).await?)
    }

    async fn pool(&mut self) -> Result<()> {
        let n = self.n_communities();
        let threshold: usize = (0..n).map(quantity).sum::<usize>() * 4 / 5;
        if self.region.state.pool.is_none() {
            self.teller.say("Opening a pool to buy LED lamps together …")?;
            let threshold = threshold.to_string();
            let line = args![
                "pool",
                "open",
                "--title",
                "LED lamps for halls and workshops",
                "--unit",
                "each",
                "--threshold",
                threshold,
                "--closes",
                "30d",
                "--lock",
                "on-threshold",
                "--unit-price",
                "18.50",
                "--cpv",
                "31500000",
            ];
            let opened = record_of(&self.region.node(1, &line).await?)?;
            self.region.state.pool = Some(opened);
            self.region.state.save()?;
        }
        let id = self.region.state.pool.clone().unwrap_or_default();
        while self.region.state.n_pledged < n {
            let number = self.region.state.n_pledged;
            self.until_seen_by(number, "pool", &id).await?;
            let quantity = quantity(number).to_string();
            self.once(number, &args!["pool", "pledge", "--pool", &id, "--quantity", quantity])
                .await?;
            self.region.state.n_pledged += 1;
            self.region.state.save()?;
        }
        if !self.region.state.pool_closed {
            self.until_pledged(1, &id, n).await?;
            self.once(1, &args!["pool", "close", "--pool", &id]).await?;
            self.region.state.pool_closed = true;
            self.region.state.save()?;
        }
        self.until_state("pool", &id, "locked").await?;
        self.teller.say("  The pool reached its threshold and is locked.")?;
        Ok(())
    }

    /// The poll, which the steps before it need not come before.
    pub(super) async fn poll(&mut self) -> Result<()> {
        let n = self.n_communities();
        let asked = Instant::now();
        while self.region.state.n_rolls < n {
            let number = self.region.state.n_rolls;
            if number == 0 {
                self.teller
                    .say("Enrolling people, and publishing the number and root of each roll …")?;
            }
            let names = (1..=N_PEOPLE).map(|person| OsString::from(format!("Person {person}")));
            let mut line = args!["member", "add"].to_vec();
            line.extend(names);
            self.region.node(number, &line).await?;
            self.region.node(number, &args!["roll", "publish"]).await?;
            self.region.state.n_rolls += 1;
            self.region.state.save()?;
        }
        if self.region.state.n_voted < n && !self.is_open_still().await? {
            // A run that was cut off while people voted left a poll that has closed since.
            self.region.state.n_voted = 0;
            self.open_poll(asked.elapsed()).await?;
        }
        let id = self.region.state.poll.clone().unwrap_or_default();
        while self.region.state.n_voted < n {
            let number = self.region.state.n_voted;
            self.until_seen_by(number, "poll", &id).await?;
            self.vote(number, &id).await?;
            self.region.state.n_voted += 1;
            self.region.state.save()?;
        }
        self.teller.say("  Voted. Waiting for the close; each node then counts its own box …")?;
        self.until_state("poll", &id, "declared").await?;
        self.teller.say("  Counted at home, added up by the region, declared.")?;
        Ok(())
    }

    /// Whether there is a poll in which people can vote.
    async fn is_open_still(&self) -> Result<bool> {
        let Some(id) = &self.region.state.poll else { return Ok(false) };
        let view = self.case("poll", id).await?;
        Ok(view.is_none_or(|it| matches!(text(&it, "state").as_str(), "announced" | "open")))
    }

    /// Opens the poll for three times as long as enrolling took, as casting is about as much work and the machine may do
    /// more by then.
    async fn open_poll(&mut self, enrolling: Duration) -> Result<()> {
        self.teller.say("Opening a poll across all communities …")?;
        let n = u32::try_from(self.n_communities()).unwrap_or(u32::MAX);
        let open_for = SHORTEST_POLL.max(enrolling * 3).max(SHORTEST_TURN * n).as_secs();
        let line = args![
            "poll",
            "open",
            "--title",
            "Shall we found a Tidewater energy fund?",
            "--method",
            "yes-no",
            "--option",
            "Yes",
            "--option",
            "No",
            "--closes",
            format!("{open_for}s"),
        ];
        // The rolls of others arrive through the coordinator.
        let mut line_for_all = line.to_vec();
        for community in &self.region.communities {
            line_for_all.extend(args!["--community", &community.id]);
        }
        let deadline = Instant::now() + SEEN_WITHIN;
        let opened = loop {
            match self.region.node(2, &line_for_all).await {
                Ok(opened) => break opened,
                Err(error) if deadline < Instant::now() => return Err(error),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        self.region.state.poll = Some(record_of(&opened)?);
        self.region.state.save()
    }

    /// Casts one ballot for each of three people in four: two for yes where one is for no.
    async fn vote(&self, number: usize, id: &str) -> Result<()> {
        let listed = self.region.node(number, &args!["member", "list"]).await?;
        let members = listed.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut table = String::new();
        for (place, member) in members.iter().take(N_PEOPLE * 3 / 4).enumerate() {
            let choice = if (place + number).is_multiple_of(3) { "No" } else { "Yes" };
            table.push_str(&format!("{},{choice}\n", text(member, "id")));
        }
        let path = self.region.folder().join("ballots.csv");
        runtime::files::write_private_file(&path, table.as_bytes())?;
        let cast = self
            .region
            .node(number, &args!["poll", "cast", "--poll", id, "--from", &path, "--replace"])
            .await;
        std::fs::remove_file(&path)?;
        cast.map(|_| ())
    }

    /// Runs a command that a run before this one may have run already.
    async fn once(&self, number: usize, line: &[OsString]) -> Result<()> {
        match self.region.node(number, line).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains("said before") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until a node has heard of a case.
    async fn until_seen_by(&self, number: usize, kind: &str, id: &str) -> Result<()> {
        let deadline = Instant::now() + SEEN_WITHIN;
        while self.region.node(number, &args![kind, "show", id]).await.is_err() {
            if deadline < Instant::now() {
                bail!("A node did not hear of the {kind} in time.");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until the lead's node has heard of every pledge.
    async fn until_pledged(&self, number: usize, id: &str, n_pledges: usize) -> Result<()> {
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let view = self.region.node(number, &args!["pool", "show", id]).await?;
            if usize::try_from(self::number(&view, "communities")) == Ok(n_pledges) {
                return Ok(());
            }
            if deadline < Instant::now() {
                bail!("The lead did not hear of every pledge in time.");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the coordinator's register shows a case in this state.
    async fn until_state(&self, kind: &str, id: &str, state: &str) -> Result<Value> {
        let deadline = Instant::now() + SEEN_WITHIN;
        let mut seen = String::from("not there");
        while Instant::now() < deadline {
            if let Some(view) = self.case(kind, id).await? {
                seen = text(&view, "state");
                if seen == state {
                    return Ok(view);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("The {kind} is {seen}, and should be {state} by now.")
    }

    async fn coordinator(&self) -> Result<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", self.region.plain()))?;
        endpoint.connect().await.context("The coordinator's plain port cannot be reached.")
    }

    async fn case(&self, kind: &str, id: &str) -> Result<Option<Value>> {
        let request = ListCasesRequest {
            kind: kind.to_owned(),
            case_id: id.to_owned(),
            after: String::new(),
            limit: 1,
        };
        let answer = RegionServiceClient::new(self.coordinator().await?).list_cases(request).await;
        match answer {
            Ok(answer) => {
                let views = answer.into_inner().cases_json;
                Ok(views.first().map(|view| serde_json::from_str(view)).transpose()?)
            }
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    async fn summary(&self, started: Instant) -> Result<Summary> {
        let state = &self.region.state;
        let id = |id: &Option<String>| id.clone().unwrap_or_default();
        let covenant = self.until_state("covenant", &id(&state.covenant), "in force").await?;
        let pool = self.until_state("pool", &id(&state.pool), "locked").await?;
        let poll = self.until_state("poll", &id(&state.poll), "declared").await?;
        let mut region = RegionServiceClient::new(self.coordinator().await?);
        let held = region.get_region(GetRegionRequest {}).await?.into_inner().communities;
        let base = format!("http://{}", self.region.plain());
        Ok(Summary {
            communities: held
                .into_iter()
                .filter(|it| !it.coordinator)
                .map(|it| community(&base, it))
                .collect(),
            coordinator: self.region.coordinator_summary(),
            imported: state.imported.clone().unwrap_or_default(),
            covenant: CovenantSummary {
                id: text(&covenant, "id"),
                state: text(&covenant, "state"),
                parties: number(&covenant, "n_parties"),
                signed: number(&covenant, "n_signed"),
            },
            pools: vec![PoolSummary {
                id: text(&pool, "id"),
                state: text(&pool, "state"),
                quantity: number(&pool, "quantity"),
                unit: text(&pool, "unit"),
                communities: number(&pool, "communities"),
            }],
            poll: poll_summary(&poll),
            feed: FeedSummary {
                events: self.n_events().await?,
                json: format!("{base}/feed.json"),
                atom: format!("{base}/feed.atom"),
                ocds: format!("{base}/ocds/releases"),
            },
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// How many events the feed has told so far: everything before its first heartbeat.
    async fn n_events(&self) -> Result<u64> {
        let mut feed = FeedServiceClient::new(self.coordinator().await?);
        let mut events = feed.subscribe(SubscribeRequest::default()).await?.into_inner();
        let mut n_events = 0;
        while let Some(answer) = events.message().await? {
            match answer.event {
                Some(Event::Item(_)) => n_events += 1,
                Some(Event::Heartbeat(_)) => break,
                Some(Event::Reset(_)) | None => {}
            }
        }
        Ok(n_events)
    }
}

fn quantity(number: usize) -> usize {
    FIRST_PLEDGE + PLEDGE_STEP * number
}

fn record_of(written: &Value) -> Result<String> {
    let record = text(written, "record");
    if record.is_empty() {
        bail!("The node did not say which record it wrote.")
    } else {
        Ok(record)
    }
}

fn community(base: &str, held: CommunityHeld) -> CommunitySummary {
    CommunitySummary {
        log_url: format!("{base}/log/{}/{}", held.id, held.era),
        id: held.id,
        name: held.name,
        log_size: held.size,
        vkey: held.vkey,
    }
}

fn poll_summary(poll: &Value) -> PollSummary {
    let counts = poll.pointer("/sums/counts/by_option").and_then(Value::as_array);
    let electorate = poll.get("electorate").and_then(Value::as_array).map_or(0, Vec::len);
    PollSummary {
        id: text(poll, "id"),
        state: text(poll, "state"),
        outcome: poll.get("outcome").cloned().unwrap_or_default(),
        counts: counts.into_iter().flatten().filter_map(Value::as_u64).collect(),
        ballots: number(poll, "ballots"),
        roll: number(poll, "roll"),
        communities: electorate as u64,
    }
}

fn imported(said: &Value) -> Imported {
    let files = said.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut imported = Imported { files: files.len() as u64, ..Imported::default() };
    for file in &files {
        imported.releases += number(file, "releases");
        imported.accepted += number(file, "accepted");
        let name = text(file, "file");
        let listed = file.get("quarantined").and_then(Value::as_array);
        for release in listed.into_iter().flatten() {
            imported.quarantined.push(QuarantinedRelease {
                file: name.clone(),
                release: text(release, "release"),
                reason: text(release, "reason"),
            });
        }
        if let Some(refused) = file.get("refused").filter(|it| !it.is_null()) {
            let (release, reason) = (String::new(), text(refused, "reason"));
            imported.releases += 1;
            imported.quarantined.push(QuarantinedRelease { file: name, release, reason });
        }
    }
    imported
}
