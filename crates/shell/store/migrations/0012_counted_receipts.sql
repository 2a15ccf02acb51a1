-- What coordinators say they hold, of whom a log counts as forked: of their receipts those that count, which stand before
-- the head at which that log is frozen. Kept as in `receipts`, where all are.
CREATE TABLE counted_receipts (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  coordinator BLOB NOT NULL,
  size INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (community, era, coordinator, size)
) WITHOUT ROWID;

-- Whether the receipts that count of whoever owns the forked log are in counted_receipts: of whoever was ever seated.
ALTER TABLE forks ADD COLUMN is_counted_apart INTEGER NOT NULL DEFAULT 0;
