-- How many records the officers kept of an era that has ended; NULL for one that has not. What stands behind counts for
-- nothing.
ALTER TABLE logs ADD COLUMN kept_size INTEGER;
