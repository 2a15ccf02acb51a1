-- How the tree of all records held leads to the pending checkpoint: hashes of a consistency proof, one after the other.
ALTER TABLE logs ADD COLUMN pending_proof BLOB;
-- The largest head that our witness key has cosigned, and its size. It may be ahead of the records held.
ALTER TABLE logs ADD COLUMN witnessed BLOB;
ALTER TABLE logs ADD COLUMN witnessed_size INTEGER;
-- The largest checkpoint that more than half of the seats have cosigned, and its size.
ALTER TABLE logs ADD COLUMN cosigned BLOB;
ALTER TABLE logs ADD COLUMN cosigned_size INTEGER;

-- The heads that seated coordinators and witnesses state, in their own logs, that they hold or have cosigned. A log may
-- be named here before it is known.
CREATE TABLE stated_heads (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  seat BLOB NOT NULL,
  PRIMARY KEY (community, era, size, root, seat)
) WITHOUT ROWID;

-- Records of evidence about a log, which may not be known yet. What proves nothing under any identity is not kept, and
-- of what proves the same only one.
CREATE TABLE accusations (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  -- The record of evidence.
  place INTEGER NOT NULL,
  -- 0 not verified under the identity that is known; 1 not proved by it; 2 holds; 3 holds until a quorum has stated a
  -- head that covers the rotation; 4 of an era that has ended.
  standing INTEGER NOT NULL DEFAULT 0,
  rotation_index INTEGER,
  PRIMARY KEY (community, era, place)
) WITHOUT ROWID;

-- Logs that forked. Records from frozen_size on do not count.
CREATE TABLE forks (
  community BLOB NOT NULL,
  era INTEGER NOT NULL,
  frozen_size INTEGER NOT NULL,
  -- A record of evidence.
  place INTEGER NOT NULL,
  PRIMARY KEY (community, era)
) WITHOUT ROWID;
