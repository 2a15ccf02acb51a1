-- What the feed has told of a case is looked up whenever the case is folded.
CREATE INDEX items_by_case ON items (case_no);
