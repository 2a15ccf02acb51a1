use std::net::SocketAddr;

use serde::Deserialize;

use super::*;
use crate::{
    address::{ListenAddress, PlainAddress},
    telemetry::LogFormat,
};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    listen: SocketAddr,
    name: String,
    peers: Vec<SocketAddr>,
    n_workers: Option<u16>,
    log: Log,
    store: Store,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Log {
    format: LogFormat,
    filter: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Store {
    #[default]
    Memory,
    Sqlite {
        path: PathBuf,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            name: "nameless".to_owned(),
            peers: Vec::new(),
            n_workers: None,
            log: Log::default(),
            store: Store::default(),
        }
    }
}

const FILE: &str = "\
# A node's settings.
name = \"harbour\"
peers = [
  \"192.0.2.1:1\",
  \"192.0.2.2:2\",
]
n_workers = 0x10

[log]
format = \"json\"

[store.sqlite]
path = \"log.sqlite\"
";

#[test]
fn a_file_is_read_and_what_it_leaves_out_has_its_default() {
    let settings = loaded(FILE, &[]).expect("good settings");

    assert_eq!(settings.name, "harbour");
    assert_eq!(settings.peers.len(), 2);
    assert_eq!(settings.n_workers, Some(16));
    assert_eq!(settings.log, Log { format: LogFormat::Json, filter: String::new() });
    assert_eq!(settings.store, Store::Sqlite { path: "log.sqlite".into() });
    assert_eq!(settings.listen, Settings::default().listen);
}

#[test]
fn without_a_file_and_an_environment_there_are_the_defaults() {
    let settings: Settings = load(None, "FOLKMOOT_NODE", []).expect("defaults");

    assert_eq!(settings, Settings::default());
}

#[test]
fn the_environment_stands_above_the_file_at_every_level() {
    let environment = [
        ("FOLKMOOT_NODE__LISTEN", "127.0.0.1:1"),
        ("FOLKMOOT_NODE__LOG__FORMAT", "human"),
        ("FOLKMOOT_NODE__N_WORKERS", "3"),
        ("FOLKMOOT_NODE__PEERS", "[\"192.0.2.9:9\"]"),
        ("FOLKMOOT_NODE__STORE", "memory"),
    ];

    let settings = loaded(FILE, &environment).expect("good settings");

    assert_eq!(settings.name, "harbour", "the file still counts where nothing stands above it");
    assert_eq!(settings.listen, SocketAddr::from(([127, 0, 0, 1], 1)));
    assert_eq!(settings.log.format, LogFormat::Human);
    assert_eq!(settings.n_workers, Some(3));
    assert_eq!(settings.peers, [SocketAddr::from(([192, 0, 2, 9], 9))]);
    assert_eq!(settings.store, Store::Memory);
}

#[test]
fn a_value_from_the_environment_is_text_where_text_is_wanted() {
    for (value, name) in
        [("12", "12"), ("true", "true"), ("\"a b\"", "a b"), ("", ""), ("a b", "a b")]
    {
        let settings = loaded("", &[("FOLKMOOT_NODE__NAME", value)]).expect("good settings");
        assert_eq!(settings.name, name);
    }
}

