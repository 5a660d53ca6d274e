//! Record set protections, which the SDK (aws-sdk-route53 1.132) does not know yet. Paths, elements and errors are those of the service's model
//! (botocore 1.44.5, `service-2.json`); the names of the IAM actions are those of the operations, as everywhere in Route 53.
//!
//! The SDK still sends them: an operation of the same form (a POST of XML that is answered with nothing to read) has its path, method and body
//! replaced before it is signed. So endpoint, credentials, signature, time-outs and errors are what they are for every other request. A request
//! whose path is not the expected one is not sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_route53::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_route53::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_route53::error::BoxError;
use aws_sdk_route53::types as sdk;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roxmltree::{Document, Node};

use super::rate::Urgency;
use super::{MAX_PAGES, Route53, errors, records};
use crate::domain::{Fence, Protection, RecordName, RecordType};
use crate::ports::{PortError, RecordProtection};

/// Where every path of the API begins.
const VERSION: &str = "/2013-04-01/";
/// What the operation whose request is replaced asks for.
const REPLACED: &str = "/2013-04-01/tags/hostedzone/";
/// The namespace of every document.
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// The most entries of one request.
const ENTRIES: usize = 100;

/// Another request in the place of the one that the SDK has made.
#[derive(Debug)]
struct Replace {
    /// Path and query, from the API's version on.
    path: String,
    /// What is sent; nothing asks by GET.
    body: Option<String>,
    answer: Arc<Mutex<String>>,
}

impl Intercept for Replace {
    fn name(&self) -> &'static str {
        "ReplaceRequest"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let Some((endpoint, _)) = request.uri().split_once(REPLACED) else {
            return Err("the SDK asks for another path than it used to".into());
        };
        let uri = format!("{endpoint}{VERSION}{}", self.path);
        request.set_uri(uri)?;
        let length = self.body.as_ref().map(String::len);
        request.set_method(if length.is_some() { "POST" } else { "GET" })?;
        let headers = request.headers_mut();
        headers.remove("content-length");
        match length {
            Some(length) => drop(headers.insert("content-length", length.to_string())),
            None => drop(headers.remove("content-type")),
        }
        *request.body_mut() = self.body.clone().unwrap_or_default().into();
        Ok(())
    }

    // Only then is the body in memory.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = String::from_utf8_lossy(body).into_owned();
        Ok(())
    }
}

impl Route53 {
    /// Sends it, and returns the answer's body. What has a body is sent once.
    async fn raw(&self, zone: &str, call: &str, path: String, body: Option<String>) -> Result<String, PortError> {
        let writes = body.is_some();
        self.turn(if writes { Urgency::Write } else { Urgency::Read }).await;
        let answer = Arc::<Mutex<String>>::default();
        let replace = Replace { path, body, answer: Arc::clone(&answer) };
        // Whatever the zone's id is, the path is replaced.
        let request = self.client.change_tags_for_resource().resource_type(sdk::TagResourceType::Hostedzone);
        let mut request = request.resource_id("replaced").customize().interceptor(replace);
        if writes {
            request = request.config_override(Self::once());
        }
        match request.send().await {
            Ok(_) => Ok(std::mem::take(&mut *answer.lock().unwrap_or_else(PoisonError::into_inner))),
            Err(error) if writes => Err(errors::protection(&error, zone, call)),
            Err(error) => Err(errors::read(&error, zone, call)),
        }
    }

    async fn change(&self, zone: &str, what: Change, names: &[RecordName], comment: &str) -> Result<(), PortError> {
        for names in names.chunks(ENTRIES) {
            let (path, body) = (path(zone, what.path()), what.document(names, comment));
            self.raw(zone, what.call(), path, Some(body)).await?;
        }
        Ok(())
    }
}

