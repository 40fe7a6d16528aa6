//! Who calls whom, and where recursion has to come by a safepoint.
//!
//! Nodes are the functions with a body and, for each type of an indirect call, one *hub*: its
//! callers lead to it, and it leads to every function of that type whose address is taken. So the
//! graph is as large as the code, however many functions a table has.
//!
//! ```text
//!   main ──> eval ──> hub (i32) -> i32 ──> add, print, apply
//!              ^                                        │
//!              └────────────────────────────────────────┘
//! ```
//! Every cycle contains an edge that leads back to a node of the path along which a depth-first
//! search has come. A safepoint at the targets of these edges is on every cycle: at the entry of a
//! function, or before each indirect call of a type. The search starts at the hubs, since an
//! indirect call is dear anyway.
//!
//! Code without any cycle may still run for ever, as far as people care: forty functions that each
//! call the next one twice. So a function also gets a safepoint if, with all that it calls, more
//! than [`MAX_COST`] instructions may come by none.

use crate::indirect::{hubs, taken_outside_code};
use crate::instruction::{Code, Op};
use crate::module::Module;
use crate::refusal::Refusal;

/// Instructions that may run without a safepoint, those of loops counted once.
const MAX_COST: u64 = 1 << 20;

/// Instructions of a function and its callees that make its safepoints count for one turn more.
const INSTRUCTIONS_PER_TURN: u64 = 1 << 16;

/// Where safepoints belong, and what each of a function counts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    functions: Vec<Verdict>,
    /// By index of types: whether its indirect calls get one.
    is_type_marked: Vec<bool>,
}

/// What becomes of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it gets a safepoint at its entry.
    pub(crate) is_marked: bool,
    /// What each safepoint of the function counts for, in turns of a small loop.
    pub(crate) weight: u32,
}

impl Plan {
    /// Reads the code of `module`, which is valid.
    pub(crate) fn of(module: &Module<'_>) -> Result<Self, Refusal> {
        let graph = Graph::of(module)?;
        let nodes = graph.search();
        let (functions, hubs) = nodes.split_at(graph.nr_functions.min(nodes.len()));
        let is_marked = |hub: &usize| hubs.get(*hub).is_some_and(|node| node.is_marked);
        Ok(Self {
            is_type_marked: graph.hub_of_type.iter().map(is_marked).collect(),
            functions: functions
                .iter()
                .map(|node| Verdict {
                    is_marked: node.is_marked,
                    weight: weight(node.cost),
                })
                .collect(),
        })
    }

    /// What becomes of the function with the body at `index`.
    pub(crate) fn function(&self, index: usize) -> Verdict {
        self.functions.get(index).copied().unwrap_or_default()
    }

    /// Whether indirect calls of this type get a safepoint.
    pub(crate) fn is_type_marked(&self, type_index: u32) -> bool {
        usize::try_from(type_index)
            .ok()
            .and_then(|index| self.is_type_marked.get(index).copied())
            .unwrap_or(false)
    }
}

