//! Keeps what a feed told once it is proved, and asks again for what could not be.
//!
//! ```text
//! told ─▶ claims ─▶ proofs ─┬─▶ kept
//!                           ├─▶ refused: counted
//!                           └─▶ put off ─▶ due ─▶ proofs, at most 5 times ─▶ kept, or refused
//! ```

use std::collections::BTreeMap;

use proto::v1::Item;
use record::ItemId;
use store::{NeighbourRow, PutOff, PutOffs, StoreError, Taken};
use tokio::time::Instant;

use super::{Ended, Line, MAX_CAUSES_TOGETHER, MAX_TOGETHER, Reader, last_place};
use crate::{
    metrics,
    neighbours::{
        claim::{self, Claim, Refusal},
        prove,
        take::{self, Teller},
    },
};

/// Claims that are proved together.
#[derive(Debug, Default)]
struct Batch {
    claims: Vec<Claim>,
    /// Those that were asked for before, with how often.
    asked_again: BTreeMap<ItemId, u32>,
    /// How often a record without a checkpoint is asked for.
    n_proof_tries: u32,
}

impl Reader {
    /// Checks what came, and keeps it with the place after it: the one that is named, or else that of the last item.
    pub(super) async fn take(
        &mut self,
        line: &Line,
        waiting: &mut Vec<Item>,
        place: &mut NeighbourRow,
        named: &str,
    ) -> Result<(), Ended> {
        let items = std::mem::take(waiting);
        let after = claim::place(named).or_else(|| last_place(&items));
        let is_news = after.as_ref().is_some_and(|it| *it != place.cursor);
        if items.is_empty() && !is_news {
            return Ok(());
        }
        let (store, region) = (self.peer.store().clone(), self.region());
        let mut claims = Vec::with_capacity(items.len());
        for item in &items {
            match Claim::parse(item, region, self.now()) {
                Ok(claim) if store.holds_neighbour_item(region, claim.id).await? => {}
                Ok(claim) => claims.push(claim),
                Err(refusal) => self.refuse(&refusal),
            }
        }
        place.cursor = after.unwrap_or_else(|| place.cursor.clone());
        let n_proof_tries = self.bounds.n_proof_tries;
        self.keep(line, Batch { claims, n_proof_tries, ..Batch::default() }, place).await
    }

    /// Asks once more for what is due.
    pub(super) async fn ask_again(
        &mut self,
        line: &Line,
        place: &NeighbourRow,
    ) -> Result<(), Ended> {
        self.rests_until = Instant::now() + self.bounds.between_rounds();
        let (region, now) = (self.region(), self.now());
        let most = u32::try_from(MAX_TOGETHER).unwrap_or(u32::MAX);
        let mut batch = Batch { n_proof_tries: 1, ..Batch::default() };
        let mut n_causes = 0;
        for PutOff { id, claim, n_tries, .. } in
            self.peer.store().due_again(region, now, most).await?
        {
            if MAX_CAUSES_TOGETHER <= n_causes {
                break;
            }
            batch.asked_again.insert(id, n_tries.saturating_add(1));
            match Claim::parse_kept(&claim, region, now) {
                Ok(claim) => {
                    n_causes += claim.causes.len();
                    batch.claims.push(claim);
                }
                Err(refusal) => self.refuse(&refusal),
            }
        }
        self.keep(line, batch, place).await?;
        self.plan_again().await?;
        Ok(())
    }

    /// Looks when the first of what is put off is due.
    pub(super) async fn plan_again(&mut self) -> Result<(), StoreError> {
        let PutOffs { n_items, due_at, .. } = self.peer.store().put_offs(self.region()).await?;
        self.readings.note_put_off(self.region(), n_items);
        let now = self.now();
        let wait = due_at.map(|it| std::time::Duration::from_millis(it.0.saturating_sub(now.0)));
        let due = wait.and_then(|it| Instant::now().checked_add(it));
        self.again_at = due.map(|it| it.max(self.rests_until));
        Ok(())
    }

    /// Proves claims, and keeps what came of them with the place.
    async fn keep(&mut self, line: &Line, batch: Batch, place: &NeighbourRow) -> Result<(), Ended> {
        let Batch { claims, asked_again, n_proof_tries } = batch;
        let (store, region) = (self.peer.store().clone(), self.region());
        let n_kept = store.n_neighbour_items(region).await?;
        if self.bounds.max_items < n_kept.saturating_add(claims.len() as u64) {
            return Err(Ended::Full);
        }
        let held = take::held_of(&store, region, &claims).await?;
        let proved = prove::fetch(line, take::wanted(&claims, &held), n_proof_tries).await?;
        let teller = Teller {
            region,
            view: &line.view,
            by: line.seat.id,
            address: &line.seat.address,
            now: self.now(),
            max_folded_each: self.bounds.max_folded_each,
        };
        let judged = take::judge(&teller, claims, held, &proved)?;
        let put_off = self.put_off(judged.refused, &asked_again).await?;
        let (n_items, is_put_off) = (judged.items.len(), !put_off.is_empty());
        let taken = Taken {
            region,
            place: place.clone(),
            records: judged.records,
            cases: judged.cases.into_values().collect(),
            items: judged.items,
            asked_again: asked_again.into_keys().collect(),
            put_off,
        };
        store.take_from_neighbour(taken).await?;
        metrics::neighbour_items(judged.n_folded, n_items);
        self.has_taken = true;
        if is_put_off {
            self.plan_again().await?;
        }
        Ok(())
    }

    /// What is to be asked for again, of what was refused; the rest is counted as that.
    async fn put_off(
        &mut self,
        refused: Vec<(Claim, Refusal)>,
        asked_again: &BTreeMap<ItemId, u32>,
    ) -> Result<Vec<PutOff>, StoreError> {
        let mut put_off = Vec::new();
        if refused.is_empty() {
            return Ok(put_off);
        }
        let held = self.peer.store().put_offs(self.region()).await?;
        let (mut n_items, mut n_bytes) = (held.n_items, held.n_bytes);
        for (claim, refusal) in refused {
            self.met_stranger |= matches!(refusal, Refusal::Stranger(_));
            let n_tries = asked_again.get(&claim.id).copied();
            let wait = self.bounds.wait(n_tries.unwrap_or(0)).filter(|_| refusal.may_pass());
            let kept = claim.to_kept();
            let has_room = n_items < self.bounds.max_put_off
                && n_bytes.saturating_add(kept.len()) <= self.bounds.max_put_off_bytes;
            // What is asked for again has its room.
            let Some(wait) = wait.filter(|_| has_room || n_tries.is_some()) else {
                self.refuse(&refusal);
                continue;
            };
            if n_tries.is_none() {
                (n_items, n_bytes) = (n_items + 1, n_bytes.saturating_add(kept.len()));
                metrics::neighbour_put_off();
            }
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let (n_tries, due_at) = (n_tries.unwrap_or(0), self.now().plus_millis(wait));
            put_off.push(PutOff { id: claim.id, claim: kept, n_tries, due_at });
        }
        Ok(put_off)
    }

    /// Counts a refusal, and says it once for each reason.
    fn refuse(&mut self, refusal: &Refusal) {
        metrics::neighbour_refused(refusal.label());
        if self.refused.insert(refusal.label()) {
            let (region, name) = (self.region(), self.neighbour.name.as_str());
            tracing::warn!(%region, name, %refusal, "an item of a neighbouring region was refused; more of the kind are only counted");
        }
    }
}
