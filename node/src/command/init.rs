//! `init`: founding a community, with one officer or with several.

use std::path::{Path, PathBuf};

use clap::Args;
use peer::{DataFolder, folder::FolderError};
use record::{
    CommunityId, Network,
    identity::{MAX_OFFICERS, Officer},
    name::Name,
};
use runtime::files;
use serde_json::json;

use super::{
    CommandError,
    keys::majority,
    officer::{make_keys, officers_of, parse_public_line},
    print::Said,
    sheet,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node init --dir harbour --network demo.folkmoot.example --name \"Harbour Baths Society\"\n\nExample: three officers, of whom two act together\n  folkmoot-node init --dir harbour --network demo.folkmoot.example --name \"Harbour Baths Society\" --officers 3\n\nExample: officers who made their own keys with `folkmoot-node officer new`\n  folkmoot-node init --dir harbour --network demo.folkmoot.example --name \"Harbour Baths Society\" --officer 3b6a…:91f0… --officer 88c1…:0d2e… --threshold 2"
)]
pub(super) struct Init {
    /// The network, a DNS name that all its regions share.
    #[arg(long)]
    network: String,
    /// What the community is called.
    #[arg(long)]
    name: String,
    /// Make the keys of so many officers, in files to be handed out; with 1, and no --officer, the one officer's key stays
    /// with the node.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_if("officer", clap::builder::ArgPredicate::IsPresent, "0"),
        default_value = "1"
    )]
    officers: usize,
    /// An officer who made the keys with `folkmoot-node officer new`, as it printed them; once for each.
    #[arg(long, value_name = "KEY:SPARE_DIGEST", value_parser = parse_public_line)]
    officer: Vec<Officer>,
    /// How many officers act together; more than half if not given.
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u32>,
    /// Write the recovery sheet as well (SVG, A4).
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

/// A pair of key files to be handed to an officer.
#[derive(Debug, serde::Serialize)]
struct HandOut {
    officer_key: PathBuf,
    spare_key: PathBuf,
}

/// Founds a community.
pub(super) async fn init(dir: &Path, init: &Init) -> Result<Said, CommandError> {
    init.sheet.as_deref().map_or(Ok(()), sheet::must_be_new)?;
    let network: Network = init.network.parse().map_err(|error: record::ids::NetworkError| {
        CommandError::usage(format!("{error}. Nothing was founded."))
    })?;
    let name = Name::parse(&init.name)
        .map_err(|error| CommandError::usage(format!("{error}. Nothing was founded.")))?;
    let folder = DataFolder::at(dir);
    let is_alone = init.officers == 1 && init.officer.is_empty();
    let (mut said, community) = if is_alone && init.threshold.is_none_or(|it| it == 1) {
        let community = folder.found(&network, &name)?;
        (alone(dir, community, &name), community)
    } else {
        several(&folder, init, &network, &name)?
    };
    if let Some(network_json) = said.json.as_object_mut() {
        network_json.insert("network".to_owned(), json!(network.as_str()));
        network_json.insert("community".to_owned(), json!(community));
        network_json.insert("name".to_owned(), json!(name.as_str()));
        network_json.insert("dir".to_owned(), json!(dir));
    }
    if let Some(out) = &init.sheet {
        sheet::write(&sheet::sheet_of(&folder, None).await?, &[], out)?;
        said.text.push_str(&format!("\nThe recovery sheet is in {}.", out.display()));
    }
    Ok(said)
}

fn alone(dir: &Path, community: CommunityId, name: &Name) -> Said {
    let spare = dir.join("spare.toml");
    let keys = dir.join("keys.toml");
    let (dir_shown, spare_shown, keys_shown) = (dir.display(), spare.display(), keys.display());
    let text = format!(
        "{name} is founded.\n\n  {community}\n\n\
         This id is the community's for ever: give it to whoever writes the charter of your region.\n\
         The officer's spare key is in {spare_shown}. Move it off this machine, to paper or to another place: \
         it is needed only to change officers, and whoever has it and the keys here can.\n\
         The officer's key itself is in {keys_shown} alone: lost with this machine, nobody can recover the community. Print it:\n  \
         folkmoot-node sheet --dir {dir_shown} --key {keys_shown} --out sheet.svg\n\
         Keep {dir_shown} private. Next: folkmoot-node run --dir {dir_shown} --charter charter.toml",
        name = name.as_str(),
    );
    Said::new(json!({ "spare_key": spare, "officers": 1, "threshold": 1 }), text)
}

/// Founds a community whose officers keep their keys themselves: the node needs none of them.
fn several(
    folder: &DataFolder,
    init: &Init,
    network: &Network,
    name: &Name,
) -> Result<(Said, CommunityId), CommandError> {
    folder.check_empty()?;
    let n_officers = init.officers.saturating_add(init.officer.len());
    let threshold = init.threshold.unwrap_or_else(|| majority(n_officers));
    // Before any file is made.
    let is_possible = (1..=MAX_OFFICERS).contains(&n_officers)
        && (1..=n_officers).contains(&usize::try_from(threshold).unwrap_or(usize::MAX));
    if !is_possible {
        let sentence = format!(
            "{threshold} of {n_officers} officers cannot act: there are 1 to {MAX_OFFICERS}. Nothing was founded."
        );
        return Err(CommandError::usage(sentence));
    }
    files::create_private_dir(folder.path()).map_err(FolderError::from)?;
    let (made, hand_outs) = hand_outs(folder, init.officers)?;
    let all = init.officer.iter().copied().chain(made).collect();
    let community = folder.found_by(network, name, officers_of(all, threshold)?)?;
    let dir = folder.path().display();
    let mut text = format!(
        "{name} is founded, with {n_officers} officers of whom {threshold} act together.\n\n  {community}\n\n\
         This id is the community's for ever: give it to whoever writes the charter of your region.\n",
        name = name.as_str(),
    );
    if !hand_outs.is_empty() {
        text.push_str(&format!(
            "The keys of {} officers are in {dir}/officers. Hand each officer one officer-N.toml and one spare-N.toml, on \
             paper (folkmoot-node sheet --key) or a memory stick, and delete the folder: the node needs none of them, and \
             a thief of this machine should find none.\n",
            hand_outs.len()
        ));
    }
    text.push_str(&format!("Next: folkmoot-node run --dir {dir} --charter charter.toml"));
    let json = json!({ "officers": n_officers, "threshold": threshold, "hand_out": hand_outs });
    Ok((Said::new(json, text), community))
}

/// Key files of so many officers.
fn hand_outs(
    folder: &DataFolder,
    n_officers: usize,
) -> Result<(Vec<Officer>, Vec<HandOut>), CommandError> {
    let officers = folder.path().join("officers");
    if 0 < n_officers {
        files::create_private_dir(&officers).map_err(FolderError::from)?;
    }
    let (mut made, mut hand_outs) = (Vec::new(), Vec::new());
    for number in 1..=n_officers {
        let officer_key = officers.join(format!("officer-{number}.toml"));
        let spare_key = officers.join(format!("spare-{number}.toml"));
        made.push(make_keys(&officer_key, &spare_key)?);
        hand_outs.push(HandOut { officer_key, spare_key });
    }
    Ok((made, hand_outs))
}
