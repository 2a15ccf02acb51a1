-- Whether more than half of the seats may state a larger head of a forked log, of another branch than the one held here.
ALTER TABLE forks ADD COLUMN is_elsewhere INTEGER NOT NULL DEFAULT 0;

-- Another branch of a forked log, from its beginning in common on, while it is fetched beside the one held. Nothing of it
-- counts, is shown or is served.
CREATE TABLE fetched_branches (
  log_no INTEGER PRIMARY KEY,
  -- The index of its first record here.
  first INTEGER NOT NULL,
  frontier BLOB NOT NULL,
  -- The identity bundle that came with it, if it is another one.
  identity BLOB
);

CREATE TABLE fetched_records (
  place INTEGER PRIMARY KEY,
  header BLOB NOT NULL,
  salt BLOB,
  payload BLOB,
  -- The erase record that was named for a payload that is missing.
  erase BLOB
);

-- Its roots at sizes that seats have stated.
CREATE TABLE fetched_heads (
  log_no INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  PRIMARY KEY (log_no, size)
) WITHOUT ROWID;
