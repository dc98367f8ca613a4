//! What validation with a schema can cost at most, found before anything is validated.
//!
//! The data is at most [`LEVELS`] deep. For each depth the most looks at one value are counted: along one path
//! from the root, every subschema that can be applied to the value at its end, as often as it can. Words that
//! exclude each other count once. What applies itself to the same value, or doubles on the way down, shows here.

use super::graph::{Graph, Node};
use crate::model::Violation;

/// Data nests no deeper, its root included.
pub(super) const LEVELS: usize = 64;

/// The most looks at one value.
const MAX_LOOKS: u64 = 4000;

/// How deep validation may recurse: a frame of some hundred bytes each, on threads with 2 MiB of stack.
const MAX_RECURSION: u64 = 400;

/// Looking at what was evaluated evaluates it again.
const AGAIN: u64 = 3;

/// The bounds of one schema.
#[derive(Debug)]
pub(super) struct Cost {
    /// The most looks at one value of each depth, the root being 0.
    pub(super) looks: Vec<u64>,
    /// The most patterns that one text is matched against.
    pub(super) patterns: u64,
}

/// Measures a schema; an error when it explodes.
pub(super) fn measure(graph: &Graph) -> Result<Cost, Violation> {
    let order = in_place_order(graph)?;
    let (mut looks, mut patterns) = (Vec::with_capacity(LEVELS + 1), 0);
    let count = graph.nodes.len();
    let (mut above, mut patterns_above, mut stack_above) = (vec![0; count], vec![0; count], vec![0; count]);
    for _ in 0..=LEVELS {
        let looking = level(graph, &order, &above, if looks.is_empty() { |node| node.cost } else { |_| 0 });
        let matching = level(
            graph,
            &order,
            &patterns_above,
            if looks.is_empty() { |node| node.patterns } else { |_| 0 },
        );
        let stack = recursion(graph, &order, &stack_above);
        if looking[0].max(matching[0]) > MAX_LOOKS {
            let detail = "validation explodes: one value could be looked at too many times; use fewer alternatives or references";
            return Err(Violation::new("", detail).with_code("schema_explodes"));
        }
        if stack[0] > MAX_RECURSION {
            let detail = "validation recurses too deep: shorten the chains of references";
            return Err(Violation::new("", detail).with_code("schema_explodes"));
        }
        looks.push(looking[0]);
        patterns = patterns.max(matching[0]);
        (above, patterns_above, stack_above) = (looking, matching, stack);
    }
    Ok(Cost { looks, patterns })
}

/// Looks that each subschema makes at one value so many levels below where it is applied; `above` has them for one
/// level less.
fn level(graph: &Graph, order: &[usize], above: &[u64], own: fn(&Node) -> u64) -> Vec<u64> {
    let mut found = vec![0_u64; graph.nodes.len()];
    for &at in order {
        let node = &graph.nodes[at];
        let sum =
            |of: &[u64], list: &[usize]| list.iter().fold(0_u64, |sum, child| sum.saturating_add(of[*child]));
        let again = if node.looks_again { AGAIN } else { 1 };
        let in_place = sum(&found, &node.in_place).saturating_add(sum(&found, &node.negated));
        found[at] =
            own(node).saturating_add(in_place).saturating_add(below(node, above, sum)).saturating_mul(again);
    }
    found
}

/// What a subschema applies one level below: a value is a member or an element, not both.
fn below(node: &Node, above: &[u64], sum: impl Fn(&[u64], &[usize]) -> u64) -> u64 {
    let one = |child: Option<usize>| child.map_or(0, |child| above[child]);
    let named = node.named.iter().map(|(_, child)| above[*child]).max().unwrap_or(0);
    let member = named.saturating_add(sum(above, &node.matching)).max(one(node.additional));
    let member = member.saturating_add(sum(above, &node.names));
    let placed = node.placed.iter().map(|child| above[*child]).max().unwrap_or(0);
    let element = placed.max(one(node.items));
    member.max(element).saturating_add(sum(above, &node.beside))
}

/// How deep each subschema recurses on data of so many levels.
fn recursion(graph: &Graph, order: &[usize], above: &[u64]) -> Vec<u64> {
    let mut found = vec![0_u64; graph.nodes.len()];
    for &at in order {
        let node = &graph.nodes[at];
        let in_place = node.in_place.iter().chain(&node.negated).map(|child| found[*child]).max();
        let deeper = graph.applied(at).map(|child| above[child]).max();
        found[at] = 1 + in_place.max(deeper).unwrap_or(0);
    }
    found
}

/// The subschemas, those that are applied to the same value before those that apply them.
fn in_place_order(graph: &Graph) -> Result<Vec<usize>, Violation> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.nodes.len()];
    let mut order = Vec::with_capacity(graph.nodes.len());
    for root in 0..graph.nodes.len() {
        let mut path = vec![root];
        while let Some(&at) = path.last() {
            if marks[at] == Mark::New {
                marks[at] = Mark::Open;
                for &next in graph.nodes[at].in_place.iter().chain(&graph.nodes[at].negated) {
                    match marks[next] {
                        Mark::New => path.push(next),
                        Mark::Open => {
                            let detail = "a reference leads back to itself without going into the data";
                            return Err(Violation::new("", detail).with_code("schema_explodes"));
                        }
                        Mark::Done => {}
                    }
                }
            } else {
                path.pop();
                if marks[at] == Mark::Open {
                    marks[at] = Mark::Done;
                    order.push(at);
                }
            }
        }
    }
    Ok(order)
}
