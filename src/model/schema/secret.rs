//! What a schema marks `writeOnly`: finding it in data, and cutting it out.

use super::graph::Graph;
use crate::model::{Violation, json};
use std::collections::BTreeSet;
use std::ops::Range;

/// Refuses marks where it could not be said which values they mean.
pub(super) fn check(graph: &Graph) -> Result<(), Vec<Violation>> {
    if !graph.has_secrets() {
        return Ok(());
    }
    let refused = |detail: &str| Err(vec![Violation::new("", detail)]);
    let mut at_root = BTreeSet::from([0]);
    close(graph, &mut at_root);
    if at_root.iter().any(|at| graph.nodes[*at].write_only) {
        return refused("writeOnly marks members of the data, not the data as a whole");
    }
    for node in &graph.nodes {
        for child in [&node.negated, &node.matching, &node.names, &node.beside].into_iter().flatten() {
            if reaches_secret(graph, *child) {
                let detail = "writeOnly is not taken under not, patternProperties, propertyNames, contains, unevaluatedItems and unevaluatedProperties";
                return refused(detail);
            }
        }
    }
    Ok(())
}

fn reaches_secret(graph: &Graph, from: usize) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(at) = open.pop() {
        if graph.nodes[at].write_only {
            return true;
        }
        open.extend(graph.applied(at).filter(|next| seen.insert(*next)));
    }
    false
}

/// Adds what is applied to the same value, whichever alternative turns out to hold.
fn close(graph: &Graph, at: &mut BTreeSet<usize>) {
    let mut open: Vec<usize> = at.iter().copied().collect();
    while let Some(one) = open.pop() {
        open.extend(graph.nodes[one].in_place.iter().filter(|next| at.insert(**next)));
    }
}

/// The text without its secrets; `None` when it has none. The text was scanned.
pub(super) fn without(graph: &Graph, text: &[u8]) -> Option<Vec<u8>> {
    if !graph.has_secrets() {
        return None;
    }
    let mut root = BTreeSet::from([0]);
    close(graph, &mut root);
    let mut cutter = Cutter { graph, text, out: Vec::with_capacity(text.len()), has_cut: false };
    let start = text.len() - text.trim_ascii_start().len();
    cutter.value(start..text.trim_ascii_end().len(), &root);
    cutter.has_cut.then_some(cutter.out)
}

struct Cutter<'a> {
    graph: &'a Graph,
    text: &'a [u8],
    out: Vec<u8>,
    has_cut: bool,
}

impl Cutter<'_> {
    fn value(&mut self, span: Range<usize>, applied: &BTreeSet<usize>) {
        match self.text[span.start] {
            b'{' if !applied.is_empty() => self.object(span, applied),
            b'[' if !applied.is_empty() => self.array(span, applied),
            _ => self.out.extend_from_slice(&self.text[span]),
        }
    }

    /// Nothing is copied twice: an object from which nothing was cut keeps its white space.
    fn object(&mut self, span: Range<usize>, applied: &BTreeSet<usize>) {
        let inner = &self.text[span.clone()];
        let members: Vec<_> = json::spans(inner, b'{').collect();
        let names = json::members(inner, 0..inner.len()).unwrap_or_default();
        let mut copied = span.start;
        let mut is_first = true;
        for ((name_span, value_span), (name, _)) in members.iter().zip(&names) {
            let below = self.below(applied, |node, found| {
                let named = node.named.iter().filter(|(known, _)| known == name);
                let before = found.len();
                found.extend(named.map(|(_, child)| *child));
                if found.len() == before {
                    found.extend(node.additional);
                }
            });
            let (start, end) = (span.start + name_span.start, span.start + value_span.end);
            if below.iter().any(|at| self.graph.nodes[*at].write_only) {
                self.has_cut = true;
                // What stands before it, up to the end of the member before.
                let kept = self.text[copied..start].trim_ascii_end();
                let kept = kept.strip_suffix(b",").unwrap_or(kept).to_vec();
                self.out.extend_from_slice(&kept);
                copied = end;
                if is_first {
                    copied = self.after_comma(end);
                }
                continue;
            }
            is_first = false;
            self.out.extend_from_slice(&self.text[copied..span.start + value_span.start]);
            self.value(span.start + value_span.start..end, &below);
            copied = end;
        }
        self.out.extend_from_slice(&self.text[copied..span.end]);
    }

    fn array(&mut self, span: Range<usize>, applied: &BTreeSet<usize>) {
        let elements: Vec<_> = json::spans(&self.text[span.clone()], b'[').collect();
        let mut copied = span.start;
        for (index, (_, element)) in elements.iter().enumerate() {
            let below = self.below(applied, |node, found| {
                found.extend(node.placed.get(index).copied().or(node.items));
            });
            let (start, end) = (span.start + element.start, span.start + element.end);
            self.out.extend_from_slice(&self.text[copied..start]);
            if below.iter().any(|at| self.graph.nodes[*at].write_only) {
                self.has_cut = true;
                self.out.extend_from_slice(b"null");
            } else {
                self.value(start..end, &below);
            }
            copied = end;
        }
        self.out.extend_from_slice(&self.text[copied..span.end]);
    }

    /// What applies to one member or element.
    fn below(
        &self,
        applied: &BTreeSet<usize>,
        of: impl Fn(&super::graph::Node, &mut Vec<usize>),
    ) -> BTreeSet<usize> {
        let mut found = Vec::new();
        for at in applied {
            of(&self.graph.nodes[*at], &mut found);
        }
        let mut found = found.into_iter().collect();
        close(self.graph, &mut found);
        found
    }

    /// Past the comma behind a member, if there is one.
    fn after_comma(&self, end: usize) -> usize {
        let rest = &self.text[end..];
        let space = rest.len() - rest.trim_ascii_start().len();
        if rest.get(space) == Some(&b',') { end + space + 1 } else { end }
    }
}
