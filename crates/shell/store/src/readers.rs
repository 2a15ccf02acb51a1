//! Connections that only read: a few of a pool, or one where answers are waited for in turn.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::{
    Error,
    sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions},
};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::db::{Db, Waits};

/// Readers that SQLite serves at once.
const N_READERS: u32 = 3;

/// The readers of a file. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Readers {
    Pool(SqlitePool),
    /// No pool: it has connections looked after in tasks of its own.
    One(Arc<Mutex<Option<Db>>>),
}

/// A connection that reads; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) enum Reader {
    Pooled(Db),
    One(OwnedMappedMutexGuard<Option<Db>, Db>),
}

impl Readers {
    pub(crate) async fn open(options: SqliteConnectOptions, waits: Waits) -> Result<Self, Error> {
        let options = options.read_only(true);
        match waits {
            Waits::GivingWay => {
                let pool = SqlitePoolOptions::new()
                    .max_connections(N_READERS)
                    // A connection to a file of this machine does not go away; asking it costs as much as a small read.
                    .test_before_acquire(false);
                Ok(Self::Pool(pool.connect_with(options).await?))
            }
            Waits::InTurn => {
                let db = Db::open(&options, waits).await?;
                Ok(Self::One(Arc::new(Mutex::new(Some(db)))))
            }
        }
    }

    pub(crate) async fn acquire(&self) -> Result<Reader, Error> {
        match self {
            Self::Pool(pool) => Ok(Reader::Pooled(Db::pooled(pool.acquire().await?))),
            Self::One(one) => {
                let held = Arc::clone(one).lock_owned().await;
                let open = OwnedMutexGuard::try_map(held, Option::as_mut);
                open.map(Reader::One).map_err(|_closed| Error::PoolClosed)
            }
        }
    }

    /// Closes every connection once nobody reads from it.
    pub(crate) async fn close(&self) {
        match self {
            Self::Pool(pool) => pool.close().await,
            Self::One(one) => {
                if let Some(db) = one.lock().await.take() {
                    // It wrote nothing.
                    drop(db.close().await);
                }
            }
        }
    }
}

impl Deref for Reader {
    type Target = Db;

    fn deref(&self) -> &Db {
        match self {
            Self::Pooled(db) => db,
            Self::One(db) => db,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Db {
        match self {
            Self::Pooled(db) => db,
            Self::One(db) => db,
        }
    }
}
