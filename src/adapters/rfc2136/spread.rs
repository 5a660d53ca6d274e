//! How far a change has spread over a zone's name servers. Pure.

use std::cmp::Ordering;

use hickory_proto::rr::SerialNumber;

use crate::ports::{ChangeState, PortError};

/// The state of a change that has the serial `wanted`, by what each name server says. A server that could not be asked may be
/// serving the old records, so it is an error and not "in sync".
pub(super) fn state(
    zone: &str,
    wanted: u32,
    servers: &[(&str, Result<u32, String>)],
) -> Result<ChangeState, PortError> {
    if servers.is_empty() {
        return Err(PortError::retry(format!("zone {zone}: there are no name servers to ask")));
    }
    // Serials wrap around (RFC 1982). Two that cannot be compared are not the same change.
    let reached = |serial: u32| {
        let order = SerialNumber::new(serial).partial_cmp(&SerialNumber::new(wanted));
        matches!(order, Some(Ordering::Greater | Ordering::Equal))
    };
    if servers.iter().any(|(_, answer)| matches!(answer, Ok(serial) if !reached(*serial))) {
        return Ok(ChangeState::Pending);
    }
    let silent: Vec<String> = servers
        .iter()
        .filter_map(|(host, answer)| answer.as_ref().err().map(|why| format!("{host} ({why})")))
        .collect();
    if silent.is_empty() {
        return Ok(ChangeState::InSync);
    }
    Err(PortError::retry(format!("zone {zone}: it is not known whether serial {wanted} is at {}", silent.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_sync_is_every_server_at_the_serial_or_after_it() {
        let at = |wanted, serials: &[u32]| {
            let servers: Vec<_> = serials.iter().map(|serial| ("ns", Ok(*serial))).collect();
            state("example.test", wanted, &servers).unwrap()
        };
        assert_eq!(at(7, &[7, 8]), ChangeState::InSync);
        assert_eq!(at(7, &[7, 6]), ChangeState::Pending);
        // Past the end of the numbers, and what is half of them away.
        assert_eq!(at(u32::MAX, &[3]), ChangeState::InSync);
        assert_eq!(at(3, &[u32::MAX]), ChangeState::Pending);
        assert_eq!(at(0, &[1 << 31]), ChangeState::Pending);
    }

    #[test]
    fn a_silent_server_is_not_in_sync_and_is_named() {
        let servers = [("one", Ok(7)), ("two", Err("no answer in time".to_owned()))];
        let error = state("example.test", 7, &servers).unwrap_err();
        assert_eq!(error.class, crate::ports::Class::Retry);
        assert!(error.what.contains("serial 7 is at two (no answer in time)"), "{error}");
        let behind = [("one", Ok(6)), ("two", Err("no answer in time".to_owned()))];
        assert_eq!(state("example.test", 7, &behind).unwrap(), ChangeState::Pending);
        assert!(state("example.test", 7, &[]).is_err());
    }
}
