-- The tree under the newest checkpoint of our own log, while records beyond it wait to be signed.
ALTER TABLE logs ADD COLUMN signed_frontier BLOB;

-- Records of ours that were never signed and stood where peers hold others, in order: they are appended anew.
CREATE TABLE retracted (
  number INTEGER PRIMARY KEY,
  header BLOB NOT NULL,
  salt BLOB NOT NULL,
  payload BLOB NOT NULL
);
