//! The words of cases: what the opening record's text or notice says, read anew each time, because words may be erased.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use formats::ocds::import::wordings_of;
use record::{
    Payload, RecordId,
    payload::words::{Language, Wording},
};
use store::{Store, StoreError};

/// Cases whose opening references are remembered: 65,536 × at most 16 ids of 32 bytes is 32 MiB, and usually 4.
const MAX_REMEMBERED_CASES: usize = 65_536;

/// What is said about a case, in the order of its author's languages. Empty once erased, or if nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words(Vec<Wording>);

impl Words {
    /// The title in each language.
    pub(crate) fn titles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|it| (it.language.as_str(), it.title.as_str()))
    }

    /// The English wording, or else the first.
    pub(crate) fn preferred(&self) -> Option<&Wording> {
        let english = Language::english();
        self.0.iter().find(|it| it.language == english).or_else(|| self.0.first())
    }

    /// The preferred title; empty if there is none.
    pub(crate) fn title(&self) -> &str {
        self.preferred().map_or("", |it| it.title.as_str())
    }

    /// What the payload of a record says, if it is a record of words.
    pub(crate) fn of_payload(payload: Payload) -> Self {
        Self(wordings_of(payload).unwrap_or_default())
    }
}

/// Finds the words of cases. Remembers only what cannot change: which records an opening refers to.
#[derive(Debug, Clone)]
pub(crate) struct WordFinder {
    store: Store,
    references: Arc<Mutex<BTreeMap<RecordId, Arc<[RecordId]>>>>,
}

impl WordFinder {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, references: Arc::default() }
    }

    /// The words of a case.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn of_case(&self, case: RecordId) -> Result<Words, StoreError> {
        let references = self.references_of(case).await?;
        self.of_references(&references).await
    }

    /// The words that these references lead to: those of a text before those of a notice.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn of_references(&self, references: &[RecordId]) -> Result<Words, StoreError> {
        let mut noticed = Words::default();
        for id in references {
            let Some(row) = self.store.words(*id).await? else { continue };
            match row.record.payload() {
                Some(text @ Payload::Text(_)) => return Ok(Words::of_payload(text)),
                Some(other) => noticed = Words::of_payload(other),
                None => {}
            }
        }
        Ok(noticed)
    }

    async fn references_of(&self, case: RecordId) -> Result<Arc<[RecordId]>, StoreError> {
        // A panic while this is held cannot leave the map half-changed.
        let known =
            self.references.lock().unwrap_or_else(PoisonError::into_inner).get(&case).cloned();
        if let Some(references) = known {
            return Ok(references);
        }
        let Some(row) = self.store.case(case).await? else { return Ok(Arc::default()) };
        let records = self.store.case_records(row.case_no).await?;
        let opening = records.iter().map(|it| &it.record).find(|it| it.id() == case);
        let references: Arc<[RecordId]> = match opening {
            Some(record) => record.header()?.references.into(),
            None => return Ok(Arc::default()),
        };
        let mut all = self.references.lock().unwrap_or_else(PoisonError::into_inner);
        if MAX_REMEMBERED_CASES <= all.len() {
            all.clear();
        }
        all.insert(case, Arc::clone(&references));
        Ok(references)
    }
}

#[cfg(test)]
mod tests {
    use record::payload::{Notice, Text};

    use super::*;

    fn wording(language: &str, title: &str) -> Wording {
        Wording {
            language: Language::parse(language).unwrap(),
            title: title.to_owned(),
            text: String::new(),
            labels: Vec::new(),
        }
    }

    fn notice(json: &str) -> Words {
        Words::of_payload(Payload::Notice(Notice { release_json: json.as_bytes().to_vec() }))
    }

    #[test]
    fn english_is_preferred_and_else_the_first_language() {
        let text = |wordings| Words::of_payload(Payload::Text(Text { wordings }));
        assert_eq!(text(vec![wording("cy", "Pyllau"), wording("en", "Baths")]).title(), "Baths");
        assert_eq!(text(vec![wording("cy", "Pyllau")]).title(), "Pyllau");
        assert_eq!(text(vec![]).title(), "");
    }

    #[test]
    fn a_notice_is_named_by_its_tender_and_else_by_its_ocid() {
        let both =
            notice(r#"{"ocid":"o","language":"cy","tender":{"title":" Roof\n\u0007works "}}"#);
        assert_eq!(both.titles().collect::<Vec<_>>(), [("cy", "Roof works")]);
        assert_eq!(notice(r#"{"ocid":"o"}"#).title(), "o");
        assert_eq!(notice("no JSON"), Words::default());
    }
}
