-- Payloads that their authors had erased, by the place of the record that lost its own.
CREATE TABLE erasures (
  place INTEGER PRIMARY KEY,
  -- The place and the id of the record that erased it.
  erase_place INTEGER NOT NULL,
  erase BLOB NOT NULL
);
CREATE INDEX erasures_by_erase_place ON erasures (erase_place);

-- Who says to have followed which erase record.
CREATE TABLE erased_by (
  erase BLOB NOT NULL,
  community BLOB NOT NULL,
  PRIMARY KEY (erase, community)
) WITHOUT ROWID;

-- Records that came without their payload, with the erase record that was named for it.
CREATE TABLE missing (
  place INTEGER PRIMARY KEY,
  erase BLOB NOT NULL
);
