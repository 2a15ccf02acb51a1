//! The recovery sheet: one page of A4, as SVG, that says who a community is and what to do after a loss.
//!
//! ```text
//! Sheet ─▶ lines, QR codes ─▶ SVG of 210 × 297 mm: no script, no link, no font but the reader's own
//! ```
//!
//! Any browser and most picture viewers show and print it; the QR codes are paths, sharp at any size. A sheet for everybody
//! holds nothing secret. An officer's own sheet has that officer's secret keys, as QR codes and as groups of characters that
//! can be typed back; it is made only from the keys that are given, and only into a file of its owner.

mod words;

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};
use record::{
    CommunityId, Network,
    identity::{PaperRole, render_paper},
};
use zeroize::Zeroizing;

use words::{Language, Wording};

/// The page, in millimetres.
const PAGE: (u32, u32) = (210, 297);
/// What stays empty at each side, in millimetres: most printers reach no further than 5.
const MARGIN: u32 = 15;
/// The longest line, in characters: 180 mm at 3 mm of height, each a little more than half as wide.
const LINE_CHARS: usize = 108;
/// The longest line beside the QR code, in characters: 145 mm.
const FACT_CHARS: usize = 86;
/// Lines of the name; a longer one is cut. The id is what counts.
const NAME_LINES: usize = 2;

/// What a sheet says of a community.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Its id.
    pub community: CommunityId,
    /// Its network.
    pub network: Network,
    /// How many officers act together, and how many there are.
    pub threshold: (u32, usize),
    /// The region's name and id, where the charter is known.
    pub region: Option<(String, String)>,
    /// Coordinators and peers with the addresses at which they were last seen.
    pub addresses: Vec<(String, String)>,
}

/// A secret key of an officer's own sheet. Printing shows nothing of it.
#[derive(Clone)]
pub struct SheetKey {
    /// Which key.
    pub role: PaperRole,
    /// It.
    pub seed: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for SheetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SheetKey").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Why no sheet can be made: a text is longer than a QR code holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text of {n_bytes} bytes does not fit into a QR code")]
pub struct TooLong {
    n_bytes: usize,
}

impl Sheet {
    /// The sheet as SVG, with these secret keys: none on a sheet for everybody.
    ///
    /// # Errors
    ///
    /// [`TooLong`].
    pub fn render(&self, keys: &[SheetKey]) -> Result<Zeroizing<String>, TooLong> {
        let mut page = Page::begin(&self.name);
        let top = page.y;
        page.qr(&self.community.to_string(), (PAGE.0 - MARGIN - 30, top), 30)?;
        page.head(&self.name);
        for line in self.facts(!keys.is_empty()) {
            page.line(&line, FACT_CHARS);
        }
        page.y = page.y.max(top + 32);
        for key in keys {
            page.key(key)?;
        }
        for language in [Language::English, Language::Welsh] {
            let wording = Wording::of(language, self.threshold, keys);
            page.heading(wording.heading);
            for paragraph in wording.paragraphs {
                page.line(&paragraph, LINE_CHARS);
                page.y += 1;
            }
        }
        Ok(page.end())
    }

    /// Who and where, a line each.
    fn facts(&self, is_own: bool) -> Vec<String> {
        let (threshold, n_officers) = self.threshold;
        let mut facts = vec![
            format!("{}", self.community),
            format!("Network / Rhwydwaith: {}", self.network),
            format!("Officers / Swyddogion: {threshold} / {n_officers}"),
        ];
        if let Some((name, id)) = &self.region {
            facts.push(format!("Region / Rhanbarth: {name}, {id}"));
        }
        // The longest charter would leave no room for what to do; the rest are in the charter.
        let most = if is_own { 4 } else { 12 };
        facts.extend(self.addresses.iter().take(most).map(|(who, at)| format!("{who}: {at}")));
        facts
    }
}

/// A page that is being written from the top down. Wiped when dropped.
struct Page {
    svg: Zeroizing<String>,
    /// How far down it is written, in millimetres.
    y: u32,
}

impl Page {
    fn begin(title: &str) -> Self {
        let (width, height) = PAGE;
        let mut svg = Zeroizing::new(String::with_capacity(64 * 1024));
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
            escaped(title)
        );
        Self { svg, y: MARGIN }
    }

    fn end(mut self) -> Zeroizing<String> {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn text(&mut self, text: &str, (x, y): (u32, u32), style: &str) {
        let text = Zeroizing::new(escaped(text));
        let _ = writeln!(self.svg, "<text x=\"{x}\" y=\"{y}\" {style}>{}</text>", *text);
    }

    fn head(&mut self, name: &str) {
        for line in wrapped(name, 36).into_iter().take(NAME_LINES) {
            self.y += 7;
            self.text(&line, (MARGIN, self.y), "font-size=\"6\" font-weight=\"bold\"");
        }
        self.y += 1;
    }

    fn heading(&mut self, text: &str) {
        self.y += 7;
        self.text(text, (MARGIN, self.y), "font-size=\"4.5\" font-weight=\"bold\"");
    }

    /// A paragraph, in lines of at most so many characters.
    fn line(&mut self, text: &str, max_chars: usize) {
        for line in wrapped(text, max_chars) {
            self.y += 4;
            self.text(&line, (MARGIN, self.y), "font-size=\"3\"");
        }
    }

    /// A secret key: its QR code, and its groups beside it.
    fn key(&mut self, key: &SheetKey) -> Result<(), TooLong> {
        let paper = Zeroizing::new(render_paper(key.role, &key.seed));
        let top = self.y + 2;
        self.qr(&paper, (MARGIN, top), 38)?;
        let beside = MARGIN + 44;
        self.text(
            words::key_title(key.role),
            (beside, top + 6),
            "font-size=\"4.5\" font-weight=\"bold\"",
        );
        let groups: Vec<&str> = paper.split(' ').collect();
        for (row, groups) in (0_u32..).zip(groups.chunks(4)) {
            let line = Zeroizing::new(groups.join("  "));
            let style = "font-size=\"5\" font-family=\"monospace\" xml:space=\"preserve\"";
            self.text(&line, (beside, top + 14 + 7 * row), style);
        }
        self.y = top + 38;
        Ok(())
    }

    /// A QR code of this width, in millimetres, its four quiet modules included.
    fn qr(&mut self, text: &str, (x, y): (u32, u32), width: u32) -> Result<(), TooLong> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .map_err(|_error| TooLong { n_bytes: text.len() })?;
        let n_modules = code.width();
        let mut path = Zeroizing::new(String::new());
        for (row, modules) in code.to_colors().chunks(n_modules).enumerate() {
            for (column, color) in modules.iter().enumerate() {
                if *color == Color::Dark {
                    let _ = write!(path, "M{} {}h1v1h-1z", column + 4, row + 4);
                }
            }
        }
        let n_all = n_modules + 8;
        let _ = writeln!(
            self.svg,
            "<svg x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{width}\" viewBox=\"0 0 {n_all} {n_all}\" \
             shape-rendering=\"crispEdges\"><path d=\"{}\"/></svg>",
            *path
        );
        Ok(())
    }
}

/// A text in lines of at most so many characters, broken between words; a word that is longer is cut.
fn wrapped(text: &str, max_chars: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        for part in parts(word, max_chars) {
            let n_chars = line.chars().count() + 1 + part.chars().count();
            if max_chars < n_chars && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&part);
        }
    }
    lines.push(line);
    lines
}

fn parts(word: &str, max_chars: usize) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(max_chars.max(1)).map(|it| it.iter().collect()).collect()
}

/// Text that means nothing in XML. Control characters, which XML forbids, are spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
