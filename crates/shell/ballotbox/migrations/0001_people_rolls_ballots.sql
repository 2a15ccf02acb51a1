-- People. Ids are never used twice, so that a frozen roll keeps its meaning after somebody leaves.
CREATE TABLE person (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL,
    reference TEXT UNIQUE
) STRICT;

-- Frozen rolls. They keep numbers and salts, also of people who have left since.
CREATE TABLE roll (
    number    INTEGER PRIMARY KEY,
    root      BLOB NOT NULL UNIQUE CHECK (length(root) = 32),
    n_on_roll INTEGER NOT NULL
) STRICT;

CREATE TABLE roll_entry (
    roll   INTEGER NOT NULL REFERENCES roll (number),
    person INTEGER NOT NULL,
    salt   BLOB NOT NULL CHECK (length(salt) = 32),
    PRIMARY KEY (roll, person)
) STRICT, WITHOUT ROWID;

-- Polls. Times are milliseconds since 1970, UTC. Root and number are set once, at the close.
CREATE TABLE poll (
    number      INTEGER PRIMARY KEY,
    record      BLOB NOT NULL UNIQUE CHECK (length(record) = 32),
    roll        INTEGER NOT NULL REFERENCES roll (number),
    method      TEXT NOT NULL CHECK (method IN ('yes_no', 'plurality', 'approval')),
    mode        TEXT NOT NULL CHECK (mode IN ('secret', 'roll_call')),
    n_options   INTEGER NOT NULL,
    opens_at    INTEGER NOT NULL,
    closes_at   INTEGER NOT NULL,
    ballot_root BLOB CHECK (length(ballot_root) = 32),
    n_ballots   INTEGER,
    CHECK ((ballot_root IS NULL) = (n_ballots IS NULL))
) STRICT;

-- Rows that SQLite adds to a page one after another show by their place in the page which came first, and so whose ballot
-- is whose. Therefore nothing is added while people vote: everybody's row and an empty place for everybody's ballot are
-- made at the opening, and casting is an UPDATE that keeps the length of the row.

-- Everybody on the roll of a poll, added at its opening in the order of their numbers. `credential` links a person to a
-- ballot; a secret poll overwrites it with zeros at the close.
CREATE TABLE elector (
    number     INTEGER PRIMARY KEY,
    poll       INTEGER NOT NULL REFERENCES poll (number),
    person     INTEGER NOT NULL,
    has_voted  INTEGER NOT NULL DEFAULT 0 CHECK (has_voted IN (0, 1)),
    credential BLOB NOT NULL CHECK (length(credential) = 32),
    UNIQUE (poll, person)
) STRICT;

-- A place for the ballot of everybody on the roll, added at the opening in the order of the credentials, which is the order
-- of the ballot tree. Neither a time nor the order of casting can be seen from it.
CREATE TABLE ballot (
    number     INTEGER PRIMARY KEY,
    poll       INTEGER NOT NULL REFERENCES poll (number),
    in_box     INTEGER NOT NULL DEFAULT 0 CHECK (in_box IN (0, 1)),
    credential BLOB NOT NULL CHECK (length(credential) = 32),
    salt       BLOB NOT NULL CHECK (length(salt) = 32),
    choices    BLOB NOT NULL,
    UNIQUE (poll, credential)
) STRICT;
