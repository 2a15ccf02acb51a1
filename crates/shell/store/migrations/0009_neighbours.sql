-- Neighbouring regions that are read: what is known of each, and the place in its feed.
CREATE TABLE neighbours (
  region BLOB PRIMARY KEY,
  -- What a certificate last showed of it, as JSON.
  known TEXT NOT NULL,
  -- Whose feed was read last, and up to where.
  coordinator BLOB NOT NULL,
  cursor TEXT NOT NULL
) WITHOUT ROWID;

-- Items of neighbouring regions, in one order with our own: numbers and positions are of one row.
CREATE TABLE neighbour_items (
  seq INTEGER PRIMARY KEY,
  region BLOB NOT NULL,
  id BLOB NOT NULL,
  log_size INTEGER NOT NULL,
  instant INTEGER NOT NULL,
  item TEXT NOT NULL,
  UNIQUE (region, id)
);
CREATE INDEX neighbour_items_by_region ON neighbour_items (region, seq);
CREATE INDEX neighbour_items_by_position ON neighbour_items (log_size, instant);

-- The proved records that caused them, from which their cases are folded here.
CREATE TABLE neighbour_records (
  region BLOB NOT NULL,
  case_id BLOB NOT NULL,
  record BLOB NOT NULL,
  header BLOB NOT NULL,
  payload BLOB NOT NULL,
  -- When it was received, as the neighbour told; NULL where it did not.
  told_at INTEGER,
  PRIMARY KEY (region, case_id, record)
);

-- Those cases as they are folded here.
CREATE TABLE neighbour_cases (
  region BLOB NOT NULL,
  id BLOB NOT NULL,
  kind TEXT NOT NULL,
  view TEXT NOT NULL,
  PRIMARY KEY (region, id)
);
