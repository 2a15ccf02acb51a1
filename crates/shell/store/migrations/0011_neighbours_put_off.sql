-- Items of neighbouring regions that could not be proved when they were told, and are asked for again.
CREATE TABLE neighbour_put_off (
  region BLOB NOT NULL,
  id BLOB NOT NULL,
  -- What it claims, as whoever keeps it writes it.
  claim TEXT NOT NULL,
  -- How often it was asked for again.
  n_tries INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  PRIMARY KEY (region, id)
) WITHOUT ROWID;
CREATE INDEX neighbour_put_off_by_time ON neighbour_put_off (region, due_at);
