//! A community goes on in a new folder: two of its three officers sign, from wherever they are.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{
    check,
    ground::{Ground, Seat},
    look,
};
use crate::demo::{
    process::{Ready, args},
    summary::number,
};

/// A community in its new folder.
pub(super) struct Recovered {
    pub(super) seat: Seat,
    pub(super) ready: Ready,
    /// How many records of the first era count on.
    pub(super) kept: u64,
}

/// Recovers a community from what others hold, and starts its node at the old address. With `keep`, so many records are
/// kept; else as many as the others hold, which must all hold the same.
pub(super) async fn recover(
    ground: &Ground<'_>,
    lost: &Seat,
    folder: &str,
    keep: Option<u64>,
) -> Result<Recovered> {
    let dir = ground.folder().join(folder);
    let seat = Seat { dir, ..lost.clone() };
    let mut line =
        args!["recover", "--charter", ground.charter(), "--community", &lost.id].to_vec();
    for number in [1, 3] {
        let key = ground.officers_of(&lost.dir).join(format!("officer-{number}.toml"));
        line.extend(args!["--key", key]);
    }
    if let Some(keep) = keep {
        line.extend(args!["--keep", keep.to_string()]);
    }
    let told = ground.command(&seat, &line).await?;
    let is_recovered = told.get("recovered") == Some(&true.into());
    ensure!(is_recovered && number(&told, "era") == 1, "The recovery did not begin an era: {told}");
    std::fs::copy(lost.dir.with_extension("toml"), seat.dir.with_extension("toml"))?;
    let ready = ground.start(&seat).await?;
    Ok(Recovered { seat, ready, kept: number(&told, "kept") })
}

/// Waits until these servers hold so many records of the second era.
pub(super) async fn until_in_era_1(readies: &[Ready], seat: &Seat, size: u64) -> Result<()> {
    for ready in readies {
        look::until("for everybody to hold the new era", async || {
            let (era, held) = look::held(ready, seat).await?;
            Ok((era == 1 && size <= held).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The eras of a log that every one of these servers serves, verified.
pub(super) async fn eras(readies: &[Ready], seat: &Seat) -> Result<Vec<u32>> {
    let mut eras = Vec::new();
    for era in 0..=1 {
        let mut n_verified = 0;
        for ready in readies {
            let url = format!("http://{}/log/{}/{era}", look::plain(ready), seat.id);
            let told = check::verify(&url).await.unwrap_or_default();
            n_verified += usize::from(told.get("verified") == Some(&Value::Bool(true)));
        }
        if n_verified == readies.len() {
            eras.push(era);
        }
    }
    Ok(eras)
}

/// Copies a data folder as a backup would, or a thief. Sockets stay where they are.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    runtime::files::create_private_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, copy) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}
