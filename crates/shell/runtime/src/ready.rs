//! How a process and the one that started it keep in touch: a ready line on standard output, and
//! the end of standard input when the parent is gone.

use std::{
    fmt,
    future::Future,
    io::{self, Read, Write},
};

use serde_json::{Map, Value};
use tokio::sync::oneshot;

/// One JSON line that says that a process is ready and where it listens, such as
/// `{"grpc":"127.0.0.1:1234","ready":true}`. Ports are only known then, because tests and demos
/// ask for port 0.
#[derive(Debug, Clone)]
pub struct ReadyLine(Map<String, Value>);

impl Default for ReadyLine {
    fn default() -> Self {
        Self::new()
    }
}

impl ReadyLine {
    /// A line that says only that the process is ready.
    #[must_use]
    pub fn new() -> Self {
        Self(Map::from_iter([("ready".to_owned(), Value::Bool(true))]))
    }

    /// Adds where something is, as text.
    #[must_use]
    pub fn with(mut self, name: &str, place: impl fmt::Display) -> Self {
        self.0.insert(name.to_owned(), Value::String(place.to_string()));
        self
    }

    /// Prints the line on standard output and flushes it.
    ///
    /// # Errors
    ///
    /// The system's, if standard output is closed.
    pub fn print(&self) -> io::Result<()> {
        self.write_to(&mut io::stdout().lock())
    }

    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(&self.0)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }
}

/// Completes when standard input ends, as it does when the parent that holds the other end of the
/// pipe ends in whatever way. Anything that comes in before is thrown away.
///
/// Only for programs that read nothing else from standard input.
pub fn parent_gone() -> impl Future<Output = ()> + Send + 'static {
    ended(io::stdin())
}

/// Reads on a thread of its own: tokio's blocking threads would hold up the runtime's end until
/// the read returns, which may be never.
fn ended(mut input: impl Read + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read is as good as ended.
        let _ = io::copy(&mut input, &mut io::sink());
        let _ = tell.send(());
    });
    async {
        // An error means that the thread is gone, and with it the input.
        let _ = told.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_is_one_line_of_json() {
        let grpc: std::net::SocketAddr = "127.0.0.1:1234".parse().expect("an address");
        let line = ReadyLine::new().with("http", "http://127.0.0.1:80").with("grpc", grpc);

        let mut written = Vec::new();
        line.write_to(&mut written).expect("written");

        let text = String::from_utf8(written).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with('\n'));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["ready"], true);
        assert_eq!(read["grpc"], "127.0.0.1:1234");
        assert_eq!(read["http"], "http://127.0.0.1:80");
    }

    #[tokio::test]
    async fn the_parents_end_is_noticed_and_what_it_wrote_is_ignored() {
        let (input, mut parent) = io::pipe().expect("a pipe");
        let gone = tokio::spawn(ended(input));
        parent.write_all(b"hello\n").expect("written");
        assert!(!gone.is_finished());

        drop(parent);

        gone.await.expect("no panic");
    }
}
