//! Which functions can be on the stack when a program forks.
//!
//! A function reaches fork if it calls one that does, or makes an indirect call of the type of one
//! whose address is taken. The shim's functions are functions like others here: where a handler of
//! a signal can fork, so can all that a handler may interrupt.

use wasmparser::Operator;

use super::module::Guest;
use crate::indirect::{hubs, taken_outside_code};

/// For each function, imported ones first: whether it can reach one of `targets`.
pub(super) struct Reach {
    functions: Vec<bool>,
    /// By index of types: whether an indirect call of this type can.
    types: Vec<bool>,
}

impl Reach {
    /// Looks at all calls of `guest`.
    pub(super) fn of(guest: &Guest<'_>, target: u32) -> wasmparser::Result<Self> {
        let (hubs, _) = hubs(&guest.types);
        let nr_functions = guest.functions.len();
        let hub_of_type = |type_index: u32| {
            let hub = hubs.get(usize::try_from(type_index).ok()?)?;
            nr_functions.checked_add(*hub)
        };
        let nr_nodes = nr_functions.saturating_add(guest.types.len());
        // Who leads to each node: functions first, then a hub for each type of indirect calls.
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); nr_nodes];
        let mut lead = |from: Option<usize>, to: Option<usize>| {
            if let (Some(from), Some(to)) = (from, to)
                && let Some(list) = callers.get_mut(to)
                && list.last() != Some(&from)
            {
                list.push(from);
            }
        };
        let mut is_taken = vec![false; nr_functions];
        let mut take = |function: u32| {
            let index = usize::try_from(function).ok();
            if let Some(is_taken) = index.and_then(|index| is_taken.get_mut(index)) {
                *is_taken = true;
            }
        };
        let sections = &guest.sections;
        taken_outside_code(
            &guest.globals,
            sections.tables.as_ref(),
            sections.elements.as_ref(),
            &mut take,
        )?;
        for (function, body) in (guest.nr_imports..).zip(&guest.bodies) {
            let mut operators = body.code.get_operators_reader()?;
            while !operators.eof() {
                match operators.read()? {
                    Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                        lead(Some(function), usize::try_from(function_index).ok());
                    }
                    Operator::CallIndirect { type_index, .. }
                    | Operator::ReturnCallIndirect { type_index, .. } => {
                        lead(Some(function), hub_of_type(type_index));
                    }
                    Operator::RefFunc { function_index } => take(function_index),
                    _ => {}
                }
            }
        }
        for ((function, &type_index), _) in guest
            .functions
            .iter()
            .enumerate()
            .zip(&is_taken)
            .filter(|(_, is_taken)| **is_taken)
        {
            lead(hub_of_type(type_index), Some(function));
        }
        let mut reaches = vec![false; nr_nodes];
        let mut open: Vec<usize> = usize::try_from(target).into_iter().collect();
        while let Some(node) = open.pop() {
            match reaches.get_mut(node) {
                Some(known) if !*known => *known = true,
                _ => continue,
            }
            open.extend(callers.get(node).into_iter().flatten());
        }
        let node = |index: Option<usize>| {
            index.is_some_and(|index| reaches.get(index).copied().unwrap_or(false))
        };
        Ok(Self {
            types: (0_u32..)
                .zip(&guest.types)
                .map(|(index, _)| node(hub_of_type(index)))
                .collect(),
            functions: reaches.get(..nr_functions).unwrap_or_default().to_vec(),
        })
    }

    /// Whether a function can reach fork.
    pub(super) fn function(&self, function: u32) -> bool {
        let index = usize::try_from(function).unwrap_or(usize::MAX);
        self.functions.get(index).copied().unwrap_or(false)
    }

    /// Whether this call can: not one in the place of the caller's frame, which leaves none.
    pub(super) fn call(&self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Call { function_index } => self.function(*function_index),
            Operator::CallIndirect { type_index, .. } => {
                let index = usize::try_from(*type_index).unwrap_or(usize::MAX);
                self.types.get(index).copied().unwrap_or(false)
            }
            _ => false,
        }
    }
}
