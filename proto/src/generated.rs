//! The generated modules, in the places where their paths expect them: this module is the package `folkmoot`.
//!
//! `src/gen` is written by `tests/generated.rs` from the .proto files and never edited by hand.

/// Shapes that several payloads and services share.
pub mod types {
    /// `folkmoot.types.v1`.
    pub mod v1 {
        include!("gen/folkmoot.types.v1.rs");
    }
}

/// `folkmoot.v1`: the services between peers, and those that anybody may ask.
pub mod v1 {
    include!("gen/folkmoot.v1.rs");
}

/// What the people at a node ask of it, on a unix socket of the node's owner.
pub mod clerk {
    /// `folkmoot.clerk.v1`.
    pub mod v1 {
        include!("gen/folkmoot.clerk.v1.rs");
    }
}

/// Payloads, one package a kind.
pub mod record {
    /// Where communities are reached.
    pub mod affiliation {
        /// `folkmoot.record.affiliation.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.affiliation.v1.rs");
        }
    }
    /// What witnesses cosigned.
    pub mod cosignatures {
        /// `folkmoot.record.cosignatures.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.cosignatures.v1.rs");
        }
    }
    /// Covenants.
    pub mod covenant {
        /// `folkmoot.record.covenant.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.covenant.v1.rs");
        }
    }
    /// Payloads to be dropped.
    pub mod erase {
        /// `folkmoot.record.erase.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.erase.v1.rs");
        }
    }
    /// Payloads that a holder has dropped.
    pub mod erased {
        /// `folkmoot.record.erased.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.erased.v1.rs");
        }
    }
    /// Evidence that a log forked.
    pub mod evidence {
        /// `folkmoot.record.evidence.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.evidence.v1.rs");
        }
    }
    /// Identities of communities; `record` encodes and decodes them itself.
    pub mod identity {
        /// `folkmoot.record.identity.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.identity.v1.rs");
        }
    }
    /// What coordinators hold, as the root of a map.
    pub mod index {
        /// `folkmoot.record.index.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.index.v1.rs");
        }
    }
    /// Notices from outside.
    pub mod notice {
        /// `folkmoot.record.notice.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.notice.v1.rs");
        }
    }
    /// Opportunities.
    pub mod opportunity {
        /// `folkmoot.record.opportunity.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.opportunity.v1.rs");
        }
    }
    /// Pledges.
    pub mod pledge {
        /// `folkmoot.record.pledge.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.pledge.v1.rs");
        }
    }
    /// Polls.
    pub mod poll {
        /// `folkmoot.record.poll.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.poll.v1.rs");
        }
    }
    /// Pools.
    pub mod pool {
        /// `folkmoot.record.pool.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.pool.v1.rs");
        }
    }
    /// Receipts of a coordinator.
    pub mod receipt {
        /// `folkmoot.record.receipt.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.receipt.v1.rs");
        }
    }
    /// Recoveries, which begin a new era; `record` encodes and decodes them itself.
    pub mod recovery {
        /// `folkmoot.record.recovery.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.recovery.v1.rs");
        }
    }
    /// Epochs of a region; `record` encodes and decodes them itself.
    pub mod region_epoch {
        /// `folkmoot.record.region_epoch.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.region_epoch.v1.rs");
        }
    }
    /// Results of polls.
    pub mod result {
        /// `folkmoot.record.result.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.result.v1.rs");
        }
    }
    /// Rolls: a number and a root.
    pub mod roll {
        /// `folkmoot.record.roll.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.roll.v1.rs");
        }
    }
    /// How coordinators treat logs.
    pub mod status {
        /// `folkmoot.record.status.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.status.v1.rs");
        }
    }
    /// Tallies.
    pub mod tally {
        /// `folkmoot.record.tally.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.tally.v1.rs");
        }
    }
    /// Texts.
    pub mod text {
        /// `folkmoot.record.text.v1`.
        pub mod v1 {
            include!("gen/folkmoot.record.text.v1.rs");
        }
    }
}
