-- Records about the region itself: votes for epochs, and vouches. Few.
CREATE TABLE statements (
  place INTEGER PRIMARY KEY
);

-- The newest affiliation of each community: where it is reached.
CREATE TABLE affiliations (
  community BLOB PRIMARY KEY,
  place INTEGER NOT NULL
) WITHOUT ROWID;
