//! `/`: what is where, for people.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use peer::pages::Problem;

use super::Site;
use crate::metrics;

/// No script, no style, no picture, no form: nothing that a name could smuggle in.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const LINKS: &str = "<h2 id=\"feed\">Feeds</h2>\
<p>Every item names the records that caused it and where to prove them (<code>_folkmoot</code>).</p>\
<ul><li><a href=\"/feed.json\">JSON Feed</a></li><li><a href=\"/feed.atom\">Atom</a></li>\
<li><a href=\"/feed.json?region=all\">With every region that is read here</a>: of a neighbouring one, each item's id and \
causes were proved; <code>checked: folded</code> if the records told so far give the step here, too, and <code>stated</code> \
if it stands on the word of <code>told_by</code>. That nothing was left out, and when records were received, is what that \
coordinator says.</li><li><a href=\"/sums.json?region=all\">Sums</a>, over distinct records</li></ul>\
<h2>Register</h2><ul><li><a href=\"/register/covenants\">Covenants</a></li>\
<li><a href=\"/register/opportunities\">Opportunities</a></li><li><a href=\"/register/pools\">Pools</a></li>\
<li><a href=\"/register/polls\">Polls</a></li><li><a href=\"/register/logs\">Logs that are not treated as others</a></li><li><a href=\"/ocds/releases\">OCDS release package</a></li></ul>";

pub(super) async fn index(State(site): State<Site>) -> Result<Response, Problem> {
    metrics::page("index");
    let peer = site.feed.peer();
    let name = escaped(peer.charter().charter.name().as_str());
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title></head>\
         <body><h1>{name}</h1>{LINKS}<h2>Logs</h2><ul>"
    );
    for community in peer.communities().await? {
        let shown = if community.name.is_empty() { &community.id } else { &community.name };
        let role = if community.coordinator { ", coordinator" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<li>{}{role}: <a href=\"/log/{}/{}/checkpoint\">{} records</a></li>",
            escaped(shown),
            escaped(&community.id),
            community.era,
            community.size,
        );
    }
    page.push_str("</ul>");
    let neighbours = site.feed.readings().all();
    if !neighbours.is_empty() {
        page.push_str("<h2 id=\"regions\">Neighbouring regions</h2><ul>");
        for (_, reading) in &neighbours {
            let (name, status) = (escaped(&reading.name), escaped(&reading.status()));
            // Writing to a string cannot fail.
            let _ = write!(page, "<li>{name}: {status}</li>");
        }
        page.push_str("</ul>");
    }
    page.push_str("</body></html>\n");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, page).into_response())
}

fn escaped(text: &str) -> String {
    let pairs = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(
            super::escaped("<b title=\"x\">R&D's"),
            "&lt;b title=&quot;x&quot;&gt;R&amp;D&#39;s"
        );
    }
}
