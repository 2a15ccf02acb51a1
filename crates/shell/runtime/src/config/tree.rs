//! Settings as a tree in which each knows where it stands.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file's line, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
    /// Neither: a table made to hold others.
    Made,
}

/// A setting, or a table of them.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Setting,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Setting {
    Text(String),
    Integer(i64),
    /// An integer above `i64::MAX`.
    Large(u64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// From the environment, where it is not said whether `8080` is a number or a name: taken as
    /// text where text is wanted, and as what it looks like elsewhere.
    Either {
        text: String,
        parsed: Box<Setting>,
    },
}

impl Node {
    pub(super) fn empty_table() -> Self {
        Self { value: Setting::Table(BTreeMap::new()), origin: Origin::Made }
    }

    /// Puts `setting` at the end of this way of keys, in the place of what was there.
    pub(super) fn set(&mut self, keys: &[String], setting: Self) {
        let [key, below @ ..] = keys else {
            *self = setting;
            return;
        };
        let mut entries = std::mem::replace(&mut self.value, Setting::Bool(false)).into_entries();
        entries.entry(key.clone()).or_insert_with(Self::empty_table).set(below, setting);
        self.value = Setting::Table(entries);
    }
}

impl Setting {
    /// What a table holds; nothing, if this is no table.
    fn into_entries(self) -> BTreeMap<String, Node> {
        let value = if let Self::Either { parsed, .. } = self { *parsed } else { self };
        if let Self::Table(entries) = value { entries } else { BTreeMap::new() }
    }
}

/// Reads a TOML document, or says in which line it goes wrong and how.
pub(super) fn from_toml(text: &str) -> Result<Node, (usize, String)> {
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        (line_of(text, start), error.message().to_owned())
    })?;
    let origin_of = |start| Origin::Line(line_of(text, start));
    Ok(Node { value: table(document.into_inner(), &origin_of), origin: Origin::Made })
}

/// Reads an environment variable's value.
pub(super) fn from_variable(variable: &str, text: String) -> Node {
    let origin = Origin::Variable(variable.to_owned());
    let parsed = DeValue::parse(&text).ok().map(|it| setting(it.into_inner(), &|_| origin.clone()));
    let value = match parsed {
        None => Setting::Text(text),
        // Quoted, so it says itself that it is text.
        Some(Setting::Text(unquoted)) => Setting::Text(unquoted),
        Some(parsed) => Setting::Either { text, parsed: Box::new(parsed) },
    };
    Node { value, origin }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

fn table(entries: DeTable<'_>, origin_of: &dyn Fn(usize) -> Origin) -> Setting {
    let entries = entries.into_iter().map(|(key, value)| {
        let origin = origin_of(key.span().start);
        (
            key.into_inner().into_owned(),
            Node { value: setting(value.into_inner(), origin_of), origin },
        )
    });
    Setting::Table(entries.collect())
}

fn setting(value: DeValue<'_>, origin_of: &dyn Fn(usize) -> Origin) -> Setting {
    match value {
        DeValue::String(text) => Setting::Text(text.into_owned()),
        DeValue::Boolean(truth) => Setting::Bool(truth),
        DeValue::Datetime(datetime) => Setting::Text(datetime.to_string()),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            i64::from_str_radix(digits, radix)
                .map(Setting::Integer)
                .or_else(|_| u64::from_str_radix(digits, radix).map(Setting::Large))
                // Larger than any setting: its reader refuses the text where it wants a number.
                .unwrap_or_else(|_| Setting::Text(digits.to_owned()))
        }
        DeValue::Float(float) => {
            let digits = float.as_str();
            digits.parse().map_or_else(|_| Setting::Text(digits.to_owned()), Setting::Float)
        }
        DeValue::Array(items) => {
            Setting::List(items.into_iter().map(|item| spanned(item, origin_of)).collect())
        }
        DeValue::Table(entries) => table(entries, origin_of),
    }
}

fn spanned(item: Spanned<DeValue<'_>>, origin_of: &dyn Fn(usize) -> Origin) -> Node {
    let origin = origin_of(item.span().start);
    Node { value: setting(item.into_inner(), origin_of), origin }
}
