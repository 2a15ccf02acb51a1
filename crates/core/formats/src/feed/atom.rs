//! Atom: RFC 4287.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{FeedEntry, FeedMeta, NAMESPACE, Origin, Told};
use crate::ocds::instant::render as render_date;

/// The media type of an Atom feed.
pub const MEDIA_TYPE: &str = "application/atom+xml";
/// The year in which the network's names began: part of every tag URI, which must never change.
const TAG_YEAR: u16 = 2026;

type Xml = Writer<Vec<u8>>;

/// One page of a feed, its entries in the order given: newest first, by custom.
///
/// Characters that XML 1.0 cannot hold are replaced by U+FFFD.
#[must_use]
pub fn render(meta: &FeedMeta, entries: &[FeedEntry]) -> String {
    let mut xml = Writer::new(Vec::new());
    // Writing to memory does not fail.
    let written = write_feed(&mut xml, meta, entries);
    debug_assert!(written.is_ok(), "{written:?}");
    String::from_utf8(xml.into_inner()).unwrap_or_default()
}

fn write_feed(xml: &mut Xml, meta: &FeedMeta, entries: &[FeedEntry]) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element("feed")
        .with_attribute(("xmlns", "http://www.w3.org/2005/Atom"))
        .with_attribute(("xmlns:fm", NAMESPACE))
        .with_attribute(("xml:lang", meta.language.as_str()))
        .write_inner_content(|xml| {
            text(xml, "id", &meta.feed_url)?;
            text(xml, "title", &meta.title)?;
            text(xml, "updated", &render_date(meta.updated))?;
            link(xml, "self", &meta.feed_url)?;
            link(xml, "alternate", &meta.home_url)?;
            if let Some(next) = &meta.next_url {
                link(xml, "next", next)?;
            }
            xml.create_element("author")
                .write_inner_content(|xml| text(xml, "name", &meta.author))?;
            entries.iter().try_for_each(|entry| write_entry(xml, meta, entry))
        })?;
    Ok(())
}

fn write_entry(xml: &mut Xml, meta: &FeedMeta, entry: &FeedEntry) -> io::Result<()> {
    xml.create_element("entry")
        .with_attribute(("xml:lang", entry.language.as_str()))
        .write_inner_content(|xml| {
            text(xml, "id", &entry_id(meta, entry))?;
            text(xml, "title", &entry.title)?;
            text(xml, "updated", &render_date(entry.updated_at))?;
            text(xml, "published", &render_date(entry.published_at))?;
            link(xml, "alternate", &entry.url)?;
            for proof in &entry.origin.proof_urls {
                link(xml, "related", proof)?;
            }
            for tag in &entry.tags {
                let term = sound(tag);
                xml.create_element("category")
                    .with_attribute(("term", term.as_str()))
                    .write_empty()?;
            }
            text(xml, "summary", &entry.summary)?;
            text(xml, "content", entry.content())?;
            write_origin(xml, &entry.origin)
        })?;
    Ok(())
}

/// `tag:demo.folkmoot.example,2026:fmi1…`: the same at every coordinator of the network.
fn entry_id(meta: &FeedMeta, entry: &FeedEntry) -> String {
    format!("tag:{},{TAG_YEAR}:{}", meta.network, entry.id)
}

fn write_origin(xml: &mut Xml, origin: &Origin) -> io::Result<()> {
    let Origin {
        cursor,
        case,
        kind,
        state,
        provisional,
        causes,
        deadline,
        community,
        places,
        proof_urls: _,
        level,
        region,
        told,
    } = origin;
    text(xml, "fm:cursor", &cursor.to_string())?;
    text(xml, "fm:case", &case.to_string())?;
    text(xml, "fm:kind", kind)?;
    text(xml, "fm:state", state)?;
    text(xml, "fm:provisional", if *provisional { "true" } else { "false" })?;
    causes.iter().try_for_each(|cause| text(xml, "fm:cause", &cause.to_string()))?;
    deadline.iter().try_for_each(|at| text(xml, "fm:deadline", &render_date(*at)))?;
    community.iter().try_for_each(|id| text(xml, "fm:community", &id.to_string()))?;
    places.iter().try_for_each(|place| text(xml, "fm:place", place.code.as_str()))?;
    level.iter().try_for_each(|level| text(xml, "fm:level", level))?;
    text(xml, "fm:region", &region.to_string())?;
    if let Some(Told { by, checked }) = told {
        text(xml, "fm:told_by", &by.to_string())?;
        text(xml, "fm:checked", checked)?;
    }
    Ok(())
}

fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    let content = sound(content);
    xml.create_element(name).write_text_content(BytesText::new(&content))?;
    Ok(())
}

fn link(xml: &mut Xml, rel: &str, href: &str) -> io::Result<()> {
    let href = sound(href);
    xml.create_element("link")
        .with_attribute(("rel", rel))
        .with_attribute(("href", href.as_str()))
        .write_empty()?;
    Ok(())
}

/// The text with every character that XML 1.0 forbids replaced (XML 1.0, section 2.2).
fn sound(text: &str) -> String {
    let forbidden =
        |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;

    use super::*;
    use crate::feed::samples::{HOSTILE, entry, meta};

    /// Element names in order, and each element's own text.
    fn parsed(xml: &str) -> Vec<(String, String)> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut all: Vec<(String, String)> = Vec::new();
        let mut open = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    open.push(all.len());
                    all.push((start.name().as_ref().to_owned(), String::new()));
                }
                Event::End(_) => {
                    open.pop().unwrap();
                }
                Event::Text(text) => all[*open.last().unwrap()].1.push_str(text.as_ref()),
                Event::GeneralRef(reference) => {
                    let name: &str = reference.as_ref();
                    let resolved =
                        quick_xml::escape::unescape(&format!("&{name};")).unwrap().into_owned();
                    all[*open.last().unwrap()].1.push_str(&resolved);
                }
                Event::Eof => return all,
                Event::Empty(_) | Event::Decl(_) => {}
                other
                @ (Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_)) => {
                    panic!("no place for {other:?}")
                }
            }
        }
    }

    fn texts(xml: &str, name: &str) -> Vec<String> {
        parsed(xml).into_iter().filter(|(found, _)| found == name).map(|(_, text)| text).collect()
    }

    #[test]
    fn an_entry_has_what_rfc_4287_requires_and_the_items_id() {
        let entry = entry(1, "In force.");
        let xml = render(&meta(), std::slice::from_ref(&entry));
        let ids = texts(&xml, "id");
        assert_eq!(ids[1], format!("tag:demo.folkmoot.example,2026:{}", entry.id));
        assert_eq!(ids[0], meta().feed_url);
        assert_eq!(texts(&xml, "updated").len(), 2);
        assert_eq!(texts(&xml, "title"), ["Calder", "In force."]);
        assert_eq!(texts(&xml, "name"), ["Calder coordinator"]);
        assert_eq!(texts(&xml, "fm:cause").len(), 2);
        assert!(
            xml.contains("rel=\"next\" href=\"https://c.example/feed.json?page=2&amp;x=2\""),
            "{xml}"
        );
    }

    #[test]
    fn the_last_page_has_no_next() {
        let mut meta = meta();
        meta.next_url = None;
        assert!(!render(&meta, &[]).contains("rel=\"next\""));
    }

    #[test]
    fn hostile_text_stays_text() {
        let xml = render(&meta(), &[entry(1, HOSTILE)]);
        assert!(!xml.contains("<script"), "{xml}");
        let shown = HOSTILE.replace(['\u{0}', '\u{1b}', '\u{fffe}'], "\u{fffd}");
        assert_eq!(texts(&xml, "content"), [shown]);
    }

    proptest! {
        #[test]
        fn any_text_makes_a_feed_of_the_same_elements(text in any::<String>()) {
            let names = |text: &str| -> Vec<String> {
                let xml = render(&meta(), &[entry(1, text)]);
                parsed(&xml).into_iter().map(|(name, _)| name).collect()
            };
            prop_assert_eq!(names(&text), names("plain"));
        }
    }
}
