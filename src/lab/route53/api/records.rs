//! Record sets: changed in batches, and listed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::batch::{Action, ChangeBatch};
use super::super::error::ApiError;
use super::super::read;
use super::super::record::RecordSet;
use super::super::store::{ChangeInfo, Propagation};
use super::super::xml::XmlWriter;
use super::answers::{Params, answer, page_size, start_key, write_change, write_record_set};
use super::{Api, Shared, entry, zone_resource};
use crate::lab::faults::Fault;
use crate::lab::line::Line;
use crate::lab::requests::{Delivery, RequestEntry};

/// The most record sets of one listing page.
const RECORD_SETS_PAGE_MAX: usize = 300;

pub(super) async fn change_record_sets(
    State(api): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(zone): Path<String>,
    body: Bytes,
) -> Response {
    let batch = read::change_batch(&body);
    let refusal = api.gate("ChangeResourceRecordSets", &zone_resource(&zone)).and_then(|()| {
        if api.faults.hits(Fault::PriorRequestNotComplete) {
            Err(ApiError::prior_request_not_complete())
        } else {
            Ok(())
        }
    });
    let (result, lost) = match (refusal, &batch) {
        (Err(error), _) => (Err(error), false),
        (Ok(()), Err(error)) => (Err(error.clone()), api.faults.hits(Fault::LoseAnswer)),
        (Ok(()), Ok(batch)) => (api.change(&zone, batch), api.faults.hits(Fault::LoseAnswer)),
    };
    api.log_change(&zone, batch.as_ref().ok(), &result, Delivery::First, !lost);
    if let Ok(batch) = batch
        && result.is_ok()
        && api.faults.hits(Fault::DuplicateDelivery)
    {
        api.deliver_again(zone, batch);
    }
    if lost {
        line.cut();
    }
    result.map_or_else(IntoResponse::into_response, |change| {
        let body = XmlWriter::document("ChangeResourceRecordSetsResponse", |xml| write_change(xml, &change));
        answer(StatusCode::OK, body)
    })
}

pub(super) async fn list_record_sets(
    State(api): Shared,
    Path(zone): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    api.gate("ListResourceRecordSets", &zone_resource(&zone))?;
    let records = api.store.records(&zone)?;
    let max = page_size(&params, RECORD_SETS_PAGE_MAX)?;
    let start = start_key(&params)?;
    let mut rest = records.starting_at(start.as_ref());
    let page: Vec<&RecordSet> = rest.by_ref().take(max).collect();
    let next = rest.next();
    let body = XmlWriter::document("ListResourceRecordSetsResponse", |xml| {
        xml.element("ResourceRecordSets", |xml| page.iter().for_each(|set| write_record_set(xml, set)));
        xml.text("IsTruncated", next.is_some());
        if let Some(next) = next {
            xml.text("NextRecordName", &next.name);
            xml.text("NextRecordType", next.kind);
            xml.optional("NextRecordIdentifier", next.set_identifier.as_ref());
        }
        xml.text("MaxItems", max);
    });
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn get_change(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetChange", &format!("change/{id}"))?;
    let change = api.store.change_info(&id)?;
    Ok(answer(StatusCode::OK, XmlWriter::document("GetChangeResponse", |xml| write_change(xml, &change))))
}

impl Api {
    fn change(&self, zone: &str, batch: &ChangeBatch) -> Result<ChangeInfo, ApiError> {
        let checks = batch.changes.iter().filter(|change| change.action != Action::Delete);
        let missing =
            checks.filter_map(|change| change.set.health_check_id.as_deref()).find(|id| !self.health.exists(id));
        if let Some(id) = missing {
            self.store.zone(zone)?;
            return Err(ApiError::no_such_health_check(id));
        }
        let propagation = if self.faults.hits(Fault::Stranded) { Propagation::Stranded } else { self.propagation() };
        self.store.change(zone, batch, propagation, self.faults.state().batch_errors_as_list)
    }

    /// Handles the batch once more, now or after the delay that is set.
    fn deliver_again(self: &Arc<Self>, zone: String, batch: ChangeBatch) {
        match self.faults.state().duplicate_after_ms {
            0 => self.change_again(&zone, &batch),
            delay_ms => {
                let (api, closing) = (Arc::clone(self), self.closing.clone());
                self.tasks.spawn(async move {
                    let delay = tokio::time::sleep(Duration::from_millis(delay_ms));
                    if closing.run_until_cancelled(delay).await.is_some() {
                        api.change_again(&zone, &batch);
                    }
                });
            }
        }
    }

    fn change_again(&self, zone: &str, batch: &ChangeBatch) {
        let result = self.change(zone, batch);
        self.log_change(zone, Some(batch), &result, Delivery::Duplicate, false);
    }

    fn log_change(
        &self,
        zone: &str,
        batch: Option<&ChangeBatch>,
        result: &Result<ChangeInfo, ApiError>,
        delivery: Delivery,
        answered: bool,
    ) {
        self.log.push(RequestEntry {
            zone: Some(zone.to_owned()),
            comment: batch.and_then(|batch| batch.comment.clone()),
            change: result.as_ref().ok().map(|change| change.id.clone()),
            delivery,
            answered,
            changes: batch.map(ChangeBatch::summary).unwrap_or_default(),
            ..entry("ChangeResourceRecordSets", result.as_ref().err())
        });
    }
}
