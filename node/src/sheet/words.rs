//! What a sheet says, in English and in Welsh.

use record::identity::PaperRole;

use super::SheetKey;

/// A language of the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Welsh,
}

/// A heading and what stands below it.
pub(super) struct Wording {
    pub(super) heading: &'static str,
    pub(super) paragraphs: Vec<String>,
}

/// What a secret key is called, in both languages.
pub(super) const fn key_title(role: PaperRole) -> &'static str {
    match role {
        PaperRole::Officer => "Officer's key / Allwedd swyddog",
        PaperRole::Spare => "Spare key / Allwedd sbâr",
    }
}

impl Wording {
    /// What to do after a loss; on an officer's own sheet, how to keep it.
    pub(super) fn of(language: Language, (threshold, _): (u32, usize), keys: &[SheetKey]) -> Self {
        match language {
            Language::English => Self::english(threshold, keys),
            Language::Welsh => Self::welsh(threshold, keys),
        }
    }

    fn english(threshold: u32, keys: &[SheetKey]) -> Self {
        let mut paragraphs = Vec::new();
        if !keys.is_empty() {
            paragraphs.push(
                "SECRET. Keep this sheet where only you can reach it, and not beside the computer. Never photograph it \
                 with a telephone that keeps copies elsewhere. Who has it can sign in your name."
                    .to_owned(),
            );
        }
        paragraphs.extend([
            "1. If the computer is lost, stolen or broken: nothing that was published is lost. The places above hold a \
             copy of the log. Ballots and the list of members are only in your own backups."
                .to_owned(),
            format!(
                "2. Tell the officers. {threshold} of them must sign, on any computer, each with the officer's key."
            ),
            "3. On a new computer: folkmoot-node recover --dir NEW-FOLDER --charter charter.toml --community followed by \
             the id above. It fetches the log, asks how much of it to keep, and says what officers sign."
                .to_owned(),
            "4. Officers sign with: folkmoot-node officer sign action.toml --paper, and type the groups of their key."
                .to_owned(),
            "5. If an officer's key was seen by others: change officers at once, with spare keys: folkmoot-node officers \
             change. The old keys are then worth nothing."
                .to_owned(),
        ]);
        Self { heading: "What to do after a loss", paragraphs }
    }

    fn welsh(threshold: u32, keys: &[SheetKey]) -> Self {
        let mut paragraphs = Vec::new();
        if !keys.is_empty() {
            paragraphs.push(
                "CYFRINACHOL. Cadwch y daflen hon lle na all neb ond chi ei chyrraedd, ac nid wrth ymyl y cyfrifiadur. \
                 Peidiwch â thynnu ei llun â ffôn sy'n cadw copïau mewn lle arall. Gall pwy bynnag sydd â hi lofnodi yn \
                 eich enw chi."
                    .to_owned(),
            );
        }
        paragraphs.extend([
            "1. Os caiff y cyfrifiadur ei golli, ei ddwyn neu ei dorri: ni chollir dim a gyhoeddwyd. Mae copi o'r log gan y \
             lleoedd uchod. Dim ond yn eich copïau wrth gefn eich hun y mae'r pleidleisiau a'r rhestr aelodau."
                .to_owned(),
            format!(
                "2. Rhowch wybod i'r swyddogion. Rhaid i {threshold} ohonynt lofnodi, ar unrhyw gyfrifiadur, pob un â'i \
                 allwedd swyddog."
            ),
            "3. Ar gyfrifiadur newydd: folkmoot-node recover --dir FFOLDER-NEWYDD --charter charter.toml --community, ac \
             yna'r rhif adnabod uchod. Bydd yn nôl y log, yn gofyn faint ohono i'w gadw, ac yn dweud beth i'w lofnodi."
                .to_owned(),
            "4. Bydd y swyddogion yn llofnodi â: folkmoot-node officer sign action.toml --paper, gan deipio grwpiau eu \
             hallwedd."
                .to_owned(),
            "5. Os gwelodd eraill allwedd swyddog: newidiwch y swyddogion ar unwaith, â'r allweddi sbâr: folkmoot-node \
             officers change. Ni fydd yr hen allweddi yn werth dim wedyn."
                .to_owned(),
        ]);
        Self { heading: "Beth i'w wneud ar ôl colled", paragraphs }
    }
}
