//! A file of notices that is to be imported, read by whoever names it: a command line, not the node.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use formats::ocds::import::FileRefusal;
use record::limits::MAX_IMPORT_FILE_BYTES;
use serde_json::{Value, json};

/// The bytes of a file, all of them, unless it is larger than an import reads; that is found out before reading.
///
/// # Errors
///
/// [`FileRefusal::Unreadable`] or [`FileRefusal::TooLarge`], with the file as it is named here.
pub fn read(path: &Path) -> Result<Vec<u8>, FileRefusal> {
    let named = || path.display().to_string();
    let unreadable =
        |error: io::Error| FileRefusal::Unreadable { file: named(), cause: error.to_string() };
    let too_large = |found_bytes| FileRefusal::TooLarge { file: named(), found_bytes };
    let file = File::open(path).map_err(unreadable)?;
    let n_bytes = file.metadata().map_err(unreadable)?.len();
    if MAX_IMPORT_FILE_BYTES < n_bytes {
        return Err(too_large(n_bytes));
    }
    // A file may grow, and a pipe has no size.
    let mut bytes = Vec::new();
    file.take(MAX_IMPORT_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let n_read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if MAX_IMPORT_FILE_BYTES < n_read { Err(too_large(n_read)) } else { Ok(bytes) }
}

/// The report on a file of which nothing was imported.
pub(crate) fn report_refusal(file: &str, refusal: &FileRefusal) -> Value {
    json!({
        "file": file,
        "releases": 0,
        "accepted": 0,
        "already_held": 0,
        "quarantined": [],
        "refused": { "reason": refusal.reason(), "detail": refusal.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_is_read_and_a_byte_more_is_refused_with_size_and_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.json");
        // A file with a hole: it takes no room on the disk.
        let file = File::create(&path).unwrap();
        file.set_len(MAX_IMPORT_FILE_BYTES).unwrap();
        assert_eq!(u64::try_from(read(&path).unwrap().len()).unwrap(), MAX_IMPORT_FILE_BYTES);
        file.set_len(MAX_IMPORT_FILE_BYTES + 1).unwrap();
        let refusal = read(&path).unwrap_err();
        assert_eq!(refusal.reason(), "import.file_too_large");
        let told =
            format!("{} has 67108865 bytes; an import reads at most 67108864", path.display());
        assert_eq!(refusal.to_string(), told);
    }

    #[test]
    fn a_file_that_is_not_there_and_a_folder_are_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("none.json"), folder.path().to_owned()] {
            let refusal = read(&path).unwrap_err();
            assert_eq!(refusal.reason(), "import.unreadable");
            assert!(refusal.to_string().starts_with(&path.display().to_string()), "{refusal}");
        }
    }
}