fn path(zone: &str, rest: &str) -> String {
    let id = zone.strip_prefix("/hostedzone/").unwrap_or(zone);
    format!("hostedzone/{}/{rest}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

/// One of the two that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Create,
    Delete,
}

impl Change {
    fn call(self) -> &'static str {
        match self {
            Self::Create => "CreateResourceRecordSetProtections",
            Self::Delete => "DeleteResourceRecordSetProtections",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Create => "rrsetprotection",
            Self::Delete => "rrsetprotection/delete",
        }
    }

    fn document(self, names: &[RecordName], comment: &str) -> String {
        let (entry, comment) = match self {
            Self::Create => ("ResourceRecordSetProtectionConfig", format!("<Comment>{}</Comment>", escaped(comment))),
            Self::Delete => ("ResourceRecordSetProtectionKey", String::new()),
        };
        let entries: Vec<String> = names
            .iter()
            .map(|RecordName { name, kind }| {
                let name = escaped(name);
                format!("<{entry}><RecordName>{name}</RecordName><RecordType>{kind}</RecordType>{comment}</{entry}>")
            })
            .collect();
        let root = format!("{}Request", self.call());
        format!("<{root} xmlns=\"{NAMESPACE}\"><Protections>{}</Protections></{root}>", entries.concat())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One page of a list, and the token of the next.
fn page(body: &str) -> Option<(Vec<Protection>, Option<String>)> {
    let document = Document::parse(body).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "ListResourceRecordSetProtectionsResponse" {
        return None;
    }
    let child = |node: Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| child.tag_name().name() == name)?;
        Some(found.text().unwrap_or_default().to_owned())
    };
    let mut found = Vec::new();
    for node in root.descendants().filter(|node| node.tag_name().name() == "ResourceRecordSetProtection") {
        let (name, kind) = (child(node, "RecordName")?, child(node, "RecordType")?);
        // Of other types than ours none is asked about.
        if let Some(kind) = RecordType::parse(&kind) {
            let of = RecordName { name: records::plain_name(&name), kind };
            found.push(Protection { of, comment: child(node, "Comment") });
        }
    }
    Some((found, child(root, "NextToken").filter(|token| !token.is_empty())))
}

#[async_trait]
impl RecordProtection for Route53 {
    /// All of the zone, so that one request says it of every name in the ordinary case.
    async fn list(&self, zone: &str) -> Result<Vec<Protection>, PortError> {
        const CALL: &str = "ListResourceRecordSetProtections";
        let mut found = Vec::new();
        let mut query = String::new();
        for _ in 0..MAX_PAGES {
            let body = self.raw(zone, CALL, path(zone, &format!("rrsetprotection{query}")), None).await?;
            let (page, next) = page(&body)
                .ok_or_else(|| PortError::retry(format!("{CALL} of {zone}: the answer cannot be read")))?;
            found.extend(page);
            match next {
                Some(token) => query = format!("?nexttoken={}", utf8_percent_encode(&token, NON_ALPHANUMERIC)),
                None => return Ok(found),
            }
        }
        Err(PortError::broken(format!("{CALL} of {zone}: the list fills more than {MAX_PAGES} pages")))
    }

    async fn create(&self, _: &Fence, zone: &str, names: &[RecordName], comment: &str) -> Result<(), PortError> {
        self.change(zone, Change::Create, names, comment).await
    }

    async fn delete(&self, _: &Fence, zone: &str, names: &[RecordName]) -> Result<(), PortError> {
        self.change(zone, Change::Delete, names, "").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_its_comments_and_its_next_page() {
        let body = "<?xml version=\"1.0\"?><ListResourceRecordSetProtectionsResponse xmlns=\"x\"><ResourceRecordSetProtections>\
                    <ResourceRecordSetProtection><RecordName>www.example.test.</RecordName><RecordType>A</RecordType>\
                    <Comment>a &amp; b</Comment></ResourceRecordSetProtection>\
                    <ResourceRecordSetProtection><RecordName>example.test.</RecordName><RecordType>MX</RecordType>\
                    </ResourceRecordSetProtection></ResourceRecordSetProtections><NextToken>t 1</NextToken>\
                    </ListResourceRecordSetProtectionsResponse>";
        let (found, next) = page(body).unwrap();
        let of = RecordName { name: "www.example.test".to_owned(), kind: RecordType::A };
        assert_eq!(found, [Protection { of, comment: Some("a & b".to_owned()) }]);
        assert_eq!(next.as_deref(), Some("t 1"));
        for other in ["", "<html/>", "<ErrorResponse/>", "{}"] {
            assert_eq!(page(other), None, "{other}");
        }
    }

    #[test]
    fn what_stands_in_a_document_is_escaped_and_a_zone_has_one_path() {
        let of = RecordName { name: "www.example.test".to_owned(), kind: RecordType::Cname };
        assert_eq!(
            Change::Create.document(std::slice::from_ref(&of), "a<b & c"),
            "<CreateResourceRecordSetProtectionsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Protections>\
             <ResourceRecordSetProtectionConfig><RecordName>www.example.test</RecordName><RecordType>CNAME</RecordType>\
             <Comment>a&lt;b &amp; c</Comment></ResourceRecordSetProtectionConfig></Protections>\
             </CreateResourceRecordSetProtectionsRequest>"
        );
        assert!(!Change::Delete.document(&[of], "x").contains("Comment"));
        assert_eq!(path("/hostedzone/Z1", "rrsetprotection"), path("Z1", "rrsetprotection"));
        assert_eq!(path("Z/1", "x"), "hostedzone/Z%2F1/x");
    }
}
