//! What went over the network: a record for each request and each thing that was asked over another protocol.

use std::time::Duration;

use super::Flow;
use crate::adapters::script::ending::Ending;
use crate::adapters::script::http::{Ask, Exchange, Timings, Waiting, Wire};
use crate::adapters::script::tape;
use crate::adapters::script::text::plain_url;
use crate::adapters::script::watch::now;
use crate::domain::{AnswerRecord, ExchangeDetail, FailureKind, Protocol, RequestRecord};

/// The most requests that a report has.
const MAX_RECORDS: usize = 200;
/// The longest URL in a report, in characters.
const MAX_URL_CHARS: usize = 300;
/// The longest word for how something ended, in characters.
const MAX_SAID_CHARS: usize = 40;
/// How much of a body a traced request quotes, in characters.
const MAX_TRACED_CHARS: usize = 4_000;

impl Flow {
    /// Asks something over another protocol than HTTP, which has a row on the timeline; the work gives what came and a word for it.
    pub(in crate::adapters::script) fn asks<T>(
        &self,
        protocol: Protocol,
        method: &str,
        url: &str,
        work: impl FnOnce() -> Result<(T, String), Ending>,
    ) -> Result<T, Ending> {
        let row = self.row(RequestRecord {
            protocol,
            method: method.to_owned(),
            url: self.tidy(url, MAX_URL_CHARS),
            ..RequestRecord::default()
        });
        let began = now();
        let result = work();
        let took = now().saturating_duration_since(began);
        let said = match &result {
            Ok((_, said)) => Some(self.tidy(said, MAX_SAID_CHARS)),
            // Whoever is not there says nothing.
            Err(Ending::Fail(FailureKind::Network | FailureKind::Timeout, _) | Ending::Inconclusive(_)) => None,
            Err(Ending::Fail(kind, _)) => Some(kind.to_string()),
        };
        let mut trace = self.trace.borrow_mut();
        if let Some(record) = row.and_then(|row| trace.records.get_mut(row)) {
            record.duration_us = micros(took);
            record.said = said;
        }
        result.map(|(value, _)| value)
    }

    /// A new row for what begins now, in the step that is open; none if there are too many.
    fn row(&self, record: RequestRecord) -> Option<usize> {
        let start_ms = self.watch.elapsed_ms();
        let mut trace = self.trace.borrow_mut();
        let (index, step) = (trace.records.len(), trace.open.last().copied());
        if index >= MAX_RECORDS {
            return None;
        }
        trace.records.push(RequestRecord { step, start_ms, ..record });
        Some(index)
    }

    fn answer_record(&self, exchange: &Exchange) -> AnswerRecord {
        let Timings { dns, connect, tls, first_byte, body } = exchange.timings;
        let struck = &*self.struck();
        let excerpt = |bytes: &[u8]| {
            // Redacted before it is cut: half a secret would not be recognised.
            let text = struck.redact(&String::from_utf8_lossy(bytes));
            text.chars().take(MAX_TRACED_CHARS).collect::<String>()
        };
        let detail = || {
            Box::new(ExchangeDetail {
                sent: tape::pairs(&exchange.sent, struck),
                sent_body: excerpt(exchange.payload.as_deref().unwrap_or_default()),
                received: tape::pairs(&exchange.headers, struck),
                received_body: excerpt(&exchange.body),
            })
        };
        AnswerRecord {
            status: exchange.status.as_u16(),
            version: format!("{:?}", exchange.version),
            remote: exchange.remote,
            reused: exchange.reused,
            bytes: exchange.body.len(),
            dns_us: micros(dns),
            connect_us: micros(connect),
            tls_us: micros(tls),
            first_byte_us: micros(first_byte),
            body_us: micros(body),
            detail: self.reel.is_traced().then(detail),
        }
    }
}

impl Wire for Flow {
    fn begins(&self, ask: &Ask) -> Result<(), Ending> {
        self.permits(ask.url.host_str().unwrap_or_default())?;
        if let Some((address, _)) = ask.route.connect_to {
            self.permits_by("connect_to", &address.to_canonical().to_string())?;
        }
        if let Some(proxy) = &ask.route.proxy {
            self.permits_by("proxy", proxy.host_str().unwrap_or_default())?;
        }
        let url = self.tidy(plain_url(&ask.url).as_str(), MAX_URL_CHARS);
        self.row(RequestRecord { method: ask.method.to_string(), url, ..RequestRecord::default() });
        Ok(())
    }

    fn recorded(&self, ask: &Ask) -> Option<Result<Exchange, Ending>> {
        self.reel.answer(&self.request.target, ask)
    }

    fn wants_sent(&self) -> bool {
        self.reel.is_traced()
    }

    fn took_place(&self, exchange: &Exchange) {
        self.reel.take_in(exchange);
        let answer = self.answer_record(exchange);
        let mut trace = self.trace.borrow_mut();
        if let Some(record) = trace.records.last_mut().filter(|record| record.answer.is_none()) {
            record.duration_us = micros(now().saturating_duration_since(exchange.began));
            record.answer = Some(answer);
        }
    }

    fn waits_for(&self, waiting: Waiting) {
        self.progress.set_to(waiting);
    }

    fn waits_for_ours(&self, words: String) {
        self.progress.set_ours(words);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