/// What a safepoint of a function that costs `cost` counts for.
///
/// A turn of its loops seldom comes by all that it might call: so large functions count for less
/// than in proportion, and yet no number of calls is too large in the end.
fn weight(cost: u64) -> u32 {
    let small = cost.min(MAX_COST) / INSTRUCTIONS_PER_TURN;
    let large = cost / (MAX_COST << 8);
    u32::try_from(small.saturating_add(large))
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// A node while the search runs.
#[derive(Clone, Copy, Default)]
struct Node {
    state: State,
    is_marked: bool,
    /// Instructions of the function, and of what it calls without a safepoint.
    cost: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unseen,
    /// On the path that the search has come along.
    Open,
    Done,
}

/// The graph: functions first, then hubs; the edges of a node lie together.
struct Graph {
    nr_functions: usize,
    /// Own instructions of each function.
    sizes: Vec<u64>,
    /// Where the edges of each node begin, and one more.
    first_edge: Vec<usize>,
    edges: Vec<usize>,
    /// By index of types; equal types share a hub.
    hub_of_type: Vec<usize>,
    nr_hubs: usize,
}

impl Graph {
    fn of(module: &Module<'_>) -> Result<Self, Refusal> {
        let (hub_of_type, nr_hubs) = hubs(&module.types);
        let mut graph = Self {
            nr_functions: module.functions.len(),
            sizes: Vec::with_capacity(module.functions.len()),
            first_edge: vec![0],
            edges: Vec::new(),
            hub_of_type,
            nr_hubs,
        };
        let mut is_taken = vec![false; module.functions.len()];
        let sections = &module.sections;
        taken_outside_code(
            &module.globals,
            sections.tables.as_ref(),
            sections.elements.as_ref(),
            &mut |function| take(module, function, &mut is_taken),
        )?;
        for body in module.sections.code.clone().into_iter().flatten() {
            let mut code = Code::of(&body?)?;
            let mut size = 0_u64;
            while let Some(instruction) = code.next()? {
                size = size.saturating_add(1);
                match instruction.op {
                    Op::Call(function) | Op::ReturnCall(function) => {
                        graph.edges.extend(defined(module, function));
                    }
                    Op::CallIndirect { type_index, .. } => {
                        graph.edges.extend(graph.hub(type_index));
                    }
                    Op::RefFunc(function) => take(module, function, &mut is_taken),
                    _ => {}
                }
            }
            graph.sizes.push(size);
            graph.first_edge.push(graph.edges.len());
        }
        graph.add_hubs(module, &is_taken);
        Ok(graph)
    }

    /// Leads from each hub to the functions that a call of its type may reach.
    fn add_hubs(&mut self, module: &Module<'_>, is_taken: &[bool]) {
        let mut members = vec![Vec::new(); self.nr_hubs];
        let taken = module.functions.iter().zip(is_taken).enumerate();
        for (function, (&type_index, _)) in taken.filter(|(_, (_, is_taken))| **is_taken) {
            let hub = usize::try_from(type_index)
                .ok()
                .and_then(|index| self.hub_of_type.get(index));
            if let Some(members) = hub.and_then(|&hub| members.get_mut(hub)) {
                members.push(function);
            }
        }
        for members in members {
            self.edges.extend(members);
            self.first_edge.push(self.edges.len());
        }
    }

    /// The node of the hub for a type.
    fn hub(&self, type_index: u32) -> Option<usize> {
        let hub = self.hub_of_type.get(usize::try_from(type_index).ok()?)?;
        self.nr_functions.checked_add(*hub)
    }

    /// The range of `edges` that starts at a node.
    fn edges_of(&self, node: usize) -> (usize, usize) {
        let at = |index| self.first_edge.get(index).copied();
        let end = at(node.saturating_add(1)).unwrap_or(self.edges.len());
        (at(node).unwrap_or(end), end)
    }

    /// Searches depth first from all nodes, hubs first; with a stack of its own, for a graph may
    /// be as deep as it has nodes.
    fn search(&self) -> Vec<Node> {
        let nr_nodes = self.nr_functions.saturating_add(self.nr_hubs);
        let mut nodes = vec![Node::default(); nr_nodes];
        for (node, &size) in nodes.iter_mut().zip(&self.sizes) {
            node.cost = size;
        }
        let mut path: Vec<Step> = Vec::new();
        for root in (self.nr_functions..nr_nodes).chain(0..self.nr_functions) {
            self.enter(root, &mut nodes, &mut path);
            while let Some(step) = path.last_mut() {
                if step.next == step.end {
                    let done = step.node;
                    path.pop();
                    self.leave(done, &mut nodes);
                    continue;
                }
                let target = self.edges.get(step.next).copied();
                step.next = step.next.saturating_add(1);
                let Some(target) = target else { continue };
                match nodes.get_mut(target) {
                    Some(node) if node.state == State::Open => node.is_marked = true,
                    Some(node) if node.state == State::Unseen => {
                        self.enter(target, &mut nodes, &mut path);
                    }
                    _ => {}
                }
            }
        }
        nodes
    }

    fn enter(&self, at: usize, nodes: &mut [Node], path: &mut Vec<Step>) {
        let Some(node) = nodes.get_mut(at).filter(|node| node.state == State::Unseen) else {
            return;
        };
        node.state = State::Open;
        let (next, end) = self.edges_of(at);
        path.push(Step {
            node: at,
            next,
            end,
        });
    }

    /// Adds up what a node costs, now that this is known of all that it calls.
    fn leave(&self, at: usize, nodes: &mut [Node]) {
        let is_hub = at >= self.nr_functions;
        let (start, end) = self.edges_of(at);
        let callees = self.edges.get(start..end).unwrap_or_default().iter();
        let unpaid = callees
            .filter_map(|&callee| nodes.get(callee))
            .map(|callee| if callee.is_marked { 0 } else { callee.cost });
        // An indirect call reaches one function, a direct one each of its calls.
        let called = if is_hub {
            unpaid.max().unwrap_or(0)
        } else {
            unpaid.fold(0, u64::saturating_add)
        };
        if let Some(node) = nodes.get_mut(at) {
            node.cost = node.cost.saturating_add(called);
            node.is_marked |= node.cost > MAX_COST && !is_hub;
            node.state = State::Done;
        }
    }
}

/// A node of the path, and which of its edges come next.
struct Step {
    node: usize,
    next: usize,
    end: usize,
}

/// Notes that the address of a function is taken.
fn take(module: &Module<'_>, function: u32, is_taken: &mut [bool]) {
    if let Some(is_taken) = defined(module, function).and_then(|at| is_taken.get_mut(at)) {
        *is_taken = true;
    }
}

/// The index among the bodies of a function that is not imported.
fn defined(module: &Module<'_>, function: u32) -> Option<usize> {
    let index = usize::try_from(function).ok()?;
    index.checked_sub(module.imports.len())
}