#[test]
fn a_table_and_a_key_in_it_may_both_come_from_the_environment() {
    let environment =
        [("FOLKMOOT_NODE__LOG__FILTER", "debug"), ("FOLKMOOT_NODE__LOG", "{ format = \"json\" }")];

    let settings = loaded("", &environment).expect("good settings");

    assert_eq!(settings.log, Log { format: LogFormat::Json, filter: "debug".to_owned() });
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_the_nearest_right_one() {
    let error = refused("name = \"a\"\n\nlisen = \"x\"\n", &[]);

    assert_eq!(
        error,
        "Unknown key `lisen` in folkmoot.toml, line 3. Did you mean `listen`? \
         Known keys: `listen`, `name`, `peers`, `n_workers`, `log`, `store`."
    );
}

#[test]
fn an_unknown_key_of_a_table_is_shown_with_the_tables_name() {
    let error = refused("[log]\ncolour = true\n", &[]);

    assert_eq!(
        error,
        "Unknown key `log.colour` in folkmoot.toml, line 2. Known keys: `format`, `filter`."
    );
}

#[test]
fn an_unknown_key_in_the_environment_is_an_error_with_the_variables_name() {
    let error = refused(FILE, &[("FOLKMOOT_NODE__LOG__FORMT", "json")]);

    assert_eq!(
        error,
        "Unknown key `log.formt` in the environment variable FOLKMOOT_NODE__LOG__FORMT. \
         Did you mean `format`? Known keys: `format`, `filter`."
    );
}

#[test]
fn one_underscore_before_a_known_key_is_an_error_that_says_so() {
    for (variable, meant) in [
        ("FOLKMOOT_NODE_LISTEN", "FOLKMOOT_NODE__LISTEN"),
        ("FOLKMOOT_NODE_LOG__FORMAT", "FOLKMOOT_NODE__LOG__FORMAT"),
    ] {
        let error = refused("", &[(variable, "x")]);
        assert!(error.starts_with(&format!("The environment variable {variable} sets nothing.")));
        assert!(error.contains(meant), "{error}");
    }
}

#[test]
fn what_kubernetes_and_other_programs_set_is_left_alone() {
    let environment = [
        ("FOLKMOOT_NODE_SERVICE_HOST", "10.0.0.1"),
        ("FOLKMOOT_NODE_PORT", "tcp://10.0.0.1:8443"),
        ("FOLKMOOT_NODE_PORT_8443_TCP_ADDR", "10.0.0.1"),
        ("FOLKMOOT_NODES__LISTEN", "another program's"),
        ("PATH", "/bin"),
    ];

    assert_eq!(loaded("", &environment).expect("defaults"), Settings::default());
}

#[test]
fn a_word_that_is_none_of_the_allowed_ones_is_told_with_the_nearest() {
    let error = refused("[log]\nformat = \"jsn\"\n", &[]);

    assert_eq!(
        error,
        "`jsn` is no value of `log.format` in folkmoot.toml, line 2. Did you mean `json`? \
         It may be: `human`, `json`."
    );
}

#[test]
fn a_wrong_value_is_told_with_its_key_and_place() {
    let in_file = refused("n_workers = 70000\n", &[]);
    let in_list = refused("peers = [\n \"192.0.2.1:1\",\n \"nowhere\"]\n", &[]);
    let in_environment = refused("", &[("FOLKMOOT_NODE__N_WORKERS", "many")]);

    assert_eq!(
        in_file,
        "`n_workers` is wrong in folkmoot.toml, line 1: \
         invalid value: integer `70000`, expected u16."
    );
    assert!(in_list.starts_with("`peers[1]` is wrong in folkmoot.toml, line 3: "), "{in_list}");
    assert_eq!(
        in_environment,
        "`n_workers` is wrong in the environment variable FOLKMOOT_NODE__N_WORKERS: \
         invalid type: string \"many\", expected u16."
    );
}

#[test]
fn an_address_that_cannot_be_listened_on_is_told_with_its_key_place_and_form() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Ports {
        listen: ListenAddress,
        plain: Option<PlainAddress>,
    }
    let told = |plain: &str| {
        let variables = [("P__LISTEN", "0.0.0.0:7443"), ("P__PLAIN", plain)];
        load::<Ports>(None, "P", variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    };

    let refused = told("0.0.0.0:8080").expect_err("anybody could read it").to_string();
    let option = from_option::<ListenAddress>("listen", "--listen", "nonsense");

    assert!(told("127.0.0.1:8080").is_ok());
    assert_eq!(
        refused,
        "`plain` is wrong in the environment variable P__PLAIN: `0.0.0.0:8080` may be reached from \
         other machines, and this port has no encryption; expected an address of this machine \
         only, such as 127.0.0.1:8080."
    );
    assert_eq!(
        option.expect_err("no address").to_string(),
        "`listen` is wrong in the option --listen: `nonsense` has no port; expected host:port, \
         such as 0.0.0.0:7443 (port 0 takes a free one)."
    );
}

#[test]
fn a_setting_without_a_default_must_be_set() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Strict {
        store: Inner,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Inner {
        path: PathBuf,
    }
    let environment = [("P__STORE".to_owned(), "{}".to_owned())];

    let outer = load::<Strict>(None, "P", []).expect_err("no store").to_string();
    let inner = load::<Strict>(None, "P", environment).expect_err("no path").to_string();

    assert_eq!(outer, "`store` is not set. Set it in the configuration file, or as P__STORE.");
    assert_eq!(
        inner,
        "`store.path` is not set. Set it in the configuration file, or as P__STORE__PATH."
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let error = refused("name = \"a\"\nlisten = \n", &[]);

    assert!(
        error.starts_with("The configuration cannot be read in folkmoot.toml, line 2: "),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load::<Settings>(Some(Path::new("/nowhere/folkmoot.toml")), "P", []);

    let error = error.expect_err("no file").to_string();
    assert_eq!(error, "Could not read the configuration file /nowhere/folkmoot.toml.");
}

fn loaded(text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("folkmoot.toml");
    fs::write(&path, text).expect("written");
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(&path), "FOLKMOOT_NODE", environment)
}

/// The error's sentence, without the folder that the test made up.
fn refused(text: &str, environment: &[(&str, &str)]) -> String {
    let error = loaded(text, environment).expect_err("wrong settings").to_string();
    let Some((before, rest)) = error.split_once(" in /") else { return error };
    let (_, after) = rest.split_once("/folkmoot.toml").expect("the file");
    format!("{before} in folkmoot.toml{after}")
}
