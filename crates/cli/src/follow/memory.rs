//! What is remembered from one run to the next: whose feed it is, the key that was trusted, the place in the feed, and the
//! region with everybody who could show a newer epoch of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use record::CommunityId;
use runtime::{exit::Exit, files};
use serde::{Deserialize, Serialize};
use transport::PeerKey;

use super::{pin::Pin, region::KnownRegion};
use crate::Failure;

/// A file of this form has a few thousand bytes: up to 16 coordinators and three members.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The version of the form. Version 1 had no region.
const VERSION: u32 = 2;

/// The memory of one feed, in a file if one was given.
#[derive(Debug)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    pin: Option<Pin>,
    cursor: String,
    region: Option<KnownRegion>,
    is_saved: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    coordinator: String,
    transport_key: String,
    cursor: String,
    #[serde(default)]
    region: Option<KnownRegion>,
}

/// What a file holds.
type Kept = (Pin, String, Option<KnownRegion>);

impl Memory {
    /// Reads the file, if there is one.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let fresh =
            |path| Self { path, pin: None, cursor: String::new(), region: None, is_saved: true };
        let Some(path) = path else { return Ok(fresh(None)) };
        if path.to_str().is_some_and(|it| it.parse::<formats::cursor::Cursor>().is_ok()) {
            let detail = "--cursor takes the name of a file that remembers the place in the feed, and this is such a \
                          place itself. Nothing was read or written. Name a file; it is made if it is not there.";
            return Err(Failure::new(Exit::Usage, "cursor_file.malformed", detail));
        }
        let wrong = |what: String| {
            let detail = format!(
                "The cursor file {} cannot be used: {what}. It was left as it is. \
                 Name another file to begin anew.",
                path.display()
            );
            Failure::new(Exit::Config, "cursor_file.malformed", detail)
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(fresh(Some(path.to_owned())));
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let (pin, cursor, region) = parse(&text).map_err(wrong)?;
        Ok(Self { path: Some(path.to_owned()), pin: Some(pin), cursor, region, is_saved: true })
    }

    /// Whom the last run trusted.
    pub(super) const fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// The region as it was last known.
    pub(super) const fn region(&self) -> Option<&KnownRegion> {
        self.region.as_ref()
    }

    /// Remembers the region.
    pub(super) fn set_region(&mut self, region: KnownRegion) {
        if self.region.as_ref() != Some(&region) {
            self.region = Some(region);
            self.is_saved = false;
        }
    }

    /// Trusts nobody in particular: another coordinator is to be followed. The place is kept, as items keep their ids.
    pub(super) fn forget_pin(&mut self) {
        self.pin = None;
    }

    /// Where to go on: `fmc1…`, or empty for the beginning.
    pub(super) fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Whether something has yet to be written.
    pub(super) const fn is_saved(&self) -> bool {
        self.is_saved
    }

    /// Remembers whom to trust from now on.
    pub(super) fn set_pin(&mut self, pin: Pin) {
        if self.pin != Some(pin) {
            self.pin = Some(pin);
            self.is_saved = false;
        }
    }

    /// Remembers the place in the feed. What is no cursor is passed over: the next run could not begin there.
    pub(super) fn set_cursor(&mut self, cursor: String) {
        if self.cursor != cursor && cursor.parse::<formats::cursor::Cursor>().is_ok() {
            self.cursor = cursor;
            self.is_saved = false;
        }
    }

