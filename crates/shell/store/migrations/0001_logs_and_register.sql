-- Logs. A record's place is log_no * 2^40 + index: rows of one log lie in order, and inserts append.
CREATE TABLE logs (
  log_no INTEGER PRIMARY KEY,
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  -- The canonical bytes of the tree's frontier: size and peaks.
  frontier BLOB NOT NULL,
  -- The newest signed checkpoint whose records are all held, with cosignatures, and its size.
  checkpoint BLOB,
  checkpoint_size INTEGER NOT NULL DEFAULT 0,
  -- The signed checkpoint against which records beyond the newest one were verified.
  pending BLOB,
  -- The identity bundle, as it came.
  identity BLOB,
  UNIQUE (community, era)
);

CREATE TABLE records (
  place INTEGER PRIMARY KEY,
  header BLOB NOT NULL,
  salt BLOB,
  payload BLOB
);

-- Full tiles of level 0; of higher levels, the partial tile at the edge too.
CREATE TABLE tiles (
  log_no INTEGER NOT NULL,
  level INTEGER NOT NULL,
  tile_index INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (log_no, level, tile_index)
) WITHOUT ROWID;

-- The largest head that this node ever signed for its own log: the signing guard.
CREATE TABLE signing_guard (
  log_no INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  root BLOB NOT NULL
);

-- What coordinators say they hold. A log may be named here before it is known. Of one coordinator and log only
-- receipts that are the earliest for some record: the larger the size, the later the time.
CREATE TABLE receipts (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  coordinator BLOB NOT NULL,
  size INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (community, era, coordinator, size)
) WITHOUT ROWID;

-- Records of words, which are found by their id: few, and never on the path of other kinds.
CREATE TABLE words (
  record BLOB PRIMARY KEY,
  place INTEGER NOT NULL
) WITHOUT ROWID;

-- The newest roll that each community published.
CREATE TABLE rolls (
  community BLOB PRIMARY KEY,
  place INTEGER NOT NULL,
  n_on_roll INTEGER NOT NULL,
  roll_root BLOB NOT NULL
) WITHOUT ROWID;

-- The register. A case is known by number here; its opening record may still be to come (state NULL).
CREATE TABLE cases (
  case_no INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  kind TEXT,
  state TEXT,
  provisional INTEGER NOT NULL DEFAULT 0,
  -- The case as /register/… shows it.
  view TEXT,
  -- When the clock next changes it, and why.
  deadline INTEGER,
  deadline_why TEXT,
  -- What people look it up by: the ocid of an opportunity.
  name TEXT
);
CREATE INDEX cases_by_deadline ON cases (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX cases_by_kind ON cases (kind, case_no) WHERE kind IS NOT NULL;
CREATE INDEX cases_by_state ON cases (kind, state) WHERE kind IS NOT NULL;
CREATE INDEX cases_by_name ON cases (name) WHERE name IS NOT NULL;

CREATE TABLE case_records (
  case_no INTEGER NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (case_no, place)
) WITHOUT ROWID;
CREATE INDEX case_records_by_place ON case_records (place);

-- What the register says of a record that does not count.
CREATE TABLE refusals (
  place INTEGER PRIMARY KEY,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL
);

-- The feed. An item is visible from (log_size, instant) on: the size of our own log and our time then.
CREATE TABLE items (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  log_size INTEGER NOT NULL,
  instant INTEGER NOT NULL,
  case_no INTEGER NOT NULL,
  item TEXT NOT NULL
);
-- Positions never go down as seq goes up, so this index grows at its end.
CREATE INDEX items_by_position ON items (log_size, instant);
