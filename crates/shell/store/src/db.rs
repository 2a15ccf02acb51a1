//! A connection to the file, and how SQLite's answers are waited for.
//!
//! SQLite works in threads of its own. When one of them has answered decides which task goes on next, so a run of many
//! tasks is never the same twice. Waited for in turn, an answer is there before anything else happens, and nothing
//! depends on threads.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use sqlx::{
    ConnectOptions as _, Connection as _, Either, Error, Execute, Executor, SqlStr, Sqlite,
    SqliteConnection,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo},
};
use tokio_stream::{Stream, StreamExt as _};

/// How the answers of SQLite are waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Waits {
    /// A task gives way to others until the answer is there.
    #[default]
    GivingWay,
    /// The thread stands still until the answer is there: for simulations on one thread, whose tasks then take turns in
    /// an order that follows from what they do alone.
    InTurn,
}

impl Waits {
    /// The outcome of work that waits for SQLite and for nothing else.
    pub(crate) async fn for_the<F: Future>(self, work: F) -> F::Output {
        match self {
            Self::GivingWay => work.await,
            Self::InTurn => stand_still(work),
        }
    }
}

/// Lets a thread go on.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn stand_still<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

/// A connection to the file.
#[derive(Debug)]
pub(crate) struct Db {
    held: Held,
    waits: Waits,
}

#[derive(Debug)]
enum Held {
    Own(SqliteConnection),
    Pooled(PoolConnection<Sqlite>),
}

impl Db {
    pub(crate) async fn open(options: &SqliteConnectOptions, waits: Waits) -> Result<Self, Error> {
        let connection = waits.for_the(options.connect()).await?;
        Ok(Self { held: Held::Own(connection), waits })
    }

    /// Goes back to its pool when it is dropped.
    pub(crate) const fn pooled(connection: PoolConnection<Sqlite>) -> Self {
        Self { held: Held::Pooled(connection), waits: Waits::GivingWay }
    }

    pub(crate) async fn close(self) -> Result<(), Error> {
        match self.held {
            Held::Own(connection) => self.waits.for_the(connection.close()).await,
            Held::Pooled(connection) => connection.close().await,
        }
    }

    /// The connection of the driver, for what is not a statement; see [`Waits::for_the`].
    pub(crate) fn driver(&mut self) -> (&mut SqliteConnection, Waits) {
        let driver = match &mut self.held {
            Held::Own(connection) => connection,
            Held::Pooled(connection) => &mut **connection,
        };
        (driver, self.waits)
    }
}

type Answer<'e, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'e>>;
type Step = Result<Either<SqliteQueryResult, SqliteRow>, Error>;

impl<'c> Executor<'c> for &'c mut Db {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Pin<Box<dyn Stream<Item = Step> + Send + 'e>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let (driver, waits) = self.driver();
        let steps = driver.fetch_many(query);
        match waits {
            Waits::GivingWay => steps,
            Waits::InTurn => {
                let all: Vec<Step> = stand_still(steps.collect());
                Box::pin(tokio_stream::iter(all))
            }
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<SqliteRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let (driver, waits) = self.driver();
        Box::pin(waits.for_the(driver.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> Answer<'e, SqliteStatement>
    where
        'c: 'e,
    {
        let (driver, waits) = self.driver();
        Box::pin(waits.for_the(driver.prepare_with(sql, parameters)))
    }
}
