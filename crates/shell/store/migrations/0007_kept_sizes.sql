-- How many records the officers kept of an era that has ended; NULL for one that has not. What stands behind counts for
-- nothing.
ALTER TABLE logs ADD COLUMN kept_size INTEGER;

-- What erase records behind a kept size name: they drop nothing, and explain a payload that came missing.
CREATE TABLE void_erasures (
  place INTEGER NOT NULL,
  erase BLOB NOT NULL,
  erase_place INTEGER NOT NULL,
  PRIMARY KEY (place, erase)
) WITHOUT ROWID;
