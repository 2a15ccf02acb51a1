//! The region as this process knows it: who is admitted, where they are reached, and the certificate that shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use civic::{EpochView, RegionView, Statement};
use record::{
    CommunityId, LogName, RecordId,
    region::{Certificate, CertifiedEpoch, SeatAddress},
};
use store::StoreError;

use crate::{
    charter::Seat,
    peer::{Peer, PeerError, Role},
    seat_addresses,
};

impl Peer {
    /// The region as the records here tell it.
    #[must_use]
    pub fn region(&self) -> Arc<RegionView> {
        self.store().region_now()
    }

    /// Whose logs are carried: everybody of the region, as records or a certificate tell it, and our own.
    #[must_use]
    pub fn admitted(&self) -> BTreeSet<CommunityId> {
        let mut admitted = self.region().everybody();
        admitted.extend(self.charter().everybody());
        admitted.insert(self.community());
        admitted
    }

    /// Where communities are reached over gRPC: by their own word, else by that of the members who seated them
    /// by an epoch that holds, else by certificate or charter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub async fn addresses(&self) -> Result<BTreeMap<CommunityId, String>, StoreError> {
        let charter = self.charter();
        let told = |id: &CommunityId| Some((*id, charter.address(id)?.to_owned()));
        let mut addresses: BTreeMap<CommunityId, String> =
            self.admitted().iter().filter_map(told).collect();
        let statements = self.store().statements().await?;
        addresses.extend(seat_addresses::given(&self.region(), &statements));
        for (community, affiliation) in self.store().affiliations().await? {
            let mut own = affiliation.addresses.into_iter();
            // The others are of the mesh.
            if let Some(address) = own.find(|it| !it.starts_with('/')) {
                addresses.insert(community, address);
            }
        }
        Ok(addresses)
    }

    /// The coordinators that this process keeps a stream to, with their addresses. Of two coordinators, the one with the
    /// lower id calls.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub async fn seats_to_call(&self) -> Result<BTreeSet<Seat>, StoreError> {
        let (region, addresses) = (self.region(), self.addresses().await?);
        let roster = &self.known_newest(&region);
        let calls = |id: &&CommunityId| match self.role() {
            Role::Node => true,
            Role::Coordinator => self.community() < **id,
        };
        let seats = roster.iter().filter(calls);
        Ok(seats.map(|id| Seat { id: *id, address: addresses.get(id).cloned() }).collect())
    }

    /// The seated coordinators of the newest epoch that is known, by records or by certificate.
    fn known_newest(&self, region: &RegionView) -> Vec<CommunityId> {
        let newest = region.newest();
        let certified = self.charter().certified.as_ref().map(|it| it.newest());
        let ahead = certified.filter(|it| newest.number < it.number);
        ahead.map_or(&newest.roster, |it| &it.roster).coordinators().to_vec()
    }

    /// The certificate of the newest epoch, with the addresses that are known now.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails, or a filing cannot be proved yet because no checkpoint covers it.
    pub async fn certificate(&self) -> Result<Certificate, PeerError> {
        let epochs = self.certified_epochs().await?;
        let addresses = self.addresses().await?.into_iter();
        let addresses = addresses.map(|(community, address)| SeatAddress { community, address });
        let charter = self.charter().charter.encode();
        Ok(Certificate { charter, epochs: epochs.to_vec(), addresses: addresses.collect() })
    }

    async fn certified_epochs(&self) -> Result<Arc<Vec<CertifiedEpoch>>, PeerError> {
        let region = self.region();
        let hash = region.newest().hash;
        // A panic while this is held cannot leave it half-written.
        let kept = || self.certified().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, epochs)) = kept().as_ref().filter(|(of, _)| *of == hash) {
            return Ok(Arc::clone(epochs));
        }
        let statements = self.store().statements().await?;
        let places: BTreeMap<RecordId, &Statement> =
            statements.iter().map(|it| (it.record, it)).collect();
        let mut epochs = Vec::new();
        for epoch in region.epochs().iter().skip(1) {
            epochs.push(self.certify(epoch, &places).await?);
        }
        let epochs = Arc::new(epochs);
        *kept() = Some((hash, Arc::clone(&epochs)));
        Ok(epochs)
    }

    async fn certify(
        &self,
        epoch: &EpochView,
        places: &BTreeMap<RecordId, &Statement>,
    ) -> Result<CertifiedEpoch, PeerError> {
        let mut filings = Vec::with_capacity(epoch.filings.len());
        for filing in &epoch.filings {
            let Some(Statement { community, era, index, .. }) = places.get(filing) else {
                continue;
            };
            let log = LogName { community: *community, era: *era };
            let (_, proof) = self.proof(log, *index).await?;
            filings.push(proof);
        }
        Ok(CertifiedEpoch { filings })
    }
}