    /// Writes the file, whole or not at all, for the owner alone.
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        if let (Some(path), Some(pin), false) = (&self.path, &self.pin, self.is_saved) {
            let text = render(pin, &self.cursor, self.region.as_ref());
            files::write_private_file(path, text.as_bytes()).map_err(|error| {
                let detail = format!(
                    "The place in the feed could not be kept: {error} What was printed was real; \
                     the next run will repeat some of it."
                );
                Failure::new(Exit::Failed, "cursor_file.unwritable", detail)
            })?;
        }
        self.is_saved = true;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<String> {
    if MAX_FILE_BYTES < fs::metadata(path)?.len() {
        return Err(io::Error::other("it is far too large for one"));
    }
    fs::read_to_string(path)
}

fn parse(text: &str) -> Result<Kept, String> {
    let form: Form = serde_json::from_str(text)
        .map_err(|error| format!("it was not written by this command ({error})"))?;
    let Form { version, coordinator, transport_key, cursor, region } = form;
    if !(1..=VERSION).contains(&version) {
        return Err(format!("it is of version {version}, and this release reads {VERSION}"));
    }
    let coordinator: CommunityId =
        coordinator.parse().map_err(|error: record::ids::IdError| error.to_string())?;
    let key: PeerKey =
        transport_key.parse().map_err(|error: transport::NotAPeerKey| error.to_string())?;
    if !cursor.is_empty() {
        cursor
            .parse::<formats::cursor::Cursor>()
            .map_err(|error| format!("its cursor is none: {error}"))?;
    }
    Ok((Pin { coordinator, key }, cursor, region))
}

fn render(pin: &Pin, cursor: &str, region: Option<&KnownRegion>) -> String {
    let form = Form {
        version: VERSION,
        coordinator: pin.coordinator.to_string(),
        transport_key: pin.key.to_string(),
        cursor: cursor.to_owned(),
        region: region.cloned(),
    };
    // A struct of strings and numbers always has a JSON form.
    serde_json::to_string_pretty(&form).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use record::UnixMillis;

    use super::*;

    fn pin() -> Pin {
        Pin { coordinator: CommunityId::from_bytes([1; 32]), key: PeerKey([2; 32]) }
    }

    fn cursor() -> String {
        let (coordinator, instant) = (pin().coordinator, UnixMillis(5));
        formats::cursor::Cursor { coordinator, log_size: 7, instant }.to_string()
    }

    #[test]
    fn what_is_saved_is_read_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.json");
        let mut memory = Memory::open(Some(&path)).unwrap();
        assert_eq!((memory.pin(), memory.cursor()), (None, ""));
        memory.set_pin(pin());
        memory.set_cursor(cursor());
        assert!(!memory.is_saved());
        memory.save().unwrap();
        assert!(memory.is_saved());

        let memory = Memory::open(Some(&path)).unwrap();
        assert_eq!((memory.pin(), memory.cursor()), (Some(&pin()), cursor().as_str()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_the_first_version_is_read_without_a_region() {
        let first = render(&pin(), &cursor(), None).replace("\"version\": 2", "\"version\": 1");
        let first = first.replace(",\n  \"region\": null", "");
        assert!(!first.contains("region"), "{first}");
        assert_eq!(parse(&first), Ok((pin(), cursor(), None)));
    }

    #[test]
    fn a_place_that_is_none_does_not_replace_one_that_is() {
        let mut memory = Memory::open(None).unwrap();
        memory.set_cursor(cursor());
        for wrong in ["", "fmc1x"] {
            memory.set_cursor(wrong.to_owned());
            assert_eq!(memory.cursor(), cursor());
        }
    }

    #[test]
    fn without_a_file_nothing_is_written() {
        let mut memory = Memory::open(None).unwrap();
        memory.set_pin(pin());
        assert_eq!(memory.save(), Ok(()));
    }

    #[test]
    fn a_file_of_another_form_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.json");
        let right = render(&pin(), &cursor(), None);
        let wrong = [
            String::new(),
            right.replace("\"version\": 2", "\"version\": 3"),
            right.replace("fm1", "fm2"),
            right.replace("0202", "02"),
            right.replace("fmc1", "fmc2"),
            right.replace("cursor", "curser"),
        ];
        assert!(parse(&right).is_ok());
        for wrong in wrong {
            fs::write(&path, &wrong).unwrap();
            let failure = Memory::open(Some(&path)).unwrap_err();
            assert_eq!(failure.exit(), Exit::Config, "{wrong}");
            assert_eq!(fs::read_to_string(&path).unwrap(), wrong);
        }
    }

    #[test]
    fn a_place_is_not_taken_for_the_name_of_a_file() {
        let failure = Memory::open(Some(Path::new(&cursor()))).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(Memory::open(Some(Path::new("fmc1region.json"))).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_with_what_is_safe() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(Some(&folder.path().join("none/region.json"))).unwrap();
        memory.set_pin(pin());
        let told = memory.save().unwrap_err().to_string();
        assert!(told.contains("What was printed was real"), "{told}");
    }
}
