-- The map that each coordinator's index records make, as far as they are right: one row for each log that it holds.
CREATE TABLE index_entries (
  coordinator BLOB NOT NULL,
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  standing INTEGER NOT NULL,
  PRIMARY KEY (coordinator, community, era)
) WITHOUT ROWID;

-- The newest index record of each coordinator: where it stands, when it was made, what is still to come of an index of
-- several records, and whether its map is whole: judged from the first on, or once right.
CREATE TABLE indexes (
  coordinator BLOB PRIMARY KEY,
  place INTEGER NOT NULL,
  made_at INTEGER NOT NULL,
  root BLOB NOT NULL,
  n_to_follow INTEGER NOT NULL,
  last_community BLOB NOT NULL,
  last_era INTEGER NOT NULL,
  is_whole INTEGER NOT NULL
) WITHOUT ROWID;

-- How each coordinator treats a log, where it said so: the newest status.
CREATE TABLE statuses (
  coordinator BLOB NOT NULL,
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (coordinator, community, era)
) WITHOUT ROWID;

-- Checkpoints with the cosignature of whoever acknowledged them: of our own log one for each 10 seconds (`slot`), of
-- other logs the newest.
CREATE TABLE acks (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  cosigner TEXT NOT NULL,
  slot INTEGER NOT NULL,
  size INTEGER NOT NULL,
  note BLOB NOT NULL,
  PRIMARY KEY (community, era, cosigner, slot)
) WITHOUT ROWID;
