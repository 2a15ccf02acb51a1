//! Acknowledgements of coordinators, file by file, for `folkmoot audit`.

use peer::Peer;
use proto::clerk::ExportAcksResponse;
use store::StoredAck;
use tokio::sync::mpsc;
use tonic::Status;

use super::refusal::Refusal;

/// Where an export is sent, file by file.
pub(super) type Files = mpsc::Sender<Result<ExportAcksResponse, Status>>;

/// Sends every acknowledgement that is kept: one checkpoint a file, in a folder for each log.
pub(super) async fn export(peer: &Peer, files: &Files) -> Result<(), Refusal> {
    for ack in peer.store().acks().await? {
        let path = path_of(&ack);
        let file = ExportAcksResponse { path, content: ack.note };
        let gone = |_| Refusal::unavailable("request.gone", "The caller has gone.");
        files.send(Ok(file)).await.map_err(gone)?;
    }
    Ok(())
}

/// `<community>/<era>/<size>-<whose mirror>.checkpoint`.
fn path_of(ack: &StoredAck) -> String {
    let StoredAck { log, cosigner, size, .. } = ack;
    let who = cosigner.rsplit('/').next().unwrap_or_default();
    format!("{}/{}/{size}-{who}.checkpoint", log.community, log.era)
}

#[cfg(test)]
mod tests {
    use record::{CommunityId, LogName};

    use super::*;

    #[test]
    fn each_size_and_cosigner_of_a_log_has_a_file_of_its_own() {
        let log = LogName { community: CommunityId::from_bytes([1; 32]), era: 2 };
        let cosigner = "demo.folkmoot.example/mirror/fm1abc".to_owned();
        let path = path_of(&StoredAck { log, cosigner, size: 7, note: Vec::new() });
        assert_eq!(path, format!("{}/2/7-fm1abc.checkpoint", log.community));
    }
}
