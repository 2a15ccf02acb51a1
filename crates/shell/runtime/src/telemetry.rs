//! Logs to standard error, and metrics for whoever asks.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter};

use crate::{process, stop::StopSignal};

/// Histograms gather raw readings until somebody folds them: every 5 s, as the exporter's own
/// server would.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line, for programs.
    Json,
}

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is not of the form `info,transport=debug`.
    #[error(
        "The log filter `{filter}` cannot be read. \
         Write for example `info` or `warn,transport=debug`."
    )]
    BadFilter {
        /// The filter as given.
        filter: String,
        /// Where it goes wrong.
        source: ParseError,
    },
    /// A process has one log; it was set up before.
    #[error("The log was already set up.")]
    LogAlreadySetUp,
    /// A process has one recorder of metrics; it was set up before.
    #[error("The metrics were already set up.")]
    MetricsAlreadySetUp {
        /// What the recorder said.
        source: BuildError,
    },
}

/// Sends the process's log to standard error, from now on and once for all.
///
/// # Errors
///
/// [`TelemetryError::BadFilter`] if `filter` is no filter; [`TelemetryError::LogAlreadySetUp`] on
/// a second call, which changes nothing.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let has_colours = std::io::stderr().is_terminal();
    let subscriber = subscriber(format, filter, std::io::stderr, has_colours)?;
    // The only failure is that there is one already.
    tracing::subscriber::set_global_default(subscriber).or(Err(TelemetryError::LogAlreadySetUp))
}

/// Whether a filter can be read.
///
/// # Errors
///
/// [`TelemetryError::BadFilter`] if `filter` is no filter.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    read_filter(filter).map(drop)
}

fn read_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let read = EnvFilter::builder().parse(filter);
    read.map_err(|source| TelemetryError::BadFilter { filter: filter.to_owned(), source })
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
    has_colours: bool,
) -> Result<Arc<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = read_filter(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        LogFormat::Human => Arc::new(builder.with_ansi(has_colours).finish()),
        LogFormat::Json => Arc::new(builder.json().flatten_event(true).finish()),
    })
}

/// The process's metrics, in the text format of Prometheus. Clones show the same metrics.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts recording, for the whole process.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::MetricsAlreadySetUp`] on a second call.
    pub fn install() -> Result<Self, TelemetryError> {
        let handle = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|source| TelemetryError::MetricsAlreadySetUp { source })?;
        process::describe();
        Ok(Self(handle))
    }

    /// Everything recorded so far, with the process's own memory, processor time and open files
    /// read afresh.
    #[must_use]
    pub fn render(&self) -> String {
        process::record();
        self.0.render()
    }

    /// Keeps memory bounded while nobody asks, until the stop. Run it as a task.
    pub async fn upkeep(self, stop: StopSignal) {
        let mut turns = tokio::time::interval(UPKEEP_EVERY);
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                _ = turns.tick() => self.0.run_upkeep(),
            }
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// What `work` logs on this thread.
#[cfg(test)]
pub(crate) fn captured(work: impl FnOnce()) -> String {
    tests::captured_as(LogFormat::Human, "trace", work)
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use super::*;

    #[test]
    fn human_lines_show_level_target_and_fields() {
        let line = captured_as(LogFormat::Human, "info", || {
            tracing::info!(n = 3, "records arrived");
        });

        assert!(line.contains(" INFO runtime::telemetry::tests: records arrived n=3"), "{line}");
        assert!(!line.contains('\u{1b}'), "no colours outside a terminal: {line}");
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let lines = captured_as(LogFormat::Json, "info", || {
            tracing::info!(n = 3, "records arrived");
            tracing::warn!("late");
        });

        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["message"], &lines[0]["n"]), (&"records arrived".into(), &3.into()));
        assert_eq!(lines[1]["level"], "WARN");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let log = captured_as(LogFormat::Human, "warn,shown=info", || {
            tracing::info!("left out");
            tracing::info!(target: "shown", "kept");
        });

        assert!(!log.contains("left out") && log.contains("kept"), "{log}");
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = init(LogFormat::Human, "info,,=loud").expect_err("no filter");

        assert!(matches!(error, TelemetryError::BadFilter { .. }), "{error:?}");
        assert!(error.to_string().contains("`info,,=loud`"), "{error}");
    }

    #[test]
    fn a_second_log_is_refused() {
        init(LogFormat::Human, "error").expect("the first");

        assert!(matches!(init(LogFormat::Json, "error"), Err(TelemetryError::LogAlreadySetUp)));
    }

    #[test]
    fn metrics_are_rendered_with_those_of_the_process_and_set_up_once() {
        let metrics = Metrics::install().expect("the first");
        metrics::counter!("folkmoot_test_records_total").increment(2);

        let text = metrics.render();

        assert!(text.contains("folkmoot_test_records_total 2"), "{text}");
        for name in ["resident_memory_bytes", "cpu_seconds_total", "open_fds"] {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{name} is missing in {text}");
        }
        assert!(matches!(Metrics::install(), Err(TelemetryError::MetricsAlreadySetUp { .. })));
    }

    #[tokio::test]
    async fn the_upkeep_ends_with_the_stop() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let stop = StopSignal::new();
        let upkeep = tokio::spawn(Metrics(recorder.handle()).upkeep(stop.clone()));

        stop.stop();

        upkeep.await.expect("no panic");
    }

    pub(super) fn captured_as(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
        let written = Written::default();
        let sink = written.clone();
        let subscriber =
            subscriber(format, filter, move || sink.clone(), false).expect("a good filter");
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().expect("no other thread").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no other thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
