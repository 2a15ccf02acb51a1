//! `sheet`: the recovery sheet, for everybody or for one officer.

use std::path::{Path, PathBuf};

use clap::Args;
use peer::{CharterFile, DataFolder};
use record::{CommunityId, Network};
use runtime::files;
use serde_json::json;

use super::{CommandError, failure::not_run, officer::KeyOptions, print::Said};
use crate::sheet::{Sheet, SheetKey};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: for the wall and for every member of the committee\n  folkmoot-node sheet --dir harbour --charter charter.toml --out sheet.svg\n\nExample: an officer's own, with the secret key on it\n  folkmoot-node sheet --dir harbour --charter charter.toml --key officer-1.toml --out my-sheet.svg\n\nExample: the one officer's, whose key is in the node's folder and otherwise nowhere\n  folkmoot-node sheet --dir harbour --charter charter.toml --key harbour/keys.toml --out my-sheet.svg\n\nThe file is a page of A4 that any browser prints. The node need not run, and may."
)]
pub(super) struct SheetArgs {
    /// The file that is written, for its owner alone (SVG); there must be none of that name.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The charter of the region, for its name and addresses.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyOptions,
}

pub(super) async fn run(dir: &Path, args: SheetArgs) -> Result<Said, CommandError> {
    must_be_new(&args.out)?;
    let charter = args.charter.as_deref().map(CharterFile::read).transpose().map_err(not_run)?;
    let sheet = sheet_of(&DataFolder::at(dir), charter.as_ref()).await?;
    let keys = args.keys.read()?;
    let keys: Vec<_> = keys.into_iter().map(|(role, seed)| SheetKey { role, seed }).collect();
    write(&sheet, &keys, &args.out)?;
    let secret = match keys.len() {
        0 => "It holds nothing secret: hang it up, and give it to every officer.".to_owned(),
        n => format!(
            "It holds {n} SECRET KEY(S). Print it, delete the file, and keep the paper where only its officer can reach it."
        ),
    };
    let text =
        format!("The recovery sheet of {} is in {}.\n{secret}", sheet.name, args.out.display());
    let json = json!({ "out": args.out, "community": sheet.community, "secret_keys": keys.len() });
    Ok(Said::new(json, text))
}

/// Nothing is written over: the file may be an officer's only key.
pub(super) fn must_be_new(out: &Path) -> Result<(), CommandError> {
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    let sentence = format!(
        "{} exists. Nothing was changed. Choose another name for the sheet, or take that file away.",
        out.display()
    );
    Err(CommandError::failed("sheet.exists", sentence))
}

/// Writes a sheet into a file of its owner.
pub(super) fn write(sheet: &Sheet, keys: &[SheetKey], out: &Path) -> Result<(), CommandError> {
    let page = sheet.render(keys).map_err(|error| {
        CommandError::failed("sheet.too_long", format!("No sheet was made: {error}."))
    })?;
    files::write_private_file(out, page.as_bytes())
        .map_err(|error| peer::folder::FolderError::from(error).into())
}

/// What is known of the community in a folder and of its region.
pub(super) async fn sheet_of(
    folder: &DataFolder,
    charter: Option<&CharterFile>,
) -> Result<Sheet, CommandError> {
    let founding = folder.founding()?;
    let community = folder.community()?;
    let officers = peer::own::officers(folder).await.map_err(not_run)?;
    let network: Network = founding.network;
    let region = charter.map(|it| (it.charter.name().as_str().to_owned(), it.region.to_string()));
    Ok(Sheet {
        name: founding.name.as_str().to_owned(),
        community,
        network,
        threshold: (officers.threshold(), officers.list().len()),
        region,
        addresses: charter.map(|it| addresses(it, community)).unwrap_or_default(),
    })
}

fn addresses(charter: &CharterFile, own: CommunityId) -> Vec<(String, String)> {
    let coordinators = charter.coordinators.iter().map(|seat| ("Coordinator", seat));
    let founders = charter.founders.iter().map(|seat| ("Node", seat));
    let others = coordinators.chain(founders).filter(|(_, seat)| seat.id != own);
    others.filter_map(|(what, seat)| Some((what.to_owned(), seat.address.clone()?))).collect()
}
