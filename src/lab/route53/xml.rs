//! Just enough XML: an escaping writer, and a reader that refuses what it does not know.

use std::fmt::Display;

use roxmltree::{Document, Node};

use super::error::ApiError;

/// The namespace of every Route 53 document.
pub(super) const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Writes one document, escaping every text.
pub(super) struct XmlWriter(String);

impl XmlWriter {
    /// A document with that root element, in Route 53's namespace.
    pub(super) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">"));
        content(&mut xml);
        xml.0.push_str(&format!("</{root}>"));
        xml.0
    }

    /// An element with elements inside.
    pub(super) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.0.push_str(&format!("<{name}>"));
        content(self);
        self.0.push_str(&format!("</{name}>"));
    }

    /// An element with a text inside.
    pub(super) fn text(&mut self, name: &str, text: impl Display) {
        self.element(name, |xml| {
            for c in text.to_string().chars() {
                match c {
                    '&' => xml.0.push_str("&amp;"),
                    '<' => xml.0.push_str("&lt;"),
                    '>' => xml.0.push_str("&gt;"),
                    '"' => xml.0.push_str("&quot;"),
                    // A reader would turn a bare carriage return into a line feed.
                    '\r' => xml.0.push_str("&#13;"),
                    c => xml.0.push(c),
                }
            }
        });
    }

    /// An element with a text inside, when there is one.
    pub(super) fn optional(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }
}

/// Parses a request body and hands its root element, which must have that name and namespace, to `read`.
pub(super) fn read_document<T>(
    body: &[u8],
    root: &str,
    read: impl FnOnce(Node<'_, '_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| ApiError::invalid_xml(&error.to_string()))?;
    let document = Document::parse(text).map_err(|error| ApiError::invalid_xml(&error.to_string()))?;
    let node = document.root_element();
    if node.tag_name().name() != root || node.tag_name().namespace() != Some(NAMESPACE) {
        return Err(ApiError::invalid_xml(&format!("expected the element '{root}' in the namespace '{NAMESPACE}'")));
    }
    read(node)
}

/// The children of one element, each known and at most once, in any order: the official clients do not keep to that of the
/// schema (those in Go sort by name), and are understood.
pub(super) struct Fields<'a, 'input> {
    parent: &'a str,
    nodes: Vec<Node<'a, 'input>>,
}

impl<'a, 'input: 'a> Fields<'a, 'input> {
    /// Reads the children of `node`, which may be those in `known` and no other.
    pub(super) fn read(node: Node<'a, 'input>, known: &[&str]) -> Result<Self, ApiError> {
        let parent = node.tag_name().name();
        let mut nodes = Vec::new();
        for child in elements(node)? {
            let name = child.tag_name().name();
            if !known.contains(&name) {
                return Err(ApiError::invalid_xml(&format!("unknown element '{name}' in '{parent}'")));
            }
            if nodes.iter().any(|node: &Node<'_, '_>| node.tag_name().name() == name) {
                return Err(ApiError::invalid_xml(&format!("element '{name}' twice in '{parent}'")));
            }
            nodes.push(child);
        }
        Ok(Self { parent, nodes })
    }

    /// A child element.
    pub(super) fn node(&self, name: &str) -> Option<Node<'a, 'input>> {
        self.nodes.iter().find(|node| node.tag_name().name() == name).copied()
    }

    /// A child element that must be there.
    pub(super) fn required_node(&self, name: &str) -> Result<Node<'a, 'input>, ApiError> {
        self.node(name).ok_or_else(|| ApiError::invalid_xml(&format!("no element '{name}' in '{}'", self.parent)))
    }

    /// The text of a child element.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.node(name).map(text_of).transpose()
    }

    /// The text of a child element that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ApiError> {
        text_of(self.required_node(name)?)
    }

    /// The text of a child element as a value of another type.
    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let parsed = text.trim().parse();
        parsed.map(Some).map_err(|_| ApiError::invalid_xml(&format!("'{text}' is not a value for '{name}'")))
    }
}

/// The child elements of a list whose items all have one name.
pub(super) fn items<'a, 'input>(list: Node<'a, 'input>, item: &str) -> Result<Vec<Node<'a, 'input>>, ApiError> {
    let items = elements(list)?;
    match items.iter().find(|node| node.tag_name().name() != item) {
        Some(other) => Err(ApiError::invalid_xml(&format!(
            "unknown element '{}' in '{}'",
            other.tag_name().name(),
            list.tag_name().name()
        ))),
        None => Ok(items),
    }
}

/// The text of an element that has no elements inside.
pub(super) fn text_of(node: Node<'_, '_>) -> Result<String, ApiError> {
    if node.children().any(|child| child.is_element()) {
        return Err(ApiError::invalid_xml(&format!("'{}' holds elements, not a text", node.tag_name().name())));
    }
    Ok(node.children().filter_map(|child| child.text()).collect())
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, ApiError> {
    let stray = node.children().any(|child| child.is_text() && child.text().is_some_and(|t| !t.trim().is_empty()));
    if stray {
        return Err(ApiError::invalid_xml(&format!("stray text in '{}'", node.tag_name().name())));
    }
    Ok(node.children().filter(Node::is_element).collect())
}
