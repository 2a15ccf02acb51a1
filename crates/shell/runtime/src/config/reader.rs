//! Reads a type from the tree of settings and keeps track of where it is, so that an error can say
//! which setting is wrong and where that setting stands.

use std::{collections::btree_map, fmt, vec};

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use super::tree::{Node, Origin, Setting};

/// What went wrong, and where. It travels through every level, hence in a box.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) problem: Problem,
    /// The keys, innermost first; a place in a list as `[2]`.
    pub(super) path: Vec<String>,
    pub(super) origin: Option<Origin>,
}

#[derive(Debug)]
pub(super) enum Problem {
    UnknownKey { known: &'static [&'static str] },
    UnknownWord { word: String, known: &'static [&'static str] },
    Missing,
    Other(String),
}

impl Trouble {
    fn new(problem: Problem) -> Box<Self> {
        Box::new(Self { problem, path: Vec::new(), origin: None })
    }

    /// The same trouble, seen from one level further out.
    fn within(mut self: Box<Self>, key: String, origin: Origin) -> Box<Self> {
        self.path.push(key);
        self.origin.get_or_insert(origin);
        self
    }

    /// The key with those above it, as `log.format` or `peers[2]`.
    pub(super) fn key(&self) -> String {
        let mut whole = String::new();
        for key in self.path.iter().rev() {
            if !whole.is_empty() && !key.starts_with('[') {
                whole.push('.');
            }
            whole.push_str(key);
        }
        whole
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at `{}`", self.problem, self.key())
    }
}

impl std::error::Error for Trouble {}

impl Error for Box<Trouble> {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Trouble::new(Problem::Other(message.to_string()))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Trouble::new(Problem::UnknownWord { word: word.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        let mut trouble = Trouble::new(Problem::Missing);
        trouble.path.push(field.to_owned());
        trouble
    }
}

/// Reads one node.
pub(super) struct Reader(pub(super) Node);

impl Reader {
    /// The text, where text is wanted and this is, or may be taken for, text.
    fn into_text(self) -> Result<String, Self> {
        if let Setting::Text(text) | Setting::Either { text, .. } = self.0.value {
            return Ok(text);
        }
        Err(self)
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Box<Trouble>;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0.value {
            Setting::Text(text) => visitor.visit_string(text),
            Setting::Integer(number) => visitor.visit_i64(number),
            Setting::Large(number) => visitor.visit_u64(number),
            Setting::Float(number) => visitor.visit_f64(number),
            Setting::Bool(truth) => visitor.visit_bool(truth),
            Setting::List(items) => {
                visitor.visit_seq(Items { items: items.into_iter(), n_read: 0 })
            }
            Setting::Table(entries) => {
                visitor.visit_map(Entries { entries: entries.into_iter(), current: None })
            }
            Setting::Either { parsed, .. } => {
                Self(Node { value: *parsed, origin: self.0.origin }).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if let Setting::Table(entries) = &self.0.value {
            let unknown = entries.iter().find(|(key, _)| !fields.contains(&key.as_str()));
            if let Some((key, node)) = unknown {
                let trouble = Trouble::new(Problem::UnknownKey { known: fields });
                return Err(trouble.within(key.clone(), node.origin.clone()));
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.into_text() {
            Ok(word) => visitor.visit_enum(StringDeserializer::new(word)),
            Err(Self(Node { value: Setting::Table(entries), .. })) => {
                let entries = Entries { entries: entries.into_iter(), current: None };
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            Err(other) => other.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.into_text() {
            Ok(text) => visitor.visit_string(text),
            Err(other) => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    /// A setting that stands there is set; one that is not set does not stand there.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Entries {
    entries: btree_map::IntoIter<String, Node>,
    current: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Box<Trouble>;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        self.current = self.entries.next();
        let Some((key, node)) = &self.current else { return Ok(None) };
        seed.deserialize(key.as_str().into_deserializer())
            .map(Some)
            .map_err(|trouble: Self::Error| trouble.within(key.clone(), node.origin.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let Some((key, node)) = self.current.take() else {
            return Err(Error::custom("a value was asked for before its key"));
        };
        let origin = node.origin.clone();
        seed.deserialize(Reader(node)).map_err(|trouble| trouble.within(key, origin))
    }
}

struct Items {
    items: vec::IntoIter<Node>,
    n_read: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Box<Trouble>;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let key = format!("[{}]", self.n_read);
        self.n_read += 1;
        let origin = node.origin.clone();
        seed.deserialize(Reader(node)).map(Some).map_err(|trouble| trouble.within(key, origin))
    }
}
