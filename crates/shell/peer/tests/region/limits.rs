//! The limits of the mesh and of connections, as the table of limits has them.

use std::{collections::BTreeMap, time::Duration};

use record::limits::{CONNECTIONS, Limit, MESH};

/// A limit by its reason, as the table has it.
fn table(limits: &'static [Limit]) -> BTreeMap<&'static str, u64> {
    limits.iter().map(|it| (it.reason, it.value)).collect()
}

fn of(count: impl TryInto<u64>) -> u64 {
    count.try_into().ok().unwrap()
}

#[test]
fn the_table_has_every_limit_of_the_mesh() {
    let mesh::Limits {
        max_connections,
        max_connections_per_key,
        max_pending,
        max_strangers,
        stranger_time,
        max_streams_per_key,
        max_process_bytes,
        idle_time,
        frame_time,
        doorbell_burst,
        doorbells_per_second,
        max_doorbell_faults,
        cut_off_time,
        relay,
    } = mesh::Limits::default();
    let mesh::RelayLimits {
        max_reservations,
        max_circuits,
        max_circuits_per_key,
        max_circuit_time,
        max_circuit_bytes,
    } = relay;
    let config = mesh::MeshConfig::new("network", "region", record::limits::MAX_GRPC_MESSAGE_BYTES);
    let held = [
        ("mesh.too_many_connections", of(max_connections)),
        ("mesh.too_many_connections_of_one", of(max_connections_per_key)),
        ("mesh.too_many_pending", of(max_pending)),
        ("mesh.too_many_strangers", of(max_strangers)),
        ("mesh.stranger", stranger_time.as_secs()),
        ("mesh.too_many_streams", of(max_streams_per_key)),
        ("mesh.memory", max_process_bytes),
        ("mesh.idle", idle_time.as_secs()),
        ("mesh.frame_too_large", of(config.max_frame_bytes)),
        ("mesh.slow", frame_time.as_secs()),
        ("mesh.malformed_doorbells", of(mesh::MAX_DOORBELL_BYTES)),
        ("mesh.too_many_doorbells", of(doorbell_burst)),
        ("mesh.doorbell_rate", of(doorbells_per_second)),
        ("mesh.doorbell_faults", of(max_doorbell_faults)),
        ("mesh.cut_off", cut_off_time.as_secs()),
        ("mesh.too_many_dial_backs", of(mesh::MAX_DIAL_BACKS)),
        ("mesh.too_many_dial_backs_of_all", of(mesh::MAX_DIAL_BACKS_OF_ALL)),
        ("mesh.too_many_reservations", of(max_reservations)),
        ("mesh.too_many_circuits", of(max_circuits)),
        ("mesh.too_many_circuits_of_one", of(max_circuits_per_key)),
        ("mesh.circuit_time", max_circuit_time.as_secs()),
        ("mesh.circuit_too_large", max_circuit_bytes),
    ];
    assert_eq!(table(MESH), BTreeMap::from(held));
    assert_eq!(mesh::DIAL_BACK_SPAN, Duration::from_secs(60), "`in a minute`");
}

#[test]
fn the_table_has_every_limit_of_connections() {
    let transport::Limits {
        max_connections,
        max_connections_per_address,
        handshake_time_out,
        header_time_out,
        max_streams,
        max_header_list_bytes,
        max_pending_resets,
        keep_alive,
        keep_alive_time_out,
        // Of our own stop, which nobody else meets.
        grace: _,
    } = transport::Limits::default();
    let held = [
        ("connection.too_many", of(max_connections)),
        ("connection.too_many_of_one_address", of(max_connections_per_address)),
        ("connection.handshake", handshake_time_out.as_secs()),
        ("connection.request_head", header_time_out.as_secs()),
        ("connection.too_many_requests", of(max_streams)),
        ("connection.headers_too_large", of(max_header_list_bytes)),
        ("connection.resets", of(max_pending_resets)),
        ("connection.silent", (keep_alive + keep_alive_time_out).as_secs()),
    ];
    assert_eq!(table(CONNECTIONS), BTreeMap::from(held));
}
