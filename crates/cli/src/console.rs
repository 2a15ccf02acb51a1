//! Where answers and remarks go: answers to standard output, remarks to standard error.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::failure::Failure;

/// Two streams. Shared by reference; each line is written whole.
pub struct Console {
    answers: Mutex<Box<dyn Write + Send>>,
    remarks: Mutex<Box<dyn Write + Send>>,
    /// Whether a person watches the remarks.
    is_watched: bool,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("is_watched", &self.is_watched).finish_non_exhaustive()
    }
}

/// What a console was told, kept in memory for tests.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    answers: Shared,
    remarks: Shared,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Console {
    /// The console of the process.
    #[must_use]
    pub fn system() -> Self {
        Self {
            answers: Mutex::new(Box::new(io::stdout())),
            remarks: Mutex::new(Box::new(io::stderr())),
            is_watched: io::stderr().is_terminal(),
        }
    }

    /// A console that keeps what it is told.
    #[must_use]
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        let console = Self {
            answers: Mutex::new(Box::new(captured.answers.clone())),
            remarks: Mutex::new(Box::new(captured.remarks.clone())),
            is_watched: false,
        };
        (console, captured)
    }

    /// Writes an answer and a line feed, at once.
    ///
    /// # Errors
    ///
    /// [`Failure`] if nobody can read it; a reader that has gone away is no fault of ours.
    pub fn answer(&self, text: &str) -> Result<(), Failure> {
        let mut answers = locked(&self.answers);
        let written = writeln!(answers, "{text}").and_then(|()| answers.flush());
        written.map_err(|error| Failure::output(&error))
    }

    /// Writes an answer as one line of JSON.
    ///
    /// # Errors
    ///
    /// As [`Console::answer`].
    pub fn answer_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::output(&error.into()))?;
        self.answer(&text)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`Console::answer`].
    pub fn answer_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut answers = locked(&self.answers);
        let written = answers.write_all(bytes).and_then(|()| answers.flush());
        written.map_err(|error| Failure::output(&error))
    }

    /// Tells a person something beside the answer. Where nobody listens, nothing is lost.
    pub fn remark(&self, text: &str) {
        let _ = writeln!(locked(&self.remarks), "{text}");
    }

    /// Tells a person who is watching how far a long task is; nothing is written to files and pipes.
    pub fn progress(&self, text: &str) {
        if self.is_watched {
            self.remark(text);
        }
    }
}

impl Captured {
    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> String {
        self.answers.text()
    }

    /// The remarks so far.
    #[must_use]
    pub fn remarks(&self) -> String {
        self.remarks.text()
    }
}

impl Shared {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line half written by a thread that panicked is still the stream.
fn locked(stream: &Mutex<Box<dyn Write + Send>>) -> MutexGuard<'_, Box<dyn Write + Send>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Text from outside for a terminal: control characters, which could move the cursor or change colours, and marks that
/// turn the direction of writing, are shown as a replacement character.
#[must_use]
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |it: char| {
        !it.is_control() && !matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|it| if is_plain(it) { it } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_remarks_do_not_mix() {
        let (console, captured) = Console::captured();
        console.answer("yes").unwrap();
        console.remark("beside it");
        console.progress("nobody watches");
        assert_eq!(
            (captured.answers(), captured.remarks()),
            ("yes\n".into(), "beside it\n".into())
        );
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("Pwllheli — ŵ\u{1b}[2J\n\u{202e}x"), "Pwllheli — ŵ�[2J��x");
    }
}
